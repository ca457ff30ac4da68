"""Nomination and delivery of lines: agreements are written, and escrow pays for what was delivered.

Nomination closes the open positions; from then on escrow and the suppliers' deposits belong to the
lines. Delivery ends the lines: escrow pays the supplier for delivered lots and refunds the buyer
for the others. For these the supplier owes a penalty, taken from its deposit first, then from its
cash; the rest is a receivable. Vouchers shrink with the delivery.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import NULL, begin_digest
from ledger.books.directory import Directory
from ledger.books.names import FEES, PENALTIES
from ledger.books.schema import columns_of
from ledger.delivery.agreements import Nomination
from ledger.vouchers.claims import NewClaims
from ledger.vouchers.decisions import Decisions, PriorGrants, decide, read_prior_grants
from ledger.vouchers.open_batch import OpenBatch
from ledger.vouchers.reservations import end_reservations

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

MILLION = 1_000_000
"""Millionths in a lot: the unit of delivered quantities."""

_BOOKS_COLUMNS = {
    "delivered": "delivered_millionths", "excess": "excess_millionths", "metered": "source",
    "value": "value_fen", "refund": "refund_fen", "fee": "fee_fen", "penalty": "penalty_fen",
}  # fmt: skip
"""Names of the columns of `deliveries` in the books."""


@dataclass(frozen=True)
class AgreementVouchers:
    """Live decisions on the agreements of a delivery, one row each."""

    id: Integers
    agreement: Integers
    buyer: Integers
    programme_row: Integers
    grant_fen: Integers
    state_turn: Integers  # turn of the last state; 0: none yet


class OpeningState(NamedTuple):
    """State of the books before nominations are written, read before the database loads."""

    prior: PriorGrants
    reserved: Columns  # open reservations
    left: Columns  # long positions, including nominated ones


def write_nomination(
    batch: OpenBatch, found: Nomination, opening: OpeningState
) -> AgreementVouchers:
    """Write nominations, agreements and closed positions, and decide on vouchers."""
    books, prior = batch.books, opening.prior
    batch.hashes["positions"] = begin_digest("positions", _closing_rows(found.positions))
    for name, columns in (("agreements", found.agreements), ("nominations", found.lines)):
        batch.hashes[name] = begin_digest(name, columns)
        books.run_with(columns, "delivery", name, batch=batch.number)
    books.run_with(found.positions, "delivery", "closed_positions", batch=batch.number)
    if len(found.blocks["quantity"]):
        books.run_with(found.blocks, "blocks", "nominations", batch=batch.number)
    if len(opening.reserved["id"]):
        end_reservations(batch.states, opening.reserved, found.positions, opening.left)
        prior = read_prior_grants(books, batch.number)
    decided = _decide(batch, found, prior)
    batch.hashes["vouchers"] = decided.sha256
    turn = _write_decisions(batch, decided)
    buyer = found.agreements["buyer"][decided.row]
    return AgreementVouchers(
        decided.id, decided.agreement, buyer, decided.programme_row, decided.grant_fen, turn
    )


def _decide(batch: OpenBatch, found: Nomination, prior: PriorGrants) -> Decisions:
    """Decide on the agreements."""
    none = np.zeros(len(found.agreements["id"]), dtype=np.int64)
    wanted = {
        **found.agreements, "agreement": found.agreements["id"], "account": none, "instrument": none
    }  # fmt: skip
    return decide(batch.books, batch.number, wanted, batch.directory, prior)


def _closing_rows(positions: Columns) -> Columns:
    """The rows of `positions` that close them, in the form in which they are hashed."""
    quantity, price = positions["quantity"], positions["price_ticks"]
    closed = {name: np.zeros(len(quantity), dtype=np.int64) for name in columns_of("positions")}
    return closed | {
        "account": positions["account"], "instrument": positions["instrument"],
        "tick_fen": positions["tick_fen"], "opening_quantity": quantity, "opening_ticks": price,
        "delivered": -quantity, "price_ticks": price,
        "first_day": np.full(len(quantity), NULL), "first_sequence": np.full(len(quantity), NULL),
    }  # fmt: skip


def _write_decisions(batch: OpenBatch, decided: Decisions) -> Integers:
    """Write the first state of each decision; returns its turn, 0 for claims not made yet."""
    deducted = batch.directory.programme_deducts[decided.programme_row]
    granted = decided.grant_fen > 0
    for state, chosen in (("rejected", ~granted), ("reserved", granted & deducted)):
        batch.states.write(state, decided.id[chosen], 1, decided.grant_fen[chosen])
    return np.where(granted & ~deducted, 0, 1)


def deliver_lines(
    batch: OpenBatch, lines: Columns, vouchers: AgreementVouchers
) -> tuple[Columns, NewClaims]:
    """Pay from escrow for delivered lines; returns the rows of `deliveries` and the new claims.

    `lines` has agreement, instrument, buyer, supplier, quantity, value_fen, fee_fen,
    guaranteed_fen, penalty_bp, delivered_millionths and metered. Metered quantity beyond the
    nomination is recorded, not paid.
    """
    whole = lines["quantity"] * MILLION
    delivered = np.minimum(lines["delivered_millionths"], whole)
    value = _share(lines["value_fen"], delivered, whole)
    refund = lines["value_fen"] - value
    penalty = (
        refund // 10_000 * lines["penalty_bp"] + refund % 10_000 * lines["penalty_bp"] // 10_000
    )
    columns = {
        "agreement": lines["agreement"], "instrument": lines["instrument"],
        "nominated": lines["quantity"], "delivered": delivered,
        "excess": lines["delivered_millionths"] - delivered, "value": value, "refund": refund,
        "fee": lines["fee_fen"], "penalty": penalty, "metered": lines["metered"],
    }  # fmt: skip
    batch.hashes["deliveries"] = begin_digest(
        "deliveries", {_BOOKS_COLUMNS.get(name, name): column for name, column in columns.items()}
    )
    batch.books.run_with(columns, "delivery", "deliveries", batch=batch.number)
    _post(batch, lines, value, refund, penalty)
    return columns, _apply_vouchers(batch, lines, value, vouchers)


def _share(fen: Integers, part: Integers, whole: Integers) -> Integers:
    """floor(fen * part / whole), in two steps because the product may not fit 64 bits."""
    lots, rest = part // MILLION, part % MILLION
    quantity = whole // MILLION
    a_lot = fen // quantity  # exact: a value is quantity x price
    return a_lot * lots + a_lot * rest // MILLION


def _post(
    batch: OpenBatch, lines: Columns, value: Integers, refund: Integers, penalty: Integers
) -> None:
    journal, names = batch.journal, batch.directory.names
    about = {"instrument": lines["instrument"], "agreement": lines["agreement"]}
    supplier, held = lines["supplier"], lines["guaranteed_fen"]
    journal.add("delivery", lines["instrument"], supplier, value, **about)
    journal.add("refund", lines["instrument"], lines["buyer"], refund, **about)
    journal.add("fee", supplier, names[FEES], lines["fee_fen"], **about)
    taken = np.minimum(penalty, held)
    chosen = held > 0
    guarantee = np.zeros(len(supplier), dtype=np.int64)
    guarantee[chosen] = names.sibling("guarantee", supplier[chosen])
    if penalty.any():
        journal.add("penalty", guarantee, names[PENALTIES], taken, **about)
        journal.add("penalty", supplier, names[PENALTIES], penalty - taken, **about)
    journal.add("release", guarantee, supplier, held - taken, **about)


def _apply_vouchers(
    batch: OpenBatch, lines: Columns, value: Integers, vouchers: AgreementVouchers
) -> NewClaims:
    """Consume vouchers or make claims for the delivered part, and free the rest; returns the
    claims.
    """
    granted = vouchers.grant_fen > 0
    first = int(lines["agreement"].min(initial=0))
    size = int(lines["agreement"].max(initial=0)) - first + 1
    nominated, delivered = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    np.add.at(nominated, lines["agreement"] - first, lines["value_fen"])
    np.add.at(delivered, lines["agreement"] - first, value)
    of = vouchers.agreement[granted] - first
    grant = vouchers.grant_fen[granted]
    due = grant.copy()
    for k in np.flatnonzero(delivered[of] != nominated[of]).tolist():
        due[k] = int(grant[k]) * int(delivered[of[k]]) // int(nominated[of[k]])
    deducted = batch.directory.programme_deducts[vouchers.programme_row[granted]]
    number, turn = vouchers.id[granted], vouchers.state_turn[granted]
    less = grant - due
    part, none = (due > 0) & (less > 0), due == 0
    for state, chosen, step, fen in (
        ("reduced", part, 1, less), ("released", none, 1, less),
        ("consumed", deducted & ~none, 1 + part, due),
        ("claimed", ~deducted & ~none, 1 + part, due),
    ):  # fmt: skip
        batch.states.write(state, number[chosen], (turn + step)[chosen], fen[chosen])
    agreement, programme_row = vouchers.agreement[granted], vouchers.programme_row[granted]
    batch.states.pay(batch.journal, batch.directory, {
        "voucher": number, "agreement": agreement, "buyer": vouchers.buyer[granted],
        "programme_row": programme_row, "amount_fen": np.where(deducted, due, 0),
    })  # fmt: skip
    chosen = ~deducted & ~none
    return NewClaims(
        *(column[chosen] for column in (number, agreement, programme_row, turn + 1 + part, due))
    )


def lines_of(found: Nomination, directory: Directory) -> Columns:
    """The lines of a nomination as `deliver_lines` needs them, all delivered in full."""
    lines = dict(found.lines)
    lines["buyer"] = found.positions["account"][lines["long"]]
    lines["supplier"] = found.positions["account"][lines["short"]]
    contract = found.positions["contract"][lines["long"]]
    lines["penalty_bp"] = directory.contract_penalty_bp[contract]
    lines["delivered_millionths"] = lines["quantity"] * MILLION
    lines["metered"] = np.zeros(len(contract), dtype=np.int64)
    return lines

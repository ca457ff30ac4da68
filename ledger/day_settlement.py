"""Settlement of a trading day: from the machine's events to sealed postings, in one transaction.

It writes two batches. `settlement`: deposits and withdrawals, differences to the day's settlement
prices, escrow, performance deposits of suppliers, fees. `delivery`: nominations, service
agreements, payments from escrow to suppliers, vouchers. Settling the same day from the same input
again changes nothing.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import BatchHeader, begin_digest, next_batch, next_revision, seal_batch
from ledger.books.database import Books
from ledger.books.directory import Directory, day_number, day_start_s, write_directory
from ledger.books.errors import DayOrderError, InputDiffersError, InputError
from ledger.books.journal import Journal, JournalLines, journal_lines
from ledger.books.names import BANK, CLEARING, FEES, Names
from ledger.books.progress import Progress, no_progress
from ledger.books.queries import statements
from ledger.books.registry_check import check_venue, trading_day
from ledger.daylog.registry import Registry
from ledger.delivery.agreements import (
    deliverable_positions,
    make_agreements,
    next_agreement_id,
    open_positions,
)
from ledger.delivery.block_trades import BoughtBlocks, add_todays_blocks, read_bought_blocks
from ledger.delivery.delivery_lines import (
    OpeningState,
    deliver_lines,
    lines_of,
    write_nomination,
)
from ledger.settlement.busts import check_busts
from ledger.settlement.fills import Fills, read_fills
from ledger.settlement.netting import Columns, net
from ledger.statements.account import closing_cash_fen
from ledger.statements.summary import Settlement, summarise
from ledger.vouchers.claims import made_claims, redeem_and_pay, waiting_claims
from ledger.vouchers.decisions import PriorGrants, read_prior_grants
from ledger.vouchers.open_batch import OpenBatch, write_postings
from ledger.vouchers.reservations import reserve, waiting_reservations

_STAGES = ("trades", "netting", "delivery", "vouchers", "hashes", "summary")

Events = NDArray[np.void] | Iterable[NDArray[np.void]]


def settle(
    books: Books,
    registry: Registry,
    events: Events,
    input_sha256: str,
    *,
    deliver: bool = True,
    dry_run: bool = False,
    progress: Progress | None = None,
    lines: JournalLines | None = None,
) -> Settlement:
    """Settle the registry's trading day from the machine's events; returns the day's totals.

    `input_sha256` names the input (the day log's hash). With `deliver`, all open positions in the
    registry's instruments count as delivered in full; without it, they are carried with their
    escrow. `dry_run` rolls everything back and returns what would have been posted. `lines`
    receives the day's postings. A day that is settled already is read from the books, and `events`
    is not read. Raises LedgerError where the day was settled from another input, where a later day
    is settled, or where events and registry do not fit.
    """
    day = trading_day(registry)
    check_venue(books, registry.venue)
    if _is_settled(books, day, input_sha256):
        return _with_lines(books, summarise(books, day, already_settled=True), lines)
    report = progress or no_progress
    report(_STAGES[0], 0, len(_STAGES))
    with books.transaction(keep=not dry_run):
        number, revision = next_batch(books), next_revision(books, day)
        inputs = _read_delivery_inputs(books, number) if deliver else None
        fills = read_fills(events, registry)
        settlement, positions = _net(books, registry, fills, number, report)
        batches = {"settlement": settlement}
        if inputs is None:
            settlement.hashes.update(reserve(books, number, settlement.directory))
        else:
            bought = add_todays_blocks(inputs.bought, fills, settlement.directory, number)
            inputs = inputs._replace(bought=bought)
            batches["delivery"] = _deliver(settlement, positions, inputs, report)
        report("hashes", 4, len(_STAGES))
        for kind, batch in batches.items():
            header = BatchHeader(kind, day, registry.venue, input_sha256, revision)
            seal_batch(books, batch.number, header, batch.hashes)
        if dry_run:  # the rows are gone after the transaction
            result = _with_lines(books, summarise(books, day, dry_run=True), lines)
    report("summary", len(_STAGES) - 1, len(_STAGES))  # the postings are durable
    if not dry_run:
        result = _with_lines(books, summarise(books, day), lines)
    report("done", len(_STAGES), len(_STAGES))
    return result


def _with_lines(books: Books, result: Settlement, lines: JournalLines | None) -> Settlement:
    """The result itself; `lines` receives the postings of its batches."""
    if lines is not None:
        lines += journal_lines(books, result.batches)
    return result


def _is_settled(books: Books, day: str, input_sha256: str) -> bool:
    """Whether the day is settled from this input; raises LedgerError where it may not be."""
    rows = books.rows(
        "SELECT day::VARCHAR, input_sha256 FROM standing WHERE kind = 'settlement' ORDER BY day"
    )
    for settled_day, settled_input in rows:
        if settled_day == day and settled_input != input_sha256:
            raise InputDiffersError(
                f"{books.path}: {day} is settled from another input: the books have "
                f"{settled_input[:16]}..., this one is {input_sha256[:16]}..."
            )
    if any(settled_day == day for settled_day, _ in rows):
        return True
    if rows and rows[-1][0] > day:
        raise DayOrderError(f"{books.path}: {day} comes too late, {rows[-1][0]} is settled already")
    return False


class _DeliveryInputs(NamedTuple):
    """State of the books before the day, as far as its delivery needs it."""

    agreement_id: int  # of the first agreement
    prior: PriorGrants
    reservations: Columns
    claims: Columns
    bought: BoughtBlocks


def _read_delivery_inputs(books: Books, batch: int) -> _DeliveryInputs:
    return _DeliveryInputs(
        next_agreement_id(books), read_prior_grants(books, batch), waiting_reservations(books),
        waiting_claims(books), read_bought_blocks(books),
    )  # fmt: skip


def _net(
    books: Books, registry: Registry, fills: Fills, number: int, report: Progress
) -> tuple[OpenBatch, Columns]:
    """Write the settlement batch up to its seal; returns it and the positions open after it.

    All reads come first, so that the database loads rows while the rest is computed.
    """
    names = Names(books)
    for name in (BANK, CLEARING, FEES):
        names[name]  # these get the first numbers
    directory = write_directory(books, number, registry, names)
    carried, journal = open_positions(books), Journal(books, names)
    prices = books.arrays(statements("netting")["prices"])
    opening = fills.transfers["sequence"] <= registry.opening_commands
    if registry.opening_commands:
        _check_opening(books, directory, fills.transfers, opening)
    books.limit_memory()
    batch = OpenBatch.create(books, directory, journal, number)
    batch.hashes["trades"] = begin_digest("trades", fills.trades)
    for table, rows in (("trades", fills.trades), ("busts", fills.busts)):
        columns = ", ".join(rows)
        if len(rows["trade_id"]):
            books.load(
                f"INSERT INTO {table} (batch, {columns}) SELECT {number}, {columns} FROM columns",
                rows,
            )
    report("netting", 1, len(_STAGES))
    if len(fills.blocks["row"]):
        books.run_with(fills.blocks, "blocks", "trades", batch=number)
    check_busts(books, number, fills, directory)
    netting = net(fills.trades, fills.busts, carried, prices, directory)
    batch.hashes["positions"] = begin_digest("positions", netting.positions)
    books.run_with(netting.instrument_days, "netting", "instrument_days", batch=number)
    books.run_with(netting.positions, "netting", "positions", batch=number)
    _draft_transfers(journal, directory, fills.transfers, ~opening)
    _draft_positions(journal, directory, netting.positions)
    write_postings(batch)
    return batch, _open_after(carried, netting.positions)


def _open_after(carried: Columns, positions: Columns) -> Columns:
    """The open positions after a day: those it changed, and carried ones that it did not."""
    kept = ~np.isin(carried["instrument"], positions["instrument"])
    left = positions["quantity"] != 0
    return {
        name: np.concatenate([column[kept], positions[name][left]])
        for name, column in carried.items()
    }


def _check_opening(
    books: Books, directory: Directory, transfers: Columns, opening: NDArray[np.bool_]
) -> None:
    """Raise InputError where the log's opening transfers are not the money in the books.

    That money is cash, and the performance deposits of positions that still trade.
    """
    funded: dict[str, int] = {}
    account = directory.account[transfers["account"][opening]]
    for number, fen in zip(account.tolist(), transfers["amount_fen"][opening], strict=True):
        name = directory.names.bare(number)
        funded[name] = funded.get(name, 0) + int(fen)
    closed = closing_cash_fen(books)
    start_s = day_start_s(day_number(directory.registry.trading_day))
    trading = {each.symbol for each in directory.registry.instruments if each.gate_s > start_s}
    for name, symbol, fen in books.rows(
        "SELECT substr(a.name, 6), substr(i.name, 8), guaranteed_fen FROM open_positions AS p "
        "JOIN names AS a ON a.id = p.account JOIN names AS i ON i.id = p.instrument"
    ):
        if symbol in trading:
            closed[name] = closed.get(name, 0) + fen
    for name in sorted(funded.keys() | closed.keys()):
        if funded.get(name, 0) != closed.get(name, 0):
            raise InputError(
                f"day {directory.registry.trading_day}: {name} opens with {funded.get(name, 0)} "
                f"fen, but the books closed with {closed.get(name, 0)}"
            )


def _draft_transfers(
    journal: Journal, directory: Directory, transfers: Columns, chosen: NDArray[np.bool_]
) -> None:
    """Draft a posting for each deposit and withdrawal."""
    account = directory.account[transfers["account"]]
    bank = np.array(directory.names[BANK])
    for kind, own in (("deposit", transfers["deposit"]), ("withdrawal", ~transfers["deposit"])):
        rows = chosen & own
        payer, payee = (bank, account[rows]) if kind == "deposit" else (account[rows], bank)
        journal.add(
            kind, payer, payee, transfers["amount_fen"][rows],
            sequence=transfers["sequence"][rows],
        )  # fmt: skip


def _draft_positions(journal: Journal, directory: Directory, positions: Columns) -> None:
    """Draft differences, escrow, performance deposits and fees of all positions."""
    names = directory.names
    account, instrument = positions["account"], positions["instrument"]
    about = {"instrument": instrument}
    difference = positions["difference_fen"]
    clearing = names[CLEARING]
    journal.add_either_way("difference", "difference", account, clearing, difference, **about)
    journal.add_either_way(
        "escrow", "escrow", account, instrument, positions["escrow_fen"], **about
    )
    held = positions["guaranteed_fen"] - positions["guaranteed0_fen"]
    chosen = np.flatnonzero(held)
    journal.add_either_way(
        "guarantee", "release", account[chosen], names.sibling("guarantee", account[chosen]),
        held[chosen], instrument=instrument[chosen],
    )  # fmt: skip
    journal.add_either_way("fee", "fee-refund", account, names[FEES], positions["fee_fen"], **about)


def _deliver(
    settlement: OpenBatch, positions: Columns, inputs: _DeliveryInputs, report: Progress
) -> OpenBatch:
    """Write the delivery batch up to its seal: all positions are delivered in full."""
    report("delivery", 2, len(_STAGES))
    books, directory, journal = settlement.books, settlement.directory, settlement.journal
    nomination = make_agreements(
        deliverable_positions(positions, directory, None), directory, inputs.agreement_id,
        inputs.bought,
    )  # fmt: skip
    report("vouchers", 3, len(_STAGES))
    journal.begin_next_batch()
    batch = OpenBatch.create(books, directory, journal, settlement.number + 1)
    long = {name: positions[name][positions["quantity"] > 0] for name in ("account", "instrument")}
    opening = OpeningState(inputs.prior, inputs.reservations, long)
    vouchers = write_nomination(batch, nomination, opening)
    _, made = deliver_lines(batch, lines_of(nomination, directory), vouchers)
    made_now = made_claims(batch, made, nomination.agreements)
    redeem_and_pay(batch, {
        name: np.concatenate([column, made_now[name]]) for name, column in inputs.claims.items()
    })  # fmt: skip
    write_postings(batch)
    return batch

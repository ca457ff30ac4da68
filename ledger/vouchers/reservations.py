"""Reservations: vouchers that wait, from the trade day on, for a supplier to be known.

In the evening of a trading day each long position that is carried and whose programme deducts gets
what its agreement would get, first come, first served by the first buy. The evening before's
reservations end with it: a position that was resold or busted has none any more, and its money is
there for those who come after. At nomination an agreement takes the place of its positions. The
buyer's own money stays reserved in full until delivery.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import KnownHashes
from ledger.books.database import Books
from ledger.books.directory import Directory
from ledger.books.queries import statements
from ledger.vouchers.decisions import decide, read_prior_grants
from ledger.vouchers.states import VoucherStates

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


def reserve(books: Books, batch: int, directory: Directory) -> KnownHashes:
    """End all reservations, and reserve anew for the long positions that the batch leaves.

    Runs in a settlement whose positions are written; what it writes is hashed to what it returns.
    Cost: nothing where no programme deducts.
    """
    known = {}
    states = VoucherStates(books, batch, directory.registry.trading_day)
    _end(states, waiting_reservations(books), "released")
    if any(each.model == "deduct" for each in directory.registry.programmes):
        wanted = _long_positions(books, batch, directory)
        decided = decide(books, batch, wanted, directory, read_prior_grants(books, batch))
        known["vouchers"] = decided.sha256
        for state, chosen in (
            ("reserved", decided.grant_fen > 0), ("rejected", decided.grant_fen == 0)
        ):  # fmt: skip
            states.step(state, decided.id[chosen], 1, decided.grant_fen[chosen])
    return {**known, **states.hashes()}


def waiting_reservations(books: Books) -> Columns:
    """The reservations that wait."""
    return books.arrays(statements("vouchers")["reserved"])


def end_reservations(
    states: VoucherStates, ended: Columns, nominated: Columns, left: Columns
) -> None:
    """End the reservations of positions that are nominated, and of those not `left` open.

    What is nominated is confirmed: its agreement gets a decision of its own.
    """
    confirmed = np.isin(_keys(ended), _keys(nominated))
    gone = ~confirmed & ~np.isin(_keys(ended), _keys(left))
    for state, chosen in (("confirmed", confirmed), ("released", gone)):
        rows = {name: column[chosen] for name, column in ended.items()}
        _end(states, rows, state)


def _end(states: VoucherStates, ended: Columns, state: str) -> None:
    states.step(state, ended["id"], 2, ended["grant_fen"])


def _keys(positions: Columns) -> Integers:
    """One number for each account and instrument."""
    return np.asarray(positions["account"].astype(np.int64) << 32) + positions["instrument"]


def _long_positions(books: Books, batch: int, directory: Directory) -> Columns:
    """Long positions of the registry's instruments as `decide` takes them, by their first buy."""
    rows = books.arrays(statements("vouchers")["long_positions"], {"batch": batch})
    rows = {name: column.astype(np.int64) for name, column in rows.items()}
    number = directory.instrument_numbers(rows["instrument"])
    rows = {name: column[number > 0] for name, column in rows.items()}
    order = np.lexsort(
        (rows["instrument"], rows["account"], rows["first_sequence"], rows["first_day"])
    )
    rows = {name: column[order] for name, column in rows.items()}
    number = number[number > 0][order]
    party = directory.account_numbers(rows["account"])
    directory.check_holders(rows, party)
    firm = directory.account_firm[party]
    none = np.zeros(len(number), dtype=np.int64)
    return {
        **rows, "agreement": none, "supplier_firm": none, "related": none > 0,
        "buyer_row": firm, "buyer_firm": directory.firm[firm],
        "contract_row": directory.instrument_contract[number],
        "delivery_day": directory.instrument_day[number],
    }  # fmt: skip

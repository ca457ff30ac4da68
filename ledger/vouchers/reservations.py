"""Reservations: vouchers for long positions, from the trade day until the supplier is known.

After each trading day, every carried long position whose programme deducts gets what its agreement
would get, first come, first served by the first buy. The reservations of the day before end at the
same time, so what was resold or busted is free for later buyers. At nomination an agreement
replaces its positions. The buyer's own money stays reserved in full until delivery.
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
    """End all reservations, and reserve anew for the batch's long positions; returns hashes of its
    rows.

    It runs in a settlement whose positions are written. Cost: nothing where no programme deducts.
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
            states.write(state, decided.id[chosen], 1, decided.grant_fen[chosen])
    return {**known, **states.hashes()}


def waiting_reservations(books: Books) -> Columns:
    """The reservations that are still open."""
    return books.arrays(statements("vouchers")["reserved"])


def end_reservations(
    states: VoucherStates, ended: Columns, nominated: Columns, left: Columns
) -> None:
    """End the reservations of nominated positions and of positions that are not in `left` any more.

    The former are confirmed, because their agreement gets a decision of its own; the latter are
    released.
    """
    confirmed = np.isin(_keys(ended), _keys(nominated))
    gone = ~confirmed & ~np.isin(_keys(ended), _keys(left))
    for state, chosen in (("confirmed", confirmed), ("released", gone)):
        rows = {name: column[chosen] for name, column in ended.items()}
        _end(states, rows, state)


def _end(states: VoucherStates, ended: Columns, state: str) -> None:
    states.write(state, ended["id"], 2, ended["grant_fen"])


def _keys(positions: Columns) -> Integers:
    """One number for each pair of account and instrument."""
    return np.asarray(positions["account"].astype(np.int64) << 32) + positions["instrument"]


def _long_positions(books: Books, batch: int, directory: Directory) -> Columns:
    """Long positions in the registry's instruments, with the columns of `decide`, by their first
    buy.
    """
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

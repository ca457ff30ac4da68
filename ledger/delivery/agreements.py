"""Service agreements: nominated lines grouped by buyer, supplier, contract and day of delivery.

Programmes call such a group a contract. Its value is at settlement prices. Agreements are numbered
by the buyer's first buy in their instruments: the order of "first come, first served".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.directory import Directory
from ledger.delivery.block_nomination import BlockParts, assign_blocks, complete_split
from ledger.delivery.block_trades import BoughtBlocks, blocks_in_positions, current_suppliers
from ledger.delivery.nomination import Pairings, match_positions

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

_SEQUENCE_BITS = 44


@dataclass(frozen=True)
class Nomination:
    """Open positions in the order of their hours, the lines between them, and the agreements."""

    positions: Columns
    lines: Columns  # of `nominations`, with their rows of `positions`
    agreements: Columns
    blocks: Columns  # of `block_nominations`


def open_positions(books: Books) -> Columns:
    """All open positions of the books, in no order."""
    return books.arrays(
        "SELECT account, instrument, tick_fen, quantity, price_ticks, guaranteed_fen, fee_due_fen, "
        "coalesce(date_diff('day', DATE '1970-01-01', first_day), 0) AS first_day, "
        "coalesce(first_sequence, 0) AS first_sequence FROM open_positions"
    )


def next_agreement_id(books: Books) -> int:
    """The number of the next agreement."""
    return int(books.scalar("SELECT coalesce(max(id), 0) + 1 FROM agreements"))


def deliverable_positions(found: Columns, directory: Directory, days: Integers | None) -> Columns:
    """Open positions in the registry's instruments, by hour; only of the given delivery days.

    `days` None means all days. Raises InputError where the registry does not name a holder.
    """
    number = directory.instrument_numbers(found["instrument"])
    chosen = number > 0
    if days is not None:
        chosen &= np.isin(directory.instrument_day[number], days)
    rows = {name: column[chosen].astype(np.int64) for name, column in found.items()}
    rows["number"] = number[chosen]
    account = directory.account_numbers(rows["account"])
    directory.check_holders(rows, account)
    rows["party"] = account
    rows["contract"] = directory.instrument_contract[rows["number"]]
    rows["day"] = directory.instrument_day[rows["number"]]
    rows["start_s"] = directory.instrument_start_s[rows["number"]]
    order = np.lexsort((account, rows["number"], rows["start_s"], rows["day"], rows["contract"]))
    return {name: column[order] for name, column in rows.items()}


def make_agreements(
    positions: Columns, directory: Directory, first_number: int, bought: BoughtBlocks
) -> Nomination:
    """Nominate the open positions and group the lines into agreements.

    A block gets one supplier where one supplier can serve all of it.
    """
    book, follows = _order_books(positions, directory)
    party, quantity = positions["party"], positions["quantity"]
    blocks, names = blocks_in_positions(bought, positions)
    parts = assign_blocks(
        book, party, quantity, blocks, current_suppliers(bought, names, directory)
    )
    pairings = match_positions(book, party, quantity, follows, parts)
    lines = _lines(positions, pairings)
    long, short = lines["long"], lines["short"]
    keys = (positions["contract"][long], positions["day"][long], positions["party"][long],
            positions["party"][short])  # fmt: skip
    row_of_line = _groups(keys)
    count = int(row_of_line.max(initial=-1)) + 1
    first = np.zeros(count, dtype=np.int64)  # the first line of each
    first[row_of_line[::-1]] = np.arange(len(long))[::-1]
    first_buy = np.full(count, np.iinfo(np.int64).max)
    when = (positions["first_day"][long] << _SEQUENCE_BITS) + positions["first_sequence"][long]
    np.minimum.at(first_buy, row_of_line, when)
    agreements = _agreements(positions, lines, directory, first)
    for name in ("quantity", "value_fen", "fee_fen"):
        agreements[name] = np.zeros(count, dtype=np.int64)
        np.add.at(agreements[name], row_of_line, lines[name])
    agreements["first_day"] = first_buy >> _SEQUENCE_BITS
    agreements["first_sequence"] = first_buy & ((1 << _SEQUENCE_BITS) - 1)
    order = np.lexsort(
        (agreements["delivery_day"], agreements["contract"], agreements["supplier"],
         agreements["buyer"], first_buy)
    )  # fmt: skip
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    agreements = {name: column[order] for name, column in agreements.items()}
    agreements["id"] = np.arange(first_number, first_number + count)
    lines["agreement"] = first_number + place[row_of_line]
    split = _split(lines, complete_split(blocks, parts, pairings), names)
    by_agreement = np.lexsort((lines["instrument"], lines["agreement"]))
    return Nomination(
        positions, {name: column[by_agreement] for name, column in lines.items()}, agreements, split
    )


def _split(lines: Columns, parts: BlockParts, names: Columns) -> Columns:
    """Rows of `block_nominations`; `lines` are in the order of their positions."""
    rows = int(lines["short"].max(initial=0)) + 1
    line = np.searchsorted(lines["long"] * rows + lines["short"], parts.long * rows + parts.short)
    keys, place = np.unique(np.stack([line, parts.block]), axis=1, return_inverse=True)
    quantity = np.zeros(keys.shape[1], dtype=np.int64)
    np.add.at(quantity, place.reshape(-1), parts.quantity)
    return {
        "agreement": lines["agreement"][keys[0]], "instrument": lines["instrument"][keys[0]],
        "trade_batch": names["trade_batch"][keys[1]], "trade_group": names["trade_group"][keys[1]],
        "quantity": quantity,
    }  # fmt: skip


def _order_books(positions: Columns, directory: Directory) -> tuple[Integers, Integers]:
    """The book of each row, numbered in order, and whether each book continues the one before."""
    starts = np.flatnonzero(np.diff(positions["number"], prepend=-1))
    book = np.zeros(len(positions["number"]), dtype=np.int64)
    book[starts[1:]] = 1
    ends_s = {each.id: each.delivery_end_s for each in directory.registry.instruments}
    follows = np.zeros(len(starts), dtype=np.int64)
    for k in range(1, len(starts)):
        row, before = starts[k], starts[k - 1]
        same = positions["contract"][row] == positions["contract"][before]
        follows[k] = same and positions["start_s"][row] == ends_s[int(positions["number"][before])]
    return np.cumsum(book), follows


def _lines(positions: Columns, pairings: Pairings) -> Columns:
    """The pairings with their values. A supplier's fee and deposit are split exactly among its
    lines.
    """
    long, short, quantity = pairings
    order = np.lexsort((long, short))
    sold = -positions["quantity"][short[order]]
    so_far = np.cumsum(quantity[order])
    begins = np.diff(short[order], prepend=-1) != 0
    so_far -= np.maximum.accumulate(np.where(begins, so_far - quantity[order], 0))
    parts = {}
    for name, whole in (("fee_fen", "fee_due_fen"), ("guaranteed_fen", "guaranteed_fen")):
        fen = positions[whole][short[order]]
        parts[name] = np.zeros(len(long), dtype=np.int64)
        parts[name][order] = _part(fen, so_far, sold) - _part(fen, so_far - quantity[order], sold)
    price = positions["price_ticks"][long]
    return {
        "long": long, "short": short, "quantity": quantity, "price_ticks": price,
        "instrument": positions["instrument"][long],
        "value_fen": quantity * price * positions["tick_fen"][long], **parts,
    }  # fmt: skip


def _part(fen: Integers, so_far: Integers, whole: Integers) -> Integers:
    """floor(fen * so_far / whole), in two steps because the product may not fit 64 bits."""
    return fen // whole * so_far + fen % whole * so_far // whole


def _groups(keys: tuple[Integers, ...]) -> Integers:
    """A group number for each row; rows with equal keys (small numbers) have the same."""
    row = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        low = int(key.min(initial=1 << 62)) if len(key) else 0
        row = row * (int(key.max(initial=low)) - low + 1) + (key - low)
    return np.unique(row, return_inverse=True)[1]


def _agreements(
    positions: Columns, lines: Columns, directory: Directory, first: Integers
) -> Columns:
    """Columns of agreements that are the same for all of their lines; `first` is a line of each."""
    long, short = lines["long"][first], lines["short"][first]
    buyer_row = directory.account_firm[positions["party"][long]]
    supplier_row = directory.account_firm[positions["party"][short]]
    group = directory.firm_group
    together = (group[buyer_row] != 0) & (group[buyer_row] == group[supplier_row])
    return {
        "buyer": positions["account"][long],
        "supplier": positions["account"][short],
        "contract": directory.contract[positions["contract"][long]],
        "delivery_day": positions["day"][long],
        "buyer_firm": directory.firm[buyer_row],
        "supplier_firm": directory.firm[supplier_row],
        "related": (buyer_row == supplier_row) | together,
        "buyer_row": buyer_row,
        "contract_row": positions["contract"][long],
    }

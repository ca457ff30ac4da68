"""Nomination: matches suppliers with buyers once an instrument no longer trades.

In every instrument the net sellers serve the net buyers. The objective is that as many lots as
possible stay with the same supplier from one hour to the next, because a training run that changes
its cluster must start again. Hours are taken in order. Each hour first keeps the pairs of the hour
before, as far as both sides still have lots, and pairs the rest in the order of accounts. This is
greedy and not always the optimum: `kept_lots` counts the lots kept, and the tests compare it with
the best of all nominations on small cases. Parts of blocks (`block_nomination.py`) come first in
every hour.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.compiled import compiled
from ledger.delivery.block_nomination import NO_PARTS, BlockParts

Integers = NDArray[np.int64]


class Pairings(NamedTuple):
    """Lots from a short to a long position: rows of both positions, and a quantity."""

    long: Integers
    short: Integers
    quantity: Integers


def match_positions(
    book: Integers,
    party: Integers,
    quantity: Integers,
    follows: Integers,
    parts: BlockParts = NO_PARTS,
) -> Pairings:
    """Match open positions, one row each. Quantities of a book sum to zero.

    Rows of a book are contiguous and in the order of their `party` (small numbers). `follows` is,
    for each book, whether it starts where the book before it ends. `parts` are matched already.
    Cost: one pass over the pairings.

    >>> book, quantity = np.array([0, 0, 0]), np.array([5, -2, -3])
    >>> one = match_positions(book, np.arange(3), quantity, np.zeros(1, int))
    >>> [each.tolist() for each in one]
    [[0, 0], [1, 2], [2, 3]]
    """
    if not len(book):
        return Pairings(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
    starts = np.flatnonzero(np.diff(book, prepend=-1))
    assert not np.add.reduceat(quantity, starts).any(), "positions of an instrument sum to zero"
    ends = np.append(starts[1:], len(book))
    left, placed = quantity.copy(), np.stack(parts[1:])[:, np.argsort(parts.long, kind="stable")]
    np.subtract.at(left, placed[0], placed[2])
    np.add.at(left, placed[1], placed[2])
    rooms = ends - starts + np.bincount(book[placed[0]], minlength=len(starts))
    room, sum_room = 0, 0
    for k, rows in enumerate(rooms.tolist()):
        room = rows + (room if follows[k] else 0)
        sum_room += room
    pieces = np.zeros((4, sum_room), dtype=np.int64)
    row_of = np.full(int(party.max()) + 1, -1, dtype=np.int64)
    count: int = compiled(match_positions_plain)(
        starts, ends, party, left, follows, row_of, placed, pieces
    )
    return _merged(pieces[:, :count], len(book))


def _merged(pieces: Integers, rows: int) -> Pairings:
    """The pairings in the order of their positions, one for each pair."""
    keys, inverse = np.unique(pieces[0] * rows + pieces[1], return_inverse=True)
    quantity = np.zeros(len(keys), dtype=np.int64)
    np.add.at(quantity, inverse, pieces[2])
    return Pairings(keys // rows, keys % rows, quantity)


def match_positions_plain(  # type: ignore[no-untyped-def]
    starts, ends, party, open_quantity, follows, row_of, placed, pieces
) -> int:
    """Write the pairings of all books to `pieces`; returns their number. Plain twin of the kernel.

    `placed` has rows of long, short, quantity, and whether the part continues in the next hour:
    then that hour need not keep the pair.
    """
    count = first = at = 0
    for book in range(len(starts)):
        last_first, last_end = first, count
        first = count
        while at < placed.shape[1] and placed[0, at] < ends[book]:
            for field in range(4):
                pieces[field, count] = placed[field, at]
            count += 1
            at += 1
        for row in range(starts[book], ends[book]):
            row_of[party[row]] = row
        if follows[book]:
            for k in range(last_first, last_end):
                long = row_of[party[pieces[0, k]]]
                short = row_of[party[pieces[1, k]]]
                if long >= 0 and short >= 0 and pieces[3, k] == 0:
                    kept = min(pieces[2, k], open_quantity[long], -open_quantity[short])
                    if kept > 0:
                        pieces[0, count], pieces[1, count], pieces[2, count] = long, short, kept
                        open_quantity[long] -= kept
                        open_quantity[short] += kept
                        count += 1
        short = starts[book]
        for long in range(starts[book], ends[book]):
            while open_quantity[long] > 0:
                while open_quantity[short] >= 0:
                    short += 1
                piece = min(open_quantity[long], -open_quantity[short])
                pieces[0, count], pieces[1, count], pieces[2, count] = long, short, piece
                open_quantity[long] -= piece
                open_quantity[short] += piece
                count += 1
        for row in range(starts[book], ends[book]):
            row_of[party[row]] = -1
    return count


def kept_lots(pieces: Pairings, book: Integers, party: Integers, follows: Integers) -> int:
    """Lots that stay with the same supplier in the following hour: the objective."""
    served: dict[tuple[int, int, int], int] = {}
    for long, short, quantity in zip(*(each.tolist() for each in pieces), strict=True):
        served[int(book[long]), int(party[long]), int(party[short])] = quantity
    return sum(
        min(quantity, served.get((hour + 1, buyer, supplier), 0))
        for (hour, buyer, supplier), quantity in served.items()
        if hour + 1 < len(follows) and follows[hour + 1]
    )

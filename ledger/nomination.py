"""Nomination: who delivers to whom, once an instrument no longer trades.

In every instrument the net sellers, in the order of their accounts, serve the net buyers, in the
order of theirs. Laid end to end, what is sold and what is bought cover the same line; each piece
between two cuts is delivered by one supplier to one buyer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Nominations(NamedTuple):
    """Pieces of delivery: rows of the long and of the short position, and a quantity."""

    long: Integers
    short: Integers
    quantity: Integers


def nominate(book: Integers, quantity: Integers) -> Nominations:
    """Match open positions, given in the order (book, account); quantities of a book sum to zero.

    Returns at most longs + shorts - 1 pieces a book. Cost: a sort of the cuts.

    >>> nominate(np.array([0, 0, 0]), np.array([5, -2, -3]))
    Nominations(long=array([0, 0]), short=array([1, 2]), quantity=array([2, 3]))
    """
    longs = np.flatnonzero(quantity > 0)
    shorts = np.flatnonzero(quantity < 0)
    bought = np.cumsum(quantity[longs], dtype=np.int64)
    sold = np.cumsum(-quantity[shorts], dtype=np.int64)
    sums = np.zeros(int(book.max()) + 1 if len(book) else 0, dtype=np.int64)
    np.add.at(sums, book, quantity)
    assert not sums.any(), "positions of an instrument sum to zero"
    cuts = np.union1d(bought, sold)
    return Nominations(
        longs[np.searchsorted(bought, cuts)],
        shorts[np.searchsorted(sold, cuts)],
        np.diff(cuts, prepend=0),
    )


def nominate_plain(book: Integers, quantity: Integers) -> list[tuple[int, int, int]]:
    """The same in plain Python, to be read: (long, short, quantity) one after another."""
    pieces = []
    open_quantity = [int(each) for each in quantity]
    for long, wanted in enumerate(open_quantity):
        for short, offered in enumerate(open_quantity):
            if wanted > 0 and offered < 0 and book[long] == book[short]:
                piece = min(wanted, -open_quantity[short])
                if piece > 0:
                    open_quantity[short] += piece
                    wanted -= piece  # noqa: PLW2901
                    pieces.append((long, short, piece))
    return pieces

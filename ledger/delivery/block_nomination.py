"""Nomination of blocks: one supplier for all hours of a block, or a recorded split.

Blocks are served before the hours are paired one by one, in the order in which they were bought. A
block needs its lots in each of its hours, as far as its buyer still holds them. Of the suppliers
with enough lots in all hours, a supplier that serves the block already (on an earlier day of
delivery) is chosen first, then the one with the least spare lots, so that large suppliers remain
for large blocks. A block without such a supplier waits until all others are served. Then the
supplier with the most lots through all hours serves that part, and the rest of the block is served
in the same way; lots that no supplier has through all hours are nominated hour by hour. Ties go by
the order of accounts.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_ENOUGH = np.iinfo(np.int64).max


class Blocks(NamedTuple):
    """Bought blocks: one row for each block and hour, block by block, in order."""

    block: Integers  # numbered in the order of their turns
    long: Integers  # row of the buyer's position in that hour
    quantity: Integers


class BlockParts(NamedTuple):
    """Lots of a block that a supplier delivers in an hour; rows as in `Blocks`."""

    block: Integers
    long: Integers
    short: Integers
    quantity: Integers
    continues: Integers  # 1 where the same supplier serves the block in the next hour too


NO_PARTS = BlockParts(*(np.zeros(0, dtype=np.int64) for _ in range(5)))


def assign_blocks(
    book: Integers, party: Integers, quantity: Integers, blocks: Blocks,
    served: Mapping[int, set[int]] | None = None,
) -> BlockParts:  # fmt: skip
    """Parts of blocks that one supplier can serve through all hours of the block.

    Positions are rows as in `match_positions`; `served` has the parties that serve a block already.
    Cost: suppliers x hours of each block.

    >>> one = Blocks(np.array([0, 0]), np.array([0, 3]), np.array([2, 2]))
    >>> book, party = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
    >>> parts = assign_blocks(book, party, np.array([2, -1, -3, 2, -4, -2]), one)
    >>> parts.short.tolist(), parts.quantity.tolist()
    ([2, 5], [2, 2])
    """
    if not len(blocks.block):
        return NO_PARTS
    left = quantity.copy()
    books, column = np.unique(book[blocks.long], return_inverse=True)
    sold = np.flatnonzero((left < 0) & np.isin(book, books))
    suppliers, supplier = np.unique(party[sold], return_inverse=True)
    row_of = np.full((len(suppliers), len(books)), -1)
    row_of[supplier, np.searchsorted(books, book[sold])] = sold
    has = np.zeros(row_of.shape, dtype=np.int64)
    has[row_of >= 0] = -left[row_of[row_of >= 0]]
    found: list[Integers] = []
    starts = np.flatnonzero(np.diff(blocks.block, prepend=-1))
    spans = list(zip(starts, [*starts[1:], len(blocks.block)], strict=True))
    for may_split in (False, True):
        waiting = []
        for start, end in spans:
            number, hours = int(blocks.block[start]), column[start:end]
            long = blocks.long[start:end]
            need = np.minimum(blocks.quantity[start:end], left[long])
            known = np.isin(suppliers, [*(served or {}).get(number, ())])
            while need.any():
                who, lots = _best_supplier(has[:, hours], need, known)
                if not lots or (lots < need.max() and not may_split):
                    waiting.append((start, end))
                    break
                part = np.minimum(need, lots)
                has[who, hours] -= part
                left[long] -= part
                need = need - part
                found.append(_parts_of(number, book, long, row_of[who, hours], part))
        spans = waiting
    return BlockParts(*np.concatenate(found, axis=1)) if found else NO_PARTS


def _best_supplier(has: Integers, need: Integers, known: NDArray[np.bool_]) -> tuple[int, int]:
    """Row of the supplier that serves a block next, and its lots in every hour; 0 lots: there is
    none.
    """
    if not len(has):
        return 0, 0
    lacks = has < need
    whole = ~lacks.any(axis=1)
    if whole.any():
        among = whole & known if (whole & known).any() else whole
        spare = np.where(among, (has - need).min(axis=1), _ENOUGH)
        return int(spare.argmin()), int(need.max())
    most = np.where(lacks, has, _ENOUGH).min(axis=1)
    best = most == most.max()
    return int((best & known if (best & known).any() else best).argmax()), int(most.max())


def _parts_of(
    number: int, book: Integers, long: Integers, short: Integers, part: Integers
) -> Integers:
    """Rows of `BlockParts` for one block and supplier."""
    hours = np.flatnonzero(part)
    in_book = book[long[hours]]
    continues = np.append(np.diff(in_book) == 1, False)
    return np.stack(
        [np.full(len(hours), number), long[hours], short[hours], part[hours], continues]
    )


def complete_split(
    blocks: Blocks, parts: BlockParts, pieces: tuple[Integers, Integers, Integers]
) -> BlockParts:
    """All lots of blocks with their suppliers: the parts, and the lots nominated hour by hour.

    `pieces` is the whole nomination (long, short, quantity). Lots that a block lacks in an hour are
    found among its buyer's other pieces of that hour, in their order.
    """
    if not len(blocks.block):
        return parts
    free: dict[int, list[list[int]]] = {}
    taken: dict[tuple[int, int], int] = {}
    got: dict[tuple[int, int], int] = {}
    for block, long, short, lots in zip(*(each.tolist() for each in parts[:4]), strict=True):
        taken[long, short] = taken.get((long, short), 0) + lots
        got[block, long] = got.get((block, long), 0) + lots
    of_blocks = np.isin(pieces[0], blocks.long)
    for long, short, lots in zip(*(each[of_blocks].tolist() for each in pieces), strict=True):
        free.setdefault(long, []).append([short, lots - taken.get((long, short), 0)])
    more = []
    for block, long, lots in zip(*(each.tolist() for each in blocks), strict=True):
        lacks = lots - got.get((block, long), 0)
        for piece in free.get(long, ()):
            lot = min(lacks, piece[1])
            if lot > 0:
                more.append((block, long, piece[0], lot, 0))
                piece[1] -= lot
                lacks -= lot
    if not more:
        return parts
    return BlockParts(*np.concatenate([np.stack(parts), np.array(more, dtype=np.int64).T], axis=1))

"""Blocks of a table's memory that are not empty: what a snapshot keeps, and where checks look.

A table is sized for its limit and mostly empty. What is done for each block that is used costs
nothing for those that are not.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 512
"""Bytes of a block."""

WORDS = BLOCK // 8


def whole_blocks(array: NDArray[Any]) -> NDArray[np.int64]:
    """The whole blocks of an array as words: a view of shape (blocks, WORDS)."""
    flat = array.view(np.uint8)
    return flat[: len(flat) // BLOCK * BLOCK].view(np.int64).reshape(-1, WORDS)


def rest_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of an array behind its whole blocks: a view."""
    flat = array.view(np.uint8)
    return flat[len(flat) // BLOCK * BLOCK :]


def block_count(array: NDArray[Any]) -> int:
    """Number of blocks of an array, with the last one that is not whole."""
    return -(-array.nbytes // BLOCK)


def used_blocks(array: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers of the blocks that are not empty, rising."""
    whole = whole_blocks(array)
    used = np.flatnonzero(np.bitwise_or.reduce(whole, axis=1))
    return np.append(used, len(whole)) if rest_of(array).any() else used


def used_items(array: NDArray[Any], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of the items that are not zero, rising, where no block but these has any.

    The size of an item is 4 bytes or a multiple of 8.
    """
    size = array.dtype.itemsize
    word = np.dtype(np.int64 if size % 8 == 0 else np.uint32)
    inside = blocks[blocks < array.nbytes // BLOCK]
    block, place = np.divmod(
        np.flatnonzero(_content(array, inside).view(word)), BLOCK // word.itemsize
    )
    words = inside[block] * (BLOCK // word.itemsize) + place
    if len(inside) != len(blocks):
        first = array.nbytes // BLOCK * (BLOCK // word.itemsize)
        words = np.append(words, first + np.flatnonzero(rest_of(array).view(word)))
    items: NDArray[np.int64] = words * word.itemsize // size
    kept: NDArray[np.int64] = items[np.diff(items, prepend=-1) != 0]
    return kept


def count_used_words(array: NDArray[Any], blocks: NDArray[np.int64]) -> int:
    """Number of words of 4 bytes that are not zero, where no block but these has any."""
    inside = blocks[blocks < array.nbytes // BLOCK]
    count = np.count_nonzero(_content(array, inside).view(np.uint32))
    return int(count + np.count_nonzero(rest_of(array).view(np.uint32)))


def _content(array: NDArray[Any], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The words of some whole blocks of an array, one after another."""
    whole = whole_blocks(array)
    return (whole if len(blocks) == len(whole) else whole[blocks]).reshape(-1)

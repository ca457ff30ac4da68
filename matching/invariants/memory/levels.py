"""Price levels in a machine's memory: bitmaps, and what the best levels say.

That a level's orders are its own and form a circle with it, circles.py checks.
"""

import numpy as np

from matching.invariants.memory.rows import Integers, Memory, Rows
from matching.memory.layout import BLOCK_BIT, BOOKS, TOPS
from matching.records import Phase

BITS = np.array([bin(byte).count("1") for byte in range(256)])
"""Bits of a byte."""


def bands_of(memory: Memory) -> Rows:
    """The instruments that have a band, in the order of their memory of levels."""
    rows = memory.rows("instruments")
    return rows.where(rows["width"] != 0).sorted_by("level_base")


def first_alone(memory: Memory) -> int:
    """The first level that leads to what is no order that leads back, where there is one."""
    rows = memory.rows("links", memory.used("links", len(memory.arrays["orders"])))
    first = rows["next"]
    is_slot = (first > 0) & (first <= memory.number("slots_used"))
    first = np.where(is_slot, first, 0)
    orders = memory.arrays["orders"]
    is_resting = (orders["instrument"][first] != 0) & (orders["mode"][first] & BLOCK_BIT == 0)
    leads_back = memory.arrays["links"]["prev"][first] == rows.numbers
    is_sound = (rows["next"] == rows.numbers) | (is_resting & leads_back)
    return int(rows.numbers[~is_sound][0])


def check_bitmaps(memory: Memory) -> int:
    """A group has a bit for each word that is not 0, and the last word one for each group.

    Returns the number of bits of levels.
    """
    used = memory.used("words")
    rows = memory.rows("words", used)
    within = used < memory.number("words_used")
    rows.require("", within, "must be 0: no band has this word")
    bands = bands_of(memory)
    at = np.searchsorted(bands["word_base"], used, "right") - 1
    words, groups = (bands[column][at] for column in ("words", "groups"))
    place = np.remainder(used - bands["word_base"][at], words + groups + 1)
    base = used - place
    is_word, is_last = place < words, place == words + groups
    is_group = ~is_word & ~is_last
    _check_row(
        memory, (base + words + (place >> 6))[is_word], (place & 63)[is_word], used[is_group]
    )
    _check_row(memory, (base + words + groups)[is_group], (place - words)[is_group], used[is_last])
    return int(BITS[memory.arrays["words"][used[is_word]].view(np.uint8)].sum())


def _check_row(memory: Memory, above: Integers, bit: Integers, used: Integers) -> None:
    """Each word of a row that is not 0 has its bit in the word above; `used` are the words above
    that are not 0. All rise."""
    starts = np.flatnonzero(np.diff(above, prepend=-1))
    expected = np.bitwise_or.reduceat(np.left_shift(1, bit), starts) if len(above) else above
    words = memory.arrays["words"]
    if not np.array_equal(above[starts], used) or not np.array_equal(words[used], expected):
        both = np.union1d(above, used)
        bits = np.zeros(len(both), np.int64)
        bits[np.searchsorted(both, above[starts])] = expected
        rule = "must have a bit for each word or group below it that is not 0"
        memory.rows("words", both).require("", words[both] == bits, rule)


def first_empty_bit(memory: Memory) -> int:
    """The first word with a bit of a level that has no orders, where there is one."""
    used = memory.used("words")
    bands = bands_of(memory)
    at = np.searchsorted(bands["word_base"], used, "right") - 1
    words, groups, width = (bands[column][at] for column in ("words", "groups", "width"))
    book, place = np.divmod(used - bands["word_base"][at], words + groups + 1)
    bytes_ = memory.arrays["words"][used].view(np.uint8).reshape(-1, 8)
    row, bit = np.nonzero(np.unpackbits(bytes_, axis=1, bitorder="little"))
    index = place[row] * 64 + bit + 1
    is_level = (place < words)[row] & (index <= width[row])
    level = (bands["level_base"][at] + book * (width + 1))[row] + index
    first = memory.arrays["links"]["next"][np.where(is_level, level, 0)].astype(np.int64)
    has_orders = is_level & (first > 0) & (first < len(memory.arrays["orders"]))
    return int(used[row[(place < words)[row] & ~has_orders][0]])


def check_best(memory: Memory) -> None:
    """In continuous trading nothing is left to trade or to trigger; a gated instrument has no
    orders. Best levels are known to be right."""
    rows = memory.rows("instruments")
    tops = memory.arrays["instruments"].view(np.uint32).reshape(-1, TOPS)[rows.numbers, :BOOKS]
    has_orders = tops.any(axis=1) | (rows["watched"] != 0)
    rows.require("gated", (rows["gated"] == 0) | ~has_orders, "must be 0: there are orders")
    bid, ask, buy_stop, sell_stop = tops.astype(np.int64).T
    low, high, last = rows["low"], rows["high"], rows["last"]
    is_still = rows["phase"] != int(Phase.CONTINUOUS)
    apart = (bid == 0) | (ask == 0) | (low + bid - 1 < high - ask + 1)
    rows.require("phase", is_still | apart, "must not be continuous trading: the book is crossed")
    waits = (buy_stop == 0) | (high - buy_stop + 1 > last)
    waits &= (sell_stop == 0) | (low + sell_stop - 1 < last)
    rows.require("last", is_still | (last == 0) | waits, "must not trigger a stop that waits")

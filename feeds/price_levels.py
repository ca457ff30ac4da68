"""Price levels: the displayed quantity at each price of an instrument's band. For venue and client.

A ladder has a row of levels for each side; level `first + side * width + price - low` is that of a
price. A bitmap of 32 levels a word finds the next level that is not empty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feeds.transport.compiler import entry, inline
from matching.memory.intrinsics import highest_bit

LADDER = np.dtype(
    [
        ("low", "<i8"),
        ("width", "<i8"),  # levels of a side; 0: no band yet
        ("allotted", "<i8"),  # levels of a side for which there is room
        ("first", "<i8"),  # its first level
        ("word", "<i8"),  # its first word of the bitmap
        ("best_bid", "<i8"),  # place in the band; -1: none
        ("best_ask", "<i8"),
    ]
)
_BITS = 32
EMPTY_CODE = 0x811C_9DC5
"""The checksum of a book without levels."""


@dataclass(frozen=True)
class Ladders:
    """Ladders by instrument, quantity and number of orders by level, and the bitmap."""

    ladders: NDArray[np.void]
    quantity: NDArray[np.int64]
    orders: NDArray[np.int64]
    words: NDArray[np.int64]


def new_ladders(instruments: int, ticks: int) -> Ladders:
    """Ladders 0 to `instruments` whose bands have so many ticks together."""
    return Ladders(
        np.zeros(instruments + 1, LADDER),
        np.zeros(2 * ticks, np.int64),
        np.zeros(2 * ticks, np.int64),
        np.zeros(2 * (ticks // _BITS + instruments + 1), np.int64),
    )


@inline
def next_level(words, word, width, side, place):
    """The next level that is not empty, from `place` on and away from the best; -1: none.

    A place is a price less the band's lowest.
    """
    size = (width + 31) // 32
    start = word + side * size
    if side == 1:
        if place >= width:
            return -1
        at = place // 32
        bits = words[start + at] >> (place % 32) << (place % 32)
        while bits == 0:
            at += 1
            if at >= size:
                return -1
            bits = words[start + at]
        return at * 32 + highest_bit(bits & -bits)
    if place < 0:
        return -1
    at = place // 32
    bits = words[start + at] & ((2 << (place % 32)) - 1)
    while bits == 0:
        at -= 1
        if at < 0:
            return -1
        bits = words[start + at]
    return at * 32 + highest_bit(bits)


@inline
def put_level(ladder, quantities, counts, words, side, place, quantity, count):
    """Set quantity and number of orders of a level; quantity 0 removes it."""
    width, word = ladder["width"], ladder["word"]
    level = ladder["first"] + side * width + place
    quantities[level] = quantity
    counts[level] = count
    cell = word + side * ((width + 31) // 32) + place // 32
    if quantity > 0:
        words[cell] |= 1 << (place % 32)
        if side == 0:
            ladder["best_bid"] = max(ladder["best_bid"], place)
        elif ladder["best_ask"] < 0 or place < ladder["best_ask"]:
            ladder["best_ask"] = place
        return
    words[cell] &= ~(1 << (place % 32))
    if side == 0 and ladder["best_bid"] == place:
        ladder["best_bid"] = next_level(words, word, width, 0, place)
    elif side == 1 and ladder["best_ask"] == place:
        ladder["best_ask"] = next_level(words, word, width, 1, place)


@inline
def mixed(code, word):
    """A checksum with one more 32-bit word in it (FNV-1a)."""
    return ((code ^ (word & 0xFFFF_FFFF)) * 0x0100_0193) & 0xFFFF_FFFF


@inline
def top_code(ladder, quantities, words):
    """The checksum of the ten best levels of each side: bids first, the best first."""
    code = EMPTY_CODE
    for side in range(2):
        place = ladder["best_bid"] if side == 0 else ladder["best_ask"]
        for _ in range(10):
            if place < 0:
                break
            quantity = quantities[ladder["first"] + side * ladder["width"] + place]
            code = mixed(code, ladder["low"] + place)
            code = mixed(code, quantity)
            code = mixed(code, quantity >> 32)
            step = place - 1 if side == 0 else place + 1
            place = next_level(words, ladder["word"], ladder["width"], side, step)
    return code


@entry
def checksum(ladders, quantities, words, number):
    """The checksum of one ladder, as `top_code`."""
    return top_code(ladders[number], quantities, words)


@entry
def put_levels(ladders, quantities, counts, words, number, levels):
    """Apply LEVEL records to one ladder; returns -1, or the index of one outside the band."""
    ladder = ladders[number]
    for index in range(len(levels)):
        level = levels[index]
        place = np.int64(level["price"]) - ladder["low"]
        side = np.int64(level["side"])
        if place < 0 or place >= ladder["width"] or side > 1 or level["quantity"] < 0:
            return index
        put_level(
            ladder, quantities, counts, words, side, place, level["quantity"], level["orders"]
        )
    return -1


@entry
def clear_ladder(ladders, quantities, counts, words, number):
    """Remove all levels of one ladder."""
    ladder = ladders[number]
    first, width = ladder["first"], ladder["width"]
    quantities[first : first + 2 * width] = 0
    counts[first : first + 2 * width] = 0
    words[ladder["word"] : ladder["word"] + 2 * ((width + 31) // 32)] = 0
    ladder["best_bid"] = -1
    ladder["best_ask"] = -1


@entry
def list_levels(ladders, quantities, counts, words, number, side, out):
    """Write the levels of a side to rows of (price, quantity, orders), the best first; returns how
    many."""
    ladder = ladders[number]
    place = ladder["best_bid"] if side == 0 else ladder["best_ask"]
    found = 0
    while place >= 0 and found < len(out):
        level = ladder["first"] + side * ladder["width"] + place
        out[found, 0] = ladder["low"] + place
        out[found, 1] = quantities[level]
        out[found, 2] = counts[level]
        found += 1
        step = place - 1 if side == 0 else place + 1
        place = next_level(words, ladder["word"], ladder["width"], side, step)
    return found

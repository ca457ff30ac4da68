"""Price levels: first in, first out inside a level, and a bitmap that finds the best level.

An instrument has four books: bids, asks, waiting buy stops, waiting sell stops. In each, a level's
index grows with its urgency (a higher bid, a lower ask, a lower buy stop, a higher sell stop), so
that "best" is the highest set bit everywhere, and one code serves all.
"""

import numpy as np

from matching.compile import highest_bit, inline, kernel
from matching.layout import WAITING

i64 = np.int64


@inline
def book_of(order):
    """0 bids, 1 asks, 2 waiting buy stops, 3 waiting sell stops."""
    return i64(order["side"]) + ((i64(order["mode"]) & WAITING) >> 3)


@inline
def index_at(instrument, book, price):
    """The level of a price, from 1; bids and sell stops rise with it, asks and buy stops fall."""
    if book == 0 or book == 3:
        return price - i64(instrument["low"]) + 1
    return i64(instrument["high"]) - price + 1


@inline
def price_at(instrument, book, index):
    """The inverse of `index_at`."""
    if book == 0 or book == 3:
        return i64(instrument["low"]) + index - 1
    return i64(instrument["high"]) - index + 1


@inline
def level_at(instrument, book, index):
    """Where the level stands in `levels`."""
    return i64(instrument["level_base"]) + book * (i64(instrument["width"]) + 1) + index


@inline
def word_at(instrument, book):
    """Where the book's bitmap begins: words, then groups of words, then one word of groups."""
    size = i64(instrument["words"]) + i64(instrument["groups"]) + 1
    return i64(instrument["word_base"]) + book * size


@inline
def mark(m, instrument, book, index):
    """Set the level's bit."""
    base = word_at(instrument, book)
    bit = index - 1
    word = base + (bit >> 6)
    before = m.words[word]
    m.words[word] = before | (i64(1) << (bit & 63))
    if before == 0:
        group = base + i64(instrument["words"]) + (bit >> 12)
        before = m.words[group]
        m.words[group] = before | (i64(1) << ((bit >> 6) & 63))
        if before == 0:
            m.words[base + i64(instrument["words"]) + i64(instrument["groups"])] |= i64(1) << (
                bit >> 12
            )


@inline
def unmark(m, instrument, book, index):
    """Clear the level's bit; returns the highest index that is still set, 0 if none is.

    Only right as "the next best" when the level was the best.
    """
    base = word_at(instrument, book)
    bit = index - 1
    word = base + (bit >> 6)
    left = m.words[word] & ~(i64(1) << (bit & 63))
    m.words[word] = left
    if left != 0:
        return (bit >> 6 << 6) + highest_bit(left) + 1
    group = base + i64(instrument["words"]) + (bit >> 12)
    left = m.words[group] & ~(i64(1) << ((bit >> 6) & 63))
    m.words[group] = left
    summary = base + i64(instrument["words"]) + i64(instrument["groups"])
    row = bit >> 12
    if left == 0:
        rows = m.words[summary] & ~(i64(1) << row)
        m.words[summary] = rows
        if rows == 0:
            return i64(0)
        row = highest_bit(rows)
        left = m.words[base + i64(instrument["words"]) + row]
    column = (row << 6) + highest_bit(left)
    return (column << 6) + highest_bit(m.words[base + column]) + 1


@kernel
def next_below(m, instrument, book, index):
    """The highest marked index below this one; 0 if there is none."""
    base = word_at(instrument, book)
    bit = index - 1
    below = ~(i64(-1) << (bit & 63))
    left = m.words[base + (bit >> 6)] & below
    if left != 0:
        return (bit >> 6 << 6) + highest_bit(left) + 1
    column = bit >> 6
    below = ~(i64(-1) << (column & 63))
    row = column >> 6
    left = m.words[base + i64(instrument["words"]) + row] & below
    if left == 0:
        below = ~(i64(-1) << row)
        rows = m.words[base + i64(instrument["words"]) + i64(instrument["groups"])] & below
        if rows == 0:
            return i64(0)
        row = highest_bit(rows)
        left = m.words[base + i64(instrument["words"]) + row]
    column = (row << 6) + highest_bit(left)
    return (column << 6) + highest_bit(m.words[base + column]) + 1


@inline
def push(m, slot):
    """Put an order at the back of its level."""
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    book = book_of(order)
    price = i64(order["price"]) if book < 2 else i64(order["stop"])
    index = index_at(instrument, book, price)
    level = m.levels[level_at(instrument, book, index)]
    tail = i64(level["tail"])
    order["next"] = 0
    order["prev"] = tail
    level["tail"] = slot
    if tail != 0:
        m.orders[tail]["next"] = slot
        return
    level["head"] = slot
    mark(m, instrument, book, index)
    if index > i64(m.tops[instrument_id * 4 + book]):
        m.tops[instrument_id * 4 + book] = index


@inline
def pull(m, slot):
    """Take an order out of its level."""
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    book = book_of(order)
    price = i64(order["price"]) if book < 2 else i64(order["stop"])
    index = index_at(instrument, book, price)
    level = m.levels[level_at(instrument, book, index)]
    following = i64(order["next"])
    leading = i64(order["prev"])
    if following != 0:
        m.orders[following]["prev"] = leading
    else:
        level["tail"] = leading
    if leading != 0:
        m.orders[leading]["next"] = following
        return
    level["head"] = following
    if following == 0:
        best = unmark(m, instrument, book, index)
        if index == i64(m.tops[instrument_id * 4 + book]):
            m.tops[instrument_id * 4 + book] = best


@inline
def requeue(m, slot, level):
    """Move the head of a level to its back."""
    order = m.orders[slot]
    following = i64(order["next"])
    if following == 0:
        return
    tail = i64(level["tail"])
    level["head"] = following
    m.orders[following]["prev"] = 0
    m.orders[tail]["next"] = slot
    order["prev"] = tail
    order["next"] = 0
    level["tail"] = slot

"""Price levels: a queue of orders for each price, and a bitmap that finds the best level.

An instrument has four books: bids, asks, waiting buy stops, waiting sell stops. In each book the
index of a level grows with its priority (a higher bid, a lower ask, a lower buy stop, a higher sell
stop). So the best level is the highest set bit in every book, and one code serves all.

A level is a circle of links: its own, then those of its orders. An order is unlinked without a test
for the first or last. A level that never had an order has a link of zeros.
"""

import numpy as np

from matching.memory.compiler import inline, kernel
from matching.memory.intrinsics import highest_bit
from matching.memory.layout import TOPS, WAITING

i64 = np.int64


@inline
def book_of(order):
    """Book of an order: 0 bids, 1 asks, 2 waiting buy stops, 3 waiting sell stops."""
    return i64(order["side"]) + ((i64(order["mode"]) & WAITING) >> 3)


@inline
def index_at(instrument, book, price):
    """Level index of a price, from 1. It rises with the price for bids and sell stops, and falls
    for asks and buy stops."""
    if book == 0 or book == 3:
        return price - i64(instrument["low"]) + 1
    return i64(instrument["high"]) - price + 1


@inline
def price_at(instrument, book, index):
    """Price of a level index: the inverse of `index_at`."""
    if book == 0 or book == 3:
        return i64(instrument["low"]) + index - 1
    return i64(instrument["high"]) - index + 1


@inline
def level_at(instrument, book, index):
    """Index of a level in the table of links."""
    return i64(instrument["level_base"]) + book * (i64(instrument["width"]) + 1) + index


@inline
def top(m, instrument_id, book):
    """Index of a book's best level; 0 where it is empty."""
    return i64(m.tops[instrument_id * TOPS + book])


@inline
def first_order(m, level):
    """Slot of a level's first order. `is_order` is false for the result where the level is
    empty."""
    return i64(m.links[level]["next"])


@inline
def next_order(m, slot):
    """Slot of the next order in the level. `is_order` is false for the result after the last."""
    return i64(m.links[slot]["next"])


@inline
def is_order(m, node):
    """Whether a link is an order's, and neither a level's nor none."""
    return 0 < node < len(m.orders)


@inline
def word_at(instrument, book):
    """Index of a book's bitmap in the table of words: words, then groups of words, then one word of
    groups."""
    size = i64(instrument["words"]) + i64(instrument["groups"]) + 1
    return i64(instrument["word_base"]) + book * size


@inline
def set_bit(m, instrument, book, index):
    """Set a level's bit, and those of its word and group."""
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
def clear_bit(m, instrument, book, index):
    """Clear a level's bit. Returns the highest index that is still set, 0 if none is.

    The result is the next best level only if the cleared level was the best.
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
    """Highest set index below this one; 0 if there is none."""
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
def link_at_back(m, slot, level):
    """Link an order at the back of a level. Returns whether it is the only one."""
    circle, own = m.links[level], m.links[slot]
    last = i64(circle["prev"])
    last = level if last == 0 else last
    own["prev"] = last
    own["next"] = level
    m.links[last]["next"] = slot
    circle["prev"] = slot
    return last == level


@inline
def unlink(m, slot):
    """Unlink an order from its level. Returns whether it was the only one."""
    own = m.links[slot]
    behind, ahead = i64(own["next"]), i64(own["prev"])
    m.links[ahead]["next"] = behind
    m.links[behind]["prev"] = ahead
    return ahead == behind


@inline
def add_level(m, instrument_id, book, index):
    """Set a level's bit after its first order came, and update the best level."""
    set_bit(m, m.instruments[instrument_id], book, index)
    if index > top(m, instrument_id, book):
        m.tops[instrument_id * TOPS + book] = index


@inline
def remove_level(m, instrument_id, book, index):
    """Clear a level's bit after its last order left, and update the best level."""
    best = clear_bit(m, m.instruments[instrument_id], book, index)
    if index == top(m, instrument_id, book):
        m.tops[instrument_id * TOPS + book] = best


@inline
def order_index(instrument, book, order):
    """Level index of an order: by its price, or by its stop price while it waits."""
    return index_at(instrument, book, i64(order["price"]) if book < 2 else i64(order["stop"]))


@inline
def add_to_level(m, slot):
    """Add an order at the back of its level."""
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    book = book_of(order)
    index = order_index(instrument, book, order)
    if link_at_back(m, slot, level_at(instrument, book, index)):
        add_level(m, instrument_id, book, index)


@inline
def remove_from_level(m, slot):
    """Remove an order from its level."""
    if unlink(m, slot):
        order = m.orders[slot]
        instrument_id = i64(order["instrument"])
        book = book_of(order)
        remove_level(m, instrument_id, book, order_index(m.instruments[instrument_id], book, order))


@inline
def move_to_back(m, slot, level):
    """Move an order to the back of its level."""
    unlink(m, slot)
    link_at_back(m, slot, level)

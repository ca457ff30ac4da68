"""Levels in a machine's memory, compiled: the circles of their orders, and best levels.

Why it is nearly enough to look at each order by itself. It leads to an order of its level that
leads back, or to the level, which does. So no two lead to the same one: all orders lie in circles,
each of one level. It is left to exclude circles without their level. An order that follows another,
both in sequence, was accepted later, so a circle of such orders alone does not close. Levels with
other orders (`apart`) are walked, and each of these must be met.
"""

import numpy as np

from matching.book.price_levels import (
    book_of,
    first_order,
    is_order,
    level_at,
    next_order,
    order_index,
    top,
    word_at,
)
from matching.invariants.memory.rules import (
    BEST_LEVEL,
    LEVEL_ALONE,
    LEVEL_EMPTY,
    LEVEL_NEXT,
    LEVEL_NONE,
    LEVEL_PREV,
    LEVEL_SEQUENCE,
    ORDER_ABOVE,
    ORDER_BIT,
    SOUND,
)
from matching.memory.blocks_used import BLOCK
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BLOCK_BIT, BOOKS, LINK, WAITING

i64 = np.int64

LINKS = BLOCK // LINK.itemsize
"""Links of a block of memory."""


@inline
def level_of(m, slot):
    """The level of an order, as the index of its link."""
    order = m.orders[slot]
    book, instrument = book_of(order), m.instruments[i64(order["instrument"])]
    return level_at(instrument, book, order_index(instrument, book, order))


@inline
def is_in_sequence(order):
    """Whether an order is where its acceptance places it. A next slice of an iceberg and a
    triggered stop join the back of a level with their old one."""
    return i64(order["display"]) == 0 and i64(order["stop"]) == 0


@inline
def links_rule(m, s, slot):
    """Rule of an order's links to its neighbours. The first of a level is counted; one that is not
    in sequence is noted."""
    level, order = level_of(m, slot), m.orders[slot]
    ahead, behind = i64(m.links[slot]["prev"]), i64(m.links[slot]["next"])
    if ahead == level:
        rule = first_rule(m, s, level, slot)
        if rule != SOUND:
            return rule
    elif not 0 < ahead <= m.state[0]["slots_used"] or i64(m.links[ahead]["next"]) != slot:
        return LEVEL_PREV
    if not is_in_sequence(order):
        s.apart[s.counts[0]["apart"]] = slot
        s.counts[0]["apart"] += 1
    if behind == level:
        return SOUND if i64(m.links[level]["prev"]) == slot else LEVEL_NEXT
    if not 0 < behind <= m.state[0]["slots_used"] or i64(m.links[behind]["prev"]) != slot:
        return LEVEL_NEXT
    other = m.orders[behind]
    if not is_same_level(order, other):
        return LEVEL_NEXT
    in_sequence = is_in_sequence(order) and is_in_sequence(other)
    return LEVEL_SEQUENCE if in_sequence and order["accepted"] >= other["accepted"] else SOUND


@inline
def is_same_level(order, other):
    """Whether another slot, which may hold anything, is a live order of the same level."""
    waits = i64(order["mode"]) & WAITING != 0
    place = order["stop"] if waits else order["price"]
    return (
        order["instrument"] == other["instrument"]
        and order["side"] == other["side"]
        and (i64(order["mode"]) ^ i64(other["mode"])) & (WAITING | BLOCK_BIT) == 0
        and place == (other["stop"] if waits else other["price"])
    )


@inline
def first_rule(m, s, level, slot):
    """Rule of the first order of a level: the level leads to it, has a bit, and is not above the
    best."""
    if first_order(m, level) != slot:
        return LEVEL_PREV
    order = m.orders[slot]
    instrument_id, book = i64(order["instrument"]), book_of(order)
    bit = order_index(m.instruments[instrument_id], book, order) - 1
    word = word_at(m.instruments[instrument_id], book) + (bit >> 6)
    s.counts[0]["firsts"] += 1
    if m.words[word] >> (bit & 63) & 1 == 0:
        return ORDER_BIT
    return ORDER_ABOVE if bit >= top(m, instrument_id, book) else SOUND


@kernel
def check_levels(m, s):
    """Check that each level that leads on leads to an order, which was counted as the first of its
    level. The others lead to themselves, or have a link of zeros as levels that never had one."""
    band, book, base, end = i64(-1), i64(BOOKS - 1), i64(0), i64(len(m.orders))
    for at in range(len(s.level_blocks)):
        begin = s.level_blocks[at] * LINKS
        for level in range(max(begin, len(m.orders)), min(begin + LINKS, len(m.links))):
            if i64(m.links[level]["next"]) == 0 and i64(m.links[level]["prev"]) == 0:
                continue
            while level >= end:  # of the next book, or of the first one of the next instrument
                book += 1
                if book == BOOKS:
                    band, book = band + 1, i64(0)
                if band == len(s.bands):
                    return LEVEL_NONE, i64(level)
                base = level_at(m.instruments[s.bands[band]], book, i64(0))
                end = base + i64(m.instruments[s.bands[band]]["width"]) + 1
            if level == base:
                return LEVEL_NONE, i64(level)
            if first_order(m, level) != level:
                s.counts[0]["occupied"] += 1
            elif i64(m.links[level]["prev"]) != level:
                return LEVEL_EMPTY, i64(level)
    if s.counts[0]["firsts"] != s.counts[0]["occupied"]:
        return LEVEL_ALONE, i64(0)  # levels.py finds the row
    return SOUND, i64(0)


@kernel
def check_apart(m, s):
    """Walk the levels with orders that are not in sequence: each of these must be met, and the
    others be in sequence."""
    for at in range(s.counts[0]["apart"]):
        slot = i64(s.apart[at])
        if s.met[slot] == 0:
            early = walk_level(m, s, level_of(m, slot))
            if early != 0:
                return LEVEL_SEQUENCE, early
            if s.met[slot] == 0:
                return LEVEL_NEXT, slot
    return SOUND, i64(0)


@kernel
def walk_level(m, s, level):
    """Note the orders of a level as met. Returns the first that was not accepted before the next
    one, both in sequence; 0 if none was."""
    early, slot = i64(0), first_order(m, level)
    while is_order(m, slot):
        s.met[slot] = 1
        order = m.orders[slot]
        if is_in_sequence(order):
            if early != 0 and m.orders[early]["accepted"] >= order["accepted"]:
                return early
            early = slot
        slot = next_order(m, slot)
    return i64(0)


@kernel
def check_best_levels(m):
    """Check that the best level of each book has orders; none above has."""
    for instrument_id in range(len(m.instruments)):
        instrument = m.instruments[instrument_id]
        for book in range(BOOKS):
            best = top(m, instrument_id, book)
            if best != 0 and (
                best > i64(instrument["width"])
                or not is_order(m, first_order(m, level_at(instrument, book, best)))
            ):
                return BEST_LEVEL, i64(instrument_id)
    return SOUND, i64(0)

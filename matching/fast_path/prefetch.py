"""Prefetching: while a command runs, the memory that later commands need is fetched into the cache.

A command's data form a chain (order id table, order, position, neighbours). The chain is followed
in steps, each STEP commands behind the one before; a step writes what it found into FORESEEN for
the next one. Nothing here branches on the kind of a command, because it cannot be predicted: what
does not concern a command is read from index 0, which always exists. Prefetching changes no result:
what has become wrong in the meantime was fetched for nothing.
"""

import numpy as np

from matching.book.order_ids import entry_at, place_at
from matching.book.price_levels import level_at, word_at
from matching.book.risk import position_at
from matching.codes import NEW
from matching.fast_path.record_words import by_side, is_below
from matching.memory.compiler import inline, kernel
from matching.memory.intrinsics import prefetch
from matching.memory.layout import RING, TOPS

i64 = np.int64

STEP = 8
COMMANDS_AHEAD = 24
BATCH_MIN = 32
"""Batches below this size are not looked into."""
CACHED_ORDERS_MAX = 1 << 14
"""With fewer orders than this, their other data are in the cache anyway."""
NO_LOOK_AHEAD = 1 << 40
"""The command at which to look ahead again, where nothing is looked into: no batch is as long."""
NEVER_REACHED = 0x7FFF_FFFF
"""Limit of a command that is no new order: no best level is as high."""


@inline
def place_of_target(m, k):
    """Index in the order id table of the order that a command names, as of a moment ago."""
    if m.state[0]["foreseen"] != NO_LOOK_AHEAD:
        return i64(m.foreseen[k & RING - 1]["place"])
    c = m.commands[k]
    session = bounded(i64(c["session"]), i64(len(m.sessions)))
    ref = bounded(i64(c["target_ref"]), m.state[0]["refs"])
    return place_at(i64(m.directory[entry_at(m, session, ref)]), ref)


@kernel
def look_ahead(m, at, count):
    """Prefetch for the commands from this one on, STEP commands a step. The first call of a batch
    makes up for the steps before it. Returns the command at which to call again."""
    if count < BATCH_MIN:
        return i64(NO_LOOK_AHEAD)
    first = at == 0
    if m.state[0]["slots_used"] < CACHED_ORDERS_MAX:
        for k in range(at if first else at + STEP, min(at + 2 * STEP, count)):
            prefetch_id(m, k)
        for k in range(at, min(at + STEP, count)):
            prefetch_order(m, k)
        return i64(at + STEP)
    for k in range(at if first else at + 3 * STEP, min(at + 4 * STEP, count)):
        prefetch_id(m, k)
        prefetch_level(m, k)
    for k in range(at if first else at + 2 * STEP, min(at + 3 * STEP, count)):
        prefetch_order(m, k)
        prefetch_opposite_level(m, k)
    for k in range(at if first else at + STEP, min(at + 2 * STEP, count)):
        prefetch_neighbours(m, k)
    for k in range(at, min(at + STEP, count)):
        prefetch_maker(m, first_maker(m, k))
    return i64(at + STEP)


@inline
def bounded(number, bound):
    """The number if it is below a bound, else 0."""
    return number if number < bound else i64(0)


@inline
def number_if(condition, number):
    """The number where the condition holds, else 0, without a branch."""
    return number & -i64(condition)


@inline
def prefetch_id(m, k):
    """Prefetch the account, and the id table's entry: of the order that a command names, or of a
    new order. Every command but NEW is treated as if it named an order."""
    prefetch(m.commands, k + COMMANDS_AHEAD)
    c = m.commands[k]
    ref = i64(c["user_ref"]) if i64(c["kind"]) == NEW else i64(c["target_ref"])
    ref = bounded(ref, m.state[0]["refs"])
    session = bounded(i64(c["session"]), i64(len(m.sessions)))
    place = place_at(i64(m.directory[entry_at(m, session, ref)]), ref)
    m.foreseen[k & RING - 1]["place"] = place
    prefetch(m.pages, place)
    prefetch(m.accounts, bounded(i64(c["account"]), i64(len(m.accounts))))


@inline
def prefetch_level(m, k):
    """Prefetch the level that a new limit order joins, its bit, and its position. Note the opposite
    level that it reaches."""
    c, seen = m.commands[k], m.foreseen[k & RING - 1]
    account = bounded(i64(c["account"]), i64(len(m.accounts)))
    number = bounded(i64(c["instrument"]), i64(len(m.instruments)))
    prefetch(m.positions, position_at(m, number, account))
    instrument = m.instruments[number]
    side, price = i64(c["side"]) & 1, i64(c["price"])
    above_low, below_high = price - i64(instrument["low"]), i64(instrument["high"]) - price
    index = by_side(side, above_low, below_high) + 1
    joins = i64(c["kind"]) == NEW and is_below(index, i64(instrument["width"]) + 1)
    index = number_if(joins, index)
    level = number_if(joins, level_at(instrument, side, index))
    prefetch(m.links, level)
    prefetch(m.words, word_at(instrument, side) + (index >> 6))
    seen["level"] = level
    seen["top"] = number * TOPS + 1 - side
    seen["limit"] = NEVER_REACHED ^ number_if(
        joins, NEVER_REACHED ^ (above_low + below_high + 2 - index)
    )
    seen["across"] = level_at(instrument, 1 - side, 0)


@inline
def prefetch_order(m, k):
    """Prefetch the order that a command names. A new order's id has none."""
    seen = m.foreseen[k & RING - 1]
    slot = i64(m.pages[i64(seen["place"])])
    seen["slot"] = slot
    prefetch(m.orders, slot)
    prefetch(m.links, slot)


@inline
def prefetch_opposite_level(m, k):
    """Prefetch the best level of the opposite side if a new order reaches it."""
    seen = m.foreseen[k & RING - 1]
    best = i64(m.tops[i64(seen["top"])])
    met = number_if(best >= i64(seen["limit"]), i64(seen["across"]) + best)
    met = bounded(met, i64(len(m.links)))
    seen["met"] = met
    prefetch(m.links, met)


@inline
def first_maker(m, k):
    """Slot of the first resting order that a new order meets; 0 if there is none."""
    maker = i64(m.links[i64(m.foreseen[k & RING - 1]["met"])]["next"])
    return number_if(maker < len(m.orders), maker)


@inline
def prefetch_neighbours(m, k):
    """Prefetch an order's account, position and queue neighbours; for a new order, the tail of its
    level and the first order that it meets."""
    seen = m.foreseen[k & RING - 1]
    slot, level = i64(seen["slot"]), i64(seen["level"])
    order, own = m.orders[slot], m.links[slot if level == 0 else level]
    prefetch(m.accounts, i64(order["account"]))
    prefetch(m.positions, position_at(m, i64(order["instrument"]), i64(order["account"])))
    prefetch(m.links, i64(own["next"]))
    prefetch(m.links, i64(own["prev"]))
    maker = first_maker(m, k)
    prefetch(m.links, maker)
    prefetch(m.orders, maker)


@inline
def prefetch_maker(m, maker):
    """Prefetch the account, position and id of the order that a new one meets."""
    order = m.orders[maker]
    prefetch(m.accounts, i64(order["account"]))
    prefetch(m.positions, position_at(m, i64(order["instrument"]), i64(order["account"])))
    ref = i64(order["user_ref"])
    entry = entry_at(m, i64(order["session"]), ref)
    prefetch(m.pages, place_at(i64(m.directory[entry]), ref))

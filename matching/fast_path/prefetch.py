"""Prefetching: while a command runs, what later ones will touch is on its way into the cache.

A command's data hang in a chain (identity table, order, position, neighbours), so the chain is
followed in steps, each STEP commands behind the one before; what a step has found, the next ones
read in FORESEEN. Nothing here branches on what a command is, because that cannot be guessed: what
does not concern it is taken from place 0, which is always there. It changes no result: what has
become wrong in the meantime has only been fetched for nothing.
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
"""With fewer orders than this, what else they touch is in the cache anyway."""
NO_LOOK_AHEAD = 1 << 40
"""The command to look ahead at where nothing is looked into: none is as far."""
NEVER_REACHED = 0x7FFF_FFFF
"""The limit of what is no new order: no book's best is as high."""


@inline
def place_of_target(m, k):
    """Where the identity table has, or had a moment ago, the order that a command aims at."""
    if m.state[0]["foreseen"] != NO_LOOK_AHEAD:
        return i64(m.foreseen[k & RING - 1]["place"])
    c = m.commands[k]
    session = bounded(i64(c["session"]), i64(len(m.sessions)))
    ref = bounded(i64(c["target_ref"]), m.state[0]["refs"])
    return place_at(i64(m.directory[entry_at(m, session, ref)]), ref)


@kernel
def look_ahead(m, at, count):
    """Fetch for the commands from this one on, STEP commands a step; at a batch's first command the
    steps are made up for. Returns the command at which to call again."""
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
    """Where the identity table has the order that a command aims at, or a new one's own name; and
    the account. A command that is not NEW is taken for one that aims at an order."""
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
    """The level that a new limit order joins, its bit, its position, and what it reaches."""
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
    """The order that a command aims at: none for a new one, whose name nobody has."""
    seen = m.foreseen[k & RING - 1]
    slot = i64(m.pages[i64(seen["place"])])
    seen["slot"] = slot
    prefetch(m.orders, slot)
    prefetch(m.links, slot)


@inline
def prefetch_opposite_level(m, k):
    """The best level of the other side, if a new order reaches it; else none."""
    seen = m.foreseen[k & RING - 1]
    best = i64(m.tops[i64(seen["top"])])
    met = number_if(best >= i64(seen["limit"]), i64(seen["across"]) + best)
    met = bounded(met, i64(len(m.links)))
    seen["met"] = met
    prefetch(m.links, met)


@inline
def first_maker(m, k):
    """Whom a new order meets first; 0 if nobody."""
    maker = i64(m.links[i64(m.foreseen[k & RING - 1]["met"])]["next"])
    return number_if(maker < len(m.orders), maker)


@inline
def prefetch_neighbours(m, k):
    """Whose an order is, and whom it stands between; whom a new one stands behind and meets."""
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
    """Whose the order is that a new one meets, and its name."""
    order = m.orders[maker]
    prefetch(m.accounts, i64(order["account"]))
    prefetch(m.positions, position_at(m, i64(order["instrument"]), i64(order["account"])))
    ref = i64(order["user_ref"])
    entry = entry_at(m, i64(order["session"]), ref)
    prefetch(m.pages, place_at(i64(m.directory[entry]), ref))

"""Prefetching: while a command runs, what later ones will touch is on its way into the cache.

A command's data hang in a chain (identity table, order, position, neighbours), so the chain is
followed in steps, each STEP commands behind the one before. Nothing here branches on what a command
is, because that cannot be guessed: what does not concern it is taken from place 0, which is always
there. It changes no result: nothing is written, and what has become wrong in the meantime has only
been fetched for nothing.
"""

import numpy as np

from matching.codes import NEW
from matching.compile import inline, kernel, prefetch
from matching.identity import entry_at, place_at
from matching.ladder import level_at, top, word_at
from matching.layout import RING
from matching.risk import position_at
from matching.words import below, either

i64 = np.int64

STEP = 8
COMMANDS_AHEAD = 24
LEAST = 32
"""Batches below this size are not looked into."""
CACHED = 1 << 14
"""With fewer orders than this, what else they touch is in the cache anyway."""


@kernel
def look_ahead(m, at, count):
    """Fetch for the commands from this one on, STEP commands a step; at a batch's first command the
    steps are made up for. Returns the command at which to call again."""
    if count < LEAST:
        return i64(count)
    first = at == 0
    if m.state[0]["slots_used"] < CACHED:
        for k in range(at if first else at + STEP, min(at + 2 * STEP, count)):
            fetch_names(m, k)
        for k in range(at, min(at + STEP, count)):
            fetch_orders(m, k)
        return i64(at + STEP)
    for k in range(at if first else at + 3 * STEP, min(at + 4 * STEP, count)):
        fetch_names(m, k)
        fetch_positions(m, m.commands[k])
    for k in range(at if first else at + 2 * STEP, min(at + 3 * STEP, count)):
        fetch_orders(m, k)
        fetch_levels(m, m.commands[k])
    for k in range(at if first else at + STEP, min(at + 2 * STEP, count)):
        fetch_neighbours(m, k)
    for k in range(at, min(at + STEP, count)):
        fetch_maker(m, m.commands[k])
    return i64(at + STEP)


@inline
def within(number, bound):
    """The number if it is below a bound, else 0."""
    return number if number < bound else i64(0)


@inline
def only(condition, number):
    """The number where the condition holds, else 0, without a branch."""
    return number & -i64(condition)


@inline
def is_new(c):
    """Whether a command is NEW; if not, it is taken for one that aims at an order."""
    return i64(c["kind"]) == NEW


@inline
def fetch_names(m, k):
    """The entry in the identity table, and a new order's account."""
    prefetch(m.commands, k + COMMANDS_AHEAD)
    c = m.commands[k]
    ref = i64(c["user_ref"]) if is_new(c) else i64(c["target_ref"])
    ref = within(ref, m.state[0]["refs"])
    session = within(i64(c["session"]), i64(len(m.sessions)))
    place = place_at(i64(m.directory[entry_at(m, session, ref)]), ref)
    m.foreseen[k & RING - 1] = place
    prefetch(m.pages, place)
    prefetch(m.accounts, within(i64(c["account"]), i64(len(m.accounts))))


@inline
def fetch_positions(m, c):
    """A new order's position and instrument."""
    account = within(i64(c["account"]), i64(len(m.accounts)))
    instrument = within(i64(c["instrument"]), i64(len(m.instruments)))
    prefetch(m.positions, position_at(m, instrument, account))
    prefetch(m.instruments, instrument)


@inline
def fetch_orders(m, k):
    """The order that a command aims at."""
    slot = target_slot(m, k)
    prefetch(m.orders, slot)
    prefetch(m.links, slot)


@inline
def target_slot(m, k):
    """The order that a command aims at; 0 for a new one, whose name nobody has."""
    return i64(m.pages[i64(m.foreseen[k & RING - 1])])


@inline
def joined_index(m, c, instrument):
    """Which level of its book a new limit order joins; 0 for what is outside the band, and for
    other commands."""
    side, price = i64(c["side"]) & 1, i64(c["price"])
    index = either(side, price - i64(instrument["low"]), i64(instrument["high"]) - price) + 1
    return only(is_new(c) and below(index, i64(instrument["width"]) + 1), index)


@inline
def joined_level(m, c):
    """Where the level stands that a new limit order joins; 0 for other commands."""
    instrument = m.instruments[within(i64(c["instrument"]), i64(len(m.instruments)))]
    level = level_at(instrument, i64(c["side"]) & 1, joined_index(m, c, instrument))
    return only(is_new(c), level)


@inline
def met_level(m, c):
    """Where the best level of the other side stands, if a new order reaches it; else 0."""
    number = within(i64(c["instrument"]), i64(len(m.instruments)))
    instrument = m.instruments[number]
    side, price = i64(c["side"]) & 1, i64(c["price"])
    limit = either(side, i64(instrument["high"]) - price, price - i64(instrument["low"])) + 1
    best = top(m, number, 1 - side)
    return only(is_new(c) and best >= limit, level_at(instrument, 1 - side, best))


@inline
def fetch_levels(m, c):
    """The levels that a new order joins and meets, and the bitmap of its book."""
    prefetch(m.links, joined_level(m, c))
    instrument = m.instruments[within(i64(c["instrument"]), i64(len(m.instruments)))]
    word = joined_index(m, c, instrument) >> 6
    prefetch(m.words, word_at(instrument, i64(c["side"]) & 1) + word)
    prefetch(m.links, met_level(m, c))


@inline
def fetch_neighbours(m, k):
    """Whose an order is, and whom it stands between; whom a new one stands behind and meets."""
    c, slot = m.commands[k], target_slot(m, k)
    order, own = m.orders[slot], m.links[slot + joined_level(m, c)]
    prefetch(m.accounts, i64(order["account"]))
    prefetch(m.positions, position_at(m, i64(order["instrument"]), i64(order["account"])))
    prefetch(m.links, i64(own["next"]))
    prefetch(m.links, i64(own["prev"]))
    maker = i64(m.links[met_level(m, c)]["next"])
    prefetch(m.links, maker)
    prefetch(m.orders, only(maker < len(m.orders), maker))


@inline
def fetch_maker(m, c):
    """Who it is that a new order meets, and its name."""
    maker = i64(m.links[met_level(m, c)]["next"])
    order = m.orders[only(maker < len(m.orders), maker)]
    prefetch(m.accounts, i64(order["account"]))
    prefetch(m.positions, position_at(m, i64(order["instrument"]), i64(order["account"])))
    ref = i64(order["user_ref"])
    entry = entry_at(m, i64(order["session"]), ref)
    prefetch(m.pages, place_at(i64(m.directory[entry]), ref))

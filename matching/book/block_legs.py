"""Blocks by hour: their pool, their legs, and which of them a change of an hour may help.

A standing block has a leg in each of its hours. A leg has a bound on what its hour's best orders
would cost (or bring) its block: the truth is never better. What gets worse need not be known, and
from what is there a bound is worked out which only an order above a certain level can break; then
the hour is asked again. A block whose bounds together miss its limit cannot trade, and only others
are tried: they are ripe. What a block lacks is shared out among its bounds, so that an hour may get
better by its share before anybody asks.
"""

import numpy as np

from matching.book.price_levels import (
    first_order,
    index_at,
    is_order,
    level_at,
    next_below,
    next_order,
    price_at,
    top,
)
from matching.codes import BUY
from matching.memory.compiler import inline, kernel
from matching.memory.layout import (
    BLOCK_BIT,
    HOURS,
    STP_MASK,
    TOPS,
    WATCH_AT,
    WATCH_HEAD,
    WATCH_REACH,
)

i64 = np.int64

NOTHING_HELPS = 2**31
"""As a reach: above every level."""


@inline
def is_block(order):
    """Whether an order is a block."""
    return (i64(order["mode"]) & BLOCK_BIT) != 0


@inline
def block_of(order):
    """A block's number in the pool."""
    return i64(order["stop"])


@inline
def span_of(order):
    """How many hours a block is long."""
    return i64(order["display"])


@inline
def hour_instrument(m, order, k):
    """The instrument of a block's hour."""
    return i64(m.legs[block_of(order) * HOURS + k]["instrument"])


@kernel
def resolve_hours(m, block, first_id, span):
    """Write down a block's hours. Returns False where fewer are listed, or may be in a block.

    Of block 0, which is nobody's, the legs are scratch memory.
    """
    if span > i64(m.instruments[first_id]["longest"]):
        return False
    instrument_id = first_id
    for k in range(span):
        if instrument_id == 0:
            return False
        m.legs[block * HOURS + k]["instrument"] = instrument_id
        instrument_id = i64(m.instruments[instrument_id]["after"])
    return True


@kernel
def has_hour(m, order, instrument_id):
    """Whether an instrument is an hour of a block."""
    k = i64(0)
    while k < span_of(order) and hour_instrument(m, order, k) != instrument_id:
        k += 1
    return k < span_of(order)


@inline
def is_skipped(m, order, other):
    """Whether a block does not see an order: its owner's, under any prevention."""
    if (i64(order["mode"]) & STP_MASK) == 0:
        return False
    return m.accounts[i64(order["account"])]["group"] == m.accounts[i64(other["account"])]["group"]


@kernel
def hour_total(m, order, instrument_id, bound):
    """What an hour's best orders down to a level cost a block, as price x quantity, and the level
    of the worst of them; 0 for the level where they are too few."""
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    wanted = i64(order["leaves"])
    total = i64(0)
    index = top(m, instrument_id, book)
    while index >= bound and index != 0:
        price = price_at(instrument, book, index)
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot):
            maker = m.orders[slot]
            if not is_skipped(m, order, maker):
                taken = min(wanted, i64(maker["leaves"]))
                total += taken * price
                wanted -= taken
                if wanted == 0:
                    return total, index
            slot = next_order(m, slot)
        index = next_below(m, instrument, book, index)
    return i64(0), i64(0)


@inline
def is_within(order, total):
    """Whether a block's limit admits this sum of price x quantity over all hours."""
    limit = i64(order["price"]) * i64(order["leaves"]) * span_of(order)
    return total <= limit if i64(order["side"]) == BUY else total >= limit


@kernel
def helping_level(m, order, instrument_id, bound):
    """The level that new orders must beat for an hour to be better than a bound that is not better
    than what it has. Costs are counted: what a sell gets is a negative cost.

    With orders at cost v and worse, no lot that is there now can become cheaper than v: the hour
    costs at least the sum of min(cost, v) over the lots. Sought is the least v for which that is
    the bound or more.
    """
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    sign = 2 * book - 1
    wanted = i64(order["leaves"])
    cheaper = i64(0)
    index = top(m, instrument_id, book)
    while cheaper + wanted * sign * price_at(instrument, book, index) < bound:
        price = price_at(instrument, book, index)
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot):
            maker = m.orders[slot]
            if not is_skipped(m, order, maker):
                cheaper += i64(maker["leaves"]) * sign * price
                wanted -= i64(maker["leaves"])
            slot = next_order(m, slot)
        index = next_below(m, instrument, book, index)
    least = -((cheaper - bound) // wanted)
    return min(index_at(instrument, book, sign * least), i64(NOTHING_HELPS))


@kernel
def revalue(m, leg):
    """Make a leg's bound what its hour has now, which only better orders than the worst of them
    can break."""
    block = m.blocks[leg // HOURS]
    known = m.legs[leg]
    if i64(known["last_index"]) == 0:
        block["lacking"] -= 1
    order = m.orders[i64(block["slot"])]
    total, last_index = hour_total(m, order, i64(known["instrument"]), i64(1))
    block["total"] += total - known["total"]
    known["total"] = total
    known["last_index"] = last_index
    if last_index == 0:
        block["lacking"] += 1


@kernel
def update_bound(m, leg):
    """Ask an hour what it has for a leg's block, and give its bound a share of what the block
    lacks."""
    block = m.blocks[leg // HOURS]
    known = m.legs[leg]
    order = m.orders[i64(block["slot"])]
    revalue(m, leg)
    sign = 1 - 2 * i64(order["side"])
    limit = i64(order["price"]) * i64(order["leaves"]) * span_of(order)
    share = sign * (block["total"] - limit) // span_of(order)
    if share > 0 and i64(block["lacking"]) == 0:
        bound = sign * known["total"] - share
        known["last_index"] = helping_level(m, order, i64(known["instrument"]), bound)
        known["total"] = sign * bound
        block["total"] -= sign * share
    watch = i64(known["instrument"]) * TOPS + WATCH_AT + i64(order["side"]) + WATCH_REACH
    m.watch[watch] = min(i64(m.watch[watch]), i64(known["last_index"]))


@kernel
def update_bounds(m, number):
    """Ask all hours of a block; what it lacks is known before it is shared out."""
    span = span_of(m.orders[i64(m.blocks[number]["slot"])])
    for k in range(span):
        revalue(m, number * HOURS + k)
    for k in range(span):
        update_bound(m, number * HOURS + k)


@inline
def add_candidate(m, number):
    """A block is to be tried."""
    state = m.state[0]
    block = m.blocks[number]
    if i64(block["candidate"]) == 0:
        state["candidates"] += 1
        block["candidate"] = state["candidates"]
        m.candidates[state["candidates"]] = number


@inline
def remove_candidate(m, number):
    """A block need not be tried; the last one takes its place."""
    state = m.state[0]
    block = m.blocks[number]
    at = i64(block["candidate"])
    if at != 0:
        last = i64(m.candidates[state["candidates"]])
        m.candidates[at] = last
        m.blocks[last]["candidate"] = at
        block["candidate"] = 0
        state["candidates"] -= 1


@kernel
def notify_blocks(m, instrument_id, book, index):
    """An order has come to rest at a level: ask for the blocks that it may help."""
    watch = instrument_id * TOPS + WATCH_AT + 1 - book
    if index <= i64(m.watch[watch + WATCH_REACH]):
        return
    leg = i64(m.watch[watch + WATCH_HEAD])
    reach = i64(NOTHING_HELPS)
    while leg != 0:
        if index > i64(m.legs[leg]["last_index"]):
            update_bound(m, leg)
            block = m.blocks[leg // HOURS]
            order = m.orders[i64(block["slot"])]
            if i64(block["lacking"]) == 0 and is_within(order, block["total"]):
                add_candidate(m, leg // HOURS)
        reach = min(reach, i64(m.legs[leg]["last_index"]))
        leg = i64(m.legs[leg]["next"])
    m.watch[watch + WATCH_REACH] = reach


@kernel
def notify_all_blocks(m, instrument_id):
    """An hour's phase, collar or last price has changed: all its blocks are to be tried."""
    for side in range(2):
        leg = i64(m.watch[instrument_id * TOPS + WATCH_AT + WATCH_HEAD + side])
        while leg != 0:
            add_candidate(m, leg // HOURS)
            leg = i64(m.legs[leg]["next"])


@inline
def recheck_collar(m, instrument_id):
    """Orders have left a book, or its last price has moved: where a collar is, this may let blocks
    trade that it kept from trading."""
    instrument = m.instruments[instrument_id]
    if i64(instrument["watched"]) != 0 and i64(instrument["collar"]) != 0:
        notify_all_blocks(m, instrument_id)


@kernel
def activate(m, slot):
    """A block joins its hours."""
    order = m.orders[slot]
    number = block_of(order)
    block = m.blocks[number]
    block["total"] = 0
    block["lacking"] = 0
    block["active"] = 1
    for k in range(span_of(order)):
        leg = number * HOURS + k
        known = m.legs[leg]
        known["total"] = 0
        known["last_index"] = 1
        watch = i64(known["instrument"]) * TOPS + WATCH_AT + i64(order["side"])
        behind = i64(m.watch[watch + WATCH_HEAD])
        known["next"] = behind
        known["prev"] = 0
        m.watch[watch + WATCH_HEAD] = leg
        if behind != 0:
            m.legs[behind]["prev"] = leg
        else:
            m.watch[watch + WATCH_REACH] = NOTHING_HELPS
        m.instruments[i64(known["instrument"])]["watched"] = 1
    update_bounds(m, number)


@kernel
def deactivate(m, slot):
    """A block leaves its hours, if it stands."""
    order = m.orders[slot]
    number = block_of(order)
    if i64(m.blocks[number]["active"]) == 0:
        return
    m.blocks[number]["active"] = 0
    remove_candidate(m, number)
    for k in range(span_of(order)):
        known = m.legs[number * HOURS + k]
        ahead, behind = i64(known["prev"]), i64(known["next"])
        watch = i64(known["instrument"]) * TOPS + WATCH_AT + WATCH_HEAD
        if behind != 0:
            m.legs[behind]["prev"] = ahead
        if ahead != 0:
            m.legs[ahead]["next"] = behind
        else:
            m.watch[watch + i64(order["side"])] = behind
            if m.watch[watch] == 0 and m.watch[watch + 1] == 0:
                m.instruments[i64(known["instrument"])]["watched"] = 0

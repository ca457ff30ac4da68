"""Legs of blocks: one for each hour, and which blocks a change of an hour may help.

An active block has a leg in each of its hours. A leg keeps a bound: the best orders of its hour
cost (or bring) the block at least that, so the truth is never better. Orders that leave make the
hour worse, so the bound stays true. New orders break it only above a certain level (`last_index`);
then the bound is computed again.

A block whose bounds together miss its limit cannot trade. The others are candidates, and only
candidates are tried. What a block lacks to its limit is shared out among its bounds, so that an
hour may get better by its share before anything is computed.
"""

import numpy as np

from matching.book.collar import collar_edge
from matching.book.price_levels import (
    first_order,
    index_at,
    is_order,
    level_at,
    next_below,
    next_order,
    order_index,
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
    WAITING,
    WATCH_AT,
    WATCH_HEAD,
    WATCH_REACH,
)

i64 = np.int64

NOTHING_HELPS = 2**31
"""A reach above every level: no order helps."""


@inline
def is_block(order):
    """Whether an order is a block."""
    return (i64(order["mode"]) & BLOCK_BIT) != 0


@inline
def block_of(order):
    """Number of a block in the pool."""
    return i64(order["stop"])


@inline
def span_of(order):
    """Number of hours of a block."""
    return i64(order["display"])


@inline
def hour_instrument(m, order, k):
    """Instrument of a block's hour k."""
    return i64(m.legs[block_of(order) * HOURS + k]["instrument"])


@kernel
def resolve_hours(m, block, first_id, span):
    """Write the instruments of a block's hours into its legs. Returns False where fewer are listed,
    or where the block is longer than allowed.

    The legs of block 0 are scratch memory.
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
    """Whether a block ignores an order because one owner has both and the block prevents
    self-trades, in any mode."""
    if (i64(order["mode"]) & STP_MASK) == 0:
        return False
    return m.accounts[i64(order["account"])]["group"] == m.accounts[i64(other["account"])]["group"]


@kernel
def hour_total(m, order, instrument_id, bound):
    """Price x quantity of the best orders of an hour that would fill a block, down to a level, and
    the level of the worst of them; 0, 0 where they are too few."""
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    wanted = i64(order["leaves"])
    total = i64(0)
    index = top(m, instrument_id, book)
    while index >= bound and index != 0:
        price = price_at(instrument, book, index)
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot):
            m.state[0]["spent"] += 1
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
    """Level that new orders must be above to make an hour better than a bound, which is not better
    than what the hour has.

    Counted in costs: the proceeds of a sell are a negative cost. With new orders at cost v and
    worse, the hour costs at least the sum of min(cost, v) over the lots. The function finds the
    least v for which that sum reaches the bound.
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
    """Set a leg's bound to what its hour has now. Only orders better than the worst of these can
    break it."""
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
    """Compute a leg's bound again, and give it a share of what the block lacks to its limit."""
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
    """Compute all bounds of a block. What the block lacks must be known before it is shared out."""
    span = span_of(m.orders[i64(m.blocks[number]["slot"])])
    for k in range(span):
        revalue(m, number * HOURS + k)
    for k in range(span):
        update_bound(m, number * HOURS + k)


@inline
def add_candidate(m, number):
    """Add a block to those to try."""
    state = m.state[0]
    block = m.blocks[number]
    if i64(block["candidate"]) == 0:
        state["candidates"] += 1
        block["candidate"] = state["candidates"]
        m.candidates[state["candidates"]] = number


@inline
def remove_candidate(m, number):
    """Remove a block from those to try; the last one takes its position."""
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
    """After an order came to rest at a level: compute the bounds that it breaks, and make
    candidates of the blocks that can trade now."""
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
    """After a change of an hour's phase, collar or last price: all its blocks are candidates."""
    for side in range(2):
        leg = i64(m.watch[instrument_id * TOPS + WATCH_AT + WATCH_HEAD + side])
        while leg != 0:
            add_candidate(m, leg // HOURS)
            leg = i64(m.legs[leg]["next"])


@inline
def recheck_collar(m, instrument_id):
    """After trades moved the last price: where a collar is set, blocks that it kept from trading
    are candidates."""
    instrument = m.instruments[instrument_id]
    if i64(instrument["watched"]) != 0 and i64(instrument["collar"]) != 0:
        notify_held_blocks(m, instrument_id)


@inline
def recheck_collar_without(m, order):
    """After an order left its level: where a collar is set and the order alone was beyond its near
    edge, blocks that this kept from trading are candidates.

    Any other order that leaves makes its hour worse.
    """
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    collar = i64(instrument["collar"])
    if i64(instrument["watched"]) != 0 and collar != 0 and (i64(order["mode"]) & WAITING) == 0:
        book = i64(order["side"])
        nearest = collar_edge(instrument, 1 - book, -collar)
        if order_index(instrument, book, order) > nearest >= top(m, instrument_id, book):
            notify_held_blocks(m, instrument_id)


@kernel
def notify_held_blocks(m, instrument_id):
    """Make candidates of the blocks of an hour that could trade if it were not for its collar: the
    bounds of the others miss their limits, in any collar."""
    for side in range(2):
        leg = i64(m.watch[instrument_id * TOPS + WATCH_AT + WATCH_HEAD + side])
        while leg != 0:
            block = m.blocks[leg // HOURS]
            if i64(block["lacking"]) == 0:
                order = m.orders[i64(block["slot"])]
                if is_within(order, block["total"]):
                    add_candidate(m, leg // HOURS)
            leg = i64(m.legs[leg]["next"])


@kernel
def activate(m, slot):
    """Link a block's legs into its hours."""
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
    """Unlink a block's legs from its hours, if they are linked."""
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

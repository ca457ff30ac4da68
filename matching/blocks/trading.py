"""Trading of blocks: whole, at once, with the hourly orders or with one opposite block.

A block trades hour by hour; then the stops that it triggered run, hour by hour; then other
candidates are tried. Each is a stage, so that a full event buffer can be emptied in between.
"""

import numpy as np

from matching.book.block_holdings import finish_block, set_reserve
from matching.book.block_legs import (
    block_of,
    deactivate,
    hour_instrument,
    hour_total,
    is_skipped,
    is_within,
    remove_candidate,
    span_of,
    update_bounds,
)
from matching.book.collar import collar_bound
from matching.book.events import must_pause
from matching.book.price_levels import first_order, is_order, level_at, next_below, next_order, top
from matching.book.registry import base_price
from matching.codes import BUY, CONTINUOUS, FLAG_BLOCK, OFF_BOOK
from matching.memory.compiler import inline, kernel
from matching.memory.layout import HOURS, TOPS, WATCH_AT, WATCH_HEAD
from matching.orders.fills import book_trade, fill_maker, finish_maker, note_price, trade_events
from matching.orders.quote_protection import begin_withdrawal
from matching.orders.stops import trigger_hour
from matching.stages import BLOCK_STOPS, TRADE_BLOCK, TRY_BLOCKS

i64 = np.int64

NO_COUNTERPARTY, HOURLY_BOOKS = 0, -1
"""Counterparty of a block: none, or the hourly books; else it is the slot of an opposite block."""


@inline
def has_priority_over(order, other):
    """Whether a block comes before another of its side: by better price, then earlier
    acceptance."""
    if i64(order["price"]) != i64(other["price"]):
        higher = i64(order["price"]) > i64(other["price"])
        return higher if i64(order["side"]) == BUY else not higher
    return i64(order["accepted"]) < i64(other["accepted"])


@inline
def can_trade_with(m, order, other):
    """Whether two opposite blocks may trade: same hours and quantity, and limits that cross. The
    prevention mode of the later one counts."""
    buyer_pays = i64(order["price"]) - i64(other["price"])
    if (
        i64(order["leaves"]) != i64(other["leaves"])
        or span_of(order) != span_of(other)
        or (buyer_pays < 0 if i64(order["side"]) == BUY else buyer_pays > 0)
    ):
        return False
    if i64(order["accepted"]) > i64(other["accepted"]):
        return not is_skipped(m, order, other)
    return not is_skipped(m, other, order)


@kernel
def find_opposite_block(m, slot):
    """The opposite block that a block would trade with, the best in priority; 0 if there is
    none."""
    order = m.orders[slot]
    watch = hour_instrument(m, order, 0) * TOPS + WATCH_AT + WATCH_HEAD + 1 - i64(order["side"])
    leg = i64(m.watch[watch])
    best = i64(0)
    while leg != 0:
        if leg % HOURS == 0:
            other = i64(m.blocks[leg // HOURS]["slot"])
            if can_trade_with(m, order, m.orders[other]) and (
                best == 0 or has_priority_over(m.orders[other], m.orders[best])
            ):
                best = other
        leg = i64(m.legs[leg]["next"])
    return best


@kernel
def books_total(m, order):
    """Price x quantity that the hourly books cost a block, inside every collar; -1 where they have
    too few lots or are beyond its limit."""
    total = i64(0)
    for k in range(span_of(order)):
        instrument_id = hour_instrument(m, order, k)
        bound = collar_bound(m, instrument_id, i64(order["side"]), i64(1))
        part, last_index = hour_total(m, order, instrument_id, bound)
        if last_index == 0:
            return i64(-1)
        total += part
    return total if is_within(order, total) else i64(-1)


@kernel
def best_counterparty(m, slot):
    """NO_COUNTERPARTY, HOURLY_BOOKS, or the slot of an opposite block: whichever has the better
    total for this block."""
    order = m.orders[slot]
    for k in range(span_of(order)):
        if i64(m.instruments[hour_instrument(m, order, k)]["phase"]) != CONTINUOUS:
            return i64(NO_COUNTERPARTY)
    swept = books_total(m, order)
    opposite = find_opposite_block(m, slot)
    if opposite == 0:
        return i64(NO_COUNTERPARTY) if swept < 0 else i64(HOURLY_BOOKS)
    if swept < 0:
        return opposite
    other = m.orders[opposite]
    maker = other if i64(other["accepted"]) < i64(order["accepted"]) else order
    total = i64(maker["price"]) * i64(order["leaves"]) * span_of(order)
    is_better = total < swept if i64(order["side"]) == BUY else total > swept
    return opposite if is_better else i64(HOURLY_BOOKS)


@kernel
def try_blocks(m):
    """Try the candidates in priority, until one trades or none is left.

    Returns False where one begins to trade, or where the call has worked long enough.
    """
    state = m.state[0]
    while state["candidates"] != 0:
        if must_pause(m):
            return False
        state["spent"] += state["candidates"] >> 3
        best = i64(m.candidates[1])
        for at in range(2, state["candidates"] + 1):
            number = i64(m.candidates[at])
            if is_tried_before(
                m.orders[i64(m.blocks[number]["slot"])], m.orders[i64(m.blocks[best]["slot"])]
            ):
                best = number
        slot = i64(m.blocks[best]["slot"])
        counterparty = best_counterparty(m, slot)
        if counterparty != NO_COUNTERPARTY:
            begin_block_trade(m, slot, counterparty)
            return False
        remove_candidate(m, best)
        update_bounds(m, best)
    return True


@inline
def is_tried_before(order, other):
    """Whether a candidate is tried before another: buys before sells, then by priority."""
    if i64(order["side"]) != i64(other["side"]):
        return i64(order["side"]) == BUY
    return has_priority_over(order, other)


@kernel
def begin_block_trade(m, slot, counterparty):
    """Unlink a block from its hours, with an opposite one, and release what they reserved to
    pay."""
    state = m.state[0]
    state["trade_groups"] += 1
    state["block"] = slot
    state["opposite"] = max(counterparty, i64(0))
    state["leg"] = 0
    state["leg_left"] = 0
    state["stage"] = TRADE_BLOCK
    deactivate(m, slot)
    set_reserve(m, m.orders[slot], i64(0))
    if counterparty > 0:
        deactivate(m, counterparty)
        set_reserve(m, m.orders[counterparty], i64(0))


@inline
def enter_hour(m, slot, instrument_id):
    """Make a block's order that of one hour, while it trades there. Returns its quantity."""
    order = m.orders[slot]
    quantity = i64(order["leaves"]) + i64(order["cumulative"])
    order["instrument"] = instrument_id
    order["leaves"] = quantity
    order["cumulative"] = 0
    return quantity


@kernel
def trade_block(m, c):
    """Carry out the trades of the block under way, from where it is. Returns False where the event
    buffer is full."""
    state = m.state[0]
    slot, opposite = state["block"], state["opposite"]
    order = m.orders[slot]
    while state["leg"] < span_of(order):
        if must_pause(m):
            return False
        instrument_id = hour_instrument(m, order, state["leg"])
        known = m.legs[block_of(order) * HOURS + state["leg"]]
        if state["leg_left"] == 0:
            state["leg_left"] = enter_hour(m, slot, instrument_id)
            begin_hour(m, known, instrument_id)
        if opposite != 0:
            enter_hour(m, opposite, instrument_id)
            trade_with_opposite(m, c, instrument_id, state["leg_left"])
            state["leg_left"] = 0
        else:
            trade_next_maker(m, c, slot, instrument_id)
            known["low"] = state["traded_low"]
            known["high"] = state["traded_high"]
        if state["leg_left"] == 0:
            state["leg"] += 1
    if opposite != 0:
        finish_block(m, opposite)
    state["leg"] = 0
    state["stage"] = BLOCK_STOPS
    if state["tripped"] != 0:
        begin_withdrawal(m, BLOCK_STOPS)
    return True


@inline
def begin_hour(m, known, instrument_id):
    """Reset the traded prices of an hour, and record the price from which its stops' distances
    count."""
    state = m.state[0]
    state["traded_low"] = 0
    state["traded_high"] = 0
    known["base"] = base_price(m.instruments[instrument_id])
    known["low"] = 0
    known["high"] = 0


@inline
def first_eligible(m, order, instrument_id, bound):
    """Slot of the first opposite order that a block does not skip, down to a level, and its level;
    0, 0 if there is none."""
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    index = top(m, instrument_id, book)
    while index >= bound and index != 0:
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot):
            if not is_skipped(m, order, m.orders[slot]):
                return slot, index
            slot = next_order(m, slot)
        index = next_below(m, instrument, book, index)
    return i64(0), i64(0)


@inline
def trade_next_maker(m, c, slot, instrument_id):
    """Trade with the next hourly order, at its price, as much as it shows."""
    state = m.state[0]
    maker_slot, index = first_eligible(m, m.orders[slot], instrument_id, i64(1))
    quantity = min(state["leg_left"], i64(m.orders[maker_slot]["shown"]))
    trade_with_maker(m, c, slot, maker_slot, index, quantity, FLAG_BLOCK)
    state["leg_left"] -= quantity


@kernel
def trade_with_maker(m, c, slot, maker_slot, index, quantity, flags):
    """Trade this quantity of what an hourly order shows, at its price, in the taker's
    instrument.

    Behind a better order, which is the owner's own, it is no price of the hour.
    """
    order, maker = m.orders[slot], m.orders[maker_slot]
    instrument_id, book = i64(order["instrument"]), 1 - i64(order["side"])
    instrument = m.instruments[instrument_id]
    price = i64(maker["price"])
    on_book = index == top(m, instrument_id, book)
    off_book = i64(0) if on_book else i64(OFF_BOOK)
    fill_maker(m, c, instrument, maker, order, price, quantity, off_book)
    mark_group(m, 0, flags)
    if on_book:
        note_price(m.state[0], instrument, price)
    finish_maker(m, c, maker_slot, level_at(instrument, book, index))


@inline
def trade_with_opposite(m, c, instrument_id, quantity):
    """Trade an hour with the opposite block, at the limit of the earlier one."""
    state = m.state[0]
    maker, taker = m.orders[state["opposite"]], m.orders[state["block"]]
    if i64(maker["accepted"]) > i64(taker["accepted"]):
        maker, taker = taker, maker
    instrument = m.instruments[instrument_id]
    price = i64(maker["price"])
    maker_fee, taker_fee = book_trade(
        m, instrument, maker, taker, price, quantity,
        i64(instrument["maker_rate"]), i64(instrument["taker_rate"]),
    )  # fmt: skip
    trade_events(m, c, maker, taker, price, quantity, maker_fee, taker_fee, OFF_BOOK)
    mark_group(m, FLAG_BLOCK, FLAG_BLOCK)


@inline
def mark_group(m, maker_flags, taker_flags):
    """Mark the last trade's two events as part of one trade group."""
    state = m.state[0]
    made = m.events[state["events"] - 2]
    took = m.events[state["events"] - 1]
    made["trade_group"] = state["trade_groups"]
    took["trade_group"] = state["trade_groups"]
    made["flags"] = i64(made["flags"]) | maker_flags
    took["flags"] = i64(took["flags"]) | taker_flags


@kernel
def run_block_stops(m):
    """Collect the stops that the block's trades have triggered, hour by hour, then end the
    block."""
    state = m.state[0]
    order = m.orders[state["block"]]
    while state["leg"] < span_of(order):
        instrument_id = hour_instrument(m, order, state["leg"])
        known = m.legs[block_of(order) * HOURS + state["leg"]]
        state["leg"] += 1
        if trigger_hour(m, known, instrument_id, BLOCK_STOPS):
            return
    finish_block(m, state["block"])
    state["block"] = 0
    state["opposite"] = 0
    state["leg"] = 0
    state["stage"] = TRY_BLOCKS

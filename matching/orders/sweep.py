"""The run of an incoming order: it sweeps the opposite side, then rests or ends.

New orders, replaced orders that lost priority and triggered stops all run here. The run keeps its
progress in STATE, so that it can stop when the event buffer is full and go on afterwards.
"""

import numpy as np

from matching.book.auctions import enter_phase, random_seconds
from matching.book.block_legs import notify_blocks
from matching.book.collar import collar_bound
from matching.book.events import emit, must_pause, report
from matching.book.order_ids import finish_order
from matching.book.price_levels import (
    add_to_level,
    first_order,
    index_at,
    level_at,
    price_at,
    remove_from_level,
    top,
)
from matching.book.registry import base_price
from matching.book.risk import release
from matching.book.timers import COLLAR_END, PHASE, add_timer
from matching.book.walk import begin_walk, next_in_book, pause_walk
from matching.codes import (
    AUCTION,
    CANCELLED,
    CONTINUOUS,
    FOK,
    IOC,
    LIMIT,
    OLDEST,
    PHASE_CHANGED,
    REMAINDER,
    STOP_LIMIT,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import STP_MASK
from matching.orders.fills import fill_maker, finish_maker, note_price
from matching.orders.self_trade_prevention import are_related, prevent_self_trade
from matching.records import NANOSECONDS
from matching.stages import LOOK

i64 = np.int64


@inline
def may_rest(order):
    """Whether an order is of a kind that may rest: a limit order or stop-limit that is neither IOC
    nor FOK."""
    kind = i64(order["type"])
    tif = i64(order["tif"])
    return (kind == LIMIT or kind == STOP_LIMIT) and tif != IOC and tif != FOK


@inline
def limit_index(instrument, side, price):
    """Lowest level of the opposite side that an order may meet; 1 where it has no limit."""
    if price == 0:
        return i64(1)
    return max(index_at(instrument, 1 - side, price), i64(1))


@inline
def start_run(m, slot):
    """Begin the run of an order that is in no book."""
    state = m.state[0]
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    side = i64(order["side"])
    limit = limit_index(m.instruments[instrument_id], side, i64(order["price"]))
    state["slot"] = slot
    state["limit"] = limit
    begin_run(m)


@inline
def begin_run(m):
    """Begin the run of the order in STATE, whose limit is known."""
    state = m.state[0]
    order = m.orders[state["slot"]]
    state["bound"] = collar_bound(m, i64(order["instrument"]), i64(order["side"]), state["limit"])
    state["traded_low"] = 0
    state["traded_high"] = 0


@inline
def note_base_price(m):
    """Record the last trade price before a command: the distances of stops count from it."""
    state = m.state[0]
    instrument = m.instruments[i64(m.orders[state["slot"]]["instrument"])]
    state["base_price"] = base_price(instrument)


@kernel
def begin_look(m, slot, wanted):
    """Begin to look whether a new order can trade this quantity at once, as far as limit and collar
    admit."""
    state = m.state[0]
    order = m.orders[slot]
    instrument_id, side = i64(order["instrument"]), i64(order["side"])
    limit = limit_index(m.instruments[instrument_id], side, i64(order["price"]))
    state["slot"] = slot
    state["bound"] = collar_bound(m, instrument_id, side, limit)
    state["look_wanted"] = wanted
    state["look_found"] = 0
    state["look_shown"] = 0
    begin_walk(m, instrument_id, 1 - side)
    state["stage"] = LOOK


@kernel
def look(m):
    """Look on from where it is: `look_found` reaches `look_wanted` where the quantity can trade.
    RULES.md says what self-trade prevention leaves out.

    Returns False where the call has worked long enough.
    """
    state = m.state[0]
    order = m.orders[state["slot"]]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    book, wanted = 1 - i64(order["side"]), state["look_wanted"]
    index, slot = state["walk_index"], state["walk_slot"]
    while index >= state["bound"] and index != 0:
        if must_pause(m):
            pause_walk(m, index, slot)
            return False
        if count_resting(m, order, slot):
            return True
        level = index
        index, slot = next_in_book(m, instrument, book, index, slot)
        if index != level:
            if state["look_found"] >= wanted:
                return True
            state["look_shown"] = state["look_found"]
    return True


@inline
def count_resting(m, order, slot):
    """Count a resting order that an incoming one would meet. Returns whether this decides the
    look."""
    state = m.state[0]
    state["spent"] += 1
    resting = m.orders[slot]
    mode, wanted = i64(order["mode"]) & STP_MASK, state["look_wanted"]
    ends = mode != OLDEST
    if mode != 0 and are_related(m, order, resting):
        if ends:
            state["look_found"] = state["look_shown"]
        return ends
    state["look_found"] += i64(resting["leaves"])
    state["look_shown"] += i64(resting["shown"])
    return state["look_shown"] >= wanted or (state["look_found"] >= wanted and not ends)


@inline
def sweep(m, command):
    """Trade the incoming order as far as limit and collar admit. Returns False where the event
    buffer is full."""
    state = m.state[0]
    slot = state["slot"]
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    mode = i64(order["mode"]) & STP_MASK
    bound = state["bound"]
    while i64(order["leaves"]) != 0:
        index = top(m, instrument_id, book)
        if index < bound or index == 0:
            break
        if must_pause(m):
            return False
        level = level_at(instrument, book, index)
        maker_slot = first_order(m, level)
        maker = m.orders[maker_slot]
        if mode != 0 and are_related(m, order, maker):
            goes_on = prevent_self_trade(m, command, slot, maker_slot, mode)
            if i64(maker["leaves"]) == 0:
                remove_from_level(m, maker_slot)
                finish_order(m, maker_slot)
            if not goes_on:
                break
            continue
        price = price_at(instrument, book, index)
        quantity = min(i64(order["leaves"]), i64(maker["shown"]))
        fill_maker(m, command, instrument, maker, order, price, quantity, 0)
        note_price(state, instrument, price)
        finish_maker(m, command, maker_slot, level)
    return True


@inline
def finish_run(m, command):
    """End the run: the remainder rests or is cancelled. If it rests and the collar stopped it, an
    auction starts."""
    state = m.state[0]
    slot = state["slot"]
    order = m.orders[slot]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if i64(order["leaves"]) == 0:
        finish_order(m, slot)
        return
    best = top(m, instrument_id, 1 - i64(order["side"]))
    stopped = i64(instrument["phase"]) == CONTINUOUS and state["limit"] <= best < state["bound"]
    rests = may_rest(order)
    rest_or_end(m, command, slot)
    if stopped and rests:
        start_collar_auction(m, command, instrument_id)


@inline
def rest_or_end(m, command, slot):
    """Rest what is left of an order if its kind may rest, else cancel it."""
    order = m.orders[slot]
    if may_rest(order):
        display, leaves = i64(order["display"]), i64(order["leaves"])
        order["shown"] = min(display, leaves) if display != 0 else leaves
        add_to_level(m, slot)
        instrument_id = i64(order["instrument"])
        instrument = m.instruments[instrument_id]
        if i64(instrument["watched"]) != 0:
            side = i64(order["side"])
            notify_blocks(m, instrument_id, side, index_at(instrument, side, i64(order["price"])))
    else:
        cancel_remainder(m, command, slot, REMAINDER)


@inline
def cancel_remainder(m, command, slot, reason):
    """Cancel all that is left of an order that is in no book."""
    order = m.orders[slot]
    leaves = i64(order["leaves"])
    release(m, order, leaves)
    report(m, command, order, CANCELLED, reason, 0, 0, 0, i64(order["price"]), leaves)
    finish_order(m, slot)


@kernel
def start_collar_auction(m, command, instrument_id):
    """Start the volatility auction of an instrument whose collar was reached."""
    enter_phase(m, instrument_id, AUCTION)
    m.auctions[instrument_id]["extended"] = 0
    report_phase(m, command, instrument_id, AUCTION, 0, 0, 0)
    schedule_collar_end(m, instrument_id, m.state[0]["now_ns"] // NANOSECONDS)


@kernel
def schedule_collar_end(m, instrument_id, from_s):
    """Schedule the end of a collar's auction: its seconds after `from_s`, and some at random."""
    state = m.state[0]
    state["scheduled"] += 1
    length_s = i64(m.instruments[instrument_id]["collar_s"]) + random_seconds(m, instrument_id)
    add_timer(m, from_s + length_s, PHASE, instrument_id, state["scheduled"], 0, COLLAR_END)


@inline
def report_phase(m, command, instrument_id, phase, price, volume, by_command):
    """Append a PHASE_CHANGED event. It names the command's sender if the command asked for the
    phase."""
    at = emit(m, command, PHASE_CHANGED, 0, phase, 0, 0, price, volume)
    event = m.events[at]
    event["leaves"] = 0
    event["cumulative"] = 0
    event["session"] = command["session"] if by_command != 0 else np.uint32(0)
    event["user_ref"] = command["user_ref"] if by_command != 0 else np.uint32(0)
    event["account"] = 0
    event["instrument"] = instrument_id
    event["side"] = 0

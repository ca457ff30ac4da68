"""Waiting stops, and waves: the stops that one order's trades trigger, in the order in which they
run."""

import numpy as np

from matching.book.block_legs import recheck_collar
from matching.book.events import must_pause, report
from matching.book.price_levels import (
    first_order,
    is_order,
    level_at,
    next_below,
    next_order,
    price_at,
    remove_from_level,
    top,
)
from matching.codes import CONTINUOUS, REMAINDER, TRIGGERED
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BUY_STOPS, SELL_STOPS, WAITING
from matching.orders.cancel_list import sort_list
from matching.orders.entry import shown_if_resting
from matching.orders.fills import note_price
from matching.orders.sweep import cancel_remainder, may_rest, start_run
from matching.stages import STOP_QUEUE, SWEEP

i64 = np.int64


@kernel
def collect_book(m, instrument_id, book, size):
    """Add the stops of one side that the traded prices reach to the list. Returns its size."""
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    index = top(m, instrument_id, book)
    while index != 0:
        stop = price_at(instrument, book, index)
        if (book == BUY_STOPS and stop > state["traded_high"]) or (
            book == SELL_STOPS and stop < state["traded_low"]
        ):
            break
        distance = abs(stop - state["base_price"])
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot):
            m.keys[size] = (distance << 32) + i64(m.orders[slot]["accepted"])
            m.slots[size] = slot
            size += 1
            slot = next_order(m, slot)
        index = next_below(m, instrument, book, index)
    return size


@kernel
def collect_wave(m, instrument_id):
    """Move the triggered stops from their books into the queue, as one wave. They are ordered by
    distance from the last trade before the command, then by acceptance."""
    state = m.state[0]
    size = collect_book(m, instrument_id, BUY_STOPS, i64(0))
    size = collect_book(m, instrument_id, SELL_STOPS, size)
    sort_list(m, size)
    for at in range(size):
        slot = i64(m.slots[at])
        remove_from_level(m, slot)
        m.queue[state["queue_tail"]] = slot
        state["queue_tail"] += 1


@inline
def collect_triggered(m, instrument_id):
    """After a run: collect the stops that its trades triggered."""
    state = m.state[0]
    if state["traded_high"] == 0:
        return
    if top(m, instrument_id, BUY_STOPS) != 0 or top(m, instrument_id, SELL_STOPS) != 0:
        collect_wave(m, instrument_id)


@inline
def trigger_hour(m, hour, instrument_id, stage):
    """Collect the stops that one hour's trades of a block or basket order triggered.

    `hour` is a LEG or PLACE. Returns whether there are some; they run before `stage` goes on.
    """
    state = m.state[0]
    state["traded_low"] = i64(hour["low"])
    state["traded_high"] = i64(hour["high"])
    state["base_price"] = i64(hour["base"])
    recheck_collar(m, instrument_id)
    collect_triggered(m, instrument_id)
    if state["queue_tail"] == 0:
        return False
    state["after"] = stage
    state["stage"] = STOP_QUEUE
    return True


@kernel
def run_queue(m, c):
    """Report the triggered stops and start the next one. Returns True when none is left, False for
    a stop that runs or a full event buffer."""
    state = m.state[0]
    while True:
        while state["queue_reported"] < state["queue_tail"]:
            if must_pause(m):
                return False
            report_triggered(m, c, i64(m.queue[state["queue_reported"]]))
            state["queue_reported"] += 1
        if state["queue_head"] == state["queue_tail"]:
            state["queue_head"] = 0
            state["queue_reported"] = 0
            state["queue_tail"] = 0
            return True
        if must_pause(m):
            return False
        slot = i64(m.queue[state["queue_head"]])
        state["queue_head"] += 1
        if start_stop(m, c, slot):
            state["stage"] = SWEEP
            return False


@kernel
def queue_single_stop(m):
    """Queue a new stop whose price had been passed before: a wave of one."""
    state = m.state[0]
    order = m.orders[state["slot"]]
    instrument = m.instruments[i64(order["instrument"])]
    state["base_price"] = i64(instrument["last"])
    m.queue[0] = state["slot"]
    state["queue_tail"] = 1
    state["slot"] = 0
    state["stage"] = STOP_QUEUE


@kernel
def collect_after_uncross(m, instrument_id):
    """At the start of continuous trading: collect the stops that the uncross, or the last trade
    before it, has reached."""
    state = m.state[0]
    last = i64(m.instruments[instrument_id]["last"])
    if last != 0:
        note_price(state, m.instruments[instrument_id], last)
        collect_triggered(m, instrument_id)


@inline
def report_triggered(m, c, slot):
    """Turn a triggered stop into an ordinary order, and report it."""
    order = m.orders[slot]
    order["mode"] = i64(order["mode"]) & ~WAITING
    order["shown"] = shown_if_resting(order, i64(order["leaves"]))
    total = i64(order["leaves"]) + i64(order["cumulative"])
    report(m, c, order, TRIGGERED, 0, 0, 0, i64(order["shown"]), i64(order["price"]), total)


@inline
def start_stop(m, c, slot):
    """Start a triggered stop. Returns False where it ends at once because a collar stopped
    trading."""
    order = m.orders[slot]
    phase = i64(m.instruments[i64(order["instrument"])]["phase"])
    if phase != CONTINUOUS and not may_rest(order):
        cancel_remainder(m, c, slot, REMAINDER)
        return False
    start_run(m, slot)
    return True

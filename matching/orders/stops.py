"""Waiting stops, and waves: the stops that one order's trades trigger, in the order in which they
run."""

import numpy as np

from matching.book.block_legs import recheck_collar
from matching.book.events import must_pause, report
from matching.book.price_levels import price_at, remove_from_level
from matching.book.walk import begin_walk, next_in_book, pause_walk
from matching.codes import CONTINUOUS, REMAINDER, TRIGGERED
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BUY_STOPS, SELL_STOPS, TOPS, WAITING
from matching.orders.cancel_list import pop, push
from matching.orders.entry import shown_if_resting
from matching.orders.fills import note_price
from matching.orders.sweep import cancel_remainder, may_rest, start_run
from matching.stages import COLLECT_STOPS, STOP_QUEUE, SWEEP

i64 = np.int64


@inline
def has_triggered(m, instrument_id):
    """Whether a run traded where stops wait, so that it may have triggered some."""
    at = instrument_id * TOPS
    stops = m.tops[at + BUY_STOPS] | m.tops[at + SELL_STOPS]
    return m.state[0]["traded_high"] != 0 and stops != 0


@kernel
def begin_collecting(m, instrument_id):
    """Begin to collect the stops that the traded prices reach, as one wave: by distance from the
    last trade before the command, then by acceptance."""
    state = m.state[0]
    state["gather_instrument"] = instrument_id
    state["list_size"] = 0
    begin_walk(m, instrument_id, BUY_STOPS)
    state["stage"] = COLLECT_STOPS


@kernel
def collect_stops(m):
    """Collect the stops of both sides from where it is. Returns False where the call has worked
    long enough."""
    state = m.state[0]
    while collect_book(m, state["gather_instrument"], state["walk_book"]):
        if state["walk_book"] == SELL_STOPS:
            return True
        begin_walk(m, state["gather_instrument"], SELL_STOPS)
    return False


@inline
def collect_book(m, instrument_id, book):
    """Collect the stops of one side that the traded prices reach. Returns False where the call has
    worked long enough."""
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    index, slot = state["walk_index"], state["walk_slot"]
    while index != 0:
        stop = price_at(instrument, book, index)
        if (book == BUY_STOPS and stop > state["traded_high"]) or (
            book == SELL_STOPS and stop < state["traded_low"]
        ):
            break
        if must_pause(m):
            pause_walk(m, index, slot)
            return False
        distance = abs(stop - state["base_price"])
        push(m, (distance << 32) + i64(m.orders[slot]["accepted"]), slot)
        index, slot = next_in_book(m, instrument, book, index, slot)
    return True


@kernel
def queue_stops(m):
    """Move the collected stops from their books into the queue. Returns False where the call has
    worked long enough."""
    state = m.state[0]
    while state["list_size"] != 0:
        if must_pause(m):
            return False
        slot = pop(m)
        remove_from_level(m, slot)
        m.queue[state["queue_tail"]] = slot
        state["queue_tail"] += 1
    return True


@inline
def trigger_hour(m, hour, instrument_id, stage):
    """Collect the stops that one hour's trades of a block or basket order triggered.

    `hour` is a LEG or PLACE. Returns whether there may be some; they run before `stage` goes on.
    """
    state = m.state[0]
    state["traded_low"] = i64(hour["low"])
    state["traded_high"] = i64(hour["high"])
    state["base_price"] = i64(hour["base"])
    recheck_collar(m, instrument_id)
    if not has_triggered(m, instrument_id):
        return False
    state["after"] = stage
    begin_collecting(m, instrument_id)
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
            state["spent"] += 1
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


@inline
def note_uncross(m, instrument_id):
    """At the start of continuous trading: count the last trade, even one before the uncross, among
    the prices that stops are compared with."""
    last = i64(m.instruments[instrument_id]["last"])
    if last != 0:
        note_price(m.state[0], m.instruments[instrument_id], last)


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

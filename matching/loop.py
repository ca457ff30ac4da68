"""The machine's loop: one command after the other, what is due before it, and what follows from it.

Everything that can take long (a sweep, a list of orders that end, an uncross, a wave of stops) is a
stage of its own whose progress is kept in STATE. When the event buffer is full the loop stops, the
caller takes the events away and calls again, and the loop goes on where it was.
"""

import numpy as np

from matching.admin.commands import administer
from matching.baskets.entry import new_basket_order, run_basket_stops, trade_basket
from matching.blocks.entry import new_block, replace_block
from matching.blocks.trading import run_block_stops, trade_block, try_blocks
from matching.book.block_legs import is_block, loosen, touch_all
from matching.book.events import reject, room
from matching.codes import (
    BUST,
    CANCEL,
    CLOCK,
    CONTINUOUS,
    LIST,
    LIST_BASKET,
    MALFORMED,
    NEW,
    REPLACE,
    SEND_MASS_CANCEL,
    SESSION,
    SET_PHASE,
    SPLIT,
    WHOLE,
)
from matching.fast_path.dispatch import express, express_watched
from matching.fast_path.new import LEFT as EXPRESS_LEFT
from matching.fast_path.new import RUNS as EXPRESS_RUNS
from matching.memory.compiler import inline, kernel
from matching.orders.cancel_list import work_off
from matching.orders.entry import ENDED, RUNS, TRIGGERS, cancel, new_order
from matching.orders.mass_cancel import end_mass_cancel, mass_cancel
from matching.orders.replace import replace, replace_target
from matching.orders.stops import begin_wave, collect_after_uncross, run_queue, trigger
from matching.orders.sweep import ROOM, begin_run, come_to_rest, phase_event, sweep
from matching.phases.transitions import begin_phase_command, do_next_due, gate
from matching.phases.uncross import pair_off, uncross_price
from matching.records import INT32_MAX
from matching.stages import (
    BLOCK_STOPS,
    DUE,
    EXECUTE,
    EXPIRING,
    FETCH,
    GATED,
    LISTED,
    MASS_CANCELLED,
    PAIR,
    PHASE_SET,
    QUEUE,
    SWEEP,
    TRADE_BASKET,
    TRADE_BLOCK,
    TRY_BLOCKS,
    UNCROSS,
)

i64 = np.int64


@kernel
def advance(m, count, fresh):
    """Begin with a batch (`fresh`), or go on with it after the event buffer was full.

    Returns the events in the buffer, or -1 less their number where there is more to come.
    """
    state = m.state[0]
    state["events"] = 0
    if fresh:
        state["cursor"] = 0
        state["foreseen"] = 0
    if run(m, count):
        return state["events"]
    return -1 - state["events"]


@inline
def take_express(m, count):
    """The express lane, as far as it goes; its other copy only once there has been a block."""
    became = express(m, count)
    if became == EXPRESS_LEFT and m.state[0]["blocks_used"] != 0:
        became = express_watched(m, count)
    return became


@kernel
def run(m, count):
    """Work through the commands from the cursor on. Returns True when all are done, False when the
    event buffer is full and there is more to come."""
    state = m.state[0]
    while state["cursor"] < count:
        stage = state["stage"]
        if stage == FETCH and take_express(m, count) == EXPRESS_RUNS:
            stage = SWEEP
            begin_run(m)
            state["stage"] = SWEEP
            state["after"] = FETCH
            state["now_ns"] = m.commands[state["cursor"]]["time_ns"]
        if state["cursor"] == count:
            break
        if room(m) < ROOM:
            return False
        c = m.commands[state["cursor"]]
        if stage == FETCH:
            if i64(c["time_ns"]) < state["now_ns"]:
                reject(m, c, MALFORMED)
                state["cursor"] += 1
                continue
            state["now_ns"] = c["time_ns"]
            if state["now_ns"] >= state["next_due_ns"]:
                state["stage"] = DUE
                continue
            stage = EXECUTE
        if stage == EXECUTE:
            state["stage"] = FETCH
            state["after"] = FETCH
            kind = i64(c["kind"])
            if kind == NEW:
                several = i64(c["hours"]) | i64(c["flags"]) & (SPLIT | WHOLE)
                left = new_order(m, c) if several == 0 else new_of_several(m, c)
            elif kind == CANCEL:
                cancel(m, c)
                left = ENDED
            elif kind == REPLACE:
                left = replace_any(m, c)
            else:
                left = execute_other(m, c, kind)
            if left == RUNS:
                stage = SWEEP
                note_base_price(m)
            elif left == TRIGGERS:
                begin_wave(m)
                continue
            elif state["stage"] == FETCH:
                next_command(state)
                continue
            else:
                continue
        if stage == SWEEP:
            run_order(m, c)
            continue
        work(m, c, stage)
    return True


@inline
def note_base_price(m):
    """Remember the last trade before a command's own: distances of stops count from it."""
    state = m.state[0]
    instrument = m.instruments[i64(m.orders[state["slot"]]["instrument"])]
    last = i64(instrument["last"])
    state["base_price"] = last if last > 0 else i64(instrument["reference"])


@inline
def run_order(m, c):
    """The run of the incoming order, or of a stop that was triggered."""
    state = m.state[0]
    order = m.orders[state["slot"]]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if i64(instrument["phase"]) == CONTINUOUS and (not sweep(m, c) or room(m) < ROOM):
        state["stage"] = SWEEP
        return
    come_to_rest(m, c)
    state["slot"] = 0
    loosen(m, instrument_id)
    trigger(m, instrument_id)
    if state["queue_tail"] != 0:
        state["stage"] = QUEUE
    else:
        go_on(state)


@kernel
def replace_any(m, c):
    """REPLACE of an order or of a block. Returns what is left to do."""
    slot = replace_target(m, c)
    if slot == 0:
        return ENDED
    return replace_block(m, c, slot) if is_block(m.orders[slot]) else replace(m, c, slot)


@kernel
def new_of_several(m, c):
    """NEW of several hours, or for one of several instruments."""
    if i64(c["flags"]) & (SPLIT | WHOLE) != 0:
        return new_basket_order(m, c)
    return new_block(m, c)


@kernel
def execute_other(m, c, kind):
    """Commands that are not about one order. Returns ENDED; a longer task sets the stage."""
    if kind == SEND_MASS_CANCEL:
        mass_cancel(m, c)
    elif kind == SET_PHASE:
        begin_phase_command(m, c)
    elif kind == CLOCK:
        if (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0:
            reject(m, c, MALFORMED)
    elif LIST <= kind <= LIST_BASKET or SESSION <= kind <= BUST:
        administer(m, c)
    else:
        reject(m, c, MALFORMED)
    return ENDED


@kernel
def work(m, c, stage):
    """One step of a longer task."""
    state = m.state[0]
    if stage == DUE or stage == EXPIRING:
        do_next_due(m, c)
    elif stage == LISTED:
        if work_off(m, c):
            state["stage"] = state["after_list"]
    elif stage == MASS_CANCELLED:
        end_mass_cancel(m, c)
        next_command(state)
    elif stage == GATED:
        gate(m, c)
    elif stage == UNCROSS:
        price = uncross_price(m, state["instrument"])
        if price != 0:
            state["cross_price"] = price
            state["stage"] = PAIR
        else:
            state["stage"] = PHASE_SET
    elif stage == PAIR:
        if pair_off(m, c, state["instrument"]):
            state["stage"] = UNCROSS
    elif stage == PHASE_SET:
        set_phase(m, c)
    elif stage == QUEUE:
        if run_queue(m, c):
            go_on(state)
    elif stage == TRY_BLOCKS:
        if try_blocks(m):
            state["after"] = state["after_blocks"]
            go_on(state)
    elif stage == TRADE_BLOCK:
        trade_block(m, c)
    elif stage == BLOCK_STOPS:
        run_block_stops(m)
    elif stage == TRADE_BASKET:
        trade_basket(m, c)
    elif run_basket_stops(m):
        state["after"] = FETCH
        go_on(state)


@inline
def set_phase(m, c):
    """Announce the phase that was prepared; into continuous trading, stops may run."""
    state = m.state[0]
    instrument_id = state["instrument"]
    phase = state["phase"]
    m.instruments[instrument_id]["phase"] = phase
    price = i64(0)
    if state["cross_volume"] != 0:
        price = i64(m.instruments[instrument_id]["last"])
    volume = min(state["cross_volume"], i64(INT32_MAX))
    phase_event(m, c, instrument_id, phase, price, volume, state["asked"])
    if phase == CONTINUOUS:
        if i64(m.instruments[instrument_id]["watched"]) != 0:
            touch_all(m, instrument_id)
        collect_after_uncross(m, instrument_id)
        state["stage"] = QUEUE
    else:
        go_on(state)


@inline
def go_on(state):
    """Return to where a phase change or a queue came from."""
    if state["after"] == FETCH:
        next_command(state)
    else:
        state["stage"] = state["after"]


@inline
def next_command(state):
    """The command under way is done, but for the blocks that it lets trade."""
    if state["ripe"] != 0:
        state["stage"] = TRY_BLOCKS
        state["after_blocks"] = FETCH
    else:
        state["cursor"] += 1
        state["stage"] = FETCH

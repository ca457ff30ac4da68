"""The machine's loop: for each command, first what is due before it, then the command, then what
follows from it.

Everything that can take long (a sweep, a list of orders that end, an uncross, a wave of stops) is a
stage of its own, whose progress is kept in STATE. When the event buffer is full, or after some 2 ms
of such work, the loop stops, the caller takes the events and calls again, and the loop goes on from
there.
"""

import numpy as np

from matching.admin.commands import administer
from matching.baskets.entry import new_basket_order, run_basket_stops, trade_basket
from matching.blocks.entry import new_block, replace_block
from matching.blocks.trading import run_block_stops, trade_block, try_blocks
from matching.book.auctions import enter_phase
from matching.book.block_legs import is_block, notify_all_blocks, recheck_collar
from matching.book.events import must_pause, reject
from matching.codes import (
    BUST,
    CANCEL,
    CLOCK,
    CONTINUOUS,
    HALT_ACCOUNT,
    LIST,
    LIST_BASKET,
    MALFORMED,
    NEW,
    PROTECT,
    QUOTE,
    REPLACE,
    SEND_MASS_CANCEL,
    SESSION,
    SET_PHASE,
    SPLIT,
    WHOLE,
)
from matching.fast_path.dispatch import run_unwatched, run_watched
from matching.fast_path.new import RUNS as FAST_RUNS
from matching.fast_path.new import UNHANDLED as FAST_UNHANDLED
from matching.memory.compiler import inline, kernel
from matching.orders.cancel_list import SCOPE_QUOTES, end_orders, go_on_books, go_on_sessions
from matching.orders.entry import ENDED, RUNS, TRIGGERS, accept_looked, cancel, new_order
from matching.orders.mass_cancel import halt_account, mass_cancel, report_mass_cancel
from matching.orders.quote_protection import begin_withdrawal, protect, withdraw_next
from matching.orders.quotes import enter_ask, quote
from matching.orders.replace import replace, replace_target
from matching.orders.stops import (
    begin_collecting,
    collect_stops,
    has_triggered,
    note_uncross,
    queue_single_stop,
    queue_stops,
    run_queue,
)
from matching.orders.sweep import begin_run, finish_run, look, note_base_price, report_phase, sweep
from matching.phases.auction_quantities import measure
from matching.phases.indicative import begin_clock, find_next_auction, report_indicative
from matching.phases.transitions import begin_phase_command, close_gate, run_next_due
from matching.phases.uncross import begin_uncross, pair_orders
from matching.records import INT32_MAX, TIME_MAX_NS
from matching.stages import (
    AFTER_RUN,
    BLOCK_STOPS,
    CANCEL_LIST,
    CLOSE_GATE,
    COLLECT_STOPS,
    DUE,
    ENTER_PHASE,
    EXECUTE,
    EXPIRING,
    FETCH,
    FINISH,
    GATHER_BOOKS,
    GATHER_SESSIONS,
    INDICATE,
    LOOK,
    MEASURE,
    NEXT_AUCTION,
    PAIR,
    QUEUE_STOPS,
    QUOTE_ASK,
    REPORT_MASS_CANCEL,
    STOP_QUEUE,
    SWEEP,
    TRADE_BASKET,
    TRADE_BLOCK,
    TRY_BLOCKS,
    UNCROSS,
    WITHDRAW,
)

i64 = np.int64


@kernel
def advance(m, count, fresh):
    """Begin a batch of `count` commands (`fresh`), or go on with it. Returns the number of events
    in the buffer, or -1 less that number where there is more to come."""
    state = m.state[0]
    state["events"] = 0
    if fresh:
        state["cursor"] = 0
        state["foreseen"] = 0
    return state["events"] if run(m, count) else -1 - state["events"]


@inline
def run_fast_path(m, count):
    """Run commands on the fast path as far as it can. Its second copy runs only after a first
    block."""
    outcome = run_unwatched(m, count)
    if outcome == FAST_UNHANDLED and m.state[0]["blocks_used"] != 0:
        outcome = run_watched(m, count)
    return outcome


@kernel
def run(m, count):
    """Run the commands from the cursor on. Returns True when all are done, False when there is more
    to come: the event buffer is full, or the call has worked long enough."""
    state = m.state[0]
    state["spent"] = 0
    while state["cursor"] < count:
        stage = state["stage"]
        if stage == FETCH and run_fast_path(m, count) == FAST_RUNS:
            stage = SWEEP
            begin_run(m)
            state["stage"] = SWEEP
            state["after"] = FETCH
            state["now_ns"] = m.commands[state["cursor"]]["time_ns"]
        if state["cursor"] == count:
            break
        if must_pause(m):
            return False
        state["spent"] += 1
        c = m.commands[state["cursor"]]
        if stage == FETCH:
            if not state["now_ns"] <= i64(c["time_ns"]) <= TIME_MAX_NS:
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
                left = new_order(m, c) if several == 0 else new_block_or_basket(m, c)
            elif kind == CANCEL:
                cancel(m, c)
                left = ENDED
            elif kind == REPLACE:
                left = replace_any(m, c)
            elif kind == QUOTE:
                left = quote(m, c)
            else:
                left = execute_other(m, c, kind)
            if left == RUNS:
                stage = SWEEP
                note_base_price(m)
            elif left == TRIGGERS:
                queue_single_stop(m)
                continue
            elif state["stage"] == FETCH:
                finish_command(state)
                continue
            else:
                continue
        if stage == SWEEP:
            run_order(m, c)
            continue
        run_stage(m, c, stage)
    return True


@inline
def run_order(m, c):
    """Go on with the run of the incoming order, or of a triggered stop."""
    state = m.state[0]
    order = m.orders[state["slot"]]
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if i64(instrument["phase"]) == CONTINUOUS and (not sweep(m, c) or must_pause(m)):
        state["stage"] = SWEEP
        return
    finish_run(m, c)
    state["slot"] = 0
    state["instrument"] = instrument_id
    if state["tripped"] != 0 and state["after"] != QUOTE_ASK:
        begin_withdrawal(m, AFTER_RUN)
    else:
        end_run(m)


@inline
def end_run(m):
    """Go on with the stops that a run has triggered, or with what follows it."""
    state = m.state[0]
    recheck_collar(m, state["instrument"])
    if has_triggered(m, state["instrument"]):
        begin_collecting(m, state["instrument"])
    elif state["queue_tail"] != 0:
        state["stage"] = STOP_QUEUE
    else:
        resume(state)


@kernel
def replace_any(m, c):
    """Carry out REPLACE of an order or of a block. Returns what remains to do."""
    slot = replace_target(m, c)
    if slot == 0:
        return ENDED
    return replace_block(m, c, slot) if is_block(m.orders[slot]) else replace(m, c, slot)


@kernel
def new_block_or_basket(m, c):
    """Carry out NEW of several hours, or for a basket. Returns what remains to do."""
    if i64(c["flags"]) & (SPLIT | WHOLE) != 0:
        return new_basket_order(m, c)
    return new_block(m, c)


@kernel
def execute_other(m, c, kind):
    """Carry out a command that is not about one order. Returns ENDED; a longer task sets the
    stage."""
    if kind == SEND_MASS_CANCEL:
        mass_cancel(m, c)
    elif kind == PROTECT:
        protect(m, c)
    elif kind == HALT_ACCOUNT:
        halt_account(m, c)
    elif kind == SET_PHASE:
        begin_phase_command(m, c)
    elif kind == CLOCK:
        begin_clock(m, c)
    elif LIST <= kind <= LIST_BASKET or SESSION <= kind <= BUST:
        administer(m, c)
    else:
        reject(m, c, MALFORMED)
    return ENDED


@kernel
def run_stage(m, c, stage):
    """Do one step of a longer task."""
    state = m.state[0]
    if stage == DUE or stage == EXPIRING:
        run_next_due(m, c)
    elif stage == CANCEL_LIST:
        if end_orders(m, c):
            state["stage"] = state["after_list"]
    elif stage == REPORT_MASS_CANCEL:
        report_mass_cancel(m, c)
        finish_command(state)
    elif stage == CLOSE_GATE:
        close_gate(m, c)
    elif stage == MEASURE:
        if measure(m):
            state["stage"] = state["after_measure"]
    elif stage == UNCROSS:
        begin_uncross(m, c)
    elif stage == PAIR:
        if pair_orders(m, c, state["instrument"]):
            state["stage"] = UNCROSS
    elif stage == ENTER_PHASE:
        set_phase(m, c)
    elif stage == STOP_QUEUE:
        if run_queue(m, c):
            resume(state)
    elif stage == TRY_BLOCKS:
        if try_blocks(m):
            state["after"] = state["after_blocks"]
            resume(state)
    elif stage == TRADE_BLOCK:
        trade_block(m, c)
    elif stage == BLOCK_STOPS:
        run_block_stops(m)
    elif stage == TRADE_BASKET:
        trade_basket(m, c)
    elif stage == NEXT_AUCTION:
        if not find_next_auction(m):
            finish_command(state)
    elif stage == INDICATE:
        report_indicative(m, c)
    elif stage == GATHER_SESSIONS:
        if go_on_sessions(m):
            state["stage"] = CANCEL_LIST if state["gather_scope"] != SCOPE_QUOTES else WITHDRAW
    elif stage == GATHER_BOOKS:
        if go_on_books(m):
            state["stage"] = CANCEL_LIST
    elif stage == WITHDRAW:
        withdraw_next(m)
    elif stage == COLLECT_STOPS:
        if collect_stops(m):
            state["stage"] = QUEUE_STOPS
    elif stage == QUEUE_STOPS:
        if queue_stops(m):
            state["stage"] = STOP_QUEUE
    elif stage == LOOK:
        if look(m):
            end_look(m, c)
    elif stage == QUOTE_ASK:
        run_ask(m, c)
    elif stage == AFTER_RUN:
        end_run(m)
    elif stage == FINISH:
        finish_command(state)
    elif run_basket_stops(m):
        state["after"] = FETCH
        resume(state)


@inline
def end_look(m, c):
    """Reject an order that cannot trade at once what it must, or accept it and begin its run."""
    if accept_looked(m, c) == RUNS:
        note_base_price(m)
        m.state[0]["stage"] = SWEEP
    else:
        finish_command(m.state[0])


@inline
def run_ask(m, c):
    """Enter the ask of a quote, and begin its run."""
    state = m.state[0]
    state["after"] = FETCH
    if enter_ask(m, c) == RUNS:
        note_base_price(m)
        state["stage"] = SWEEP
    elif state["tripped"] != 0:
        begin_withdrawal(m, FINISH)
    else:
        finish_command(state)


@inline
def set_phase(m, c):
    """Enter the phase that was prepared, and report it. Into continuous trading, stops may
    trigger."""
    state = m.state[0]
    if state["tripped"] != 0:
        begin_withdrawal(m, ENTER_PHASE)
        return
    instrument_id = state["instrument"]
    phase = state["phase"]
    enter_phase(m, instrument_id, phase)
    price = i64(0)
    if state["cross_volume"] != 0:
        price = i64(m.instruments[instrument_id]["last"])
    volume = min(state["cross_volume"], i64(INT32_MAX))
    report_phase(m, c, instrument_id, phase, price, volume, state["by_command"])
    if phase == CONTINUOUS:
        if i64(m.instruments[instrument_id]["watched"]) != 0:
            notify_all_blocks(m, instrument_id)
        note_uncross(m, instrument_id)
        if has_triggered(m, instrument_id):
            begin_collecting(m, instrument_id)
        else:
            resume(state)
    else:
        resume(state)


@inline
def resume(state):
    """Return to the stage that a phase change or a queue of stops interrupted."""
    if state["after"] == FETCH:
        finish_command(state)
    else:
        state["stage"] = state["after"]


@inline
def finish_command(state):
    """End the command under way, after the blocks that it lets trade."""
    if state["candidates"] != 0:
        state["stage"] = TRY_BLOCKS
        state["after_blocks"] = FETCH
    else:
        state["cursor"] += 1
        state["stage"] = FETCH

"""Phases and times: due timers, gate closures, and the change from one phase to another."""

import numpy as np

from matching.book.auctions import enter_phase
from matching.book.events import reject
from matching.book.registry import base_price, is_listed, operator_reason
from matching.book.timers import (
    COLLAR_END,
    EXPIRY,
    GATE,
    PHASE,
    add_timer,
    remove_collar_end,
    remove_timer,
)
from matching.codes import (
    CLOSED,
    CONTINUOUS,
    END_OF_DAY,
    END_OF_TIME,
    EXPIRED,
    GATE_CLOSURE,
    MALFORMED,
    NONE,
    POOL_FULL,
    TIME_PAST,
    UNKNOWN_INSTRUMENT,
    WRONG_PHASE,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import RANK_BITS
from matching.orders.cancel_list import begin_list, gather_instrument
from matching.orders.entry import remove_order
from matching.orders.sweep import report_phase
from matching.phases.auction_quantities import begin_measure
from matching.records import NANOSECONDS, SCHEDULED_MAX
from matching.stages import (
    CLOSE_GATE,
    DUE,
    ENTER_PHASE,
    EXECUTE,
    EXPIRING,
    FETCH,
    TRY_BLOCKS,
    UNCROSS,
)

i64 = np.int64

PENDING_PER_INSTRUMENT = 4


@kernel
def run_next_due(m, c):
    """Run the first timer that is due; if none is, go on to the command.

    Blocks that a timer lets trade are tried before the next one. What expires in an instrument at
    one second counts as one timer.
    """
    state = m.state[0]
    if state["candidates"] != 0 and state["stage"] == DUE:
        state["stage"] = TRY_BLOCKS
        state["after_blocks"] = DUE
        return
    if state["now_ns"] < state["next_due_ns"]:
        state["stage"] = EXECUTE
        return
    timer = m.timers[1]
    due = i64(timer["due"])
    second, kind = due >> 2, due & 3
    instrument_id = i64(timer["rank"]) >> RANK_BITS
    slot, phase = i64(timer["slot"]), i64(timer["phase"])
    remove_timer(m, i64(1))
    state["stage"] = DUE
    if slot != 0:
        remove_order(m, c, slot, EXPIRED, END_OF_TIME, 0)
        if (
            state["timers"] != 0
            and i64(timer["due"]) == due
            and i64(timer["rank"]) >> RANK_BITS == instrument_id
        ):
            state["stage"] = EXPIRING
    elif kind == EXPIRY:
        begin_list(m, END_OF_DAY, 0, DUE)
        gather_instrument(m, instrument_id, second)
    elif kind == GATE:
        begin_list(m, GATE_CLOSURE, 0, CLOSE_GATE)
        gather_instrument(m, instrument_id, second)
        state["instrument"] = instrument_id
    else:
        run_due_phase(m, instrument_id, phase, second)


@inline
def run_due_phase(m, instrument_id, phase, second):
    """Begin a scheduled phase, due at this second. Nothing happens after gate closure, or where the
    instrument is in it already."""
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    now = i64(instrument["phase"])
    by_collar = phase == COLLAR_END
    if by_collar:
        phase = CONTINUOUS
    elif phase == 0:
        phase = CLOSED
        instrument["close_s"] = 0
    else:
        state["phases_pending"] -= 1
    if i64(instrument["gated"]) == 0 and phase != now:
        begin_phase(m, instrument_id, phase, 0, DUE)
        state["by_collar"] = by_collar
        state["due_s"] = second


@inline
def begin_phase(m, instrument_id, phase, by_command, after):
    """Begin a phase change: a close first ends DAY orders, continuous trading begins with an
    uncross. The end of a collar's auction is due no more."""
    state = m.state[0]
    remove_collar_end(m, instrument_id)
    state["base_price"] = base_price(m.instruments[instrument_id])
    state["instrument"] = instrument_id
    state["phase"] = phase
    state["by_command"] = by_command
    state["by_collar"] = 0
    state["after"] = after
    state["cross_volume"] = 0
    state["traded_low"] = 0
    state["traded_high"] = 0
    if phase == CLOSED:
        begin_list(m, END_OF_DAY, 0, ENTER_PHASE)
        gather_instrument(m, instrument_id, i64(-1))
    elif phase == CONTINUOUS:
        begin_measure(m, instrument_id, UNCROSS)
    else:
        state["stage"] = ENTER_PHASE


@kernel
def close_gate(m, c):
    """Close the gate: the instrument trades no more."""
    state = m.state[0]
    instrument_id = state["instrument"]
    instrument = m.instruments[instrument_id]
    instrument["gated"] = 1
    instrument["gate_s"] = 0
    if i64(instrument["phase"]) != CLOSED:
        remove_collar_end(m, instrument_id)
        enter_phase(m, instrument_id, CLOSED)
        report_phase(m, c, instrument_id, CLOSED, 0, 0, 0)
    state["stage"] = DUE


@kernel
def begin_phase_command(m, c):
    """Carry out PHASE: at once, or schedule it for a second."""
    state = m.state[0]
    instrument_id, phase, second = i64(c["instrument"]), i64(c["type"]), i64(c["expiry_s"])
    reason = NONE
    if (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0 or not 1 <= phase <= CLOSED:
        reason = MALFORMED
    if reason == NONE:
        reason = operator_reason(m, c)
    if reason == NONE:
        reason = phase_command_reason(m, instrument_id, phase, second)
    if reason != NONE:
        reject(m, c, reason)
    elif second == 0:
        begin_phase(m, instrument_id, phase, 1, FETCH)
    else:
        state["scheduled"] += 1
        state["phases_pending"] += 1
        add_timer(m, second, PHASE, instrument_id, state["scheduled"], 0, phase)


@inline
def phase_command_reason(m, instrument_id, phase, second):
    """The first reason to reject a PHASE whose sender may send it."""
    state = m.state[0]
    if not is_listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["gated"]) != 0 or i64(instrument["width"]) == 0:
        return WRONG_PHASE
    if second == 0:
        return WRONG_PHASE if i64(instrument["phase"]) == phase else NONE
    if second * NANOSECONDS <= state["now_ns"]:
        return TIME_PAST
    most = PENDING_PER_INSTRUMENT * (len(m.instruments) - 1)
    if state["phases_pending"] >= most or state["scheduled"] >= SCHEDULED_MAX:
        return POOL_FULL
    return NONE

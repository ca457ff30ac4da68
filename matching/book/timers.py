"""Timers: a binary heap ordered by second, class, instrument and rank.

An order knows the position of its timer, and an instrument the positions of its own (OWN_TIMERS),
so that they are removed at once. The heap never holds more than the live orders and the
instruments' own times.
"""

import numpy as np

from matching.memory.compiler import inline, kernel
from matching.memory.layout import RANK_BITS, TIMED
from matching.records import NANOSECONDS, TIME_MAX_NS

i64 = np.int64

EXPIRY, GATE, PHASE = 0, 1, 2  # classes, in the order in which they run at one time
COLLAR_END = 6  # as a timer's phase: the end of a collar's auction
NEVER = TIME_MAX_NS + 1
"""Time at which the next timer is due, in ns, where no command can reach it."""


@inline
def write_timer(m, at, due, rank, slot, phase):
    """Write an entry of the heap, and its position into the order or the instrument."""
    timer = m.timers[at]
    timer["due"] = due
    timer["rank"] = rank
    timer["slot"] = slot
    timer["phase"] = phase
    if slot != 0:
        m.orders[slot]["timer"] = at
        m.orders[slot]["mode"] = i64(m.orders[slot]["mode"]) | TIMED
    else:
        note_own_timer(m, due, rank, phase, at)


@inline
def note_own_timer(m, due, rank, phase, at):
    """Note the position of an instrument's own timer; 0: it is removed."""
    own = m.own_timers[rank >> RANK_BITS]
    kind = due & 3
    if kind == EXPIRY:
        own["expiry"] = at
    elif kind == GATE:
        own["gate"] = at
    elif phase == 0:
        own["close"] = at
    elif phase == COLLAR_END:
        own["collar_end"] = at


@inline
def is_before(m, at, due, rank):
    """Whether the entry at this position is due before (due, rank)."""
    timer = m.timers[at]
    return i64(timer["due"]) < due or (i64(timer["due"]) == due and i64(timer["rank"]) < rank)


@inline
def move_timer(m, source, target):
    """Copy an entry to another position."""
    timer = m.timers[source]
    write_timer(
        m,
        target,
        i64(timer["due"]),
        i64(timer["rank"]),
        i64(timer["slot"]),
        i64(timer["phase"]),
    )


@inline
def update_next_due(m):
    """Update the time at which the first entry is due."""
    state = m.state[0]
    if state["timers"] == 0:
        state["next_due_ns"] = NEVER
    else:
        state["next_due_ns"] = min((i64(m.timers[1]["due"]) >> 2) * NANOSECONDS, NEVER)


@inline
def sift_up(m, hole, due, rank):
    """Move the hole up to where (due, rank) belongs. Returns the position."""
    while hole > 1 and not is_before(m, hole >> 1, due, rank):
        move_timer(m, hole >> 1, hole)
        hole >>= 1
    return hole


@kernel
def add_timer(m, second, kind, instrument_id, order_rank, slot, phase):
    """Add a timer for a second. The caller has made sure that there is room."""
    state = m.state[0]
    state["timers"] += 1
    due = second * 4 + kind
    rank = (instrument_id << RANK_BITS) + order_rank
    write_timer(m, sift_up(m, state["timers"], due, rank), due, rank, slot, phase)
    update_next_due(m)


@kernel
def remove_timer(m, hole):
    """Remove the entry at this position."""
    state = m.state[0]
    timer = m.timers[hole]
    slot = i64(timer["slot"])
    if slot != 0:
        m.orders[slot]["timer"] = 0
        m.orders[slot]["mode"] = i64(m.orders[slot]["mode"]) & ~TIMED
    else:
        note_own_timer(m, i64(timer["due"]), i64(timer["rank"]), i64(timer["phase"]), 0)
    last = state["timers"]
    state["timers"] = last - 1
    if hole != last:
        timer = m.timers[last]
        due, rank = i64(timer["due"]), i64(timer["rank"])
        slot, phase = i64(timer["slot"]), i64(timer["phase"])
        hole = sift_up(m, hole, due, rank)
        while True:
            child = hole * 2
            if child >= last:
                break
            left = m.timers[child]
            if child + 1 < last and is_before(m, child + 1, i64(left["due"]), i64(left["rank"])):
                child += 1
            if not is_before(m, child, due, rank):
                break
            move_timer(m, child, hole)
            hole = child
        write_timer(m, hole, due, rank, slot, phase)
    update_next_due(m)


@inline
def reschedule_expiry(m, c, slot):
    """Give a replaced GTD order's timer its new time and acceptance sequence."""
    order = m.orders[slot]
    timer = i64(order["timer"])
    if timer == 0:
        return
    expiry_s = i64(c["expiry_s"])
    if expiry_s == 0:
        expiry_s = i64(m.timers[timer]["due"]) >> 2
    remove_timer(m, timer)
    add_timer(m, expiry_s, EXPIRY, i64(order["instrument"]), i64(order["accepted"]), slot, 0)


@kernel
def remove_day_times(m, instrument_id):
    """Remove an instrument's close and gate closure, before new ones are set."""
    own = m.own_timers[instrument_id]
    if own["expiry"] != 0:
        remove_timer(m, i64(own["expiry"]))
    if own["close"] != 0:
        remove_timer(m, i64(own["close"]))
    if own["gate"] != 0:
        remove_timer(m, i64(own["gate"]))


@kernel
def remove_collar_end(m, instrument_id):
    """Remove the end of a collar's auction, because another change of phase comes first."""
    own = m.own_timers[instrument_id]
    if own["collar_end"] != 0:
        remove_timer(m, i64(own["collar_end"]))

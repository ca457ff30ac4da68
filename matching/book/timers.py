"""Timers: a binary heap ordered by second, class, instrument and rank.

An order knows the position of its timer, so that a cancel removes it at once. The heap never holds
more than the live orders and the instruments' own times.
"""

import numpy as np

from matching.memory.compiler import inline, kernel
from matching.memory.layout import TIMED
from matching.records import NANOSECONDS

i64 = np.int64

EXPIRY, GATE, PHASE = 0, 1, 2  # classes, in the order in which they run at one time
COLLAR_END = 6  # as a timer's phase: to continuous trading, if the auction is still on
NEVER = 2**63 - 1


@inline
def write_timer(m, at, due, rank, slot, phase):
    """Write an entry of the heap, and its position into the order."""
    timer = m.timers[at]
    timer["due"] = due
    timer["rank"] = rank
    timer["slot"] = slot
    timer["phase"] = phase
    if slot != 0:
        m.orders[slot]["timer"] = at
        m.orders[slot]["mode"] = i64(m.orders[slot]["mode"]) | TIMED


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
        state["next_due_ns"] = (i64(m.timers[1]["due"]) >> 2) * NANOSECONDS


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
    rank = (instrument_id << 32) + order_rank
    write_timer(m, sift_up(m, state["timers"], due, rank), due, rank, slot, phase)
    update_next_due(m)


@kernel
def remove_timer(m, hole):
    """Remove the entry at this position."""
    state = m.state[0]
    slot = i64(m.timers[hole]["slot"])
    if slot != 0:
        m.orders[slot]["timer"] = 0
        m.orders[slot]["mode"] = i64(m.orders[slot]["mode"]) & ~TIMED
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


@inline
def find_instrument_timer(m, instrument_id, phase):
    """Position of an instrument's own timer with this phase; 0 if there is none.

    Cost: a read of all timers.
    """
    for at in range(1, m.state[0]["timers"] + 1):
        timer = m.timers[at]
        if (
            i64(timer["slot"]) == 0
            and i64(timer["rank"]) >> 32 == instrument_id
            and i64(timer["phase"]) == phase
        ):
            return i64(at)
    return i64(0)


@kernel
def remove_day_times(m, instrument_id):
    """Remove an instrument's close and gate closure, before new ones are set."""
    at = find_instrument_timer(m, instrument_id, 0)
    while at != 0:
        remove_timer(m, at)
        at = find_instrument_timer(m, instrument_id, 0)


@kernel
def remove_collar_end(m, instrument_id):
    """Remove the end of an earlier volatility auction."""
    at = find_instrument_timer(m, instrument_id, COLLAR_END)
    if at != 0:
        remove_timer(m, at)

"""What is due and when: a binary heap over (due second, class, instrument, rank).

An order knows its place in the heap, so that a cancel removes its timer at once and the heap never
holds more than the live orders and the instruments' own times.
"""

import numpy as np

from matching.memory.compiler import inline, kernel
from matching.memory.layout import TIMED
from matching.records import NANOSECONDS

i64 = np.int64

EXPIRY, GATE, PHASE = 0, 1, 2  # classes, in the order in which they run at one time
COLLAR_END = 6  # as a timer's phase: to continuous, if the auction still lasts
NEVER = 2**63 - 1


@inline
def write_timer(m, at, due, rank, slot, phase):
    """Write one entry of the heap."""
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
    """Whether the entry at this place comes before (due, rank)."""
    timer = m.timers[at]
    return i64(timer["due"]) < due or (i64(timer["due"]) == due and i64(timer["rank"]) < rank)


@inline
def move_timer(m, source, target):
    """Move an entry to another place."""
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
    """Remember when the next thing is due."""
    state = m.state[0]
    if state["timers"] == 0:
        state["next_due_ns"] = NEVER
    else:
        state["next_due_ns"] = (i64(m.timers[1]["due"]) >> 2) * NANOSECONDS


@inline
def sift_up(m, hole, due, rank):
    """Move the hole up until (due, rank) may stand in it; returns the place."""
    while hole > 1 and not is_before(m, hole >> 1, due, rank):
        move_timer(m, hole >> 1, hole)
        hole >>= 1
    return hole


@kernel
def add_timer(m, second, kind, instrument_id, order_rank, slot, phase):
    """Enter what is due at a second. The caller has made sure that there is room."""
    state = m.state[0]
    state["timers"] += 1
    due = second * 4 + kind
    rank = (instrument_id << 32) + order_rank
    write_timer(m, sift_up(m, state["timers"], due, rank), due, rank, slot, phase)
    update_next_due(m)


@kernel
def remove_timer(m, hole):
    """Take the entry at this place out of the heap."""
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
    """A replaced GTD order's timer follows its new time and its acceptance sequence."""
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
    """Forget an instrument's close and gate closure, because they are given anew."""
    at = i64(1)
    while at <= m.state[0]["timers"]:
        timer = m.timers[at]
        if (
            i64(timer["slot"]) == 0
            and i64(timer["rank"]) >> 32 == instrument_id
            and i64(timer["phase"]) == 0
        ):
            remove_timer(m, at)
            at = i64(1)  # the entry that closed the gap may stand higher up
        else:
            at += 1


@kernel
def remove_collar_end(m, instrument_id):
    """Forget the end of an earlier volatility auction."""
    at = i64(1)
    while at <= m.state[0]["timers"]:
        timer = m.timers[at]
        if (
            i64(timer["phase"]) == COLLAR_END
            and i64(timer["rank"]) >> 32 == instrument_id
            and i64(timer["slot"]) == 0
        ):
            remove_timer(m, at)
            return
        at += 1

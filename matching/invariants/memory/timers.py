"""Timers in a machine's memory: a heap of times to come, and who knows the position of each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.book.timers import COLLAR_END, EXPIRY, GATE, NEVER, PHASE
from matching.invariants.memory.rows import Memory, Rows, is_first_of
from matching.memory.layout import OWN_TIMERS, RANK_BITS
from matching.records import AUCTION_MAX_S, NANOSECONDS, TIME_MAX_NS, Phase
from matching.state_tables import scheduled_phases_max

SECOND_MAX = TIME_MAX_NS // NANOSECONDS + 2 * AUCTION_MAX_S
"""The last second of a timer: the end of an auction that a collar starts at the latest time, and
that is longer by as much at random."""


def check_timers(memory: Memory) -> None:
    """Timers are ordered, lie in the future, and belong to an order or to an instrument that
    exists; that an order knows its timer, orders.py checks."""
    rows = memory.rows("timers", np.arange(1, memory.number("timers") + 1))
    due = rows["due"]
    in_time = (due >= 0) & (due < (SECOND_MAX + 1) * 4)
    rows.require("due", in_time, "must be a second that a command can name, x 4, and a class")
    later = (due >> 2) * NANOSECONDS > memory.number("now_ns")
    rows.require("due", later, "must be later than the machine's time")
    above = np.maximum(np.arange(len(rows)) - 1, 0) >> 1
    rank = rows["rank"]
    after = (due[above] < due) | ((due[above] == due) & (rank[above] < rank))
    rows.require("due", after | (rows.numbers == 1), "must come after the timer above in the heap")
    first = min(int(due[0] >> 2) * NANOSECONDS, NEVER) if len(rows) else NEVER
    state = memory.state
    state.require(
        "next_due_ns", state["next_due_ns"] == first, f"must be the first timer's, {first}"
    )
    is_order = rows["slot"] != 0
    _check_expiries(memory, rows.where(is_order))
    _check_own(memory, rows.where(~is_order))


def _check_expiries(memory: Memory, rows: Rows) -> None:
    """Expiries of orders: the order has this timer, and its instrument and acceptance rank it."""
    orders = memory.arrays["orders"]
    slot = rows["slot"]
    rows.require("slot", slot <= memory.number("slots_used"), "must be a slot that was used")
    of_order = orders["timer"][slot] == rows.numbers
    rows.require("slot", of_order, "must be of an order with this timer")
    instrument = orders["instrument"][slot].astype(np.int64)
    rank = (instrument << RANK_BITS) + orders["accepted"][slot]
    rows.require("slot", instrument != 0, "must be of a live order")
    rows.require("rank", rows["rank"] == rank, "must be the order's instrument and acceptance")
    rows.require("due", rows["due"] & 3 == EXPIRY, "must be of the class of expiries")
    rows.require_range("phase", 0, 0)


def _check_own(memory: Memory, rows: Rows) -> None:
    """Timers of instruments: each is at the position that the instrument knows, and says what the
    instrument says."""
    own = memory.arrays["own_timers"]
    instruments = memory.arrays["instruments"]
    rank, kind, phase = rows["rank"], rows["due"] & 3, rows["phase"]
    instrument, order = rank >> RANK_BITS, rank & ((1 << RANK_BITS) - 1)
    is_listed = (instrument > 0) & (instrument < len(own))
    is_listed &= instruments["phase"][np.where(is_listed, instrument, 0)] != 0
    rows.require("rank", is_listed, "must be of a listed instrument")
    is_phase = kind == PHASE
    rows.require("due", is_phase | (kind == EXPIRY) | (kind == GATE), "must be of a class")
    known = (phase <= int(Phase.CLOSED)) | (phase == COLLAR_END)
    rows.require("phase", np.where(is_phase, known, phase == 0), "must be a phase if of that class")
    scheduled = memory.number("scheduled")
    in_order = np.where(is_phase, (order > 0) & (order <= scheduled), order == 0)
    rows.require("rank", in_order, "must be of an order of scheduling so far")
    once = is_first_of(np.where(is_phase, order, -rows.numbers))
    rows.require("rank", once, "must be of an order of scheduling of its own")
    second = rows["due"] >> 2
    expected = np.zeros(len(own), OWN_TIMERS)
    for column, chosen, says in (
        ("expiry", kind == EXPIRY, "close_s"),
        ("close", is_phase & (phase == 0), "close_s"),
        ("gate", kind == GATE, "gate_s"),
        ("collar_end", is_phase & (phase == COLLAR_END), ""),
    ):
        timers = rows.where(chosen)
        number = instrument[chosen]
        at_place = own[column][number] == timers.numbers
        timers.require("rank", at_place, f"must be of an instrument with this timer as {column}")
        if says:
            agrees = instruments[says][number] == second[chosen]
            timers.require("due", agrees, f"must be the instrument's {says}")
        expected[column][number] = timers.numbers
    _check_positions(memory, expected)
    _check_pending(memory, rows.where(is_phase & (phase >= 1) & (phase <= int(Phase.CLOSED))))


def _check_positions(memory: Memory, expected: NDArray[Any]) -> None:
    """No instrument knows a timer that there is not, or lacks one that its terms ask for."""
    own = memory.rows("own_timers")
    for column in OWN_TIMERS.names or ():
        is_there = own[column] == expected[column][own.numbers]
        own.require(column, is_there, "must be the position of this timer of the instrument, or 0")
    listed = memory.rows("instruments")
    for column, says in (("expiry", "close_s"), ("close", "close_s"), ("gate", "gate_s")):
        has_timer = expected[column][listed.numbers] != 0
        rule = f"must be 0, or have a timer as {column}"
        listed.require(says, (listed[says] != 0) == has_timer, rule)
    is_collared = expected["collar_end"][listed.numbers] != 0
    is_auction = listed["phase"] == int(Phase.AUCTION)
    listed.require("phase", ~is_collared | is_auction, "must be an auction: a collar's is to end")


def _check_pending(memory: Memory, rows: Rows) -> None:
    """Phases to come are of instruments with a band, counted, and not too many."""
    has_band = memory.column("instruments", "width")[rows["rank"] >> RANK_BITS] != 0
    rows.require("rank", has_band, "must be of an instrument with a band")
    state = memory.state
    counted = state["phases_pending"] == len(rows)
    state.require("phases_pending", counted, f"must be the phases to come, {len(rows)}")
    most = scheduled_phases_max(memory.limits)
    state.require("phases_pending", state["phases_pending"] <= most, f"must be at most {most}")

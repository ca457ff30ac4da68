"""Writing of events: one function for each shape, so that every field is set in one place."""

import numpy as np

from matching.codes import NONE, REJECTED
from matching.memory.compiler import inline, kernel
from matching.memory.intrinsics import prefetch

i64 = np.int64

STEP_EVENTS_MAX = 8
"""Events that a single step of any task appends at most: the loop stops where fewer fit."""

SPENT_MAX = 2_048
"""Steps of longer tasks (a trade, an order that ends, an order that is looked at) after which a
call ends, so that its caller can do something else: below 2 ms, with memory that is not cached."""

EVENTS_AHEAD = 16
"""Distance in events at which the buffer is prefetched: the last batch evicted it from the
cache."""


@inline
def is_buffer_full(m):
    """Whether the events of another step might not fit into the buffer."""
    return len(m.events) - m.state[0]["events"] < STEP_EVENTS_MAX


@inline
def must_pause(m):
    """Whether a longer task must stop for now: the event buffer is full, or the call has worked
    long enough."""
    return is_buffer_full(m) or m.state[0]["spent"] >= SPENT_MAX


@inline
def emit(m, command, kind, reason, flags, other, shown, price, quantity):
    """Begin an event of this command. Returns its place; the caller writes the other fields: owner,
    instrument, side, `leaves` and `cumulative`."""
    state = m.state[0]
    at = state["events"]
    state["events"] = at + 1
    prefetch(m.events, at + EVENTS_AHEAD)
    event = m.events[at]
    event["sequence"] = command["sequence"]
    event["time_ns"] = command["time_ns"]
    event["trade_id"] = other
    event["fee_fen"] = shown
    event["price"] = price
    event["quantity"] = quantity
    event["kind"] = kind
    event["reason"] = reason
    event["flags"] = flags
    event["trade_group"] = 0
    return at


@inline
def report(m, command, order, kind, reason, flags, other, shown, price, quantity):
    """Append an event of an order. Owner, instrument, side and what is left come from the order."""
    at = emit(m, command, kind, reason, flags, other, shown, price, quantity)
    event = m.events[at]
    event["leaves"] = order["leaves"]
    event["cumulative"] = order["cumulative"]
    event["session"] = order["session"]
    event["user_ref"] = order["user_ref"]
    event["account"] = order["account"]
    event["instrument"] = order["instrument"]
    event["side"] = order["side"]


@kernel
def answer(m, command, kind, reason, flags, other, shown, price, quantity, leaves):
    """Append an event of a command that concerns no single order. Returns its place."""
    at = emit(m, command, kind, reason, flags, other, shown, price, quantity)
    event = m.events[at]
    event["leaves"] = leaves
    event["cumulative"] = 0
    event["session"] = command["session"]
    event["user_ref"] = command["user_ref"]
    event["account"] = command["account"]
    event["instrument"] = command["instrument"]
    event["side"] = 0
    return at


@kernel
def reject(m, command, reason):
    """Append a rejection. It repeats the command's fields, even malformed ones."""
    at = answer(
        m, command, REJECTED, reason, 0, i64(command["target_ref"]), 0,
        i64(command["price"]), i64(command["quantity"]), 0,
    )  # fmt: skip
    m.events[at]["side"] = command["side"]


@inline
def accept(m, c, other, shown, price, quantity, leaves):
    """Append the one event of an accepted administrative command. Returns its place."""
    return answer(m, c, i64(c["kind"]), NONE, 0, other, shown, price, quantity, leaves)

"""New orders and cancels, and how an order ends that stands in a book."""

import numpy as np

from matching.book.block_holdings import end_block
from matching.book.block_legs import is_block, loosen
from matching.book.events import reject, report
from matching.book.order_ids import find, finish, has_room, name
from matching.book.pools import allocate_slot, discard_order, return_slot
from matching.book.price_levels import pull, push, top
from matching.book.registry import is_open, is_ref
from matching.book.risk import hold, release
from matching.book.timers import EXPIRY, add
from matching.codes import (
    ACCEPTED,
    CANCELLED,
    CONTINUOUS,
    FLAG_WAITING,
    FOK,
    GTD,
    MALFORMED,
    NONE,
    POOL_FULL,
    POST_ONLY_FLAG,
    REFUSED_FOK,
    REFUSED_POST_ONLY,
    REQUESTED,
    UNKNOWN_ORDER,
    UNKNOWN_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import POST_ONLY, WAITING
from matching.orders.checks import new_order_reason, passed
from matching.orders.sweep import collar_bound, fillable, limit_index, rest_or_end, start

i64 = np.int64

ENDED, QUIET, RUNS, TRIGGERS = 0, 1, 2, 3
"""What a command leaves to do: nothing, nothing (a stop waits), a run, a stop's run."""


@inline
def fill_in(m, c, slot):
    """Write a new order into its slot."""
    order = m.orders[slot]
    order["held"] = 0
    order["price"] = c["price"]
    order["leaves"] = c["quantity"]
    order["display"] = c["display"]
    order["session"] = c["session"]
    order["user_ref"] = c["user_ref"]
    order["account"] = c["account"]
    order["instrument"] = c["instrument"]
    order["cumulative"] = 0
    order["stop"] = c["stop"]
    order["timer"] = 0
    order["fee_fraction"] = 0
    order["side"] = c["side"]
    order["type"] = c["type"]
    order["tif"] = c["tif"]
    stop = i64(c["stop"]) != 0
    post_only = i64(c["flags"]) & POST_ONLY_FLAG
    order["mode"] = i64(c["stp"]) | (post_only * POST_ONLY) | (WAITING if stop else 0)
    order["shown"] = shown_if_resting(order, i64(c["quantity"]))


@inline
def shown_if_resting(order, leaves):
    """What an order displays when it rests with this much; waiting and market orders nothing."""
    if (i64(order["mode"]) & WAITING) != 0 or i64(order["price"]) == 0:
        return i64(0)
    display = i64(order["display"])
    return min(display, leaves) if display != 0 else leaves


@inline
def would_meet(m, order):
    """Whether an order of a limit would meet anything on the other side."""
    side = i64(order["side"])
    instrument_id = i64(order["instrument"])
    index = limit_index(m.instruments[instrument_id], side, i64(order["price"]))
    return top(m, instrument_id, 1 - side) >= index


@inline
def last_reasons(m, slot):
    """Post-only and FOK, the refusals that need a look at the other side of the book."""
    order = m.orders[slot]
    if (i64(order["mode"]) & POST_ONLY) != 0 and would_meet(m, order):
        return REFUSED_POST_ONLY
    if i64(order["tif"]) == FOK:
        instrument = m.instruments[i64(order["instrument"])]
        side = i64(order["side"])
        limit = limit_index(instrument, side, i64(order["price"]))
        bound = collar_bound(m, i64(order["instrument"]), side, limit)
        if not fillable(m, order, bound, i64(order["leaves"])):
            return REFUSED_FOK
    return NONE


@inline
def new_order(m, c):
    """NEW. Returns what is left to do."""
    reason = new_order_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    slot = allocate_slot(m)
    if slot == 0:
        return new_order_without_slot(m, c)
    fill_in(m, c, slot)
    reason = last_reasons(m, slot)
    if reason == NONE and not has_room(m, i64(c["session"]), i64(c["user_ref"])):
        reason = POOL_FULL
    if reason != NONE:
        return_slot(m, slot)
        reject(m, c, reason)
        return ENDED
    state = m.state[0]
    order = m.orders[slot]
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    name(m, i64(c["session"]), i64(c["user_ref"]), slot)
    hold(m, order, i64(c["price"]), i64(c["quantity"]))
    if i64(c["tif"]) == GTD:
        add(m, i64(c["expiry_s"]), EXPIRY, i64(c["instrument"]), state["accepted"], slot, 0)
    flags = FLAG_WAITING if i64(c["stop"]) != 0 else 0
    report(
        m, c, order, ACCEPTED, 0, flags, 0, i64(order["shown"]), i64(c["price"]), i64(c["quantity"])
    )
    return enter(m, c, slot)


@kernel
def new_order_without_slot(m, c):
    """The pool is full, but post-only and FOK come first: slot 0 serves as a scratch order."""
    fill_in(m, c, 0)
    reason = last_reasons(m, i64(0))
    discard_order(m, i64(0))
    reject(m, c, reason if reason != NONE else POOL_FULL)
    return ENDED


@inline
def enter(m, c, slot):
    """An accepted or requeued order rests, starts its run, or waits. Returns what is left to do."""
    order = m.orders[slot]
    instrument = m.instruments[i64(order["instrument"])]
    trades = i64(instrument["phase"]) == CONTINUOUS
    if (i64(order["mode"]) & WAITING) == 0:
        if trades and would_meet(m, order):
            start(m, slot)
            return RUNS
        rest_or_end(m, c, slot)
        return QUIET
    if trades and passed(instrument, i64(order["side"]), i64(order["stop"])):
        m.state[0]["slot"] = slot
        return TRIGGERS
    push(m, slot)
    return QUIET


@inline
def end_order(m, c, slot, kind, reason, request_ref):
    """End a live order that stands in a book, or a block."""
    order = m.orders[slot]
    if is_block(order):
        end_block(m, c, slot, kind, reason, request_ref)
        return
    leaves = i64(order["leaves"])
    pull(m, slot)
    loosen(m, i64(order["instrument"]))
    release(m, order, leaves)
    report(m, c, order, kind, reason, 0, request_ref, 0, i64(order["price"]), leaves)
    finish(m, slot)


@kernel
def remove_order(m, c, slot, kind, reason, request_ref):
    """`end_order`, compiled once for all callers that are in no hurry."""
    end_order(m, c, slot, kind, reason, request_ref)


@inline
def named_order(m, c):
    """The order that a cancel or replace aims at; 0 if it is not live."""
    target = i64(c["target_ref"])
    if not is_ref(m, target):
        return i64(0)
    return find(m, i64(c["session"]), target)


@inline
def cancel(m, c):
    """CANCEL."""
    if (
        not is_ref(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0
    ):
        reject(m, c, MALFORMED)
        return
    if not is_open(m, i64(c["session"])):
        reject(m, c, UNKNOWN_SESSION)
        return
    slot = named_order(m, c)
    if slot == 0:
        reject(m, c, UNKNOWN_ORDER)
        return
    end_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))

"""Entry of new orders, cancels, and the end of an order that is in a book."""

import numpy as np

from matching.book.block_holdings import end_block
from matching.book.block_legs import is_block, recheck_collar_without
from matching.book.events import reject, report
from matching.book.order_ids import add_order_id, find_order, finish_order, room_reason
from matching.book.pools import allocate_slot, return_slot
from matching.book.price_levels import add_to_level, remove_from_level, top
from matching.book.registry import is_open, is_ref
from matching.book.risk import hold, release
from matching.book.timers import EXPIRY, add_timer
from matching.codes import (
    ACCEPTED,
    CANCELLED,
    CONTINUOUS,
    FLAG_WAITING,
    FOK,
    GTD,
    IOC,
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
from matching.orders.checks import is_stop_reached, new_order_reason
from matching.orders.sweep import begin_look, limit_index, rest_or_end, start_run

i64 = np.int64

ENDED, QUIET, RUNS, TRIGGERS = 0, 1, 2, 3
"""Work left by a command: none; none, because the order rests or waits; the run of the order; its
run as a stop that triggered at once."""


@inline
def write_order(m, c, slot):
    """Write a new order into its slot."""
    order = m.orders[slot]
    order["held"] = 0
    order["price"] = c["price"]
    order["leaves"] = c["quantity"]
    order["display"] = c["display"] if i64(c["tif"]) != IOC else np.int32(0)
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
    """Lots that an order shows when it rests with `leaves`; 0 for waiting and market orders."""
    if (i64(order["mode"]) & WAITING) != 0 or i64(order["price"]) == 0:
        return i64(0)
    display = i64(order["display"])
    return min(display, leaves) if display != 0 else leaves


@inline
def would_trade(m, order):
    """Whether an order with a limit would meet an order of the opposite side."""
    side = i64(order["side"])
    instrument_id = i64(order["instrument"])
    index = limit_index(m.instruments[instrument_id], side, i64(order["price"]))
    return top(m, instrument_id, 1 - side) >= index


@inline
def least_at_once(c):
    """Lots that a NEW must trade at once: all of a fill or kill, the minimum of an IOC."""
    tif = i64(c["tif"])
    return i64(c["quantity"]) if tif == FOK else (i64(c["display"]) if tif == IOC else i64(0))


@inline
def new_order(m, c):
    """Carry out NEW. Returns what remains to do."""
    reason = new_order_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    reason = room_reason(m, c)
    slot = allocate_slot(m) if reason == NONE else i64(0)
    if slot == 0:
        reject(m, c, reason if reason != NONE else POOL_FULL)
        return ENDED
    write_order(m, c, slot)
    least = least_at_once(c)
    if least != 0:
        begin_look(m, slot, least)
        return QUIET
    order = m.orders[slot]
    if (i64(order["mode"]) & POST_ONLY) != 0 and would_trade(m, order):
        return_slot(m, slot)
        reject(m, c, REFUSED_POST_ONLY)
        return ENDED
    return accept_new(m, c, slot)


@kernel
def accept_looked(m, c):
    """Accept a new order that can trade at once what it must, or reject it. Returns what remains to
    do."""
    state = m.state[0]
    slot = state["slot"]
    state["slot"] = 0
    if state["look_found"] < state["look_wanted"]:
        return_slot(m, slot)
        reject(m, c, REFUSED_FOK)
        return ENDED
    return accept_new(m, c, slot)


@inline
def accept_new(m, c, slot):
    """Accept a new order that is written into its slot. Returns what remains to do."""
    state = m.state[0]
    order = m.orders[slot]
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    add_order_id(m, i64(c["session"]), i64(c["user_ref"]), slot)
    hold(m, order, i64(c["price"]), i64(c["quantity"]))
    if i64(c["tif"]) == GTD:
        add_timer(m, i64(c["expiry_s"]), EXPIRY, i64(c["instrument"]), state["accepted"], slot, 0)
    flags = FLAG_WAITING if i64(c["stop"]) != 0 else 0
    report(
        m, c, order, ACCEPTED, 0, flags, 0, i64(order["shown"]), i64(c["price"]), i64(c["quantity"])
    )
    return enter_book(m, c, slot)


@inline
def enter_book(m, c, slot):
    """Rest an accepted or requeued order, begin its run, or let it wait. Returns what remains to
    do."""
    order = m.orders[slot]
    instrument = m.instruments[i64(order["instrument"])]
    trades = i64(instrument["phase"]) == CONTINUOUS
    if (i64(order["mode"]) & WAITING) == 0:
        if trades and would_trade(m, order):
            start_run(m, slot)
            return RUNS
        rest_or_end(m, c, slot)
        return QUIET
    if trades and is_stop_reached(instrument, i64(order["side"]), i64(order["stop"])):
        m.state[0]["slot"] = slot
        return TRIGGERS
    add_to_level(m, slot)
    return QUIET


@inline
def end_order(m, c, slot, kind, reason, request_ref):
    """End a live order that is in a book, or a block."""
    order = m.orders[slot]
    if is_block(order):
        end_block(m, c, slot, kind, reason, request_ref)
        return
    leaves = i64(order["leaves"])
    remove_from_level(m, slot)
    recheck_collar_without(m, order)
    release(m, order, leaves)
    report(m, c, order, kind, reason, 0, request_ref, 0, i64(order["price"]), leaves)
    finish_order(m, slot)


@kernel
def remove_order(m, c, slot, kind, reason, request_ref):
    """`end_order`, compiled once for all callers that are not on the fast path."""
    end_order(m, c, slot, kind, reason, request_ref)


@inline
def target_order(m, c):
    """Slot of the order that a cancel or replace names; 0 if it is not live."""
    target = i64(c["target_ref"])
    if not is_ref(m, target):
        return i64(0)
    return find_order(m, i64(c["session"]), target)


@inline
def cancel(m, c):
    """Carry out CANCEL."""
    if (
        not is_ref(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0
    ):
        reject(m, c, MALFORMED)
        return
    if not is_open(m, i64(c["session"])):
        reject(m, c, UNKNOWN_SESSION)
        return
    slot = target_order(m, c)
    if slot == 0:
        reject(m, c, UNKNOWN_ORDER)
        return
    end_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))

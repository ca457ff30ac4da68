"""Replaces: less quantity at the same price keeps priority, anything else loses it."""

import numpy as np

from matching.book.block_legs import recheck_collar_without
from matching.book.events import reject, report
from matching.book.pools import has_numbers
from matching.book.price_levels import remove_from_level, top
from matching.book.registry import is_open, is_ref
from matching.book.risk import hold, release, reserve, worst_price
from matching.book.timers import reschedule_expiry
from matching.codes import (
    BAND,
    BUY,
    CANCELLED,
    CONTINUOUS,
    FLAG_REQUEUED,
    FLAG_WAITING,
    GTD,
    MALFORMED,
    NONE,
    ORDER_TYPE,
    POOL_FULL,
    REFUSED_POST_ONLY,
    REPLACED,
    REQUESTED,
    REQUEUE,
    SIZE_LIMIT,
    TIME_PAST,
    UNKNOWN_ORDER,
    UNKNOWN_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import POST_ONLY, WAITING
from matching.orders.checks import is_outside_band, phase_reason, risk_reason, size_reason
from matching.orders.entry import ENDED, enter_book, remove_order, shown_if_resting, target_order
from matching.orders.sweep import limit_index
from matching.records import INT32_MAX, NANOSECONDS

i64 = np.int64


@inline
def replace_malformed(m, c):
    """Whether the fields of a REPLACE do not agree with one another."""
    quantity = i64(c["quantity"])
    display = i64(c["display"])
    flags = i64(c["flags"])
    return (
        not is_ref(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"])) != 0
        or (flags != 0 and flags != REQUEUE)
        or quantity < (1 if flags != 0 else 0)
        or i64(c["price"]) < 0
        or i64(c["stop"]) < 0
        or display < 0
        or display > quantity
    )


@inline
def replace_reason(m, c, slot):
    """The first reason to reject a REPLACE of this order, before its size and risk."""
    order = m.orders[slot]
    instrument = m.instruments[i64(order["instrument"])]
    reason = phase_reason(i64(instrument["phase"]))
    if reason != NONE:
        return reason
    if (
        (i64(c["price"]) != 0 and i64(order["price"]) == 0)
        or (i64(c["stop"]) != 0 and (i64(order["mode"]) & WAITING) == 0)
        or (i64(c["display"]) != 0 and i64(order["display"]) == 0)
        or (i64(c["expiry_s"]) != 0 and i64(order["tif"]) != GTD)
    ):
        return ORDER_TYPE
    expiry_s = i64(c["expiry_s"])
    if expiry_s != 0 and expiry_s * NANOSECONDS <= m.state[0]["now_ns"]:
        return TIME_PAST
    if is_outside_band(instrument, i64(c["price"])) or is_outside_band(instrument, i64(c["stop"])):
        return BAND
    return NONE


@inline
def replace_target(m, c):
    """The slot of the order or block that a REPLACE is for; 0 where the REPLACE was rejected."""
    reason = UNKNOWN_ORDER
    slot = i64(0)
    if replace_malformed(m, c):
        reason = MALFORMED
    elif not is_open(m, i64(c["session"])):
        reason = UNKNOWN_SESSION
    else:
        slot = target_order(m, c)
    if slot == 0:
        reject(m, c, reason)
    return slot


@kernel
def replace(m, c, slot):
    """Carry out REPLACE of an order that is no block. Returns what remains to do."""
    reason = replace_reason(m, c, slot)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    order = m.orders[slot]
    cumulative = i64(order["cumulative"])
    requeue = i64(c["flags"]) == REQUEUE
    total = i64(c["quantity"]) + (cumulative if requeue else 0)
    if total <= cumulative:
        remove_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))
        return ENDED
    leaves = i64(order["leaves"])
    price = i64(c["price"]) if i64(c["price"]) != 0 else i64(order["price"])
    stop = i64(c["stop"]) if i64(c["stop"]) != 0 else i64(order["stop"])
    open_after = total - cumulative
    keeps = (
        not requeue
        and open_after < leaves
        and price == i64(order["price"])
        and stop == i64(order["stop"])
    )
    reason = replace_risk_reason(m, order, price, total, open_after)
    if reason == NONE and not keeps:
        reason = replace_post_only_reason(m, order, price) if has_numbers(m) else POOL_FULL
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    if keeps:
        return replace_in_place(m, c, slot, leaves - open_after, total)
    return replace_at_back(m, c, slot, price, stop, total, open_after)


@inline
def replace_risk_reason(m, order, price, total, open_after):
    """Reason to reject a replace by size, position limit, capacity or money, counting the net
    change; else NONE."""
    account_id = i64(order["account"])
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if total > INT32_MAX:
        return SIZE_LIMIT
    reason = size_reason(m, account_id, instrument, price, total)
    if reason != NONE:
        return reason
    leaves = i64(order["leaves"])
    money = i64(0)
    if i64(order["side"]) == BUY:
        fraction = i64(order["fee_fraction"])
        money = reserve(instrument, worst_price(instrument, price), open_after, fraction)
        money -= i64(order["held"])
    return risk_reason(m, account_id, instrument_id, i64(order["side"]), money, open_after - leaves)


@inline
def replace_post_only_reason(m, order, price):
    """REFUSED_POST_ONLY if a post-only order would trade at once at this price, else NONE."""
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if (i64(order["mode"]) & POST_ONLY) == 0 or i64(instrument["phase"]) != CONTINUOUS:
        return NONE
    side = i64(order["side"])
    if top(m, instrument_id, 1 - side) >= limit_index(instrument, side, price):
        return REFUSED_POST_ONLY
    return NONE


@inline
def replace_in_place(m, c, slot, taken_off, total):
    """Reduce an order at the same price. It keeps its priority, and loses its hidden part first."""
    order = m.orders[slot]
    release(m, order, taken_off)
    if i64(c["display"]) != 0:
        order["display"] = c["display"]
    order["shown"] = min(i64(order["shown"]), i64(order["leaves"]))
    reschedule_expiry(m, c, slot)
    flags = FLAG_WAITING if (i64(order["mode"]) & WAITING) != 0 else 0
    report(
        m,
        c,
        order,
        REPLACED,
        0,
        flags,
        i64(c["user_ref"]),
        i64(order["shown"]),
        i64(order["price"]),
        total,
    )
    return ENDED


@inline
def replace_at_back(m, c, slot, price, stop, total, open_after):
    """Replace an order as if by a cancel and a new order of the same ref."""
    state = m.state[0]
    order = m.orders[slot]
    remove_from_level(m, slot)
    recheck_collar_without(m, order)
    release(m, order, i64(order["leaves"]))
    order["price"] = price
    order["stop"] = stop
    order["leaves"] = open_after
    if i64(c["display"]) != 0:
        order["display"] = c["display"]
    hold(m, order, price, open_after)
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    reschedule_expiry(m, c, slot)
    order["shown"] = shown_if_resting(order, open_after)
    flags = FLAG_REQUEUED | (FLAG_WAITING if (i64(order["mode"]) & WAITING) != 0 else 0)
    report(m, c, order, REPLACED, 0, flags, i64(c["user_ref"]), i64(order["shown"]), price, total)
    return enter_book(m, c, slot)

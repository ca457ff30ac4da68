"""Entry of new blocks, and replaces of blocks."""

import numpy as np

from matching.blocks.trading import NO_COUNTERPARTY, begin_block_trade, best_counterparty
from matching.book.block_holdings import (
    block_risk_reason,
    end_block,
    report_block,
    set_block_quantity,
)
from matching.book.block_legs import activate, deactivate, hour_instrument, resolve_hours, span_of
from matching.book.events import reject
from matching.book.order_ids import add_order_id, find_order, room_reason
from matching.book.pools import (
    allocate_block,
    allocate_slot,
    discard_order,
    has_numbers,
    return_block,
)
from matching.book.timers import EXPIRY, add_timer, reschedule_expiry
from matching.codes import (
    ACCEPTED,
    BAND,
    CANCELLED,
    CONTINUOUS,
    DAY,
    DUPLICATE_REF,
    FLAG_REQUEUED,
    FOK,
    GTD,
    IOC,
    NONE,
    NOTIONAL_LIMIT,
    ORDER_TYPE,
    POOL_FULL,
    REFUSED_FOK,
    REMAINDER,
    REPLACED,
    REQUESTED,
    REQUEUE,
    SESSION_LIMIT,
    SIZE_LIMIT,
    TIME_PAST,
    UNKNOWN_INSTRUMENT,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BLOCK_BIT
from matching.orders.checks import is_plain_limit, phase_reason, reject_at_entry
from matching.orders.entry import ENDED, write_order
from matching.records import BLOCK_HOURS_MAX, BLOCK_HOURS_MIN, NANOSECONDS
from matching.stages import FETCH

i64 = np.int64


@inline
def block_malformed(m, c):
    """Whether the fields of a NEW of several hours do not agree with one another."""
    tif = i64(c["tif"])
    return (
        not is_plain_limit(m, c)
        or not BLOCK_HOURS_MIN <= i64(c["hours"]) <= BLOCK_HOURS_MAX
        or not (tif == DAY or tif == GTD or tif == IOC or tif == FOK)
        or (tif == GTD) != (i64(c["expiry_s"]) != 0)
        or i64(c["flags"]) != 0
    )


@kernel
def hours_reason(m, order):
    """WRONG_PHASE where an hour is halted, closed or not listed, else NONE."""
    for k in range(span_of(order)):
        reason = phase_reason(i64(m.instruments[hour_instrument(m, order, k)]["phase"]))
        if reason != NONE:
            return reason
    return NONE


@kernel
def terms_reason(m, order, price, expiry_s):
    """Reason to reject an expiry in the past, or a price outside the band of an hour; else NONE. 0
    stands for none of either."""
    if expiry_s != 0 and expiry_s * NANOSECONDS <= m.state[0]["now_ns"]:
        return TIME_PAST
    for k in range(span_of(order)):
        instrument = m.instruments[hour_instrument(m, order, k)]
        if price != 0 and not i64(instrument["low"]) <= price <= i64(instrument["high"]):
            return BAND
    return NONE


@kernel
def block_size_reason(m, order, price, quantity):
    """Reason to reject a block by its size, else NONE. Size and notional limits count all hours
    together."""
    account = m.accounts[i64(order["account"])]
    lots = quantity * span_of(order)
    if lots > i64(account["order_cap"]):
        return SIZE_LIMIT
    for k in range(span_of(order)):
        if lots > i64(m.instruments[hour_instrument(m, order, k)]["quantity_max"]):
            return SIZE_LIMIT
    worth = price * lots * i64(m.instruments[i64(order["instrument"])]["tick_fen"])
    return NOTIONAL_LIMIT if worth > account["notional_cap"] else NONE


@kernel
def has_hour_not_trading(m, order):
    """Whether an hour is not in continuous trading, so that an IOC or FOK makes no sense."""
    for k in range(span_of(order)):
        if i64(m.instruments[hour_instrument(m, order, k)]["phase"]) != CONTINUOUS:
            return True
    return False


@kernel
def new_block_reason(m, c, slot):
    """The first reason to reject a block that is written into a slot, except the last two (full
    pools, FOK)."""
    order = m.orders[slot]
    reason = hours_reason(m, order)
    if reason != NONE:
        return reason
    if find_order(m, i64(c["session"]), i64(c["user_ref"])) != 0:
        return DUPLICATE_REF
    tif = i64(c["tif"])
    if (tif == IOC or tif == FOK) and has_hour_not_trading(m, order):
        return ORDER_TYPE
    price, quantity = i64(c["price"]), i64(c["quantity"])
    reason = terms_reason(m, order, price, i64(c["expiry_s"]))
    if reason == NONE:
        reason = block_size_reason(m, order, price, quantity)
    if reason == NONE:
        order["leaves"] = 0
        reason = block_risk_reason(m, order, price, quantity)
        order["leaves"] = quantity
    return reason


@inline
def write_block(m, c, slot, block):
    """Write a new block into its slot. Slot 0 serves as a scratch order where the pool is full."""
    write_order(m, c, slot)
    order = m.orders[slot]
    order["shown"] = 0
    order["display"] = c["hours"]
    order["stop"] = block
    order["mode"] = i64(c["stp"]) | BLOCK_BIT
    order["accepted"] = m.state[0]["accepted"] + 1
    m.blocks[block]["slot"] = slot
    m.blocks[block]["active"] = 0


@kernel
def new_block(m, c):
    """Carry out NEW of several hours: the block trades at once, stands, or ends."""
    if reject_at_entry(m, c, block_malformed(m, c)):
        return ENDED
    slot, block = allocate_slot(m), allocate_block(m)
    reason = UNKNOWN_INSTRUMENT
    counterparty = i64(NO_COUNTERPARTY)
    if resolve_hours(m, block, i64(c["instrument"]), i64(c["hours"])):
        write_block(m, c, slot, block)
        reason = new_block_reason(m, c, slot)
    if reason == NONE:
        reason = block_room_reason(m, c, slot, block)
    if reason == NONE:
        counterparty = best_counterparty(m, slot)
        if i64(c["tif"]) == FOK and counterparty == NO_COUNTERPARTY:
            reason = REFUSED_FOK
    if reason != NONE:
        return_block(m, block)
        discard_order(m, slot)
        reject(m, c, reason)
        return ENDED
    accept_block(m, c, slot)
    if counterparty != NO_COUNTERPARTY:
        trade_at_once(m, slot, counterparty)
    elif i64(c["tif"]) == IOC:
        end_block(m, c, slot, CANCELLED, REMAINDER, 0)
    else:
        activate(m, slot)
    return ENDED


@inline
def block_room_reason(m, c, slot, block):
    """Reason to reject a new block for lack of room: its session's shares, or the pools; else
    NONE."""
    if i64(m.sessions[i64(c["session"])]["blocks"]) >= m.state[0]["session_blocks"]:
        return SESSION_LIMIT
    reason = room_reason(m, c)
    return POOL_FULL if reason == NONE and (slot == 0 or block == 0) else reason


@inline
def trade_at_once(m, slot, counterparty):
    """Trade a new or replaced block before any candidate."""
    m.state[0]["after_blocks"] = FETCH
    begin_block_trade(m, slot, counterparty)


@inline
def accept_block(m, c, slot):
    """Accept a block: give it its id, and reserve what it needs."""
    state = m.state[0]
    order = m.orders[slot]
    state["accepted"] += 1
    add_order_id(m, i64(c["session"]), i64(c["user_ref"]), slot)
    m.sessions[i64(c["session"])]["blocks"] += 1
    order["leaves"] = 0
    set_block_quantity(m, order, i64(c["quantity"]))
    if i64(c["tif"]) == GTD:
        add_timer(m, i64(c["expiry_s"]), EXPIRY, i64(c["instrument"]), state["accepted"], slot, 0)
    report_block(m, c, order, ACCEPTED, 0, 0, 0, i64(c["quantity"]))


@inline
def replace_block_reason(m, c, slot):
    """The first reason to reject a REPLACE of a block, before its size and risk."""
    order = m.orders[slot]
    reason = hours_reason(m, order)
    if reason != NONE:
        return reason
    expiry_s = i64(c["expiry_s"])
    if (
        i64(c["stop"]) != 0
        or i64(c["display"]) != 0
        or (expiry_s != 0 and i64(order["tif"]) != GTD)
    ):
        return ORDER_TYPE
    return terms_reason(m, order, i64(c["price"]), expiry_s)


@kernel
def replace_block(m, c, slot):
    """Carry out REPLACE of a block. Less quantity at the same price keeps priority. Then it may
    trade."""
    order = m.orders[slot]
    reason = replace_block_reason(m, c, slot)
    quantity = i64(c["quantity"])
    if reason == NONE and quantity == 0:
        end_block(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))
        return ENDED
    price = i64(c["price"]) if i64(c["price"]) != 0 else i64(order["price"])
    if reason == NONE:
        reason = block_size_reason(m, order, price, quantity)
    if reason == NONE:
        reason = block_risk_reason(m, order, price, quantity)
    keeps = (
        i64(c["flags"]) != REQUEUE
        and price == i64(order["price"])
        and quantity < i64(order["leaves"])
    )
    if reason == NONE and not keeps and not has_numbers(m):
        reason = POOL_FULL
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    change_block(m, c, slot, price, quantity, keeps)
    counterparty = best_counterparty(m, slot)
    if counterparty != NO_COUNTERPARTY:
        trade_at_once(m, slot, counterparty)
    else:
        activate(m, slot)
    return ENDED


@inline
def change_block(m, c, slot, price, quantity, keeps):
    """Apply an accepted replace to a block, and report it."""
    state = m.state[0]
    order = m.orders[slot]
    deactivate(m, slot)
    order["price"] = price
    set_block_quantity(m, order, quantity)
    if not keeps:
        state["accepted"] += 1
        order["accepted"] = state["accepted"]
    reschedule_expiry(m, c, slot)
    flags = 0 if keeps else FLAG_REQUEUED
    report_block(m, c, order, REPLACED, 0, flags, i64(c["user_ref"]), quantity)

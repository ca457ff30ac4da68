"""Reserves of blocks: what a block holds in all of its hours, and the end of a block."""

import numpy as np

from matching.book.block_legs import block_of, deactivate, hour_instrument, span_of
from matching.book.events import report
from matching.book.order_ids import finish_order
from matching.book.pools import return_block
from matching.book.risk import deposit_for, move_deposit, position_at, whole_fen
from matching.codes import BUY, CAPACITY, DEPOSIT, FLAG_BLOCK, FUNDS, NONE, POSITION_LIMIT
from matching.memory.compiler import inline, kernel
from matching.records import RATE_UNIT

i64 = np.int64


@inline
def report_block(m, c, order, kind, reason, flags, other, quantity):
    """Append an event of a block that is no fill. It carries the number of hours."""
    report(m, c, order, kind, reason, flags | FLAG_BLOCK, other, 0, i64(order["price"]), quantity)
    m.events[m.state[0]["events"] - 1]["trade_group"] = span_of(order)


@kernel
def block_reserve(m, order, price, quantity):
    """Fen that a block reserves to buy: all hours at its limit, and the highest fee rate, rounded
    up."""
    if i64(order["side"]) != BUY:
        return i64(0)
    dearest = i64(0)
    for k in range(span_of(order)):
        dearest = max(dearest, i64(m.instruments[hour_instrument(m, order, k)]["dearer_rate"]))
    tick_fen = i64(m.instruments[i64(order["instrument"])]["tick_fen"])
    worth = price * quantity * span_of(order) * tick_fen
    return worth + whole_fen(worth * dearest + (RATE_UNIT - 1))


@kernel
def set_block_quantity(m, order, quantity):
    """Change a block's open quantity in every hour, and its capacity, deposit and money with it."""
    side = i64(order["side"])
    account = m.accounts[i64(order["account"])]
    more = quantity - i64(order["leaves"])
    order["leaves"] = quantity
    for k in range(span_of(order)):
        instrument_id = hour_instrument(m, order, k)
        position = m.positions[position_at(m, instrument_id, i64(order["account"]))]
        if side == BUY:
            position["open_buy"] += more
        else:
            uncovered = i64(position["open_sell"]) - i64(position["net"])
            position["open_sell"] += more
            move_deposit(account, m.instruments[instrument_id], uncovered, uncovered + more)
    set_reserve(m, order, block_reserve(m, order, i64(order["price"]), quantity))


@inline
def set_reserve(m, order, needed):
    """Set the money that a block or an order for a basket reserves."""
    account = m.accounts[i64(order["account"])]
    more = needed - i64(order["held"])
    order["held"] = needed
    account["free"] -= more
    account["reserved"] += more


@kernel
def block_risk_reason(m, order, price, quantity):
    """Reason not to give a block another price and quantity: position limit, capacity, deposit or
    funds of all hours; else NONE."""
    side = i64(order["side"])
    more = quantity - i64(order["leaves"])
    account = m.accounts[i64(order["account"])]
    capacity_lacks = False
    deposit = i64(0)
    for k in range(span_of(order)):
        instrument_id = hour_instrument(m, order, k)
        position = m.positions[position_at(m, instrument_id, i64(order["account"]))]
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        after = uncovered + more
        if side == BUY:
            after = i64(position["net"]) + i64(position["open_buy"]) + more
        if more > 0 and after > i64(account["position_cap"]):
            return POSITION_LIMIT
        if side != BUY and more > 0:
            capacity_lacks = capacity_lacks or after > i64(position["registered"])
            instrument = m.instruments[instrument_id]
            deposit += deposit_for(instrument, after) - deposit_for(instrument, uncovered)
    if capacity_lacks:
        return CAPACITY
    if deposit > 0 and deposit > i64(account["free"]):
        return DEPOSIT
    money = block_reserve(m, order, price, quantity) - i64(order["held"])
    return FUNDS if money > 0 and money > i64(account["free"]) else NONE


@kernel
def end_block(m, c, slot, kind, reason, request_ref):
    """End a live block without a trade."""
    order = m.orders[slot]
    quantity = i64(order["leaves"])
    deactivate(m, slot)
    set_block_quantity(m, order, i64(0))
    report_block(m, c, order, kind, reason, 0, request_ref, quantity)
    finish_block(m, slot)


@inline
def finish_block(m, slot):
    """Return the slot and number of a block that has ended and is in no hour."""
    order = m.orders[slot]
    block = block_of(order)
    m.sessions[i64(order["session"])]["blocks"] -= 1
    finish_order(m, slot)
    return_block(m, block)

"""Call auction: one price for all that crosses, by the four-step rule of RULES.md."""

import numpy as np

from matching.book.events import is_buffer_full
from matching.book.order_ids import finish_order
from matching.book.price_levels import (
    first_order,
    index_at,
    is_order,
    level_at,
    next_order,
    price_at,
    remove_from_level,
    top,
)
from matching.codes import FLAG_AUCTION
from matching.memory.compiler import inline, kernel
from matching.memory.layout import STP_MASK
from matching.orders.fills import book_trade, note_price, trade_events
from matching.orders.self_trade_prevention import are_related, prevent_self_trade

i64 = np.int64


@inline
def level_leaves(m, instrument, book, index):
    """Lots of a level, hidden ones included."""
    total = i64(0)
    slot = first_order(m, level_at(instrument, book, index))
    while is_order(m, slot):
        total += i64(m.orders[slot]["leaves"])
        slot = next_order(m, slot)
    return total


@kernel
def uncross_price(m, instrument_id):
    """The uncross price; 0 if nothing crosses.

    It has the greatest volume, then the least surplus, then lies on the side of the surplus, then
    nearest the reference (of two the higher). Cost: the ticks between best ask and best bid, and
    the orders on them.
    """
    instrument = m.instruments[instrument_id]
    bid = top(m, instrument_id, 0)
    ask = top(m, instrument_id, 1)
    if bid == 0 or ask == 0:
        return i64(0)
    high = price_at(instrument, 0, bid)
    low = price_at(instrument, 1, ask)
    if high < low:
        return i64(0)
    reference = i64(instrument["reference"])
    buys = i64(0)
    for price in range(low, high + 1):
        buys += level_leaves(m, instrument, 0, index_at(instrument, 0, price))
    sells = i64(0)
    volume, surplus = i64(0), i64(0)
    lowest = highest = nearest = low
    presses_up, presses_down = False, False
    for price in range(low, high + 1):
        sells += level_leaves(m, instrument, 1, index_at(instrument, 1, price))
        traded = min(buys, sells)
        left = abs(buys - sells)
        if traded > volume or (traded == volume and left < surplus):
            volume, surplus = traded, left
            lowest, nearest = price, price
            presses_up, presses_down = True, True
        if traded == volume and left == surplus:
            highest = price
            presses_up = presses_up and buys > sells
            presses_down = presses_down and buys < sells
            if abs(price - reference) <= abs(nearest - reference):
                nearest = price
        buys -= level_leaves(m, instrument, 0, index_at(instrument, 0, price))
    if presses_up:
        return highest
    return lowest if presses_down else nearest


@inline
def pair_orders(m, c, instrument_id):
    """Trade the crossing orders with each other at the price found, by price, then time.

    Returns False where the event buffer is full.
    """
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    price = state["cross_price"]
    rate = i64(instrument["maker_rate"])
    while True:
        bid = top(m, instrument_id, 0)
        ask = top(m, instrument_id, 1)
        if bid < index_at(instrument, 0, price) or ask < index_at(instrument, 1, price):
            return True
        if is_buffer_full(m):
            return False
        older_slot = first_order(m, level_at(instrument, 0, bid))
        newer_slot = first_order(m, level_at(instrument, 1, ask))
        if m.orders[older_slot]["accepted"] > m.orders[newer_slot]["accepted"]:
            older_slot, newer_slot = newer_slot, older_slot
        older, newer = m.orders[older_slot], m.orders[newer_slot]
        mode = i64(newer["mode"]) & STP_MASK
        if mode != 0 and are_related(m, older, newer):
            prevent_self_trade(m, c, newer_slot, older_slot, mode)
        else:
            quantity = min(i64(older["leaves"]), i64(newer["leaves"]))
            older_fee, newer_fee = book_trade(
                m, instrument, older, newer, price, quantity, rate, rate
            )
            older["shown"] = min(i64(older["shown"]), i64(older["leaves"]))
            newer["shown"] = min(i64(newer["shown"]), i64(newer["leaves"]))
            trade_events(m, c, older, newer, price, quantity, older_fee, newer_fee, FLAG_AUCTION)
            note_price(state, instrument, price)
            state["cross_volume"] += quantity
        finish_if_filled(m, older_slot)
        finish_if_filled(m, newer_slot)


@inline
def finish_if_filled(m, slot):
    """End an order that has nothing left."""
    if i64(m.orders[slot]["leaves"]) == 0:
        remove_from_level(m, slot)
        finish_order(m, slot)

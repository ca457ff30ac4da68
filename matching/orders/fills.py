"""Trades between two orders, their events, and self-trade prevention."""

import numpy as np

from matching.book.events import report
from matching.book.order_ids import finish_order
from matching.book.price_levels import move_to_back, remove_from_level
from matching.book.risk import book_fill, release
from matching.codes import (
    BUY,
    CANCELLED,
    DECREMENT,
    FILLED,
    NEWEST,
    OLDEST,
    REFRESHED,
    SELF_TRADE,
    TAKER,
)
from matching.memory.compiler import inline, kernel

i64 = np.int64


@inline
def is_related(m, account_id, order):
    """Whether an order belongs to the account's related-party group."""
    return m.accounts[account_id]["group"] == m.accounts[i64(order["account"])]["group"]


@inline
def are_related(m, left, right):
    """Whether two orders belong to one related-party group."""
    return is_related(m, i64(left["account"]), right)


@kernel
def prevent_self_trade(m, command, slot, resting_slot, mode):
    """Apply self-trade prevention to two orders of one owner that have met: reduce what the mode
    says, without a trade.

    `slot` is the newer order. Returns whether it can go on.
    """
    order = m.orders[slot]
    resting = m.orders[resting_slot]
    newer = i64(order["leaves"])
    older = i64(resting["leaves"])
    if mode == NEWEST:
        older = i64(0)
    elif mode == OLDEST:
        newer = i64(0)
    elif mode == DECREMENT:
        newer = min(newer, older)
        older = newer
    if older != 0:
        reduce_order(m, command, resting_slot, older)
    if newer != 0:
        reduce_order(m, command, slot, newer)
    return i64(order["leaves"]) != 0


@inline
def reduce_order(m, command, slot, quantity):
    """Take quantity off an order by prevention, the hidden part first. The order stays in its book
    for now."""
    order = m.orders[slot]
    release(m, order, quantity)
    shown = min(i64(order["shown"]), i64(order["leaves"]))
    order["shown"] = shown
    report(m, command, order, CANCELLED, SELF_TRADE, 0, 0, shown, i64(order["price"]), quantity)


@inline
def trade_events(m, command, maker, taker, price, quantity, maker_fee, taker_fee, maker_flags):
    """Append a trade's two events, each complete for its owner."""
    state = m.state[0]
    state["trades"] += 1
    trade_id = state["trades"]
    report(m, command, maker, FILLED, 0, maker_flags, trade_id, maker_fee, price, quantity)
    report(m, command, taker, FILLED, 0, maker_flags | TAKER, trade_id, taker_fee, price, quantity)


@inline
def book_trade(m, instrument, left, right, price, quantity, left_rate, right_rate):
    """Book a trade between two orders, of which either may be the buy. Returns the fee of each, in
    fen."""
    if i64(left["side"]) == BUY:
        return book_fill(m, instrument, left, right, price, quantity, left_rate, right_rate)
    right_fee, left_fee = book_fill(
        m, instrument, right, left, price, quantity, right_rate, left_rate
    )
    return left_fee, right_fee


@inline
def note_price(state, instrument, price):
    """Record a trade price, for stops and collars."""
    instrument["last"] = price
    if state["traded_high"] == 0:
        state["traded_low"] = price
        state["traded_high"] = price
    else:
        state["traded_low"] = min(state["traded_low"], price)
        state["traded_high"] = max(state["traded_high"], price)


@inline
def fill_maker(m, command, instrument, maker, taker, price, quantity):
    """Trade with a resting order at the rates of maker and taker; `finish_maker` comes next."""
    maker_fee, taker_fee = book_trade(
        m, instrument, maker, taker, price, quantity,
        i64(instrument["maker_rate"]), i64(instrument["taker_rate"]),
    )  # fmt: skip
    maker["shown"] = i64(maker["shown"]) - quantity
    trade_events(m, command, maker, taker, price, quantity, maker_fee, taker_fee, 0)
    note_price(m.state[0], instrument, price)


@inline
def finish_maker(m, command, slot, level):
    """After a fill of a resting order: end it if it is filled; show an iceberg's next slice."""
    maker = m.orders[slot]
    if i64(maker["leaves"]) == 0:
        remove_from_level(m, slot)
        finish_order(m, slot)
    elif i64(maker["shown"]) == 0:
        shown = min(i64(maker["display"]), i64(maker["leaves"]))
        maker["shown"] = shown
        move_to_back(m, slot, level)
        report(m, command, maker, REFRESHED, 0, 0, 0, shown, i64(maker["price"]), shown)

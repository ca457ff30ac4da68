"""Trades between two orders, and their events."""

import numpy as np

from matching.book.events import report
from matching.book.iceberg import show_next_slice
from matching.book.order_ids import finish_order
from matching.book.price_levels import remove_from_level
from matching.book.protection import note_quote_fill
from matching.book.risk import book_fill
from matching.codes import BUY, FILLED, TAKER
from matching.memory.compiler import inline
from matching.memory.layout import QUOTE_BIT

i64 = np.int64


@inline
def trade_events(m, command, maker, taker, price, quantity, maker_fee, taker_fee, maker_flags):
    """Append a trade's two events, each complete for its owner."""
    state = m.state[0]
    state["trades"] += 1
    trade_id = state["trades"]
    if ((i64(maker["mode"]) | i64(taker["mode"])) & QUOTE_BIT) != 0:
        notional_fen = price * quantity * i64(m.instruments[i64(maker["instrument"])]["tick_fen"])
        note_quote_fill(m, maker, quantity, notional_fen)
        note_quote_fill(m, taker, quantity, notional_fen)
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
def fill_maker(m, command, instrument, maker, taker, price, quantity, flags):
    """Trade with a resting order at the rates of maker and taker; both events carry these flags.
    `finish_maker` comes next."""
    maker_fee, taker_fee = book_trade(
        m, instrument, maker, taker, price, quantity,
        i64(instrument["maker_rate"]), i64(instrument["taker_rate"]),
    )  # fmt: skip
    maker["shown"] = i64(maker["shown"]) - quantity
    trade_events(m, command, maker, taker, price, quantity, maker_fee, taker_fee, flags)


@inline
def finish_maker(m, command, slot, level):
    """After a fill of a resting order: end it if it is filled; show an iceberg's next slice."""
    maker = m.orders[slot]
    if i64(maker["leaves"]) == 0:
        remove_from_level(m, slot)
        finish_order(m, slot)
    elif i64(maker["shown"]) == 0:
        show_next_slice(m, command, slot, level)

"""Trades on the fast path: an incoming order against the opposite side, best price first.

What the incoming order trades is summed in registers and booked once, at the end. Each resting
order is booked when it is met. Both are sums, so the order of booking changes no result.
"""

import numpy as np

from matching.book.events import STEP_EVENTS_MAX
from matching.book.iceberg import show_next_slice
from matching.book.order_ids import finish_order
from matching.book.price_levels import first_order, level_at, remove_level, top, unlink
from matching.book.registry import base_price
from matching.book.risk import deposit_for, position_at, reserve, whole_fen
from matching.codes import FILLED, TAKER
from matching.fast_path.record_words import (
    EVENT_FLAGS_AT,
    LOW,
    SIDE_AT,
    STP_AT,
    WORDS,
    by_side,
    copy_stamp,
    owner_of,
)
from matching.memory.compiler import inline
from matching.memory.layout import BUY_STOPS, QUOTE_BIT, SELL_STOPS
from matching.orders.self_trade_prevention import is_related
from matching.records import RATE_UNIT

i64 = np.int64


@inline
def trade_incoming(m, at, side, leaves, limit):
    """Trade an incoming order, which is in no table yet, and book its trades.

    Returns the lots left, the lots filled, the fraction of its fee, and whether it stopped before a
    special case: self-trade prevention, a quote, a collar, a stop that the next trade triggers, or
    no room for its events.
    """
    state = m.state[0]
    owner = owner_of(m, at)
    account_id, instrument_id = owner & LOW, owner >> 32
    instrument = m.instruments[instrument_id]
    low, high = i64(instrument["low"]), i64(instrument["high"])
    tick_fen = i64(instrument["tick_fen"])
    rate, maker_rate = i64(instrument["taker_rate"]), i64(instrument["maker_rate"])
    state["base_price"] = base_price(instrument)
    # Prices that trigger the nearest stops; outside the band where there are no stops.
    buy_stop = high + 1 - top(m, instrument_id, BUY_STOPS)
    sell_stop = low - 1 + top(m, instrument_id, SELL_STOPS)
    guarded = (m.command_words[at * WORDS + 7] >> STP_AT) & 7 != 0
    room = i64(len(m.events)) - STEP_EVENTS_MAX
    filled, fraction, worth_sum, fee_sum = i64(0), i64(0), i64(0), i64(0)
    best = top(m, instrument_id, 1 - side)
    special = i64(instrument["collar"]) != 0
    while not special and best >= limit and leaves != 0:
        level = level_at(instrument, 1 - side, best)
        maker_slot = first_order(m, level)
        maker = m.orders[maker_slot]
        price = by_side(side, high - best, low + best - 2) + 1
        if (
            (guarded and is_related(m, account_id, maker))
            or i64(maker["mode"]) >= QUOTE_BIT
            or not sell_stop < price < buy_stop
            or state["events"] > room
        ):
            special = True
            break
        quantity = min(leaves, i64(maker["shown"]))
        worth = price * quantity * tick_fen
        exact = fraction + worth * rate
        fee = whole_fen(exact)
        fraction = exact - fee * RATE_UNIT
        worth_sum += worth
        fee_sum += fee
        leaves -= quantity
        filled += quantity
        state["trades"] += 1
        maker_leaves = book_maker_fill(
            m, at, maker_slot, 1 - side, price, quantity, worth, maker_rate
        )
        write_taker_fill(m, at, side, fee, price, quantity, leaves, filled)
        instrument["last"] = price
        if maker_leaves == 0:
            if unlink(m, maker_slot):
                remove_level(m, instrument_id, 1 - side, best)
            finish_order(m, maker_slot)
        elif i64(maker["shown"]) == 0:
            show_next_slice(m, m.commands[at], maker_slot, level)
        best = top(m, instrument_id, 1 - side)
    book_incoming(m, account_id, instrument_id, side, filled, worth_sum, fee_sum)
    return leaves, filled, fraction, special


@inline
def book_incoming(m, account_id, instrument_id, side, quantity, worth, fee):
    """Book what an order that reserved nothing has bought or sold.

    A buyer pays, a seller earns. The deposit moves by the change of the position.
    """
    account, instrument = m.accounts[account_id], m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, account_id)]
    net = i64(position["net"])
    uncovered = i64(position["open_sell"]) - net
    bought = (quantity ^ -side) + side
    moved = deposit_for(instrument, uncovered - bought) - deposit_for(instrument, uncovered)
    paid = (worth + fee) & (side - 1)
    position["net"] = net + bought
    account["deposit"] += moved
    account["free"] -= moved + paid
    account["paid"] += paid
    account["earned"] += (worth - fee) & -side


@inline
def book_maker_fill(m, at, slot, side, price, quantity, worth, rate):
    """Book a trade of a resting order and append its event. Returns the lots left."""
    state = m.state[0]
    own, out = slot * WORDS, state["events"] * WORDS
    state["events"] += 1
    order = m.orders[slot]
    owner = m.order_words[own + 4]
    account_id, instrument_id = owner & LOW, owner >> 32
    account, instrument = m.accounts[account_id], m.instruments[instrument_id]
    exact = i64(order["fee_fraction"]) + worth * rate
    fee = whole_fen(exact)
    fraction = exact - fee * RATE_UNIT
    leaves, filled = i64(order["leaves"]) - quantity, i64(order["cumulative"]) + quantity
    held = reserve(instrument, price, leaves, fraction) & (side - 1)
    order["fee_fraction"] = fraction
    order["leaves"] = leaves
    order["cumulative"] = filled
    order["shown"] -= quantity
    freed = order["held"] - held
    order["held"] = held
    copy_stamp(m, at, out)
    m.event_words[out + 2] = state["trades"] & LOW | fee << 32
    m.event_words[out + 3] = price | quantity << 32
    m.event_words[out + 4] = leaves | filled << 32
    m.event_words[out + 5] = m.order_words[own + 3]
    m.event_words[out + 6] = owner
    m.event_words[out + 7] = FILLED | side << SIDE_AT
    position_id = position_at(m, instrument_id, account_id)
    position = m.positions[position_id]
    net = i64(position["net"])
    uncovered = i64(position["open_sell"]) - net
    bought = (quantity ^ -side) + side
    m.position_words[position_id * 4 + 2 + side] = (
        i64(m.position_words[position_id * 4 + 2 + side]) - quantity
    )
    position["net"] = net + bought
    # A resting sell's deposit already covers what it sells now.
    moved = deposit_for(instrument, uncovered - (quantity & (side - 1))) - deposit_for(
        instrument, uncovered
    )
    paid = (worth + fee) & (side - 1)
    account["reserved"] -= freed
    account["deposit"] += moved
    account["free"] += freed - moved - paid
    account["paid"] += paid
    account["earned"] += (worth - fee) & -side
    return leaves


@inline
def write_taker_fill(m, at, side, fee, price, quantity, leaves, filled):
    """Append the incoming order's event of the last trade."""
    state = m.state[0]
    out = state["events"] * WORDS
    state["events"] += 1
    copy_stamp(m, at, out)
    m.event_words[out + 2] = state["trades"] & LOW | fee << 32
    m.event_words[out + 3] = price | quantity << 32
    m.event_words[out + 4] = leaves | filled << 32
    m.event_words[out + 5] = m.command_words[at * WORDS + 4]
    m.event_words[out + 6] = owner_of(m, at)
    m.event_words[out + 7] = FILLED | side << SIDE_AT | TAKER << EVENT_FLAGS_AT

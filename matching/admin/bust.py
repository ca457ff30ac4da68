"""Busts: a trade is taken back, for both of its sides."""

import numpy as np

from matching.book.events import answer
from matching.book.risk import deposit_for, move_deposit, position_at, whole_fen
from matching.codes import (
    BAND,
    BUST,
    CAPACITY,
    DEPOSIT,
    FUNDS,
    NONE,
    POSITION_LIMIT,
    SIZE_LIMIT,
    TAKER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
    WRONG_PHASE,
)
from matching.memory.compiler import inline, kernel
from matching.records import POSITION_MAX

i64 = np.int64


@inline
def is_account(m, account_id):
    """Whether there is such an account."""
    return account_id < len(m.accounts) and i64(m.accounts[account_id]["firm"]) != 0


@inline
def trade_reason(m, c):
    """Whether such a trade can have been."""
    instrument_id = i64(c["instrument"])
    if not is_account(m, i64(c["account"])) or not is_account(m, i64(c["seller"])):
        return UNKNOWN_ACCOUNT
    if instrument_id >= len(m.instruments) or i64(m.instruments[instrument_id]["phase"]) == 0:
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["gated"]) != 0:
        return WRONG_PHASE
    if i64(c["target_ref"]) > m.state[0]["trades"]:
        return UNKNOWN_ORDER
    price, quantity = i64(c["price"]), i64(c["quantity"])
    if price < i64(instrument["low"]) or price > i64(instrument["high"]):
        return BAND
    if quantity > i64(instrument["quantity_max"]):
        return SIZE_LIMIT
    worth = price * quantity * i64(instrument["tick_fen"])
    fee_max = whole_fen(worth * i64(instrument["dearer_rate"])) + 1
    if i64(c["stop"]) > fee_max or i64(c["display"]) > fee_max:
        return SIZE_LIMIT
    return NONE


@inline
def means_to_bust(m, c, worth):
    """Whether both sides still have what they would give back."""
    quantity, instrument_id = i64(c["quantity"]), i64(c["instrument"])
    instrument = m.instruments[instrument_id]
    buyer, seller = m.accounts[i64(c["account"])], m.accounts[i64(c["seller"])]
    sold = m.positions[position_at(m, instrument_id, i64(c["seller"]))]
    if i64(sold["net"]) + quantity + i64(sold["open_buy"]) > POSITION_MAX:
        return POSITION_LIMIT
    bought = m.positions[position_at(m, instrument_id, i64(c["account"]))]
    uncovered = i64(bought["open_sell"]) - i64(bought["net"])
    if uncovered + quantity > i64(bought["registered"]):
        return CAPACITY
    back = worth + i64(c["stop"])
    more = deposit_for(instrument, uncovered + quantity) - deposit_for(instrument, uncovered)
    if more > buyer["free"] + back:
        return DEPOSIT
    if back > buyer["paid"] or worth - i64(c["display"]) > seller["earned"]:
        return FUNDS
    return NONE


@kernel
def bust(m, c):
    """BUST: quantity, money, fees and capacity go back; no order does.

    The machine does not remember its trades: who sends a BUST takes it from the log.
    """
    reason = trade_reason(m, c)
    if reason != NONE:
        return reason
    instrument_id, quantity = i64(c["instrument"]), i64(c["quantity"])
    instrument = m.instruments[instrument_id]
    worth = i64(c["price"]) * quantity * i64(instrument["tick_fen"])
    reason = means_to_bust(m, c, worth)
    if reason != NONE:
        return reason
    buyer, seller = m.accounts[i64(c["account"])], m.accounts[i64(c["seller"])]
    buyer["paid"] -= worth + i64(c["stop"])
    buyer["free"] += worth + i64(c["stop"])
    move_position(m, i64(c["account"]), instrument_id, -quantity)
    seller["earned"] -= worth - i64(c["display"])
    move_position(m, i64(c["seller"]), instrument_id, quantity)
    buyer_made = i64(c["side"]) == 0
    say_busted(m, c, buyer_made, 0)
    say_busted(m, c, not buyer_made, TAKER)
    return NONE


@inline
def move_position(m, account_id, instrument_id, bought):
    """Change a position, and hold or free the deposit that it asks for."""
    position = m.positions[position_at(m, instrument_id, account_id)]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    position["net"] += bought
    instrument = m.instruments[instrument_id]
    move_deposit(m.accounts[account_id], instrument, uncovered, uncovered - bought)


@inline
def say_busted(m, c, is_buyer, flags):
    """One side's BUSTED event."""
    fee = i64(c["stop"]) if is_buyer else i64(c["display"])
    price, quantity = i64(c["price"]), i64(c["quantity"])
    at = answer(m, c, BUST, NONE, flags, i64(c["target_ref"]), fee, price, quantity, 0)
    event = m.events[at]
    event["account"] = i64(c["account"]) if is_buyer else i64(c["seller"])
    event["side"] = 0 if is_buyer else 1

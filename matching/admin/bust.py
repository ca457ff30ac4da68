"""Busts: a trade is cancelled for both of its sides."""

import numpy as np

from matching.admin.positions import move_position, move_reason
from matching.book.events import answer
from matching.book.registry import change_reason, is_account
from matching.book.risk import whole_fen
from matching.codes import (
    BAND,
    BUST,
    FUNDS,
    NONE,
    POOL_FULL,
    SIZE_LIMIT,
    TAKER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_ORDER,
)
from matching.memory.compiler import inline, kernel
from matching.records import BUSTS_MAX

i64 = np.int64


@kernel
def is_busted(m, trade_id):
    """Whether a trade was taken back before. Cost: a read of all that were."""
    at = m.state[0]["busts"]
    while at != 0 and i64(m.busts[at]) != trade_id:
        at -= 1
    return at != 0


@inline
def bust_terms_reason(m, c):
    """Reason to reject a BUST whose terms no trade can have had, or of a trade that was taken back,
    else NONE."""
    instrument_id = i64(c["instrument"])
    if not is_account(m, i64(c["account"])) or not is_account(m, i64(c["seller"])):
        return UNKNOWN_ACCOUNT
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    trade_id = i64(c["target_ref"])
    if trade_id > m.state[0]["trades"] or is_busted(m, trade_id):
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
def bust_risk_reason(m, c, worth):
    """Reason to reject a BUST because a side cannot give back what it got: position limit,
    capacity, deposit or money; else NONE."""
    buyer, seller = m.accounts[i64(c["account"])], m.accounts[i64(c["seller"])]
    back = worth + i64(c["stop"])
    reason = move_reason(
        m, i64(c["instrument"]), i64(c["seller"]), i64(c["account"]), i64(c["quantity"]),
        buyer["free"] + back,
    )  # fmt: skip
    if reason != NONE:
        return reason
    if back > buyer["paid"] or worth - i64(c["display"]) > seller["earned"]:
        return FUNDS
    return NONE if m.state[0]["busts"] < BUSTS_MAX else POOL_FULL


@kernel
def bust(m, c):
    """Carry out BUST: quantity, money, fees and capacity go back; no order does.

    The machine does not store its trades, only which were taken back. The sender of a BUST reads
    the trade from the log.
    """
    reason = bust_terms_reason(m, c)
    if reason != NONE:
        return reason
    instrument_id, quantity = i64(c["instrument"]), i64(c["quantity"])
    instrument = m.instruments[instrument_id]
    worth = i64(c["price"]) * quantity * i64(instrument["tick_fen"])
    reason = bust_risk_reason(m, c, worth)
    if reason != NONE:
        return reason
    buyer, seller = m.accounts[i64(c["account"])], m.accounts[i64(c["seller"])]
    buyer["paid"] -= worth + i64(c["stop"])
    buyer["free"] += worth + i64(c["stop"])
    move_position(m, i64(c["account"]), instrument_id, -quantity)
    seller["earned"] -= worth - i64(c["display"])
    move_position(m, i64(c["seller"]), instrument_id, quantity)
    state = m.state[0]
    state["busts"] += 1
    m.busts[state["busts"]] = c["target_ref"]
    buyer_made = i64(c["side"]) == 0
    report_busted(m, c, buyer_made, 0)
    report_busted(m, c, not buyer_made, TAKER)
    return NONE


@inline
def report_busted(m, c, is_buyer, flags):
    """Append one side's BUSTED event."""
    fee = i64(c["stop"]) if is_buyer else i64(c["display"])
    price, quantity = i64(c["price"]), i64(c["quantity"])
    at = answer(m, c, BUST, NONE, flags, i64(c["target_ref"]), fee, price, quantity, 0)
    event = m.events[at]
    event["account"] = i64(c["account"]) if is_buyer else i64(c["seller"])
    event["side"] = 0 if is_buyer else 1

"""Checks of new orders, in order of precedence, and of larger ones."""

import numpy as np

from matching.book.events import reject
from matching.book.order_ids import find_order
from matching.book.registry import is_ref, new_order_owner_reason
from matching.book.risk import deposit_for, position_at, reserve, worst_price
from matching.codes import (
    AUCTION,
    BAND,
    BUY,
    CAPACITY,
    CONTINUOUS,
    DAY,
    DEPOSIT,
    DUPLICATE_REF,
    FOK,
    FUNDS,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MALFORMED,
    MARKET,
    NONE,
    NOTIONAL_LIMIT,
    ORDER_TYPE,
    POSITION_LIMIT,
    POST_ONLY_FLAG,
    PRE_OPEN,
    SIZE_LIMIT,
    STOP,
    STOP_LIMIT,
    TIME_PAST,
    WRONG_PHASE,
)
from matching.memory.compiler import inline
from matching.records import NANOSECONDS

i64 = np.int64


@inline
def is_plain_limit(m, c):
    """Whether a NEW, apart from times and flags, is a limit order without stop or iceberg. Blocks
    and orders for baskets must be."""
    return (
        is_ref(m, i64(c["user_ref"]))
        and i64(c["type"]) == LIMIT
        and i64(c["side"]) <= 1
        and i64(c["stp"]) <= 4
        and i64(c["price"]) >= 1
        and i64(c["quantity"]) >= 1
        and i64(c["stop"]) == 0
        and i64(c["display"]) == 0
        and i64(c["spare"]) == 0
    )


@inline
def is_well_formed(m, c):
    """Whether the fields of a NEW agree with one another."""
    kind = i64(c["type"])
    tif = i64(c["tif"])
    price = i64(c["price"])
    stop = i64(c["stop"])
    quantity = i64(c["quantity"])
    display = i64(c["display"])
    if not is_ref(m, i64(c["user_ref"])) or quantity < 1 or i64(c["side"]) > 1:
        return False
    if i64(c["hours"]) != 0 or i64(c["spare"]) != 0 or i64(c["stp"]) > 4:
        return False
    lives = tif == DAY or tif == GTC or tif == GTD
    if not (lives or tif == IOC or tif == FOK):
        return False
    if (tif == GTD) != (i64(c["expiry_s"]) != 0):
        return False
    if i64(c["flags"]) != 0 and not (i64(c["flags"]) == POST_ONLY_FLAG and kind == LIMIT and lives):
        return False
    has_slices = lives and (kind == LIMIT or kind == STOP_LIMIT)
    has_minimum = tif == IOC and (kind == LIMIT or kind == MARKET)
    if display != 0 and not (0 < display <= quantity and (has_slices or has_minimum)):
        return False
    if kind == LIMIT:
        return price >= 1 and stop == 0
    if kind == MARKET:
        return price == 0 and stop == 0
    if kind == STOP:
        return price == 0 and stop >= 1 and tif != FOK
    return kind == STOP_LIMIT and price >= 1 and stop >= 1 and tif != FOK


@inline
def phase_reason(phase):
    """WRONG_PHASE where an instrument is halted, closed or not listed, else NONE."""
    if phase == CONTINUOUS or phase == AUCTION or phase == PRE_OPEN:
        return NONE
    return WRONG_PHASE


@inline
def is_outside_band(instrument, price):
    """Whether a price that was given is outside the band."""
    return price != 0 and (price < i64(instrument["low"]) or price > i64(instrument["high"]))


@inline
def size_reason(m, account_id, instrument, price, quantity):
    """Reason to reject an order by its size: the size limits, then the notional limit; else
    NONE."""
    account = m.accounts[account_id]
    if quantity > i64(account["order_cap"]) or quantity > i64(instrument["quantity_max"]):
        return SIZE_LIMIT
    worth = worst_price(instrument, price) * quantity * i64(instrument["tick_fen"])
    return NOTIONAL_LIMIT if worth > i64(account["notional_cap"]) else NONE


@inline
def risk_reason(m, account_id, instrument_id, side, money, quantity):
    """Reason not to give an account this much more open quantity and reserved money: position
    limit, capacity, deposit or funds; else NONE."""
    account = m.accounts[account_id]
    instrument = m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, account_id)]
    net = i64(position["net"])
    limit = i64(account["position_cap"])
    if side == BUY:
        if quantity > 0 and net + i64(position["open_buy"]) + quantity > limit:
            return POSITION_LIMIT
        if money > 0 and money > i64(account["free"]):
            return FUNDS
        return NONE
    uncovered = i64(position["open_sell"]) - net
    if quantity > 0:
        if uncovered + quantity > limit:
            return POSITION_LIMIT
        if uncovered + quantity > i64(position["registered"]):
            return CAPACITY
        more = deposit_for(instrument, uncovered + quantity) - deposit_for(instrument, uncovered)
        if more > i64(account["free"]):
            return DEPOSIT
    return NONE


@inline
def is_stop_reached(instrument, side, stop):
    """Whether the last trade was already at or through a stop price."""
    last = i64(instrument["last"])
    if last == 0:
        return False
    return last >= stop if side == BUY else last <= stop


@inline
def new_order_reason(m, c):
    """The first reason to reject a NEW, in order of precedence; the last three reasons need the
    pools or the book and come later."""
    if not is_well_formed(m, c):
        return MALFORMED
    reason = new_order_owner_reason(m, c)
    if reason != NONE:
        return reason
    session_id, account_id = i64(c["session"]), i64(c["account"])
    instrument_id = i64(c["instrument"])
    instrument = m.instruments[instrument_id]
    phase = i64(instrument["phase"])
    reason = phase_reason(phase)
    if reason != NONE:
        return reason
    if find_order(m, session_id, i64(c["user_ref"])) != 0:
        return DUPLICATE_REF
    if phase != CONTINUOUS:
        tif = i64(c["tif"])
        if i64(c["type"]) == MARKET or tif == IOC or tif == FOK or i64(c["flags"]) != 0:
            return ORDER_TYPE
    expiry_s = i64(c["expiry_s"])
    if expiry_s != 0 and expiry_s * NANOSECONDS <= m.state[0]["now_ns"]:
        return TIME_PAST
    price = i64(c["price"])
    if is_outside_band(instrument, price) or is_outside_band(instrument, i64(c["stop"])):
        return BAND
    quantity = i64(c["quantity"])
    reason = size_reason(m, account_id, instrument, price, quantity)
    if reason != NONE:
        return reason
    side = i64(c["side"])
    money = i64(0)
    if side == BUY:
        money = reserve(instrument, worst_price(instrument, price), quantity, i64(0))
    return risk_reason(m, account_id, instrument_id, side, money, quantity)


@inline
def reject_at_entry(m, c, malformed):
    """Reject a NEW that is malformed, or whose sender and account may not trade. Returns whether it
    was rejected."""
    reason = MALFORMED if malformed else new_order_owner_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
    return reason != NONE

"""Administrative commands about sessions and accounts: limits, money, capacity."""

import numpy as np

from matching.admin.carried_positions import carry_position
from matching.book.events import accept
from matching.book.registry import change_reason, is_account, set_trader
from matching.book.risk import position_at
from matching.codes import (
    CAPACITY,
    CARRIED,
    FUND,
    FUNDS,
    LIMITS,
    NONE,
    NOT_ENTITLED,
    OPERATOR,
    REGISTER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_SESSION,
)
from matching.memory.compiler import inline
from matching.records import FUNDED_MAX_FEN, INT32_MAX, POSITION_MAX

i64 = np.int64

OWN_GROUP = 2**31
"""Added to an account's number: the related-party group of an account that was given none."""

INT64_MAX = 2**63 - 1


@inline
def open_session(m, c):
    """Carry out SESSION: admit a session for a member firm, or as an operator's."""
    session_id = i64(c["target_ref"])
    if session_id == 0 or session_id >= len(m.sessions):
        return UNKNOWN_SESSION
    session = m.sessions[session_id]
    if i64(session["opened"]) != 0 and session["firm"] != c["account"]:
        return NOT_ENTITLED
    operator = i64(1) if i64(c["flags"]) == OPERATOR else i64(0)
    session["firm"] = c["account"]
    session["opened"] = 1
    session["operator"] = operator
    accept(m, c, session_id, 0, 0, operator, 0)
    return NONE


@inline
def open_account(m, c):
    """Carry out ACCOUNT: open an account of a firm, in a related-party group."""
    account_id = i64(c["account"])
    if account_id == 0 or account_id >= len(m.accounts):
        return UNKNOWN_ACCOUNT
    account = m.accounts[account_id]
    if i64(account["firm"]) != 0:
        return NOT_ENTITLED
    account["firm"] = c["target_ref"]
    group = i64(c["quantity"])
    account["group"] = group if group != 0 else account_id + OWN_GROUP
    set_caps(account)
    accept(m, c, i64(c["target_ref"]), 0, 0, group, 0)
    return NONE


@inline
def set_caps(account):
    """Compute the limits as they act, and the firm that may trade, from what was set."""
    order_max, position_max = i64(account["order_max"]), i64(account["position_max"])
    notional_max = i64(account["notional_max"])
    account["order_cap"] = order_max if order_max != 0 else i64(INT32_MAX)
    account["position_cap"] = position_max if position_max != 0 else i64(POSITION_MAX)
    account["notional_cap"] = notional_max if notional_max != 0 else i64(INT64_MAX)
    set_trader(account)


@inline
def change_account(m, c):
    """Carry out LIMITS, FUND, WITHDRAW or REGISTER."""
    kind, account_id = i64(c["kind"]), i64(c["account"])
    if not is_account(m, account_id):
        return UNKNOWN_ACCOUNT
    account = m.accounts[account_id]
    amount_fen = i64(c["amount_fen"])
    if kind == REGISTER:
        return register(m, c)
    if kind == LIMITS:
        account["order_max"] = c["quantity"]
        account["position_max"] = min(i64(c["display"]), i64(POSITION_MAX))
        account["notional_max"] = amount_fen
        set_caps(account)
        at = accept(m, c, 0, 0, 0, i64(c["quantity"]), i64(c["display"]))
        m.events[at]["amount_fen"] = amount_fen
        return NONE
    if kind == FUND:
        if amount_fen > FUNDED_MAX_FEN - m.state[0]["funded"]:
            return FUNDS
        move_funds(m, account, amount_fen)
    else:
        if amount_fen > i64(account["free"]):
            return FUNDS
        move_funds(m, account, -amount_fen)
    at = accept(m, c, 0, 0, 0, 0, 0)
    m.events[at]["amount_fen"] = amount_fen
    return NONE


@inline
def move_funds(m, account, amount_fen):
    """Pay money into an account; out of it, where the amount is negative."""
    account["free"] += amount_fen
    account["funded"] += amount_fen
    m.state[0]["funded"] += amount_fen


@inline
def register(m, c):
    """Carry out REGISTER: add capacity to an account in an instrument, or take back what is
    unsold."""
    account_id, instrument_id = i64(c["account"]), i64(c["instrument"])
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    if i64(c["flags"]) == CARRIED:
        return carry_position(m, c)
    position = m.positions[position_at(m, instrument_id, account_id)]
    quantity = i64(c["quantity"])
    registered = i64(position["registered"]) + quantity
    available = registered + i64(position["net"]) - i64(position["open_sell"])
    if registered > POSITION_MAX or (quantity < 0 and min(registered, available) < 0):
        return CAPACITY
    position["registered"] = registered
    accept(m, c, 0, 0, 0, quantity, registered)
    return NONE

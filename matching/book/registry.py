"""Checks of numbers in commands: is the session open, the account opened, the instrument listed.
And what several rooms ask of one that is."""

import numpy as np

from matching.codes import (
    ACCOUNT_HALTED,
    NONE,
    NOT_ENTITLED,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_SESSION,
    WRONG_PHASE,
)
from matching.memory.compiler import inline
from matching.memory.layout import MEMBERS

i64 = np.int64


@inline
def is_open(m, session_id):
    """Whether a session has been opened."""
    return session_id < len(m.sessions) and i64(m.sessions[session_id]["opened"]) != 0


@inline
def is_account(m, account_id):
    """Whether an account has been opened."""
    return account_id < len(m.accounts) and i64(m.accounts[account_id]["firm"]) != 0


@inline
def set_trader(account):
    """Set the firm whose sessions may trade an account: its own, none while it is halted."""
    account["trader"] = i64(account["firm"]) if i64(account["halted"]) == 0 else i64(0)


@inline
def is_listed(m, instrument_id):
    """Whether an instrument has been listed."""
    return instrument_id < len(m.instruments) and i64(m.instruments[instrument_id]["phase"]) != 0


@inline
def base_price(instrument):
    """Price of an instrument's last trade; before the first, its reference price."""
    last = i64(instrument["last"])
    return last if last > 0 else i64(instrument["reference"])


@inline
def is_basket(m, number):
    """Whether a number is that of a basket, listed or not."""
    return 0 < number < len(m.members) // MEMBERS


@inline
def is_ref(m, user_ref):
    """Whether a user_ref is within the limits."""
    return 1 <= user_ref < m.state[0]["refs"]


@inline
def change_reason(m, instrument_id):
    """Reason not to change an instrument: it is not listed, or its gate is closed; else NONE."""
    if not is_listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    return WRONG_PHASE if i64(m.instruments[instrument_id]["gated"]) != 0 else NONE


@inline
def operator_reason(m, c):
    """Reason to reject an administrative command by its sender, else NONE. Only the venue (session
    0) and operators' sessions may send one."""
    session_id = i64(c["session"])
    if not is_open(m, session_id):
        return UNKNOWN_SESSION
    return NOT_ENTITLED if i64(m.sessions[session_id]["operator"]) == 0 else NONE


@inline
def new_order_owner_reason(m, c):
    """Reason to reject a NEW by its session, account or unknown instrument, else NONE."""
    session_id = i64(c["session"])
    if not is_open(m, session_id):
        return UNKNOWN_SESSION
    account_id = i64(c["account"])
    if not is_account(m, account_id):
        return UNKNOWN_ACCOUNT
    account = m.accounts[account_id]
    if m.sessions[session_id]["firm"] != account["firm"]:
        return NOT_ENTITLED
    if i64(account["halted"]) != 0:
        return ACCOUNT_HALTED
    return NONE if is_listed(m, i64(c["instrument"])) else UNKNOWN_INSTRUMENT

"""Mass cancels by session, account or instrument, and halts of accounts. A member's reach only the
orders of its session."""

import numpy as np

from matching.book.events import accept, answer, reject
from matching.book.registry import (
    is_account,
    is_listed,
    is_open,
    is_ref,
    operator_reason,
    set_trader,
)
from matching.codes import (
    ENDED_BY_HALT,
    HALT,
    HALT_ACCOUNT,
    KIND_MASS_CANCELLED,
    MALFORMED,
    MASS_CANCEL,
    NONE,
    NOT_ENTITLED,
    SCOPE_ACCOUNT,
    SCOPE_SESSION,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.orders.cancel_list import (
    begin_list,
    gather_account,
    gather_instrument,
    gather_session,
)
from matching.stages import REPORT_MASS_CANCEL

i64 = np.int64


@inline
def mass_cancel_reason(m, c):
    """The first reason to reject a MASS_CANCEL."""
    scope, session_id = i64(c["type"]), i64(c["session"])
    if (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0 or not 1 <= scope <= 3:
        return MALFORMED
    operator = is_open(m, session_id) and i64(m.sessions[session_id]["operator"]) != 0
    if not operator and not is_ref(m, i64(c["user_ref"])):
        return MALFORMED
    if not is_open(m, session_id):
        return UNKNOWN_SESSION
    if scope == SCOPE_SESSION:
        target = i64(c["target_ref"])
        if operator and (target == 0 or not is_open(m, target)):
            return UNKNOWN_SESSION
    elif scope == SCOPE_ACCOUNT:
        account_id = i64(c["account"])
        if not is_account(m, account_id):
            return UNKNOWN_ACCOUNT
        if not operator and m.accounts[account_id]["firm"] != m.sessions[session_id]["firm"]:
            return NOT_ENTITLED
    elif not is_listed(m, i64(c["instrument"])):
        return UNKNOWN_INSTRUMENT
    return NONE


@kernel
def mass_cancel(m, c):
    """Carry out MASS_CANCEL: stages of their own gather the orders and end them."""
    reason = mass_cancel_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return
    scope, session_id = i64(c["type"]), i64(c["session"])
    operator = i64(m.sessions[session_id]["operator"]) != 0
    if operator and scope == SCOPE_SESSION:
        session_id = i64(c["target_ref"])
    account_id, instrument_id = i64(c["account"]), i64(c["instrument"])
    begin_list(m, MASS_CANCEL, i64(c["user_ref"]), REPORT_MASS_CANCEL)
    if scope == SCOPE_SESSION or not operator:
        gather_session(m, session_id, scope, account_id, instrument_id)
    elif scope == SCOPE_ACCOUNT:
        gather_account(m, account_id, scope)
    else:
        gather_instrument(m, instrument_id, i64(-1))


@kernel
def halt_account(m, c):
    """Carry out HALT_ACCOUNT: halt an account, and have its orders ended; or resume it."""
    flags, account_id = i64(c["flags"]), i64(c["account"])
    reason = NONE
    if (i64(c["hours"]) | i64(c["spare"]) | (flags & ~HALT)) != 0:
        reason = MALFORMED
    if reason == NONE:
        reason = operator_reason(m, c)
    if reason == NONE and not is_account(m, account_id):
        reason = UNKNOWN_ACCOUNT
    if reason != NONE:
        reject(m, c, reason)
        return
    account = m.accounts[account_id]
    account["halted"] = 1 if flags == HALT else 0
    set_trader(account)
    begin_list(m, ENDED_BY_HALT, i64(c["user_ref"]), REPORT_MASS_CANCEL)
    if flags == HALT:
        gather_account(m, account_id, SCOPE_ACCOUNT)


@inline
def report_mass_cancel(m, c):
    """Report how many orders a mass cancel or a halt ended."""
    size = m.state[0]["list_count"]
    if i64(c["kind"]) == HALT_ACCOUNT:
        accept(m, c, 0, 0, 0, i64(m.accounts[i64(c["account"])]["halted"]), size)
        return
    at = answer(m, c, KIND_MASS_CANCELLED, NONE, 0, 0, 0, 0, size, 0)
    m.events[at]["side"] = c["type"]

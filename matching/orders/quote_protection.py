"""Protection of an account's quotes: its bounds, and the withdrawal when one is reached."""

import numpy as np

from matching.book.events import answer, reject
from matching.book.registry import is_ref
from matching.codes import KIND_PROTECTED, MALFORMED, NONE, PROTECTION
from matching.memory.compiler import kernel
from matching.orders.cancel_list import SCOPE_QUOTES, begin_list, gather_account
from matching.orders.quote_checks import owner_reason
from matching.records import NANOSECONDS, PROTECTION_MAX_S
from matching.stages import CANCEL_LIST, WITHDRAW

i64 = np.int64


@kernel
def begin_withdrawal(m, after):
    """Begin to withdraw the quotes of an account whose protection has tripped, in the order of
    acceptance with those of others; the stage `after` follows."""
    begin_list(m, PROTECTION, 0, after)
    m.state[0]["stage"] = WITHDRAW


@kernel
def withdraw_next(m):
    """Have the quotes gathered of the next account whose protection has tripped; where there is
    none left, all of them end."""
    state = m.state[0]
    account_id = state["tripped"]
    if account_id == 0:
        state["stage"] = CANCEL_LIST
        return
    state["tripped"] = i64(m.protections[account_id]["next"])
    gather_account(m, account_id, SCOPE_QUOTES)


@kernel
def protect(m, c):
    """Carry out PROTECT: set the bounds of what an account's quotes may trade within a time, or
    none; and begin again."""
    lots, fills, notional = i64(c["quantity"]), i64(c["display"]), i64(c["amount_fen"])
    window_s = i64(c["expiry_s"])
    has_bound = lots != 0 or fills != 0 or notional != 0
    reason = NONE
    if (
        not is_ref(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0
        or min(lots, fills, notional) < 0
        or not (1 if has_bound else 0) <= window_s <= (PROTECTION_MAX_S if has_bound else 0)
    ):
        reason = MALFORMED
    if reason == NONE:
        reason = owner_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return
    known = m.protections[i64(c["account"])]
    known["lots_max"] = lots
    known["fills_max"] = fills
    known["notional_max"] = notional
    known["window_ns"] = window_s * NANOSECONDS
    known["began_ns"] = 0
    known["lots"] = 0
    known["fills"] = 0
    known["notional"] = 0
    known["tripped"] = 0
    at = answer(m, c, KIND_PROTECTED, NONE, 0, 0, 0, 0, lots, fills)
    event = m.events[at]
    event["amount_fen"] = notional
    event["cumulative"] = window_s

"""Dispatch of administrative commands, and the check of their form."""

import numpy as np

from matching.admin.accounts import change_account, open_account, open_session
from matching.admin.basket_listing import basket_malformed, list_basket
from matching.admin.bust import bust
from matching.admin.instruments import list_instrument, set_band, set_collar, set_fees, set_times
from matching.admin.sequences import sequence_malformed, set_sequence
from matching.book.events import reject
from matching.book.registry import operator_reason
from matching.codes import (
    ACCOUNT,
    BUST,
    CARRIED,
    COLLAR,
    FEES,
    FUND,
    LIMITS,
    LIST,
    LIST_BASKET,
    MALFORMED,
    NONE,
    OPERATOR,
    REGISTER,
    SEQUENCE,
    SESSION,
    SET_BAND,
    TIMES,
    WITHDRAW,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import TICKS_MAX
from matching.records import AUCTION_MAX_S, RATE_MAX

i64 = np.int64

TICK_MAX_FEN = 10**6


@kernel
def administer(m, c):
    """Carry out any administrative command except PHASE and HALT_ACCOUNT."""
    kind = i64(c["kind"])
    reason = malformed_reason(c)
    if reason == NONE:
        reason = operator_reason(m, c)
    if reason == NONE:
        if kind == LIST:
            reason = list_instrument(m, c)
        elif kind == SET_BAND:
            reason = set_band(m, c)
        elif kind == FEES:
            reason = set_fees(m, c)
        elif kind == TIMES:
            reason = set_times(m, c)
        elif kind == COLLAR:
            reason = set_collar(m, c)
        elif kind == SEQUENCE:
            reason = set_sequence(m, c)
        elif kind == LIST_BASKET:
            reason = list_basket(m, c)
        elif kind == SESSION:
            reason = open_session(m, c)
        elif kind == ACCOUNT:
            reason = open_account(m, c)
        elif kind == BUST:
            reason = bust(m, c)
        else:
            reason = change_account(m, c)
    if reason != NONE:
        reject(m, c, reason)


@kernel
def malformed_reason(c):
    """MALFORMED if the fields of an administrative command do not agree with one another, else
    NONE."""
    kind, flags = i64(c["kind"]), i64(c["flags"])
    price, stop, quantity = i64(c["price"]), i64(c["stop"]), i64(c["quantity"])
    allowed = OPERATOR if kind == SESSION else (CARRIED if kind == REGISTER else 0)
    bad = (i64(c["hours"]) | i64(c["spare"]) | (flags & ~allowed)) != 0
    if kind == LIST:
        bad = bad or price < 1 or not 1 <= quantity <= TICK_MAX_FEN
    elif kind == SET_BAND:
        bad = bad or price < 1 or stop < price or stop - price + 1 > TICKS_MAX
    elif kind == FEES:
        bad = bad or not (0 <= price <= RATE_MAX and 0 <= stop <= RATE_MAX and quantity >= 0)
    elif kind == COLLAR:
        bad = bad or price < 0 or not min(price, i64(1)) <= quantity <= AUCTION_MAX_S
        bad = bad or stop < 0 or not 0 <= i64(c["display"]) <= AUCTION_MAX_S
    elif kind == SEQUENCE:
        bad = bad or sequence_malformed(c)
    elif kind == LIST_BASKET:
        bad = bad or basket_malformed(c)
    elif kind == SESSION:
        bad = bad or (i64(c["account"]) == 0 and flags != OPERATOR)
    elif kind == ACCOUNT:
        bad = bad or i64(c["target_ref"]) == 0 or quantity < 0
    elif kind == LIMITS:
        bad = bad or quantity < 0 or i64(c["display"]) < 0 or i64(c["amount_fen"]) < 0
    elif kind == FUND or kind == WITHDRAW:
        bad = bad or i64(c["amount_fen"]) < 1
    elif kind == REGISTER:
        bad = bad or quantity == 0
        if flags == CARRIED:
            bad = bad or quantity < 0 or i64(c["account"]) == i64(c["seller"])
    elif kind == BUST:
        bad = bad or bust_malformed(c)
    return MALFORMED if bad else NONE


@inline
def bust_malformed(c):
    """Whether the fields of a BUST describe no trade between two accounts."""
    return (
        i64(c["price"]) < 1
        or i64(c["quantity"]) < 1
        or i64(c["stop"]) < 0
        or i64(c["display"]) < 0
        or i64(c["target_ref"]) == 0
        or i64(c["side"]) > 1
    )

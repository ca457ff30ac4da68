"""Administrative commands: listing, times, members, money, capacity."""

import numpy as np

from matching.admin.basket_listing import basket_malformed, list_basket
from matching.admin.bust import bust
from matching.admin.carried_positions import carry, has_positions
from matching.admin.sequences import follow, sequence_malformed
from matching.book.block_legs import touch_all
from matching.book.events import answer, reject
from matching.book.timers import EXPIRY, GATE, PHASE, add, remove_times
from matching.codes import (
    ACCOUNT,
    BUST,
    CAPACITY,
    CARRIED,
    CLOSED,
    COLLAR,
    FEES,
    FUND,
    FUNDS,
    HALT,
    HALT_ACCOUNT,
    LIMITS,
    LIST,
    LIST_BASKET,
    MALFORMED,
    NONE,
    NOT_ENTITLED,
    OPERATOR,
    POOL_FULL,
    REGISTER,
    SEQUENCE,
    SESSION,
    SET_BAND,
    TIME_PAST,
    TIMES,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_SESSION,
    WITHDRAW,
    WRONG_PHASE,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BOOKS, TICKS_MAX, TOPS
from matching.records import (
    FEE_MAX_FEN,
    FREE_MAX_FEN,
    NANOSECONDS,
    POSITION_MAX,
    RATE_MAX,
    RATE_UNIT,
)

i64 = np.int64

NOTIONAL_MAX_FEN = 2**53
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
TICK_MAX_FEN = 10**6


@inline
def listed(m, instrument_id):
    """Whether there is such an instrument."""
    return instrument_id < len(m.instruments) and i64(m.instruments[instrument_id]["phase"]) != 0


@inline
def gate_reason(m, instrument_id):
    """What is not listed, or past its gate closure, cannot be changed."""
    if not listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    return WRONG_PHASE if i64(m.instruments[instrument_id]["gated"]) != 0 else NONE


@inline
def has_orders(m, instrument_id):
    """Whether any order rests or waits in an instrument, or a block stands in it."""
    at = instrument_id * TOPS
    orders = m.tops[at] | m.tops[at + 1] | m.tops[at + 2] | m.tops[at + 3]
    return orders != 0 or i64(m.instruments[instrument_id]["watched"]) != 0


@inline
def sender_reason(m, c):
    """Administrative commands come from the venue (session 0) or an operator's session."""
    session_id = i64(c["session"])
    if session_id >= len(m.sessions) or i64(m.sessions[session_id]["opened"]) == 0:
        return UNKNOWN_SESSION
    if i64(m.sessions[session_id]["operator"]) == 0:
        return NOT_ENTITLED
    return NONE


@kernel
def administer(m, c):
    """Carry out any administrative command but PHASE and mass cancels."""
    kind = i64(c["kind"])
    reason = malformed_reason(c)
    if reason == NONE:
        reason = sender_reason(m, c)
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
            reason = follow(m, c)
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
    """What makes no sense by itself."""
    kind, flags = i64(c["kind"]), i64(c["flags"])
    price, stop, quantity = i64(c["price"]), i64(c["stop"]), i64(c["quantity"])
    allowed = OPERATOR if kind == SESSION else (HALT if kind == HALT_ACCOUNT else 0)
    if kind == REGISTER:
        allowed = CARRIED
    bad = (i64(c["hours"]) | i64(c["spare"]) | (flags & ~allowed)) != 0
    if kind == LIST:
        bad = bad or price < 1 or not 1 <= quantity <= TICK_MAX_FEN
    elif kind == SET_BAND:
        bad = bad or price < 1 or stop < price or stop - price + 1 > TICKS_MAX
    elif kind == FEES:
        bad = bad or not (0 <= price <= RATE_MAX and 0 <= stop <= RATE_MAX and quantity >= 0)
    elif kind == COLLAR:
        bad = bad or price < 0 or (price > 0 and quantity < 1)
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
    """Whether a BUST names no trade between two accounts."""
    return (
        i64(c["price"]) < 1
        or i64(c["quantity"]) < 1
        or i64(c["stop"]) < 0
        or i64(c["display"]) < 0
        or i64(c["target_ref"]) == 0
        or i64(c["side"]) > 1
    )


@inline
def accept(m, c, other, shown, price, quantity, leaves):
    """The one event of an accepted administrative command."""
    return answer(m, c, i64(c["kind"]), NONE, 0, other, shown, price, quantity, leaves)


@inline
def list_instrument(m, c):
    """LIST: a new instrument, closed until its band is set and a phase is given."""
    instrument_id = i64(c["instrument"])
    if instrument_id == 0 or instrument_id >= len(m.instruments):
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["phase"]) != 0:
        return WRONG_PHASE
    instrument["phase"] = CLOSED
    instrument["reference"] = c["price"]
    instrument["tick_fen"] = c["quantity"]
    accept(m, c, 0, 0, i64(c["price"]), i64(c["quantity"]), 0)
    return NONE


@inline
def bound_size(instrument):
    """The largest order whose worth and fee fit their integers, whatever price it trades at."""
    dearer = max(i64(instrument["maker_rate"]), i64(instrument["taker_rate"]))
    instrument["dearer_rate"] = dearer
    worth = min(i64(NOTIONAL_MAX_FEN), FEE_MAX_FEN * RATE_UNIT // max(dearer, i64(1)))
    if i64(instrument["high"]) != 0:
        unit = i64(instrument["high"]) * i64(instrument["tick_fen"])
        instrument["quantity_max"] = min(i64(INT32_MAX), worth // unit)


@inline
def set_band(m, c):
    """BAND: the first one allots the ladder's memory, later ones must fit into it."""
    state = m.state[0]
    instrument_id = i64(c["instrument"])
    reason = gate_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    if has_orders(m, instrument_id):
        return WRONG_PHASE
    low, high = i64(c["price"]), i64(c["stop"])
    width = high - low + 1
    if i64(instrument["width"]) == 0:
        words = (width + 63) >> 6
        groups = (words + 63) >> 6
        room = len(m.links) - len(m.orders) - state["levels_used"]
        room -= (len(m.instruments) - 1) * BOOKS
        room += state["bands"] * BOOKS
        if width * BOOKS > room:
            return POOL_FULL
        instrument["level_base"] = len(m.orders) + state["levels_used"]
        instrument["word_base"] = state["words_used"]
        instrument["width"] = width
        instrument["words"] = words
        instrument["groups"] = groups
        state["levels_used"] += BOOKS * (width + 1)
        state["words_used"] += BOOKS * (words + groups + 1)
        state["bands"] += 1
    elif width > i64(instrument["width"]):
        return POOL_FULL
    instrument["low"] = low
    instrument["high"] = high
    bound_size(instrument)
    accept(m, c, 0, 0, low, high, 0)
    return NONE


@inline
def set_fees(m, c):
    """FEES: rates and deposit, before the first order, trade and position that is carried."""
    instrument_id = i64(c["instrument"])
    if not listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["gated"]) != 0 or has_orders(m, instrument_id) or i64(instrument["last"]):
        return WRONG_PHASE
    if has_positions(m, instrument_id):
        return WRONG_PHASE
    instrument["maker_rate"] = c["price"]
    instrument["taker_rate"] = c["stop"]
    instrument["deposit_fen"] = c["quantity"]
    bound_size(instrument)
    accept(m, c, 0, i64(c["quantity"]), i64(c["price"]), i64(c["stop"]), 0)
    return NONE


@inline
def set_times(m, c):
    """TIMES: the close (end of day) and the gate closure; both given anew."""
    state = m.state[0]
    instrument_id = i64(c["instrument"])
    reason = gate_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    close_s, gate_s = i64(c["expiry_s"]), i64(c["target_ref"])
    for second in (close_s, gate_s):
        if second != 0 and second * NANOSECONDS <= state["now_ns"]:
            return TIME_PAST
    if i64(instrument["close_s"]) != 0 or i64(instrument["gate_s"]) != 0:
        remove_times(m, instrument_id)
    instrument["close_s"] = close_s
    instrument["gate_s"] = gate_s
    if close_s != 0:
        state["scheduled"] += 1
        add(m, close_s, EXPIRY, instrument_id, i64(0), i64(0), i64(0))
        add(m, close_s, PHASE, instrument_id, state["scheduled"], i64(0), i64(0))
    if gate_s != 0:
        add(m, gate_s, GATE, instrument_id, i64(0), i64(0), i64(0))
    accept(m, c, gate_s, 0, 0, 0, 0)
    return NONE


@inline
def set_collar(m, c):
    """COLLAR: how far from the last trade an order may trade at once."""
    instrument_id = i64(c["instrument"])
    reason = gate_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    instrument["collar"] = c["price"]
    instrument["collar_s"] = c["quantity"]
    if i64(instrument["watched"]) != 0:
        touch_all(m, instrument_id)
    accept(m, c, 0, 0, i64(c["price"]), i64(c["quantity"]), 0)
    return NONE


@inline
def open_session(m, c):
    """SESSION: who may send commands, and for which member firm."""
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
    """ACCOUNT: whose it is, and with whom it is related."""
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


OWN_GROUP = 2**31


@inline
def set_caps(account):
    """What an order is held against: the account's limits as they act, and whether it may trade."""
    order_max, position_max = i64(account["order_max"]), i64(account["position_max"])
    notional_max = i64(account["notional_max"])
    account["order_cap"] = order_max if order_max != 0 else i64(INT32_MAX)
    account["position_cap"] = position_max if position_max != 0 else i64(POSITION_MAX)
    account["notional_cap"] = notional_max if notional_max != 0 else i64(INT64_MAX)
    account["trader"] = i64(account["firm"]) if i64(account["halted"]) == 0 else i64(0)


@inline
def change_account(m, c):
    """LIMITS, FUND, WITHDRAW, REGISTER, HALT_ACCOUNT."""
    kind, account_id = i64(c["kind"]), i64(c["account"])
    if account_id >= len(m.accounts) or i64(m.accounts[account_id]["firm"]) == 0:
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
    if kind == HALT_ACCOUNT:
        account["halted"] = 1 if i64(c["flags"]) == HALT else 0
        set_caps(account)
        accept(m, c, 0, 0, 0, i64(account["halted"]), 0)
        return NONE
    if kind == FUND:
        if amount_fen > FREE_MAX_FEN - i64(account["funded"]):
            return FUNDS
        account["free"] += amount_fen
        account["funded"] += amount_fen
    else:
        if amount_fen > i64(account["free"]):
            return FUNDS
        account["free"] -= amount_fen
        account["funded"] -= amount_fen
    at = accept(m, c, 0, 0, 0, 0, 0)
    m.events[at]["amount_fen"] = amount_fen
    return NONE


@inline
def register(m, c):
    """REGISTER: capacity of an account in an instrument; less of it only while it is unsold."""
    account_id, instrument_id = i64(c["account"]), i64(c["instrument"])
    if not listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    if i64(m.instruments[instrument_id]["gated"]) != 0:
        return WRONG_PHASE
    if i64(c["flags"]) == CARRIED:
        return carry(m, c)
    position = m.positions[instrument_id * len(m.accounts) + account_id]
    quantity = i64(c["quantity"])
    registered = i64(position["registered"]) + quantity
    available = registered + i64(position["net"]) - i64(position["open_sell"])
    if registered > POSITION_MAX or (quantity < 0 and available < 0):
        return CAPACITY
    position["registered"] = registered
    accept(m, c, 0, 0, 0, quantity, registered)
    return NONE

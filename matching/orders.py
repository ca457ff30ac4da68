"""New orders, cancels and replaces: the checks in their order of precedence, then the deed."""

import numpy as np

from matching.compile import inline, kernel
from matching.identity import find, has_room, name
from matching.incoming import (
    AUCTION,
    CANCELLED,
    CONTINUOUS,
    FOK,
    IOC,
    collar_bound,
    fillable,
    finish,
    limit_index,
    start,
)
from matching.ladder import pull, push
from matching.layout import POST_ONLY, WAITING
from matching.records import (
    POSITION_MAX,
    CommandFlag,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    Reason,
    Side,
    TimeInForce,
)
from matching.report import reject, report
from matching.risk import hold, release, reserve, worst_price
from matching.timers import EXPIRY, add, remove

i64 = np.int64

NONE = int(Reason.NONE)
BUY = int(Side.BUY)
MARKET, LIMIT = int(OrderType.MARKET), int(OrderType.LIMIT)
STOP, STOP_LIMIT = int(OrderType.STOP), int(OrderType.STOP_LIMIT)
DAY, GTC, GTD = int(TimeInForce.DAY), int(TimeInForce.GTC), int(TimeInForce.GTD)
PRE_OPEN = int(Phase.PRE_OPEN)
ACCEPTED, REPLACED = int(EventKind.ACCEPTED), int(EventKind.REPLACED)
TRIGGERED = int(EventKind.TRIGGERED)
REQUEUE = int(CommandFlag.REQUEUE)
FLAG_WAITING, FLAG_REQUEUED = int(EventFlag.WAITING), int(EventFlag.REQUEUED)
MALFORMED, UNKNOWN_SESSION = int(Reason.MALFORMED), int(Reason.UNKNOWN_SESSION)
UNKNOWN_ACCOUNT, NOT_ENTITLED = int(Reason.UNKNOWN_ACCOUNT), int(Reason.NOT_ENTITLED)
ACCOUNT_HALTED = int(Reason.ACCOUNT_HALTED)
UNKNOWN_INSTRUMENT, WRONG_PHASE = int(Reason.UNKNOWN_INSTRUMENT), int(Reason.PHASE)
UNKNOWN_ORDER, DUPLICATE_REF = int(Reason.UNKNOWN_ORDER), int(Reason.DUPLICATE_REF)
ORDER_TYPE, TIME_PAST, BAND = int(Reason.ORDER_TYPE), int(Reason.TIME_PAST), int(Reason.BAND)
SIZE_LIMIT, NOTIONAL_LIMIT = int(Reason.SIZE_LIMIT), int(Reason.NOTIONAL_LIMIT)
POSITION_LIMIT, CAPACITY = int(Reason.POSITION_LIMIT), int(Reason.CAPACITY)
DEPOSIT, FUNDS = int(Reason.DEPOSIT), int(Reason.FUNDS)
REFUSED_POST_ONLY, REFUSED_FOK = int(Reason.POST_ONLY), int(Reason.FOK)
POOL_FULL, REQUESTED = int(Reason.POOL_FULL), int(Reason.REQUESTED)
NANOSECONDS = 1_000_000_000

ENDED, QUIET, RUNS, TRIGGERS = 0, 1, 2, 3
"""What a command leaves to do: nothing, nothing (a stop waits), a run, a stop's run."""


@inline
def ref_in_range(m, user_ref):
    """Whether a ref is one that a session may use."""
    return 1 <= user_ref < m.state[0]["refs"]


@inline
def well_formed(m, c):
    """Whether a NEW makes sense by itself."""
    kind = i64(c["type"])
    tif = i64(c["tif"])
    price = i64(c["price"])
    stop = i64(c["stop"])
    quantity = i64(c["quantity"])
    display = i64(c["display"])
    if not ref_in_range(m, i64(c["user_ref"])) or quantity < 1 or i64(c["side"]) > 1:
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
    if display != 0 and not (
        0 < display <= quantity and lives and (kind == LIMIT or kind == STOP_LIMIT)
    ):
        return False
    if kind == LIMIT:
        return price >= 1 and stop == 0
    if kind == MARKET:
        return price == 0 and stop == 0
    if kind == STOP:
        return price == 0 and stop >= 1 and tif != FOK
    return kind == STOP_LIMIT and price >= 1 and stop >= 1 and tif != FOK


POST_ONLY_FLAG = int(CommandFlag.POST_ONLY)


@inline
def phase_reason(phase):
    """Halted, closed and unlisted instruments take no orders."""
    if phase == CONTINUOUS or phase == AUCTION or phase == PRE_OPEN:
        return NONE
    return WRONG_PHASE


@inline
def outside(instrument, price):
    """Whether a stated price is beyond the band."""
    return price != 0 and (price < i64(instrument["low"]) or price > i64(instrument["high"]))


@inline
def size_reason(m, account_id, instrument, price, quantity):
    """The size and notional limits."""
    account = m.accounts[account_id]
    order_max = i64(account["order_max"])
    if (order_max != 0 and quantity > order_max) or quantity > i64(instrument["quantity_max"]):
        return SIZE_LIMIT
    notional_max = i64(account["notional_max"])
    if notional_max != 0:
        worth = worst_price(instrument, price) * quantity * i64(instrument["tick_fen"])
        if worth > notional_max:
            return NOTIONAL_LIMIT
    return NONE


@inline
def means_reason(m, account_id, instrument_id, side, money, quantity):
    """Position limit, capacity, deposit and funds for this much more open quantity and money."""
    account = m.accounts[account_id]
    instrument = m.instruments[instrument_id]
    position = m.positions[instrument_id * len(m.accounts) + account_id]
    net = i64(position["net"])
    limit = i64(account["position_max"])
    if limit == 0:
        limit = i64(POSITION_MAX)
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
        rate = i64(instrument["deposit_fen"])
        if rate != 0:
            more = max(uncovered + quantity, i64(0)) - max(uncovered, i64(0))
            if rate * more > i64(account["free"]):
                return DEPOSIT
    return NONE


@inline
def passed(instrument, side, stop):
    """Whether the last trade was already at or through a stop price."""
    last = i64(instrument["last"])
    if last == 0:
        return False
    return last >= stop if side == BUY else last <= stop


@inline
def new_order_reason(m, c):
    """The first reason to refuse a NEW, in order of precedence, all but the last three."""
    if not well_formed(m, c):
        return MALFORMED
    session_id = i64(c["session"])
    if session_id >= len(m.sessions) or i64(m.sessions[session_id]["opened"]) == 0:
        return UNKNOWN_SESSION
    account_id = i64(c["account"])
    if account_id >= len(m.accounts) or i64(m.accounts[account_id]["firm"]) == 0:
        return UNKNOWN_ACCOUNT
    account = m.accounts[account_id]
    if m.sessions[session_id]["firm"] != account["firm"]:
        return NOT_ENTITLED
    if i64(account["halted"]) != 0:
        return ACCOUNT_HALTED
    instrument_id = i64(c["instrument"])
    if instrument_id >= len(m.instruments) or i64(m.instruments[instrument_id]["phase"]) == 0:
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    phase = i64(instrument["phase"])
    reason = phase_reason(phase)
    if reason != NONE:
        return reason
    if find(m, session_id, i64(c["user_ref"])) != 0:
        return DUPLICATE_REF
    if phase != CONTINUOUS:
        tif = i64(c["tif"])
        if i64(c["type"]) == MARKET or tif == IOC or tif == FOK or i64(c["flags"]) != 0:
            return ORDER_TYPE
    expiry_s = i64(c["expiry_s"])
    if expiry_s != 0 and expiry_s * NANOSECONDS <= m.state[0]["now_ns"]:
        return TIME_PAST
    price = i64(c["price"])
    if outside(instrument, price) or outside(instrument, i64(c["stop"])):
        return BAND
    quantity = i64(c["quantity"])
    reason = size_reason(m, account_id, instrument, price, quantity)
    if reason != NONE:
        return reason
    side = i64(c["side"])
    money = i64(0)
    if side == BUY:
        money = reserve(instrument, worst_price(instrument, price), quantity, i64(0))
    return means_reason(m, account_id, instrument_id, side, money, quantity)


@inline
def take_slot(m):
    """A free order slot, the one used last; 0 if there is none."""
    state = m.state[0]
    slot = state["free_slot"]
    if slot != 0:
        state["free_slot"] = i64(m.orders[slot]["next"])
        return slot
    if state["slots_used"] + 1 < len(m.orders):
        state["slots_used"] += 1
        return state["slots_used"]
    return i64(0)


@inline
def give_back(m, slot):
    """Return a slot that was taken for nothing."""
    state = m.state[0]
    order = m.orders[slot]
    order["instrument"] = 0
    order["leaves"] = 0
    order["next"] = state["free_slot"]
    state["free_slot"] = slot


@inline
def fill_in(m, c, slot):
    """Write a new order into its slot."""
    order = m.orders[slot]
    order["next"] = 0
    order["prev"] = 0
    order["price"] = c["price"]
    order["leaves"] = c["quantity"]
    order["display"] = c["display"]
    order["session"] = c["session"]
    order["user_ref"] = c["user_ref"]
    order["account"] = c["account"]
    order["instrument"] = c["instrument"]
    order["cumulative"] = 0
    order["stop"] = c["stop"]
    order["timer"] = 0
    order["fee_fraction"] = 0
    order["side"] = c["side"]
    order["type"] = c["type"]
    order["tif"] = c["tif"]
    stop = i64(c["stop"]) != 0
    post_only = i64(c["flags"]) & POST_ONLY_FLAG
    order["mode"] = i64(c["stp"]) | (post_only * POST_ONLY) | (WAITING if stop else 0)
    order["shown"] = shown_if_resting(order, i64(c["quantity"]))


@inline
def shown_if_resting(order, leaves):
    """What an order displays when it rests with this much; waiting and market orders nothing."""
    if (i64(order["mode"]) & WAITING) != 0 or i64(order["price"]) == 0:
        return i64(0)
    display = i64(order["display"])
    return min(display, leaves) if display != 0 else leaves


@inline
def would_meet(m, order):
    """Whether an order of a limit would meet anything on the other side."""
    side = i64(order["side"])
    instrument_id = i64(order["instrument"])
    index = limit_index(m.instruments[instrument_id], side, i64(order["price"]))
    return i64(m.tops[instrument_id * 4 + 1 - side]) >= index


@inline
def last_reasons(m, slot):
    """Post-only and FOK, the refusals that need a look at the other side of the book."""
    order = m.orders[slot]
    if (i64(order["mode"]) & POST_ONLY) != 0 and would_meet(m, order):
        return REFUSED_POST_ONLY
    if i64(order["tif"]) == FOK:
        instrument = m.instruments[i64(order["instrument"])]
        side = i64(order["side"])
        limit = limit_index(instrument, side, i64(order["price"]))
        bound = collar_bound(m, i64(order["instrument"]), side, limit)
        if not fillable(m, order, bound, i64(order["leaves"])):
            return REFUSED_FOK
    return NONE


@inline
def new_order(m, c):
    """NEW. Returns what is left to do."""
    reason = new_order_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    slot = take_slot(m)
    if slot == 0:
        return new_order_without_slot(m, c)
    fill_in(m, c, slot)
    reason = last_reasons(m, slot)
    if reason == NONE and not has_room(m, i64(c["session"]), i64(c["user_ref"])):
        reason = POOL_FULL
    if reason != NONE:
        give_back(m, slot)
        reject(m, c, reason)
        return ENDED
    state = m.state[0]
    order = m.orders[slot]
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    name(m, i64(c["session"]), i64(c["user_ref"]), slot)
    hold(m, order, i64(c["price"]), i64(c["quantity"]))
    if i64(c["tif"]) == GTD:
        add(m, i64(c["expiry_s"]), EXPIRY, i64(c["instrument"]), state["accepted"], slot, 0)
    flags = FLAG_WAITING if i64(c["stop"]) != 0 else 0
    report(
        m, c, order, ACCEPTED, 0, flags, 0, i64(order["shown"]), i64(c["price"]), i64(c["quantity"])
    )
    return enter(m, slot)


@kernel
def new_order_without_slot(m, c):
    """The pool is full, but post-only and FOK come first: slot 0 serves as a scratch order."""
    fill_in(m, c, 0)
    reason = last_reasons(m, i64(0))
    m.orders[0]["instrument"] = 0
    m.orders[0]["leaves"] = 0
    reject(m, c, reason if reason != NONE else POOL_FULL)
    return ENDED


@inline
def enter(m, slot):
    """An accepted or requeued order starts its run, or waits. Returns what is left to do."""
    order = m.orders[slot]
    instrument = m.instruments[i64(order["instrument"])]
    if (i64(order["mode"]) & WAITING) == 0:
        start(m, slot)
        return RUNS
    if i64(instrument["phase"]) == CONTINUOUS and passed(
        instrument, i64(order["side"]), i64(order["stop"])
    ):
        m.state[0]["slot"] = slot
        return TRIGGERS
    push(m, slot)
    return QUIET


@inline
def end_order(m, c, slot, kind, reason, request_ref):
    """End a live order that stands in a book."""
    order = m.orders[slot]
    leaves = i64(order["leaves"])
    pull(m, slot)
    release(m, order, leaves)
    report(m, c, order, kind, reason, 0, request_ref, 0, i64(order["price"]), leaves)
    finish(m, slot)


@kernel
def remove_order(m, c, slot, kind, reason, request_ref):
    """`end_order`, compiled once for all callers that are in no hurry."""
    end_order(m, c, slot, kind, reason, request_ref)


@inline
def named_order(m, c):
    """The order that a cancel or replace aims at; 0 if it is not live."""
    target = i64(c["target_ref"])
    if not ref_in_range(m, target):
        return i64(0)
    return find(m, i64(c["session"]), target)


@inline
def cancel(m, c):
    """CANCEL."""
    session_id = i64(c["session"])
    if (
        not ref_in_range(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"]) | i64(c["flags"])) != 0
    ):
        reject(m, c, MALFORMED)
        return
    if session_id >= len(m.sessions) or i64(m.sessions[session_id]["opened"]) == 0:
        reject(m, c, UNKNOWN_SESSION)
        return
    slot = named_order(m, c)
    if slot == 0:
        reject(m, c, UNKNOWN_ORDER)
        return
    end_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))


@inline
def replace_malformed(m, c):
    """Whether a REPLACE makes no sense by itself."""
    quantity = i64(c["quantity"])
    display = i64(c["display"])
    flags = i64(c["flags"])
    return (
        not ref_in_range(m, i64(c["user_ref"]))
        or (i64(c["hours"]) | i64(c["spare"])) != 0
        or (flags != 0 and flags != REQUEUE)
        or quantity < (1 if flags != 0 else 0)
        or i64(c["price"]) < 0
        or i64(c["stop"]) < 0
        or display < 0
        or display > quantity
    )


@inline
def replace_reason(m, c, slot):
    """The first reason to refuse a REPLACE of this order, before its size and means."""
    order = m.orders[slot]
    instrument = m.instruments[i64(order["instrument"])]
    if i64(m.accounts[i64(order["account"])]["halted"]) != 0:
        return ACCOUNT_HALTED
    reason = phase_reason(i64(instrument["phase"]))
    if reason != NONE:
        return reason
    if (
        (i64(c["price"]) != 0 and i64(order["price"]) == 0)
        or (i64(c["stop"]) != 0 and (i64(order["mode"]) & WAITING) == 0)
        or (i64(c["display"]) != 0 and i64(order["display"]) == 0)
        or (i64(c["expiry_s"]) != 0 and i64(order["tif"]) != GTD)
    ):
        return ORDER_TYPE
    expiry_s = i64(c["expiry_s"])
    if expiry_s != 0 and expiry_s * NANOSECONDS <= m.state[0]["now_ns"]:
        return TIME_PAST
    if outside(instrument, i64(c["price"])) or outside(instrument, i64(c["stop"])):
        return BAND
    return NONE


@kernel
def replace(m, c):
    """REPLACE. Returns what is left to do."""
    session_id = i64(c["session"])
    reason = NONE
    slot = i64(0)
    if replace_malformed(m, c):
        reason = MALFORMED
    elif session_id >= len(m.sessions) or i64(m.sessions[session_id]["opened"]) == 0:
        reason = UNKNOWN_SESSION
    else:
        slot = named_order(m, c)
        reason = UNKNOWN_ORDER if slot == 0 else replace_reason(m, c, slot)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    order = m.orders[slot]
    cumulative = i64(order["cumulative"])
    requeue = i64(c["flags"]) == REQUEUE
    total = i64(c["quantity"]) + (cumulative if requeue else 0)
    if total <= cumulative:
        remove_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))
        return ENDED
    leaves = i64(order["leaves"])
    price = i64(c["price"]) if i64(c["price"]) != 0 else i64(order["price"])
    stop = i64(c["stop"]) if i64(c["stop"]) != 0 else i64(order["stop"])
    open_after = total - cumulative
    keeps = (
        not requeue
        and open_after < leaves
        and price == i64(order["price"])
        and stop == i64(order["stop"])
    )
    reason = replace_means(m, order, price, total, open_after)
    if reason == NONE and not keeps:
        reason = replace_meets(m, order, price)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    if keeps:
        return replace_in_place(m, c, slot, leaves - open_after, total)
    return replace_at_back(m, c, slot, price, stop, total, open_after)


@inline
def replace_means(m, order, price, total, open_after):
    """Size, position, capacity and money of a replace, judged on the net change."""
    account_id = i64(order["account"])
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if total > 2**31 - 1:
        return SIZE_LIMIT
    reason = size_reason(m, account_id, instrument, price, total)
    if reason != NONE:
        return reason
    leaves = i64(order["leaves"])
    money = i64(0)
    if i64(order["side"]) == BUY:
        fraction = i64(order["fee_fraction"])
        before = worst_price(instrument, i64(order["price"]))
        money = reserve(instrument, worst_price(instrument, price), open_after, fraction)
        money -= reserve(instrument, before, leaves, fraction)
    return means_reason(
        m, account_id, instrument_id, i64(order["side"]), money, open_after - leaves
    )


@inline
def replace_meets(m, order, price):
    """A post-only order may not be moved to where it would trade at once."""
    instrument_id = i64(order["instrument"])
    instrument = m.instruments[instrument_id]
    if (i64(order["mode"]) & POST_ONLY) == 0 or i64(instrument["phase"]) != CONTINUOUS:
        return NONE
    side = i64(order["side"])
    if i64(m.tops[instrument_id * 4 + 1 - side]) >= limit_index(instrument, side, price):
        return REFUSED_POST_ONLY
    return NONE


@inline
def retime_order(m, c, slot):
    """A GTD order's timer follows its new time and its acceptance sequence."""
    order = m.orders[slot]
    timer = i64(order["timer"])
    if timer == 0:
        return
    expiry_s = i64(c["expiry_s"])
    if expiry_s == 0:
        expiry_s = i64(m.timers[timer]["due"]) >> 2
    remove(m, timer)
    add(m, expiry_s, EXPIRY, i64(order["instrument"]), i64(order["accepted"]), slot, 0)


@inline
def replace_in_place(m, c, slot, taken_off, total):
    """Less at the same price: the order keeps its place and loses its hidden part first."""
    order = m.orders[slot]
    release(m, order, taken_off)
    if i64(c["display"]) != 0:
        order["display"] = c["display"]
    order["shown"] = min(i64(order["shown"]), i64(order["leaves"]))
    retime_order(m, c, slot)
    flags = FLAG_WAITING if (i64(order["mode"]) & WAITING) != 0 else 0
    report(
        m,
        c,
        order,
        REPLACED,
        0,
        flags,
        i64(c["user_ref"]),
        i64(order["shown"]),
        i64(order["price"]),
        total,
    )
    return ENDED


@inline
def replace_at_back(m, c, slot, price, stop, total, open_after):
    """Anything else is a cancel and a new order of the same name, at the back."""
    state = m.state[0]
    order = m.orders[slot]
    pull(m, slot)
    release(m, order, i64(order["leaves"]))
    order["price"] = price
    order["stop"] = stop
    order["leaves"] = open_after
    if i64(c["display"]) != 0:
        order["display"] = c["display"]
    hold(m, order, price, open_after)
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    retime_order(m, c, slot)
    order["shown"] = shown_if_resting(order, open_after)
    flags = FLAG_REQUEUED | (FLAG_WAITING if (i64(order["mode"]) & WAITING) != 0 else 0)
    report(m, c, order, REPLACED, 0, flags, i64(c["user_ref"]), i64(order["shown"]), price, total)
    return enter(m, slot)

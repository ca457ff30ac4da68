"""Orders for a basket: entry, trades and end. Such an order ends with its command."""

import numpy as np

from matching.baskets.candidates import (
    HAS_PRICE,
    TAKES_ORDERS,
    TRADES,
    best_maker,
    exclude_full_places,
    exclude_member,
    find_member,
    find_split,
    has_all_hours,
    has_room_for_order,
    highest_deposit,
    highest_price,
    highest_rate,
    hours_of,
    instrument_at,
    measure_places,
    resolve_members,
    tick_of,
    worth_at_limit,
)
from matching.blocks.trading import trade_with_maker
from matching.book.block_holdings import set_reserve
from matching.book.block_legs import span_of
from matching.book.events import must_pause, reject, report
from matching.book.order_ids import add_order_id, find_order, finish_order, room_reason
from matching.book.pools import allocate_slot, discard_order
from matching.book.risk import move_deposit, position_at, whole_fen
from matching.codes import (
    ACCEPTED,
    BAND,
    BUY,
    CANCELLED,
    CAPACITY,
    DEPOSIT,
    DUPLICATE_REF,
    FLAG_BASKET,
    FLAG_BLOCK,
    FOK,
    FUNDS,
    IOC,
    NONE,
    NOTIONAL_LIMIT,
    ORDER_TYPE,
    POOL_FULL,
    POSITION_LIMIT,
    REFUSED_FOK,
    REMAINDER,
    SIZE_LIMIT,
    SPLIT,
    UNKNOWN_INSTRUMENT,
    WHOLE,
    WRONG_PHASE,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import MEMBERS
from matching.orders.checks import is_plain_limit, reject_at_entry
from matching.orders.entry import ENDED, write_order
from matching.orders.quote_protection import begin_withdrawal
from matching.orders.stops import trigger_hour
from matching.records import (
    BLOCK_HOURS_MAX,
    BLOCK_HOURS_MIN,
    FEE_MAX_FEN,
    INT32_MAX,
    NOTIONAL_MAX_FEN,
    RATE_UNIT,
)
from matching.stages import BASKET_STOPS, TRADE_BASKET

i64 = np.int64


@inline
def basket_order_malformed(m, c):
    """Whether the fields of a NEW for a basket do not agree with one another."""
    hours, tif, flags = i64(c["hours"]), i64(c["tif"]), i64(c["flags"])
    return (
        not is_plain_limit(m, c)
        or not (flags == SPLIT or flags == WHOLE)
        or not (hours == 0 or BLOCK_HOURS_MIN <= hours <= BLOCK_HOURS_MAX)
        or not (tif == IOC or tif == FOK)
        or i64(c["expiry_s"]) != 0
    )


@kernel
def new_basket_order(m, c):
    """Carry out NEW for a basket: it trades at once, or ends."""
    if reject_at_entry(m, c, basket_order_malformed(m, c)):
        return ENDED
    slot = allocate_slot(m)  # slot 0 serves as a scratch order where the pool is full
    reason = UNKNOWN_INSTRUMENT
    if resolve_members(m, c):
        write_basket_order(m, c, slot)
        reason = basket_order_reason(m, c, slot)
    if reason == NONE:
        reason = room_reason(m, c)
    if reason == NONE and slot == 0:
        reason = POOL_FULL
    if reason == NONE:
        whole = i64(c["flags"]) == WHOLE
        fits = find_member(m, m.orders[slot]) if whole else find_split(m, m.orders[slot])
        if i64(c["tif"]) == FOK and not fits:
            reason = REFUSED_FOK
    if reason != NONE:
        discard_order(m, slot)
        reject(m, c, reason)
        return ENDED
    accept_basket_order(m, c, slot)
    return ENDED


@inline
def write_basket_order(m, c, slot):
    """Write a new order for a basket into its slot."""
    write_order(m, c, slot)
    order = m.orders[slot]
    order["shown"] = 0
    order["display"] = c["hours"]


@kernel
def basket_order_reason(m, c, slot):
    """The first reason to reject an order whose places are written, except the last two (full
    pools, FOK)."""
    order = m.orders[slot]
    reason = members_reason(m, c, order)
    if reason == NONE:
        reason = basket_size_reason(m, order)
    if reason == NONE:
        reason = basket_risk_reason(m, order, i64(c["flags"]) == WHOLE)
    return reason


@kernel
def members_reason(m, c, order):
    """Exclude the members that do not trade. Returns why the others cannot take the order."""
    hours, price = hours_of(order), i64(order["price"])
    reason = WRONG_PHASE
    trading, in_band = False, False
    for j in range(MEMBERS):
        if instrument_at(m, i64(0), j) == 0:
            continue
        if has_all_hours(m, hours, j, TAKES_ORDERS, price):
            reason = NONE
        if has_all_hours(m, hours, j, TRADES, price):
            trading = True
            in_band = in_band or has_all_hours(m, hours, j, HAS_PRICE, price)
        else:
            exclude_member(m, hours, j)
    if reason != NONE:
        return reason
    if find_order(m, i64(c["session"]), i64(c["user_ref"])) != 0:
        return DUPLICATE_REF
    if not trading:
        return ORDER_TYPE
    return NONE if in_band else BAND


@kernel
def basket_size_reason(m, order):
    """Reason to reject the order by its size, else NONE. Size and notional limits count all hours
    together, at any member."""
    account = m.accounts[i64(order["account"])]
    lots = i64(order["leaves"]) * hours_of(order)
    rate = max(highest_rate(m, order), i64(1))
    worth_max = min(i64(NOTIONAL_MAX_FEN), FEE_MAX_FEN * RATE_UNIT // rate)
    lots_max = min(i64(INT32_MAX), worth_max // (highest_price(m, order) * tick_of(m)))
    if lots > min(lots_max, i64(account["order_cap"])):
        return SIZE_LIMIT
    return NOTIONAL_LIMIT if worth_at_limit(m, order) > account["notional_cap"] else NONE


@kernel
def basket_risk_reason(m, order, whole):
    """Reason to reject the order by position limit, capacity, deposit or funds, else NONE. Places
    without room are excluded."""
    measure_places(m, order)
    if not has_room_for_order(m, order, whole, True):
        return POSITION_LIMIT
    if not has_room_for_order(m, order, whole, False):
        return CAPACITY
    exclude_full_places(m, order, whole)
    free = m.accounts[i64(order["account"])]["free"]
    if i64(order["side"]) != BUY:
        return DEPOSIT if highest_deposit(m, order, whole) > free else NONE
    worth = worth_at_limit(m, order)
    needed = worth + whole_fen(worth * highest_rate(m, order) + (RATE_UNIT - 1))
    return FUNDS if needed > free else NONE


@inline
def report_basket_order(m, c, order, kind, reason, other, quantity):
    """Append an event of the order that is no fill. It names the instrument of the command."""
    order["instrument"] = c["instrument"]
    flags = FLAG_BASKET | (FLAG_BLOCK if span_of(order) != 0 else 0)
    report(m, c, order, kind, reason, flags, other, 0, i64(order["price"]), quantity)
    m.events[m.state[0]["events"] - 1]["trade_group"] = span_of(order)


@inline
def accept_basket_order(m, c, slot):
    """Accept an order for a basket, which is about to trade."""
    state = m.state[0]
    order = m.orders[slot]
    state["accepted"] += 1
    order["accepted"] = state["accepted"]
    add_order_id(m, i64(c["session"]), i64(c["user_ref"]), slot)
    report_basket_order(m, c, order, ACCEPTED, 0, i64(c["target_ref"]), i64(c["quantity"]))
    if best_maker(m, order, i64(0))[0] != 0:
        state["trade_groups"] += 1
    state["block"] = slot
    state["leg"] = 0
    state["leg_left"] = i64(c["quantity"])
    state["stage"] = TRADE_BASKET


@kernel
def trade_basket(m, c):
    """Carry out the trades of the order under way, hour by hour, then end what is left.

    Returns False where the event buffer is full.
    """
    state = m.state[0]
    slot = state["block"]
    order = m.orders[slot]
    while state["leg"] < hours_of(order):
        if must_pause(m):
            return False
        maker_slot, index, j = best_maker(m, order, state["leg"])
        if maker_slot == 0:
            break
        trade_one(m, c, slot, maker_slot, index, state["leg"] * MEMBERS + j)
        if state["leg_left"] == 0:
            state["leg"] += 1
            if state["leg"] < hours_of(order):
                state["leg_left"] = i64(c["quantity"])
                order["leaves"] = c["quantity"]
                order["cumulative"] = 0
    if must_pause(m):
        return False
    set_reserve(m, order, i64(0))
    left = i64(order["leaves"])
    if left != 0:
        order["leaves"] = 0
        report_basket_order(m, c, order, CANCELLED, REMAINDER, 0, left)
    state["leg"] = 0
    state["leg_left"] = 0
    state["stage"] = BASKET_STOPS
    if state["tripped"] != 0:
        begin_withdrawal(m, BASKET_STOPS)
    return True


@inline
def trade_one(m, c, slot, maker_slot, index, at):
    """Trade with one resting order, in one place."""
    state = m.state[0]
    order, place = m.orders[slot], m.places[at]
    quantity = min(state["leg_left"], place["room"], i64(m.orders[maker_slot]["shown"]))
    open_in_instrument(m, order, i64(place["instrument"]), quantity)
    state["traded_low"] = i64(place["low"])
    state["traded_high"] = i64(place["high"])
    as_block = span_of(order) != 0 and i64(c["flags"]) == WHOLE
    flags = FLAG_BASKET | (FLAG_BLOCK if as_block else 0)
    trade_with_maker(m, c, slot, maker_slot, index, quantity, flags)
    place["low"] = state["traded_low"]
    place["high"] = state["traded_high"]
    place["room"] -= quantity
    state["leg_left"] -= quantity


@inline
def open_in_instrument(m, order, instrument_id, quantity):
    """Open a quantity of the order in one instrument, where it is about to trade."""
    account_id = i64(order["account"])
    position = m.positions[position_at(m, instrument_id, account_id)]
    order["instrument"] = instrument_id
    if i64(order["side"]) == BUY:
        position["open_buy"] += quantity
    else:
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_sell"] += quantity
        instrument = m.instruments[instrument_id]
        move_deposit(m.accounts[account_id], instrument, uncovered, uncovered + quantity)


@kernel
def run_basket_stops(m):
    """Collect the stops that the trades triggered, hour by hour, the members as listed.

    Returns whether none is left, so that the order has ended.
    """
    state = m.state[0]
    order = m.orders[state["block"]]
    while state["leg"] < hours_of(order) * MEMBERS:
        place = m.places[state["leg"]]
        state["leg"] += 1
        instrument_id = i64(place["instrument"])
        if instrument_id == 0 or i64(place["high"]) == 0:
            continue
        if trigger_hour(m, place, instrument_id, BASKET_STOPS):
            return False
    finish_order(m, state["block"])
    state["block"] = 0
    state["leg"] = 0
    return True

"""Candidates of an order for a basket: the places, one for each hour of each member, where it may
trade.

The places of the order under way are scratch memory, hour by hour, the members as listed. A place
with instrument 0 is not used.
"""

import numpy as np

from matching.blocks.trading import first_eligible
from matching.book.block_legs import hour_total, is_skipped, is_within, span_of
from matching.book.collar import collar_bound
from matching.book.price_levels import (
    first_order,
    is_order,
    level_at,
    next_below,
    next_order,
    price_at,
    top,
)
from matching.book.registry import base_price, is_basket
from matching.book.risk import deposit_for, position_at
from matching.codes import BUY, CONTINUOUS, NONE
from matching.memory.compiler import inline, kernel
from matching.memory.layout import MEMBERS
from matching.orders.checks import phase_reason
from matching.orders.sweep import limit_index

i64 = np.int64


@inline
def hours_of(order):
    """Number of hours of an order; 1 if it is no block."""
    return max(span_of(order), i64(1))


@inline
def instrument_at(m, k, j):
    """Instrument of a member's hour; 0: not used."""
    return i64(m.places[k * MEMBERS + j]["instrument"])


@kernel
def exclude_member(m, hours, j):
    """Exclude a member in all hours."""
    for k in range(hours):
        m.places[k * MEMBERS + j]["instrument"] = 0


@kernel
def steps_behind(m, number, instrument_id):
    """Number of periods by which an instrument follows a member of a basket; -1: it follows
    none."""
    steps = i64(0)
    while instrument_id != 0:
        for at in range(number * MEMBERS, (number + 1) * MEMBERS):
            if i64(m.members[at]) == instrument_id:
                return steps
        instrument_id = i64(m.instruments[instrument_id]["follows"])
        steps += 1
    return i64(-1)


@kernel
def resolve_members(m, c):
    """Write the instruments of each member that has all hours into the places. Returns whether one
    has."""
    number, hours = i64(c["target_ref"]), max(i64(c["hours"]), i64(1))
    if not is_basket(m, number):
        return False
    steps = steps_behind(m, number, i64(c["instrument"]))
    if steps < 0:
        return False
    found = False
    for j in range(MEMBERS):
        instrument_id = i64(m.members[number * MEMBERS + j])
        for _ in range(steps):
            instrument_id = i64(m.instruments[instrument_id]["after"])
        if hours > max(i64(m.instruments[instrument_id]["longest"]), i64(1)):
            instrument_id = i64(0)
        for k in range(hours):
            m.places[k * MEMBERS + j]["instrument"] = instrument_id
            instrument_id = i64(m.instruments[instrument_id]["after"])
        if instrument_at(m, hours - 1, j) == 0:
            exclude_member(m, hours, j)
        else:
            found = True
    return found


TAKES_ORDERS, TRADES, HAS_PRICE = 0, 1, 2
"""Questions about a member, for `has_all_hours`."""


@kernel
def has_all_hours(m, hours, j, what, price):
    """Whether all hours of a member take orders, trade, or have the price in their bands, as `what`
    says."""
    for k in range(hours):
        instrument = m.instruments[instrument_at(m, k, j)]
        phase = i64(instrument["phase"])
        if (
            (what == TAKES_ORDERS and phase_reason(phase) != NONE)
            or (what == TRADES and phase != CONTINUOUS)
            or (
                what == HAS_PRICE and not i64(instrument["low"]) <= price <= i64(instrument["high"])
            )
        ):
            return False
    return True


@kernel
def measure_places(m, order):
    """Compute what each place leaves the order: its lots by limit and capacity, and the worst level
    it may trade at."""
    side, account_id = i64(order["side"]), i64(order["account"])
    cap = i64(m.accounts[account_id]["position_cap"])
    for at in range(hours_of(order) * MEMBERS):
        place = m.places[at]
        instrument_id = i64(place["instrument"])
        if instrument_id == 0:
            continue
        instrument = m.instruments[instrument_id]
        position = m.positions[position_at(m, instrument_id, account_id)]
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        toward = uncovered
        if side == BUY:
            toward = i64(position["net"]) + i64(position["open_buy"])
        place["limit_room"] = max(cap - toward, i64(0))
        place["room"] = place["limit_room"]
        if side != BUY:
            room = min(cap, i64(position["registered"])) - uncovered
            place["room"] = max(room, i64(0))
        limit = i64(1)
        if span_of(order) == 0:
            limit = limit_index(instrument, side, i64(order["price"]))
        place["bound"] = collar_bound(m, instrument_id, side, limit)
        place["base"] = base_price(instrument)
        place["low"] = 0
        place["high"] = 0


@inline
def room_at(m, k, j, of_limit):
    """Lots that the account may trade in a place: by its position limit alone (`of_limit`), or also
    by its capacity."""
    place = m.places[k * MEMBERS + j]
    if i64(place["instrument"]) == 0:
        return i64(0)
    return place["limit_room"] if of_limit else place["room"]


@kernel
def member_room(m, hours, j, of_limit):
    """The least room of a member in any hour."""
    least = room_at(m, i64(0), j, of_limit)
    for k in range(1, hours):
        least = min(least, room_at(m, k, j, of_limit))
    return least


@kernel
def has_room_for_order(m, order, whole, of_limit):
    """Whether one member alone (`whole`), or in each hour all together, have room for the order."""
    hours, wanted = hours_of(order), i64(order["leaves"])
    if whole:
        most = i64(0)
        for j in range(MEMBERS):
            most = max(most, member_room(m, hours, j, of_limit))
        return most >= wanted
    for k in range(hours):
        together = i64(0)
        for j in range(MEMBERS):
            together += room_at(m, k, j, of_limit)
        if together < wanted:
            return False
    return True


@kernel
def exclude_full_places(m, order, whole):
    """Exclude places without room and, for a whole order, members with too little in any hour."""
    hours = hours_of(order)
    for j in range(MEMBERS):
        if whole and member_room(m, hours, j, False) < i64(order["leaves"]):
            exclude_member(m, hours, j)
        for k in range(hours):
            if room_at(m, k, j, False) == 0:
                m.places[k * MEMBERS + j]["instrument"] = 0


@kernel
def deposit_at(m, order, k, j):
    """Deposit that all of a sell would add in a place."""
    instrument_id = instrument_at(m, k, j)
    if instrument_id == 0:
        return i64(0)
    instrument = m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, i64(order["account"]))]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    after = uncovered + i64(order["leaves"])
    return deposit_for(instrument, after) - deposit_for(instrument, uncovered)


@kernel
def highest_deposit(m, order, whole):
    """Largest deposit that a sell may need: of one member (`whole`), or hour by hour of any."""
    hours = hours_of(order)
    needed = i64(0)
    if whole:
        for j in range(MEMBERS):
            of_member = i64(0)
            for k in range(hours):
                of_member += deposit_at(m, order, k, j)
            needed = max(needed, of_member)
        return needed
    for k in range(hours):
        of_hour = i64(0)
        for j in range(MEMBERS):
            of_hour = max(of_hour, deposit_at(m, order, k, j))
        needed += of_hour
    return needed


@kernel
def highest_rate(m, order):
    """The highest fee rate of all places."""
    rate = i64(0)
    for at in range(hours_of(order) * MEMBERS):
        instrument = m.instruments[i64(m.places[at]["instrument"])]
        rate = max(rate, i64(instrument["dearer_rate"]))
    return rate


@kernel
def highest_price(m, order):
    """The upper end of the highest band of all places."""
    high = i64(1)
    for at in range(hours_of(order) * MEMBERS):
        high = max(high, i64(m.instruments[i64(m.places[at]["instrument"])]["high"]))
    return high


@kernel
def tick_of(m):
    """Fen per tick, the same in all places of the order under way."""
    j = i64(0)
    while instrument_at(m, i64(0), j) == 0:
        j += 1
    return i64(m.instruments[instrument_at(m, i64(0), j)]["tick_fen"])


@kernel
def worth_at_limit(m, order):
    """Worth of the whole order at its limit, in fen."""
    return i64(order["price"]) * i64(order["leaves"]) * hours_of(order) * tick_of(m)


@inline
def is_better(order, price, than):
    """Whether a price or total is better for the order than another."""
    return price < than if i64(order["side"]) == BUY else price > than


@kernel
def best_maker(m, order, k):
    """The first resting order of the best price in an hour, its level, and its member; 0, 0, 0:
    none."""
    best, best_index, member, best_price = i64(0), i64(0), i64(0), i64(0)
    for j in range(MEMBERS):
        place = m.places[k * MEMBERS + j]
        if i64(place["instrument"]) == 0 or place["room"] == 0:
            continue
        slot, index = first_eligible(m, order, i64(place["instrument"]), place["bound"])
        if slot != 0:
            price = i64(m.orders[slot]["price"])
            if best == 0 or is_better(order, price, best_price):
                best, best_index, member, best_price = slot, index, i64(j), price
    return best, best_index, member


@kernel
def level_lots(m, order, level):
    """Lots of a level that the order does not skip, hidden quantity included."""
    lots = i64(0)
    slot = first_order(m, level)
    while is_order(m, slot):
        if not is_skipped(m, order, m.orders[slot]):
            lots += i64(m.orders[slot]["leaves"])
        slot = next_order(m, slot)
    return lots


@inline
def within_bound(place, index):
    """The level index if the order may trade there, else 0."""
    return index if index >= place["bound"] else i64(0)


@kernel
def best_level(m, order, k):
    """Place of an hour whose current level has the best price, and that price; -1 if no place is
    left."""
    best, best_price = i64(-1), i64(0)
    for at in range(k * MEMBERS, (k + 1) * MEMBERS):
        place = m.places[at]
        if i64(place["instrument"]) != 0 and i64(place["index"]) != 0 and place["left"] != 0:
            instrument = m.instruments[i64(place["instrument"])]
            price = price_at(instrument, 1 - i64(order["side"]), i64(place["index"]))
            if best < 0 or is_better(order, price, best_price):
                best, best_price = i64(at), price
    return best, best_price


@kernel
def split_total(m, order, k):
    """Price x quantity of an hour's places together, level by level; -1 if they have too few
    lots."""
    book = 1 - i64(order["side"])
    for at in range(k * MEMBERS, (k + 1) * MEMBERS):
        place = m.places[at]
        place["left"] = place["room"]
        place["index"] = within_bound(place, top(m, i64(place["instrument"]), book))
    wanted, total = i64(order["leaves"]), i64(0)
    while wanted != 0:
        at, price = best_level(m, order, k)
        if at < 0:
            return i64(-1)
        place = m.places[at]
        instrument = m.instruments[i64(place["instrument"])]
        index = i64(place["index"])
        seen = level_lots(m, order, level_at(instrument, book, index))
        taken = min(wanted, seen, place["left"])
        total += taken * price
        wanted -= taken
        place["left"] -= taken
        place["index"] = within_bound(place, next_below(m, instrument, book, index))
    return total


@kernel
def member_total(m, order, j):
    """Price x quantity of all hours of a member; -1 if they have too few lots or are beyond the
    limit."""
    total = i64(0)
    for k in range(hours_of(order)):
        place = m.places[k * MEMBERS + j]
        part, last_index = hour_total(m, order, i64(place["instrument"]), place["bound"])
        if last_index == 0:
            return i64(-1)
        total += part
    return total if span_of(order) == 0 or is_within(order, total) else i64(-1)


@kernel
def find_member(m, order):
    """Keep only the member with the best total, the first of equals. Returns whether there is
    one."""
    best, best_total = i64(-1), i64(0)
    for j in range(MEMBERS):
        if instrument_at(m, i64(0), j) != 0:
            total = member_total(m, order, j)
            if total >= 0 and (best < 0 or is_better(order, total, best_total)):
                best, best_total = i64(j), total
    for j in range(MEMBERS):
        if j != best:
            exclude_member(m, hours_of(order), j)
    return best >= 0


@kernel
def find_split(m, order):
    """Whether all places together can fill the order. If they cannot fill a block, all are
    excluded."""
    total, fits = i64(0), True
    for k in range(hours_of(order)):
        part = split_total(m, order, k)
        fits = fits and part >= 0
        total += part
    if span_of(order) == 0:
        return fits
    if fits and is_within(order, total):
        return True
    for j in range(MEMBERS):
        exclude_member(m, hours_of(order), j)
    return False

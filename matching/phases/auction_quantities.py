"""Quantities of an auction by price, and the uncross price by the four-step rule of RULES.md.

`measure` adds up the orders of both sides between the best ask and the best bid, once. What trades
or leaves afterwards is taken off, so that the price is found again in some steps after prevention
has removed an order, whatever the size of the book. Both sides are Fenwick trees: the sum of the
first ticks, and a change of one tick, cost as many steps as the number of ticks has binary digits.
"""

import numpy as np

from matching.book.events import must_pause
from matching.book.price_levels import index_at, price_at, top
from matching.book.walk import begin_walk, next_in_book, pause_walk
from matching.codes import BUY
from matching.memory.compiler import inline, kernel
from matching.stages import MEASURE

i64 = np.int64


@inline
def crossing_range(m, instrument_id):
    """Prices of the best ask and the best bid; 0, 0 where they do not cross."""
    instrument = m.instruments[instrument_id]
    bid, ask = top(m, instrument_id, 0), top(m, instrument_id, 1)
    if bid == 0 or ask == 0:
        return i64(0), i64(0)
    low, high = price_at(instrument, 1, ask), price_at(instrument, 0, bid)
    return (low, high) if low <= high else (i64(0), i64(0))


@kernel
def begin_measure(m, instrument_id, after):
    """Begin to measure an instrument's crossing orders; the stage `after` follows."""
    state = m.state[0]
    low, high = crossing_range(m, instrument_id)
    ticks = high - low + 1 if low != 0 else i64(0)
    state["instrument"] = instrument_id
    state["measured_low"] = low
    state["measured_ticks"] = ticks
    state["demand"] = 0
    begin_walk(m, instrument_id, 0)
    state["after_measure"] = after
    state["stage"] = MEASURE
    for tick in range(1, ticks + 1):
        m.buys[tick] = 0
        m.sells[tick] = 0


@kernel
def measure(m):
    """Add up the crossing orders, level by level, from where it is. Returns False where the call
    has worked long enough."""
    state = m.state[0]
    if state["measured_ticks"] == 0:
        return True
    while measure_side(m, state["walk_book"]):
        if state["walk_book"] == 1:
            build_tree(m.buys, state["measured_ticks"])
            build_tree(m.sells, state["measured_ticks"])
            return True
        begin_walk(m, state["instrument"], 1)
    return False


@kernel
def measure_side(m, book):
    """Add up one side's orders that the other side's best reaches. Returns False where the call has
    worked long enough."""
    state = m.state[0]
    instrument = m.instruments[state["instrument"]]
    low = state["measured_low"]
    last = low if book == 0 else low + state["measured_ticks"] - 1
    end = index_at(instrument, book, last)
    index, slot = state["walk_index"], state["walk_slot"]
    while index >= end and index != 0:
        if must_pause(m):
            pause_walk(m, index, slot)
            return False
        state["spent"] += 1
        tick = price_at(instrument, book, index) - low + 1
        add_at_tick(m, book, tick, i64(m.orders[slot]["leaves"]))
        index, slot = next_in_book(m, instrument, book, index, slot)
    return True


@inline
def add_at_tick(m, book, tick, lots):
    """Add lots to a tick, before the trees are built."""
    if book == 0:
        m.buys[tick] += lots
        m.state[0]["demand"] += lots
    else:
        m.sells[tick] += lots


@kernel
def build_tree(tree, ticks):
    """Turn quantities of ticks into a Fenwick tree."""
    for tick in range(1, ticks + 1):
        above = tick + (tick & -tick)
        if above <= ticks:
            tree[above] += tree[tick]


@kernel
def sum_to(tree, tick):
    """Sum of the quantities of ticks 1 to `tick`."""
    total = i64(0)
    while tick > 0:
        total += tree[tick]
        tick -= tick & -tick
    return total


@kernel
def first_reaching(tree, ticks, total):
    """The first tick whose sum reaches a total of at least 1; one more than there are if none
    does."""
    step = i64(1)
    while 2 * step <= ticks:
        step *= 2
    tick, left = i64(0), total
    while step > 0:
        if tick + step <= ticks and tree[tick + step] < left:
            tick += step
            left -= tree[tick]
        step >>= 1
    return tick + 1


@inline
def take_off(m, order, lots):
    """Take lots of an order that trades or leaves off the quantities."""
    state = m.state[0]
    tick = i64(order["price"]) - state["measured_low"] + 1
    ticks = state["measured_ticks"]
    if i64(order["side"]) == BUY:
        state["demand"] -= lots
        add_to_tree(m.buys, ticks, tick, -lots)
    else:
        add_to_tree(m.sells, ticks, tick, -lots)


@kernel
def add_to_tree(tree, ticks, tick, lots):
    """Add lots to a tick of a built tree."""
    while tick <= ticks:
        tree[tick] += lots
        tick += tick & -tick


@kernel
def supply_at(m, tick):
    """Lots of sells at this tick or lower."""
    return sum_to(m.sells, tick)


@kernel
def demand_at(m, tick):
    """Lots of buys at this tick or higher."""
    return m.state[0]["demand"] - sum_to(m.buys, tick - 1)


@kernel
def first_not_short(m, low, high):
    """The first of these ticks at which sells are no fewer than buys; `high` + 1 if none is."""
    while low <= high:
        tick = (low + high) >> 1
        if supply_at(m, tick) >= demand_at(m, tick):
            high = tick - 1
        else:
            low = tick + 1
    return low


@kernel
def cross(m, instrument_id, base_price):
    """Price, volume and surplus (of buys; negative: of sells) of an uncross now; 0, 0, 0 where
    nothing crosses.

    Buys fall and sells rise with the price. Below the first tick with no fewer sells than buys the
    volume is that of the sells, and the last tick below is the best of them; from it on the volume
    is that of the buys, and it is itself the best. Ticks with the same volume and surplus lie side
    by side.
    """
    low_price, high_price = crossing_range(m, instrument_id)
    if low_price == 0:
        return i64(0), i64(0), i64(0)
    state = m.state[0]
    before = state["measured_low"] - 1
    ticks = state["measured_ticks"]
    low, high = low_price - before, high_price - before
    at = first_not_short(m, low, high)
    short, enough = at > low, at <= high
    volume_below = surplus_below = volume = surplus = i64(0)
    if short:
        volume_below = supply_at(m, at - 1)
        surplus_below = demand_at(m, at - 1) - volume_below
    if enough:
        volume = demand_at(m, at)
        surplus = supply_at(m, at) - volume
    if short and (
        not enough or volume_below > volume or (volume_below == volume and surplus_below < surplus)
    ):
        return before + at - 1, volume_below, surplus_below
    is_tie = short and volume_below == volume and surplus_below == surplus
    if surplus != 0 and not is_tie:
        return before + at, volume, -surplus
    last = min(high, plateau_end(m, at, ticks))
    first = max(low, plateau_begin(m, at - 1, ticks)) if is_tie else at
    price = min(max(base_price, before + first), before + last)
    return price, volume, surplus if price < before + at else -surplus


@inline
def plateau_end(m, tick, ticks):
    """The last tick with the same buys and sells as this one."""
    supply = first_reaching(m.sells, ticks, supply_at(m, tick) + 1) - 1
    demand = first_reaching(m.buys, ticks, sum_to(m.buys, tick - 1) + 1)
    return min(supply, demand)


@inline
def plateau_begin(m, tick, ticks):
    """The first tick with the same buys and sells as this one, at which there are sells."""
    supply = first_reaching(m.sells, ticks, supply_at(m, tick))
    bought = sum_to(m.buys, tick - 1)
    demand = first_reaching(m.buys, ticks, bought) + 1 if bought > 0 else i64(1)
    return max(supply, demand)

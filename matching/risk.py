"""What an order holds and what a fill costs: money in fen, capacity in contracts.

All sums fit int64 because FEES bounds an order's worth: see `quantity_max`.
"""

import numpy as np

from matching.codes import BUY
from matching.compile import inline
from matching.records import RATE_UNIT

i64 = np.int64


@inline
def position_of(m, order):
    """The position of an order's account in its instrument."""
    return m.positions[i64(order["instrument"]) * len(m.accounts) + i64(order["account"])]


@inline
def reserve(instrument, price, quantity, fraction):
    """Money that a buy holds: its notional and its fee at the dearer rate, rounded up.

    The fraction of a fen that is not yet charged counts as well: without it a fill could cost more
    than it releases.
    """
    if quantity == 0:
        return i64(0)
    worth = price * quantity * i64(instrument["tick_fen"])
    exact = worth * i64(instrument["dearer_rate"]) + fraction
    return worth + (exact + (RATE_UNIT - 1)) // RATE_UNIT


@inline
def worst_price(instrument, price):
    """The limit, or the upper band where there is none."""
    return price if price > 0 else i64(instrument["high"])


@inline
def move_deposit(account, instrument, before, after):
    """Hold the performance deposit for `after` uncovered contracts instead of `before`."""
    rate = i64(instrument["deposit_fen"])
    if rate == 0:
        return
    moved = rate * (max(after, i64(0)) - max(before, i64(0)))
    account["deposit"] += moved
    account["free"] -= moved


@inline
def hold(m, order, price, quantity):
    """Reserve what this much open quantity needs. The checks have been made."""
    account = m.accounts[i64(order["account"])]
    instrument = m.instruments[i64(order["instrument"])]
    position = position_of(m, order)
    if i64(order["side"]) == BUY:
        money = reserve(
            instrument, worst_price(instrument, price), quantity, i64(order["fee_fraction"])
        )
        account["free"] -= money
        account["reserved"] += money
        position["open_buy"] += quantity
    else:
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_sell"] += quantity
        move_deposit(account, instrument, uncovered, uncovered + quantity)


@inline
def release(m, order, quantity):
    """Take quantity off an order and give back what it held."""
    account = m.accounts[i64(order["account"])]
    instrument = m.instruments[i64(order["instrument"])]
    position = position_of(m, order)
    leaves = i64(order["leaves"])
    order["leaves"] = leaves - quantity
    if i64(order["side"]) == BUY:
        price = worst_price(instrument, i64(order["price"]))
        fraction = i64(order["fee_fraction"])
        money = reserve(instrument, price, leaves, fraction)
        money -= reserve(instrument, price, leaves - quantity, fraction)
        account["free"] += money
        account["reserved"] -= money
        position["open_buy"] -= quantity
    else:
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_sell"] -= quantity
        move_deposit(account, instrument, uncovered, uncovered - quantity)


@inline
def settle(m, order, instrument, price, quantity, rate):
    """Book one side of a trade; returns its fee: the difference of the floors of the exact sum."""
    account = m.accounts[i64(order["account"])]
    position = position_of(m, order)
    worth = price * quantity * i64(instrument["tick_fen"])
    fraction = i64(order["fee_fraction"])
    exact = fraction + worth * rate
    fee = exact // RATE_UNIT
    left_over = exact - fee * RATE_UNIT
    order["fee_fraction"] = left_over
    leaves = i64(order["leaves"])
    order["leaves"] = leaves - quantity
    order["cumulative"] += quantity
    if i64(order["side"]) == BUY:
        worst = worst_price(instrument, i64(order["price"]))
        money = reserve(instrument, worst, leaves, fraction)
        money -= reserve(instrument, worst, leaves - quantity, left_over)
        account["reserved"] -= money
        account["free"] += money - worth - fee
        account["paid"] += worth + fee
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_buy"] -= quantity
        position["net"] += quantity
        move_deposit(account, instrument, uncovered, uncovered - quantity)
    else:
        account["earned"] += worth - fee
        position["open_sell"] -= quantity
        position["net"] -= quantity
    return fee

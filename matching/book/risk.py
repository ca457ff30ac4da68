"""Reserves, deposits and fees: what an order reserves, and what a fill costs.

Money is in fen, capacity in lots. All sums fit int64 because FEES bounds the worth of an order: see
`quantity_max`.
"""

import numpy as np

from matching.codes import BUY
from matching.memory.compiler import inline
from matching.records import RATE_UNIT

i64 = np.int64
u64 = np.uint64


@inline
def position_at(m, instrument_id, account_id):
    """Index of an account's position in an instrument."""
    return instrument_id * len(m.accounts) + account_id


@inline
def whole_fen(millionths):
    """Whole fen in so many millionths of a fen, at least 0. Unsigned division compiles to one
    product."""
    return i64(u64(millionths) // u64(RATE_UNIT))


@inline
def held_for(instrument, price, quantity, fraction):
    """Fen that a buy of this quantity reserves: its notional, and its fee at the higher of the two
    rates, rounded up.

    `fraction` is the part of a fen not yet charged. Without it a fill could cost more than it
    releases.
    """
    worth = price * quantity * i64(instrument["tick_fen"])
    return worth + whole_fen(worth * i64(instrument["dearer_rate"]) + fraction + (RATE_UNIT - 1))


@inline
def reserve(instrument, price, quantity, fraction):
    """Fen that a buy with this quantity left reserves: 0 where nothing is left."""
    return held_for(instrument, price, quantity, fraction) if quantity != 0 else i64(0)


@inline
def worst_price(instrument, price):
    """An order's limit, or the top of the band where it has none."""
    return price if price > 0 else i64(instrument["high"])


@inline
def deposit_for(instrument, uncovered):
    """Performance deposit in fen for contracts sold that are not owned; 0 if `uncovered` is below
    0."""
    return i64(instrument["deposit_fen"]) * max(uncovered, i64(0))


@inline
def move_deposit(account, instrument, before, after):
    """Change an account's deposit from `before` to `after` uncovered contracts."""
    moved = deposit_for(instrument, after) - deposit_for(instrument, before)
    account["deposit"] += moved
    account["free"] -= moved


@inline
def hold(m, order, price, quantity):
    """Reserve what this open quantity needs. The caller has made the checks."""
    account_id, instrument_id = i64(order["account"]), i64(order["instrument"])
    account = m.accounts[account_id]
    instrument = m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, account_id)]
    if i64(order["side"]) == BUY:
        money = reserve(
            instrument, worst_price(instrument, price), quantity, i64(order["fee_fraction"])
        )
        order["held"] = money
        account["free"] -= money
        account["reserved"] += money
        position["open_buy"] += quantity
    else:
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_sell"] += quantity
        move_deposit(account, instrument, uncovered, uncovered + quantity)


@inline
def release(m, order, quantity):
    """Take quantity off an order, and give back what it reserved."""
    account_id, instrument_id = i64(order["account"]), i64(order["instrument"])
    account = m.accounts[account_id]
    instrument = m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, account_id)]
    leaves = i64(order["leaves"]) - quantity
    order["leaves"] = leaves
    if i64(order["side"]) == BUY:
        price = worst_price(instrument, i64(order["price"]))
        held = reserve(instrument, price, leaves, i64(order["fee_fraction"]))
        money = i64(order["held"]) - held
        order["held"] = held
        account["free"] += money
        account["reserved"] -= money
        position["open_buy"] -= quantity
    else:
        uncovered = i64(position["open_sell"]) - i64(position["net"])
        position["open_sell"] -= quantity
        move_deposit(account, instrument, uncovered, uncovered - quantity)


@inline
def charge_fill(order, worth, rate, quantity):
    """Apply a fill to an order. Returns its fee in fen: the exact sum so far, rounded down, less
    what was charged before."""
    exact = i64(order["fee_fraction"]) + worth * rate
    fee = whole_fen(exact)
    order["fee_fraction"] = exact - fee * RATE_UNIT
    order["leaves"] -= quantity
    order["cumulative"] += quantity
    return fee


@inline
def book_fill(m, instrument, buy, sell, price, quantity, buy_rate, sell_rate):
    """Book a trade between two orders. Returns the buyer's fee and the seller's, in fen."""
    worth = price * quantity * i64(instrument["tick_fen"])
    buy_fee = charge_fill(buy, worth, buy_rate, quantity)
    worst = worst_price(instrument, i64(buy["price"]))
    held = reserve(instrument, worst, i64(buy["leaves"]), i64(buy["fee_fraction"]))
    money = i64(buy["held"]) - held
    buy["held"] = held
    account_id, instrument_id = i64(buy["account"]), i64(buy["instrument"])
    account = m.accounts[account_id]
    account["reserved"] -= money
    account["free"] += money - worth - buy_fee
    account["paid"] += worth + buy_fee
    position = m.positions[position_at(m, instrument_id, account_id)]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    position["open_buy"] -= quantity
    position["net"] += quantity
    move_deposit(account, instrument, uncovered, uncovered - quantity)
    sell_fee = charge_fill(sell, worth, sell_rate, quantity)
    account_id = i64(sell["account"])
    m.accounts[account_id]["earned"] += worth - sell_fee
    position = m.positions[position_at(m, instrument_id, account_id)]
    position["open_sell"] -= quantity
    position["net"] -= quantity
    return buy_fee, sell_fee

"""Invariants of standing blocks between two commands; a part of invariants.py.

The main one: no standing block can trade. The total of an hour is added up from a sorted list of
its orders, as RULES.md defines it, not as an engine computes it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from matching.records import RATE_UNIT, Phase, Side

Row = Any
State = dict[str, list[Row]]


def hours_of(state: State, block: Row) -> list[Row]:
    """The instruments of a block's hours; fewer than `hours` where the sequence is shorter."""
    by_number = {row.instrument: row for row in state["instruments"]}
    after = {row.follows: row for row in state["instruments"] if row.follows}
    hours = [by_number[block.instrument]]
    while len(hours) < block.hours and hours[-1].instrument in after:
        hours.append(after[hours[-1].instrument])
    return hours


def open_lots(state: State) -> Iterator[tuple[int, int, int, int]]:
    """Account, instrument, side and lots that each block has open in each hour."""
    for block in state["blocks"]:
        for hour in hours_of(state, block):
            yield block.account, hour.instrument, block.side, block.quantity


def reserves_fen(state: State) -> Iterator[tuple[int, int]]:
    """Account and reserve in fen of each block that buys: its notional at the limit, and the
    dearest fee on it, rounded up."""
    for block in state["blocks"]:
        if block.side == Side.BUY:
            hours = hours_of(state, block)
            notional_fen = block.price * block.quantity * len(hours) * hours[0].tick_fen
            rate = max(max(hour.maker_rate, hour.taker_rate) for hour in hours)
            yield block.account, notional_fen - (-notional_fen * rate // RATE_UNIT)


def block_violations(state: State) -> Iterator[str]:
    """One line for each invariant that a standing block breaks."""
    now_ns = state["machine"][0].now_ns
    for block in state["blocks"]:
        name = f"block {block.session}/{block.user_ref}"
        hours = hours_of(state, block)
        if len(hours) != block.hours or block.quantity < 1:
            yield f"{name}: {block.quantity} in {len(hours)} of {block.hours} hours"
        for hour in hours:
            if not hour.band_low <= block.price <= hour.band_high:
                yield f"{name}: {block.price} is outside the band of {hour.instrument}"
            if hour.gated:
                yield f"{name}: stands after gate closure of {hour.instrument}"
        if block.expiry_s and block.expiry_s * 10**9 <= now_ns:
            yield f"{name}: should have ended at {block.expiry_s}"
        if _are_open(hours) and _can_sweep(state, block, hours):
            yield f"{name}: stands and could trade"
    for left, right in combinations(state["blocks"], 2):
        if _are_open(hours_of(state, left)) and _can_cross(state, left, right):
            yield f"block {left.session}/{left.user_ref}: crosses {right.session}/{right.user_ref}"


def _are_open(hours: list[Row]) -> bool:
    """Whether all hours are in continuous trading."""
    return all(hour.phase == Phase.CONTINUOUS for hour in hours)


def _owner(state: State, account: int) -> tuple[int, int]:
    """A key that is equal for accounts of one owner only."""
    group = next(row.group for row in state["accounts"] if row.account == account)
    return (group, 0) if group else (0, account)


def _can_sweep(state: State, block: Row, hours: list[Row]) -> bool:
    """Whether the hourly orders fill the block within its limit."""
    sign = 1 if block.side == Side.BUY else -1
    cost = 0
    for hour in hours:
        lots = sorted(
            (sign * order.price, order.leaves, _owner(state, order.account))
            for order in state["orders"]
            if order.instrument == hour.instrument
            and order.side != block.side
            and not order.waiting
        )
        centre = hour.last or hour.reference
        distance_max = hour.collar or hour.band_high + centre
        if lots and abs(sign * lots[0][0] - centre) > distance_max:
            return False
        own = _owner(state, block.account) if block.stp else None
        prices = [
            price
            for price, leaves, owner in lots
            if owner != own and abs(sign * price - centre) <= distance_max
            for _ in range(min(leaves, block.quantity))
        ]
        if len(prices) < block.quantity:
            return False
        cost += sum(prices[: block.quantity])
    return bool(cost <= sign * block.price * block.quantity * len(hours))


def _can_cross(state: State, left: Row, right: Row) -> bool:
    """Whether two blocks can trade with each other."""
    buy, sell = sorted((left, right), key=lambda block: block.side)
    later = max(left, right, key=lambda block: block.accepted)
    is_same_size = (left.instrument, left.hours, left.quantity) == (
        right.instrument,
        right.hours,
        right.quantity,
    )
    is_related = _owner(state, left.account) == _owner(state, right.account)
    is_opposite = buy.side != sell.side
    return (
        is_same_size and is_opposite and buy.price >= sell.price and not (later.stp and is_related)
    )

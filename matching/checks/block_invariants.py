"""What must hold of standing blocks between two commands: see invariants.py, whose part this is.

Above all: no standing block can trade. What an hour has for a block is added up from a sorted
list of its orders, by RULES.md and not as any engine does it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from matching.records import RATE_UNIT, Phase, Side

Row = Any
State = dict[str, list[Row]]


def hours_of(state: State, block: Row) -> list[Row]:
    """The instruments of a block, as far as they are listed one after the other."""
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
    """Account and money that each block holds to buy: its worth at its limit, and the dearest fee
    on that, rounded up."""
    for block in state["blocks"]:
        if block.side == Side.BUY:
            hours = hours_of(state, block)
            notional_fen = block.price * block.quantity * len(hours) * hours[0].tick_fen
            rate = max(max(hour.maker_rate, hour.taker_rate) for hour in hours)
            yield block.account, notional_fen - (-notional_fen * rate // RATE_UNIT)


def block_violations(state: State) -> Iterator[str]:
    """One line for each rule that a standing block breaks."""
    now_ns = state["machine"][0].now_ns
    for block in state["blocks"]:
        who = f"block {block.session}/{block.user_ref}"
        hours = hours_of(state, block)
        if len(hours) != block.hours or block.quantity < 1:
            yield f"{who}: {block.quantity} in {len(hours)} of {block.hours} hours"
        for hour in hours:
            if not hour.band_low <= block.price <= hour.band_high:
                yield f"{who}: {block.price} is outside the band of {hour.instrument}"
            if hour.gated:
                yield f"{who}: stands after gate closure of {hour.instrument}"
        if block.expiry_s and block.expiry_s * 10**9 <= now_ns:
            yield f"{who}: should have ended at {block.expiry_s}"
        if _are_open(hours) and _could_sweep(state, block, hours):
            yield f"{who}: stands and could trade"
    for left, right in combinations(state["blocks"], 2):
        if _are_open(hours_of(state, left)) and _could_meet(state, left, right):
            yield f"block {left.session}/{left.user_ref}: crosses {right.session}/{right.user_ref}"


def _are_open(hours: list[Row]) -> bool:
    return all(hour.phase == Phase.CONTINUOUS for hour in hours)


def _owner(state: State, account: int) -> tuple[int, int]:
    """Equal for related accounts."""
    group = next(row.group for row in state["accounts"] if row.account == account)
    return (group, 0) if group else (0, account)


def _could_sweep(state: State, block: Row, hours: list[Row]) -> bool:
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
        reach = hour.collar or hour.band_high + centre
        if lots and abs(sign * lots[0][0] - centre) > reach:
            return False
        mine = _owner(state, block.account) if block.stp else None
        prices = [
            price
            for price, leaves, owner in lots
            if owner != mine and abs(sign * price - centre) <= reach
            for _ in range(min(leaves, block.quantity))
        ]
        if len(prices) < block.quantity:
            return False
        cost += sum(prices[: block.quantity])
    return bool(cost <= sign * block.price * block.quantity * len(hours))


def _could_meet(state: State, left: Row, right: Row) -> bool:
    buy, sell = sorted((left, right), key=lambda block: block.side)
    later = max(left, right, key=lambda block: block.accepted)
    alike = (left.instrument, left.hours, left.quantity) == (
        right.instrument,
        right.hours,
        right.quantity,
    )
    related = _owner(state, left.account) == _owner(state, right.account)
    opposite = buy.side != sell.side
    return alike and opposite and buy.price >= sell.price and not (later.stp and related)

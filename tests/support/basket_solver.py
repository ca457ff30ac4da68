"""A brute-force market for resting orders and orders for a basket, written from RULES.md alone.

Every lot is an object of its own, and an order for a basket tries every choice of lots that it may
take. It shares no code with the engines.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

MEMBERS = (1, 2)
"""Members in the order of listing; a test gives each (member, hour) an instrument."""

HOURS = (1, 2)


class Single(NamedTuple):
    """An order for one instrument, which may rest."""

    is_buy: bool
    member: int
    hour: int
    price: int
    quantity: int
    is_own: bool = False  # of the owner of the orders for baskets


class Basket(NamedTuple):
    """An order for the basket."""

    is_buy: bool
    hours: int  # 1: not a block
    price: int
    quantity: int
    whole: bool = False
    is_fok: bool = False  # else the remainder is cancelled
    first: int = 1  # first hour
    has_prevention: bool = False  # then it passes over its owner's orders


class Lot(NamedTuple):
    """One lot of a resting order."""

    price: int
    member: int
    number: int  # of its order
    part: int  # number of the lot in its order
    is_buy: bool
    hour: int
    is_own: bool


class Outcome(NamedTuple):
    """The result of an order for a basket.

    `trades` has the number of the resting order, member, hour and price of each lot.
    """

    accepted: bool
    trades: list[tuple[int, int, int, int]]
    left: int  # lots cancelled


class Market:
    """Resting lots, and the net position of the account of the orders for baskets."""

    def __init__(self, buy_room: int, sell_room: dict[int, int]) -> None:
        self.lots: list[Lot] = []
        self.net: Counter[tuple[int, int]] = Counter()
        self.buy_room = buy_room
        self.sell_room = sell_room

    def enter(self, number: int, order: Single) -> list[tuple[int, int, int, int]]:
        """Enter an order for one instrument; returns its trades."""
        trades = []
        for part in range(order.quantity):
            met = [
                lot
                for lot in self.lots
                if (lot.member, lot.hour) == (order.member, order.hour)
                and lot.is_buy != order.is_buy
                and (lot.price <= order.price if order.is_buy else lot.price >= order.price)
            ]
            if met:
                best = min(met, key=lambda lot: _key(order.is_buy, lot))
                self.lots.remove(best)
                trades.append((best.number, order.member, order.hour, best.price))
            else:
                self.lots.append(
                    Lot(
                        order.price,
                        order.member,
                        number,
                        part,
                        order.is_buy,
                        order.hour,
                        order.is_own,
                    )
                )
        return trades

    def execute(self, order: Basket) -> Outcome:
        """Execute an order for the basket."""
        hours = range(order.first, order.first + order.hours)
        if hours[-1] not in HOURS:
            return Outcome(False, [], 0)
        groups = [(member,) for member in MEMBERS] if order.whole else [MEMBERS]
        usable = [
            group
            for group in groups
            if all(sum(self.room(order, m, h) for m in group) >= order.quantity for h in hours)
        ]
        if not usable:
            return Outcome(False, [], 0)
        plans = [plan for group in usable if (plan := self.plan(order, group, hours)) is not None]
        best = min(
            plans, key=lambda plan: sum(_cost(order.is_buy, lot) for lot in plan), default=[]
        )
        if order.is_fok and len(best) < order.quantity * order.hours:
            return Outcome(False, [], 0)
        for lot in best:
            self.lots.remove(lot)
            self.net[lot.member, lot.hour] += 1 if order.is_buy else -1
        trades = [(lot.number, lot.member, lot.hour, lot.price) for lot in best]
        is_part = order.hours == 1 and not order.whole
        left = order.quantity - len(best) if is_part or not best else 0
        return Outcome(True, trades, left)

    def room(self, order: Basket, member: int, hour: int) -> int:
        """Lots that the account may still trade in a member and hour."""
        net = self.net[member, hour]
        return self.buy_room - net if order.is_buy else self.sell_room[member] + net

    def plan(self, order: Basket, members: tuple[int, ...], hours: range) -> list[Lot] | None:
        """The best lots of these members in every hour, in the order in which they trade; None
        where it must trade all lots and cannot."""
        found: list[Lot] = []
        for hour in hours:
            choices = list(self.choices(order, members, hour))
            best = max(map(len, choices))
            sized = [choice for choice in choices if len(choice) == best]
            found += min(sized, key=lambda lots: _rank(order, lots))
        is_all_or_none = order.hours > 1 or order.whole
        if is_all_or_none and len(found) < order.quantity * order.hours:
            return None
        limit = order.price * order.quantity * order.hours
        total = sum(lot.price for lot in found)
        if order.hours > 1 and (total > limit if order.is_buy else total < limit):
            return None
        return found

    def choices(self, order: Basket, members: tuple[int, ...], hour: int) -> Iterator[list[Lot]]:
        """Every set of lots that it may take in an hour, each set with the best lot first."""
        seen = [
            lot
            for lot in self.lots
            if lot.hour == hour
            and lot.member in members
            and lot.is_buy != order.is_buy
            and not (order.has_prevention and lot.is_own)
            and (
                order.hours > 1
                or (lot.price <= order.price if order.is_buy else lot.price >= order.price)
            )
        ]
        seen.sort(key=lambda lot: _key(order.is_buy, lot))
        for count in range(min(len(seen), order.quantity) + 1):
            for choice in combinations(seen, count):
                taken = Counter(lot.member for lot in choice)
                if all(taken[m] <= self.room(order, m, hour) for m in taken):
                    yield list(choice)


def _cost(is_buy: bool, lot: Lot) -> int:
    """The price of a lot as a cost to the order: the lower, the better."""
    return lot.price if is_buy else -lot.price


def _key(is_buy: bool, lot: Lot) -> tuple[int, int, int, int]:
    """Priority: price, then the member listed first, then time."""
    return _cost(is_buy, lot), lot.member, lot.number, lot.part


def _rank(order: Basket, lots: list[Lot]) -> tuple[int, list[tuple[int, int, int, int]]]:
    """Rank of a choice of lots: total cost, then priority of each lot."""
    total = sum(_cost(order.is_buy, lot) for lot in lots)
    return total, [_key(order.is_buy, lot) for lot in lots]

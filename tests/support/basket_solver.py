"""A small market by brute force: resting lots and orders for a basket, as RULES.md says.

Every lot is an object of its own, and an order for a basket looks at every choice of lots that it
may take. It shares no code with any engine.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

MEMBERS = (1, 2)
"""As listed; the instruments of member m are 10 x m + hour."""

HOURS = (1, 2)


class Rest(NamedTuple):
    """An order for one instrument, which stays."""

    is_buy: bool
    member: int
    hour: int
    price: int
    quantity: int
    is_own: bool = False  # of the group that the orders for baskets are of


class Wish(NamedTuple):
    """An order for the basket."""

    is_buy: bool
    hours: int  # 1: no block
    price: int
    quantity: int
    whole: bool = False
    kill: bool = False  # else what does not trade is cancelled
    first: int = 1  # hour
    guarded: bool = False  # prevention: it does not see its owner's orders


class Lot(NamedTuple):
    """One lot of a resting order."""

    price: int
    member: int
    number: int  # of its order
    part: int
    is_buy: bool
    hour: int
    is_own: bool


class Outcome(NamedTuple):
    """What became of a wish: number of the resting order, member, hour and price of each lot."""

    accepted: bool
    trades: list[tuple[int, int, int, int]]
    left: int  # lots cancelled


class Market:
    """Resting lots, and what the account of the orders for baskets may still take in each place."""

    def __init__(self, buy_room: int, sell_room: dict[int, int]) -> None:
        self.lots: list[Lot] = []
        self.net: Counter[tuple[int, int]] = Counter()
        self.buy_room = buy_room
        self.sell_room = sell_room

    def rest(self, number: int, wish: Rest) -> list[tuple[int, int, int, int]]:
        """An order for one instrument comes; its trades."""
        trades = []
        for part in range(wish.quantity):
            met = [
                lot
                for lot in self.lots
                if (lot.member, lot.hour) == (wish.member, wish.hour)
                and lot.is_buy != wish.is_buy
                and (lot.price <= wish.price if wish.is_buy else lot.price >= wish.price)
            ]
            if met:
                best = min(met, key=lambda lot: _key(wish.is_buy, lot))
                self.lots.remove(best)
                trades.append((best.number, wish.member, wish.hour, best.price))
            else:
                self.lots.append(
                    Lot(wish.price, wish.member, number, part, wish.is_buy, wish.hour, wish.is_own)
                )
        return trades

    def take(self, wish: Wish) -> Outcome:
        """An order for the basket comes."""
        hours = range(wish.first, wish.first + wish.hours)
        if hours[-1] not in HOURS:
            return Outcome(False, [], 0)
        groups = [(member,) for member in MEMBERS] if wish.whole else [MEMBERS]
        roomy = [
            group
            for group in groups
            if all(sum(self.room(wish, m, h) for m in group) >= wish.quantity for h in hours)
        ]
        if not roomy:
            return Outcome(False, [], 0)
        ways = [way for group in roomy if (way := self.way(wish, group, hours)) is not None]
        best = min(ways, key=lambda way: sum(_cost(wish.is_buy, lot) for lot in way), default=[])
        if wish.kill and len(best) < wish.quantity * wish.hours:
            return Outcome(False, [], 0)
        for lot in best:
            self.lots.remove(lot)
            self.net[lot.member, lot.hour] += 1 if wish.is_buy else -1
        trades = [(lot.number, lot.member, lot.hour, lot.price) for lot in best]
        is_part = wish.hours == 1 and not wish.whole
        left = wish.quantity - len(best) if is_part or not best else 0
        return Outcome(True, trades, left)

    def room(self, wish: Wish, member: int, hour: int) -> int:
        net = self.net[member, hour]
        return self.buy_room - net if wish.is_buy else self.sell_room[member] + net

    def way(self, wish: Wish, members: tuple[int, ...], hours: range) -> list[Lot] | None:
        """The best lots of these members in every hour, in the order in which they trade; None if
        it has to have all and cannot."""
        found: list[Lot] = []
        for hour in hours:
            choices = list(self.choices(wish, members, hour))
            best = max(map(len, choices))
            sized = [choice for choice in choices if len(choice) == best]
            found += min(sized, key=lambda lots: [_cost_of(wish, lots), *_keys(wish, lots)])
        must = wish.hours > 1 or wish.whole
        if must and len(found) < wish.quantity * wish.hours:
            return None
        limit = wish.price * wish.quantity * wish.hours
        total = sum(lot.price for lot in found)
        if wish.hours > 1 and (total > limit if wish.is_buy else total < limit):
            return None
        return found

    def choices(self, wish: Wish, members: tuple[int, ...], hour: int) -> Iterator[list[Lot]]:
        """Every set of lots that it may take in an hour, best first inside."""
        seen = [
            lot
            for lot in self.lots
            if lot.hour == hour
            and lot.member in members
            and lot.is_buy != wish.is_buy
            and not (wish.guarded and lot.is_own)
            and (
                wish.hours > 1
                or (lot.price <= wish.price if wish.is_buy else lot.price >= wish.price)
            )
        ]
        seen.sort(key=lambda lot: _key(wish.is_buy, lot))
        for count in range(min(len(seen), wish.quantity) + 1):
            for choice in combinations(seen, count):
                taken = Counter(lot.member for lot in choice)
                if all(taken[m] <= self.room(wish, m, hour) for m in taken):
                    yield list(choice)


def _cost(is_buy: bool, lot: Lot) -> int:
    return lot.price if is_buy else -lot.price


def _key(is_buy: bool, lot: Lot) -> tuple[int, int, int, int]:
    """Price, then the member as listed, then time."""
    return _cost(is_buy, lot), lot.member, lot.number, lot.part


def _cost_of(wish: Wish, lots: list[Lot]) -> tuple[int, ...]:
    return (sum(_cost(wish.is_buy, lot) for lot in lots),)


def _keys(wish: Wish, lots: list[Lot]) -> list[tuple[int, ...]]:
    return [_key(wish.is_buy, lot) for lot in lots]

"""A small market by brute force: hourly orders and blocks, as RULES.md says and nobody else.

It knows no ladders, queues or bounds: every lot is an object of its own, and a block looks at every
choice of lots that would make it whole. It shares no code with any engine.
"""

from itertools import combinations
from typing import NamedTuple


class Wish(NamedTuple):
    """An order as it comes; `hours` is 1 for an hourly order. Nobody's orders are related."""

    is_buy: bool
    hour: int
    hours: int
    price: int
    quantity: int
    stays: bool = True  # else immediate or cancel


class Lot(NamedTuple):
    """One lot of an hourly order."""

    number: int  # of its order
    is_buy: bool
    hour: int
    price: int
    part: int


Trade = tuple[int, int, int, int]
"""Number of the resting order, of the other one, hour, price: of one lot."""


class Market:
    """Hourly lots and blocks that wait, the earliest first."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.blocks: list[tuple[int, Wish]] = []
        self.trades: list[Trade] = []

    def arrive(self, number: int, wish: Wish) -> list[Trade]:
        """The trades of an order that comes and of all that it makes possible."""
        self.trades = []
        if wish.hours == 1:
            self.arrive_hourly(number, wish)
        elif not self.trade(number, wish) and wish.stays:
            self.blocks.append((number, wish))
        while self.trade_first_block():
            pass
        return self.trades

    def leave(self, number: int) -> None:
        """An order is cancelled."""
        self.lots = [lot for lot in self.lots if lot.number != number]
        self.blocks = [block for block in self.blocks if block[0] != number]

    def arrive_hourly(self, number: int, wish: Wish) -> None:
        for part in range(wish.quantity):
            others = self.lots_for(wish, wish.hour)
            if others and _accepts(wish, others[0].price):
                self.lots.remove(others[0])
                self.trades.append((others[0].number, number, wish.hour, others[0].price))
            elif wish.stays:
                self.lots.append(Lot(number, wish.is_buy, wish.hour, wish.price, part))

    def lots_for(self, wish: Wish, hour: int) -> list[Lot]:
        """The other side's lots in an hour by price, then time."""
        found = [lot for lot in self.lots if lot.hour == hour and lot.is_buy != wish.is_buy]
        return sorted(found, key=lambda lot: (_cost(wish, lot.price), lot.number, lot.part))

    def trade_first_block(self) -> bool:
        """Buys first, then by price, then by time: the first that can, does."""
        waiting = sorted(
            self.blocks, key=lambda block: (not block[1].is_buy, -_cost(block[1], block[1].price))
        )
        return any(self.trade(number, wish) for number, wish in waiting)

    def trade(self, number: int, wish: Wish) -> bool:
        """Trade a block in the cheapest of all ways, if there is any."""
        ways = [*self.ways_by_lots(number, wish), *self.ways_by_block(number, wish)]
        if not ways:
            return False
        _, gone, trades = min(ways, key=lambda way: way[0])
        self.trades += trades
        self.lots = [lot for lot in self.lots if lot not in gone]
        over = {number} | {other for other, _ in self.blocks if other in gone}
        self.blocks = [block for block in self.blocks if block[0] not in over]
        return True

    def ways_by_lots(
        self, number: int, wish: Wish
    ) -> list[tuple[tuple[int, int], list[Lot | int], list[Trade]]]:
        """The cheapest choice of lots in every hour; of equals the one first in priority."""
        gone: list[Lot | int] = []
        cost = 0
        for hour in range(wish.hour, wish.hour + wish.hours):
            choices = list(combinations(self.lots_for(wish, hour), wish.quantity))
            if not choices:
                return []
            best = min(choices, key=lambda lots: sum(_cost(wish, lot.price) for lot in lots))
            cost += sum(_cost(wish, lot.price) for lot in best)
            gone += best
        if cost > _cost(wish, wish.price) * wish.quantity * wish.hours:
            return []
        trades = [(lot.number, number, lot.hour, lot.price) for lot in gone if isinstance(lot, Lot)]
        return [((cost, 0), gone, trades)]

    def ways_by_block(
        self, number: int, wish: Wish
    ) -> list[tuple[tuple[int, int], list[Lot | int], list[Trade]]]:
        """The best of the opposite blocks, at the limit of the earlier one."""
        others = [
            (other, there)
            for other, there in self.blocks
            if there.is_buy != wish.is_buy
            and (there.hour, there.hours, there.quantity) == (wish.hour, wish.hours, wish.quantity)
            and _accepts(wish, there.price)
        ]
        if not others:
            return []
        other, there = min(others, key=lambda block: (_cost(wish, block[1].price), block[0]))
        maker, taker = min(number, other), max(number, other)
        price = there.price if maker == other else wish.price
        trades = [
            (maker, taker, hour, price)
            for hour in range(wish.hour, wish.hour + wish.hours)
            for _ in range(wish.quantity)
        ]
        return [((_cost(wish, price) * wish.quantity * wish.hours, 1), [other], trades)]


def _cost(wish: Wish, price: int) -> int:
    """What a price means to an order: the lower, the better."""
    return price if wish.is_buy else -price


def _accepts(wish: Wish, price: int) -> bool:
    return _cost(wish, price) <= _cost(wish, wish.price)

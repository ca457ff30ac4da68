"""A brute-force market for hourly orders and blocks, written from RULES.md alone.

It has no price levels, queues or limits: every lot is an object of its own, and a block tries every
choice of lots that would fill it. It shares no code with the engines.
"""

from itertools import combinations
from typing import NamedTuple


class Request(NamedTuple):
    """A new order; `hours` is 1 for an hourly order. No two orders are of one owner."""

    is_buy: bool
    hour: int
    hours: int
    price: int
    quantity: int
    can_rest: bool = True  # else immediate or cancel


class Lot(NamedTuple):
    """One lot of an hourly order."""

    number: int  # of its order
    is_buy: bool
    hour: int
    price: int
    part: int


Trade = tuple[int, int, int, int]
"""One traded lot: number of the resting order, number of the other, hour, price."""


class Market:
    """Hourly lots and standing blocks, the earliest first."""

    def __init__(self) -> None:
        self.lots: list[Lot] = []
        self.blocks: list[tuple[int, Request]] = []
        self.trades: list[Trade] = []

    def enter(self, number: int, request: Request) -> list[Trade]:
        """Enter an order; returns its trades and those of blocks that can trade then."""
        self.trades = []
        if request.hours == 1:
            self.enter_hourly(number, request)
        elif not self.trade(number, request) and request.can_rest:
            self.blocks.append((number, request))
        while self.trade_first_block():
            pass
        return self.trades

    def cancel(self, number: int) -> None:
        """Cancel an order."""
        self.lots = [lot for lot in self.lots if lot.number != number]
        self.blocks = [block for block in self.blocks if block[0] != number]

    def enter_hourly(self, number: int, request: Request) -> None:
        """Trade an hourly order lot by lot; lots that do not trade rest."""
        for part in range(request.quantity):
            others = self.lots_for(request, request.hour)
            if others and _accepts(request, others[0].price):
                self.lots.remove(others[0])
                self.trades.append((others[0].number, number, request.hour, others[0].price))
            elif request.can_rest:
                self.lots.append(Lot(number, request.is_buy, request.hour, request.price, part))

    def lots_for(self, request: Request, hour: int) -> list[Lot]:
        """The other side's lots in an hour by price, then time."""
        found = [lot for lot in self.lots if lot.hour == hour and lot.is_buy != request.is_buy]
        return sorted(found, key=lambda lot: (_cost(request, lot.price), lot.number, lot.part))

    def trade_first_block(self) -> bool:
        """Trade the first block that can trade: buys first, then by price, then by time."""
        standing = sorted(
            self.blocks, key=lambda block: (not block[1].is_buy, -_cost(block[1], block[1].price))
        )
        return any(self.trade(number, request) for number, request in standing)

    def trade(self, number: int, request: Request) -> bool:
        """Trade a block in the cheapest way, if there is one."""
        ways = [*self.ways_by_lots(number, request), *self.ways_by_block(number, request)]
        if not ways:
            return False
        _, used, trades = min(ways, key=lambda way: way[0])
        self.trades += trades
        self.lots = [lot for lot in self.lots if lot not in used]
        ended = {number} | {other for other, _ in self.blocks if other in used}
        self.blocks = [block for block in self.blocks if block[0] not in ended]
        return True

    def ways_by_lots(
        self, number: int, request: Request
    ) -> list[tuple[tuple[int, int], list[Lot | int], list[Trade]]]:
        """The cheapest choice of lots in every hour; of equal ones the first in priority."""
        used: list[Lot | int] = []
        cost = 0
        for hour in range(request.hour, request.hour + request.hours):
            choices = list(combinations(self.lots_for(request, hour), request.quantity))
            if not choices:
                return []
            best = min(choices, key=lambda lots: sum(_cost(request, lot.price) for lot in lots))
            cost += sum(_cost(request, lot.price) for lot in best)
            used += best
        if cost > _cost(request, request.price) * request.quantity * request.hours:
            return []
        trades = [(lot.number, number, lot.hour, lot.price) for lot in used if isinstance(lot, Lot)]
        return [((cost, 0), used, trades)]

    def ways_by_block(
        self, number: int, request: Request
    ) -> list[tuple[tuple[int, int], list[Lot | int], list[Trade]]]:
        """The best opposite block, at the limit of the earlier one of the two."""
        others = [
            (other, opposite)
            for other, opposite in self.blocks
            if opposite.is_buy != request.is_buy
            and (opposite.hour, opposite.hours, opposite.quantity)
            == (request.hour, request.hours, request.quantity)
            and _accepts(request, opposite.price)
        ]
        if not others:
            return []
        other, opposite = min(others, key=lambda block: (_cost(request, block[1].price), block[0]))
        maker, taker = min(number, other), max(number, other)
        price = opposite.price if maker == other else request.price
        trades = [
            (maker, taker, hour, price)
            for hour in range(request.hour, request.hour + request.hours)
            for _ in range(request.quantity)
        ]
        return [((_cost(request, price) * request.quantity * request.hours, 1), [other], trades)]


def _cost(request: Request, price: int) -> int:
    """The price as a cost to the order: the lower, the better."""
    return price if request.is_buy else -price


def _accepts(request: Request, price: int) -> bool:
    return _cost(request, price) <= _cost(request, request.price)

"""An instrument's orders as a client keeps them: who stands where in the queue, without names."""

from collections import defaultdict

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import Replica
from feeds.protocol.messages import Definition
from feeds.protocol.records import MARKET, ORDER, OrderAction
from matching.records import Side


class OpenOrder(Struct, frozen=True):
    """An order as the market sees it."""

    order_id: int
    price: int
    shown: int


class OrdersBook(Replica):
    """The displayed orders of one instrument, each level in the order in which it will trade."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition.instrument)
        self.definition = definition
        self.symbol = definition.symbol
        self._places: dict[int, tuple[int, int]] = {}  # side and price of each order
        self._queues: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)  # shown, by id

    def bids(self, count: int | None = None) -> list[OpenOrder]:
        """The first bids to trade; all of them without a count."""
        return self._side(Side.BUY, count)

    def asks(self, count: int | None = None) -> list[OpenOrder]:
        """The first asks to trade; all of them without a count."""
        return self._side(Side.SELL, count)

    def place_of(self, order_id: int) -> int:
        """How many orders of its level trade before an order. KeyError for one that is not open."""
        return list(self._queues[self._places[order_id]]).index(order_id)

    def _clear(self) -> None:
        self._places.clear()
        self._queues.clear()

    def _put(self, frame: bytes) -> bool:
        rows = np.frombuffer(frame, ORDER, -1, MARKET.itemsize).tolist()
        return all(self._act(*row) for row in rows)

    def _act(self, order_id: int, price: int, shown: int, side: int, action: int) -> bool:
        """One ORDER record; False for one that speaks of an order which is not there."""
        place = self._places.get(order_id)
        if action == OrderAction.CHANGE and place is not None:
            self._queues[place][order_id] = shown
            return True
        if place is not None:
            self._leave(order_id, place)
        if action == OrderAction.PLACE:
            self._places[order_id] = side, price
            self._queues[side, price][order_id] = shown
            return True
        return action == OrderAction.REMOVE and place is not None

    def _leave(self, order_id: int, place: tuple[int, int]) -> None:
        del self._places[order_id]
        del self._queues[place][order_id]
        if not self._queues[place]:
            del self._queues[place]

    def _side(self, side: Side, count: int | None) -> list[OpenOrder]:
        prices = sorted((p for s, p in self._queues if s == side), reverse=side == Side.BUY)
        found = [
            OpenOrder(order_id, price, shown)
            for price in prices
            for order_id, shown in self._queues[side, price].items()
        ]
        return found[:count]

"""Order book: the displayed orders of an instrument in their queues, without owners."""

from collections import defaultdict

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import ChannelReplica
from feeds.protocol.messages import Definition
from feeds.protocol.records import MARKET, ORDER, OrderAction
from matching.records import Side


class OpenOrder(Struct, frozen=True):
    """An order as the market sees it."""

    order_id: int
    price: int
    shown: int


class OrderBook(ChannelReplica):
    """The displayed orders of one instrument, each level in the order in which it will trade."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition.instrument)
        self.definition = definition
        self.symbol = definition.symbol
        self._levels: dict[int, tuple[int, int]] = {}  # side and price by order_id
        self._queues: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)  # shown by order_id

    def bids(self, count: int | None = None) -> list[OpenOrder]:
        """The first `count` bids to trade; None: all."""
        return self._side(Side.BUY, count)

    def asks(self, count: int | None = None) -> list[OpenOrder]:
        """The first `count` asks to trade; None: all."""
        return self._side(Side.SELL, count)

    def place_of(self, order_id: int) -> int:
        """Number of orders that trade before an order at its price. KeyError if it is not open."""
        return list(self._queues[self._levels[order_id]]).index(order_id)

    def _clear(self) -> None:
        self._levels.clear()
        self._queues.clear()

    def _apply_records(self, frame: bytes) -> bool:
        rows = np.frombuffer(frame, ORDER, -1, MARKET.itemsize).tolist()
        return all(self._apply_order(*row) for row in rows)

    def _apply_order(self, order_id: int, price: int, shown: int, side: int, action: int) -> bool:
        """Apply one ORDER record; False if it changes or removes an order that is unknown."""
        level = self._levels.get(order_id)
        if action == OrderAction.CHANGE and level is not None:
            self._queues[level][order_id] = shown
            return True
        if level is not None:
            self._remove(order_id, level)
        if action == OrderAction.PLACE:
            self._levels[order_id] = side, price
            self._queues[side, price][order_id] = shown
            return True
        return action == OrderAction.REMOVE and level is not None

    def _remove(self, order_id: int, level: tuple[int, int]) -> None:
        del self._levels[order_id]
        del self._queues[level][order_id]
        if not self._queues[level]:
            del self._queues[level]

    def _side(self, side: Side, count: int | None) -> list[OpenOrder]:
        prices = sorted((p for s, p in self._queues if s == side), reverse=side == Side.BUY)
        found = [
            OpenOrder(order_id, price, shown)
            for price in prices
            for order_id, shown in self._queues[side, price].items()
        ]
        return found[:count]

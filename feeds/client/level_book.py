"""Level book: the displayed levels of an instrument, checked by the venue's checksums."""

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import ChannelReplica
from feeds.price_levels import (
    checksum,
    clear_ladder,
    list_levels,
    new_ladders,
    put_levels,
)
from feeds.protocol.messages import Definition
from feeds.protocol.records import LEVEL, MARKET


class Level(Struct, frozen=True):
    """The displayed quantity at a price, and the number of its orders."""

    price: int
    quantity: int
    orders: int


class LevelBook(ChannelReplica):
    """The displayed levels of one instrument."""

    def __init__(self, definition: Definition) -> None:
        super().__init__(definition.instrument)
        self.definition = definition
        self.symbol = definition.symbol
        self.wrong_checksums = 0
        width = definition.band_high - definition.band_low + 1
        self._ladders = new_ladders(1, width)
        ladder = self._ladders.ladders[1]
        ladder["low"], ladder["width"], ladder["allotted"] = definition.band_low, width, width
        ladder["best_bid"] = ladder["best_ask"] = -1
        self._out = np.zeros((width, 3), np.int64)

    def bids(self, count: int = 10) -> list[Level]:
        """The best `count` bids."""
        return self._side(0, count)

    def asks(self, count: int = 10) -> list[Level]:
        """The best `count` asks."""
        return self._side(1, count)

    def __iter__(self) -> Iterator[tuple[str, Level]]:
        """Side and level of every level."""
        width = len(self._out)
        yield from (("bid", level) for level in self.bids(width))
        yield from (("ask", level) for level in self.asks(width))

    def _clear(self) -> None:
        book = self._ladders
        clear_ladder(book.ladders, book.quantity, book.orders, book.words, 1)

    def _apply_records(self, frame: bytes) -> bool:
        levels = np.frombuffer(frame, LEVEL, -1, MARKET.itemsize)
        book = self._ladders
        wrong: int = put_levels(book.ladders, book.quantity, book.orders, book.words, 1, levels)
        return wrong < 0

    def _matches_checksum(self, expected: int) -> bool:
        """Whether the levels have the venue's checksum; if not, the whole book is invalid."""
        book = self._ladders
        if int(checksum(book.ladders, book.quantity, book.words, 1)) == expected:
            return True
        self.wrong_checksums += 1
        return False

    def _side(self, side: int, count: int) -> list[Level]:
        book = self._ladders
        out = self._out[:count]
        found = list_levels(book.ladders, book.quantity, book.orders, book.words, 1, side, out)
        return [Level(p, q, n) for p, q, n in out[:found].tolist()]

"""Standing blocks as a client keeps them: hours, quantity and average price, without names."""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import Replica
from feeds.protocol.records import BLOCK, MARKET, OrderAction
from matching.records import Side


class OpenBlock(Struct, frozen=True):
    """A standing block as the market sees it."""

    block_id: int
    instrument: int  # its first hour
    hours: int
    side: Side
    price: int  # the limit on the average of its hours
    quantity: int  # in each hour
    place: int  # smaller: earlier

    @property
    def priority(self) -> tuple[int, int]:
        """Sorts blocks of a side as the venue tries them."""
        return -self.price if self.side == Side.BUY else self.price, self.place


class BlocksBook(Replica):
    """The standing blocks that begin with one instrument."""

    def __init__(self, instrument: int) -> None:
        super().__init__(instrument)
        self._blocks: dict[int, OpenBlock] = {}

    def __iter__(self) -> Iterator[OpenBlock]:
        return iter(self._blocks.values())

    def _clear(self) -> None:
        self._blocks.clear()

    def _put(self, frame: bytes) -> bool:
        return all(self._act(row) for row in np.frombuffer(frame, BLOCK, -1, MARKET.itemsize))

    def _act(self, row: np.void) -> bool:
        """One BLOCK record; False for one that speaks of a block which is not there."""
        block_id, action = int(row["block_id"]), row["action"]
        known = self._blocks.pop(block_id, None) is not None
        if action in (OrderAction.PLACE, OrderAction.CHANGE):
            self._blocks[block_id] = OpenBlock(
                block_id=block_id,
                instrument=self.instrument,
                hours=int(row["hours"]),
                side=Side(int(row["side"])),
                price=int(row["price"]),
                quantity=int(row["quantity"]),
                place=int(row["place"]),
            )
        return known or action == OrderAction.PLACE


class Blocks:
    """Some books of blocks as one: those of a contract, or of one first hour."""

    def __init__(self, books: Callable[[], list[BlocksBook]]) -> None:
        """`books`: those that belong to it now; instruments may be listed while it is read."""
        self._books = books

    @property
    def is_whole(self) -> bool:
        """Whether it shows all blocks up to the last frame that came."""
        return all(book.is_whole for book in self._books())

    def bids(self, count: int | None = None) -> list[OpenBlock]:
        """The first buys to be tried; all of them without a count."""
        return self._side(Side.BUY, count)

    def asks(self, count: int | None = None) -> list[OpenBlock]:
        """The first sells to be tried; all of them without a count."""
        return self._side(Side.SELL, count)

    def _side(self, side: Side, count: int | None) -> list[OpenBlock]:
        found = [block for book in self._books() for block in book if block.side == side]
        return sorted(found, key=lambda each: each.priority)[:count]

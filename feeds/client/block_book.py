"""Block book: the standing blocks of an instrument or a contract, without their owners."""

from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import ChannelReplica
from feeds.protocol.records import BLOCK, MARKET, OrderAction
from matching.records import Side


class OpenBlock(Struct, frozen=True):
    """A standing block as the market sees it."""

    block_id: int
    instrument: int  # its first hour
    hours: int
    side: Side
    price: int  # limit on the average of its hours
    quantity: int  # in each hour
    place: int  # smaller: earlier

    @property
    def priority(self) -> tuple[int, int]:
        """Sort key within a side: the order in which the venue tries blocks."""
        return -self.price if self.side == Side.BUY else self.price, self.place


class BlockBook(ChannelReplica):
    """The standing blocks that begin with one instrument."""

    def __init__(self, instrument: int) -> None:
        super().__init__(instrument)
        self._blocks: dict[int, OpenBlock] = {}

    def __iter__(self) -> Iterator[OpenBlock]:
        return iter(self._blocks.values())

    def _clear(self) -> None:
        self._blocks.clear()

    def _apply_records(self, frame: bytes) -> bool:
        return all(
            self._apply_block(row) for row in np.frombuffer(frame, BLOCK, -1, MARKET.itemsize)
        )

    def _apply_block(self, row: np.void) -> bool:
        """Apply one BLOCK record; False if it changes or removes a block that is unknown."""
        block_id, action = int(row["block_id"]), row["action"]
        was_known = self._blocks.pop(block_id, None) is not None
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
        return was_known or action == OrderAction.PLACE


class CombinedBlockBook:
    """Several block books as one: those of a contract, or that of one first hour."""

    def __init__(self, books: Callable[[], list[BlockBook]]) -> None:
        """Combine what `books` returns: it may return more after an instrument was listed."""
        self._books = books

    @property
    def is_complete(self) -> bool:
        """Whether it shows all blocks up to the last frame that came."""
        return all(book.is_complete for book in self._books())

    def bids(self, count: int | None = None) -> list[OpenBlock]:
        """The first `count` buys in the order in which the venue tries them; None: all."""
        return self._side(Side.BUY, count)

    def asks(self, count: int | None = None) -> list[OpenBlock]:
        """The first `count` sells in the order in which the venue tries them; None: all."""
        return self._side(Side.SELL, count)

    def _side(self, side: Side, count: int | None) -> list[OpenBlock]:
        found = [block for book in self._books() for block in book if block.side == side]
        return sorted(found, key=lambda each: each.priority)[:count]

"""An instrument's trades as a client hears of them: each once and in order, whatever was lost."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import Replica
from feeds.protocol.records import MARKET, MARKET_HEAD, TRADE, TradeFlag

_LATER = 1 << 53
"""A number that no frame ever has."""


class Trade(Struct, frozen=True):
    """A trade as the market sees it."""

    instrument: int
    trade_id: int
    price: int
    quantity: int
    side: str  # the taker's: "1" buy, "2" sell
    auction: bool
    busted: bool
    block: bool  # one hour of a block's trade
    off_book: bool  # of two blocks with each other: no price of the hour
    trade_group: int  # what a block traded as one; 0: no block
    time_ns: int


class Tape(Replica):
    """Follows the channel of trades, from the number on that the venue first speaks of."""

    def __init__(self, instrument: int, tell: Callable[[Trade], object]) -> None:
        super().__init__(instrument)
        self._tell = tell

    @property
    def wanted_from(self) -> int:
        """The first frame that is missing; at first only the number of the next one is."""
        return self.sequence or _LATER

    def take(self, frame: bytes) -> bool:
        """Take in a frame; False where those that are missing are to be asked for."""
        if self.sequence == 0:
            self._begin(MARKET_HEAD.unpack_from(frame)[2])
        return super().take(frame)

    def expect(self, sequence: int) -> bool:
        """The venue says which frame is next; False where some were lost."""
        if self.sequence == 0:
            self._begin(sequence)
        return super().expect(sequence)

    def _begin(self, sequence: int) -> None:
        """Nothing before this frame is missed."""
        self.sequence, self._newest, self.is_whole = sequence, sequence - 1, True

    def _take_image(self, frame: bytes, sequence: int, more: bool) -> bool:
        """Frames that were missed come again one by one; the last says which one is next."""
        if more:
            if sequence == self.sequence:
                self._apply(frame, MARKET_HEAD.unpack_from(frame))
            return True
        self.repairs += 1
        self.is_whole = True
        self._apply_held()
        self.is_whole = self.sequence > max(self._newest, sequence - 1)
        return self.is_whole

    def _clear(self) -> None:
        """Trades that were told stay told."""

    def _put(self, frame: bytes) -> bool:
        head = MARKET_HEAD.unpack_from(frame)
        for row in np.frombuffer(frame, TRADE, -1, MARKET.itemsize):
            self._tell(
                Trade(
                    instrument=head[1],
                    trade_id=int(row["trade_id"]),
                    price=int(row["price"]),
                    quantity=int(row["quantity"]),
                    side="2" if row["side"] else "1",
                    auction=bool(row["flags"] & TradeFlag.AUCTION),
                    busted=bool(row["flags"] & TradeFlag.BUSTED),
                    block=bool(row["flags"] & TradeFlag.BLOCK),
                    off_book=bool(row["flags"] & TradeFlag.OFF_BOOK),
                    trade_group=int(row["trade_group"]),
                    time_ns=head[4],
                )
            )
        return True

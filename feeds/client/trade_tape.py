"""Trade tape of an instrument: every trade once and in order, also after lost frames."""

from collections.abc import Callable

import numpy as np
from msgspec import Struct

from feeds.client.channel_replica import ChannelReplica
from feeds.protocol.records import (
    MARKET,
    TRADE,
    MarketFlag,
    MarketHead,
    TradeFlag,
    read_market_head,
)

_NUMBER_ONLY = 1 << 53
"""A start of recovery above all frames: the venue answers with the next number alone."""


class Trade(Struct, frozen=True):
    """A trade as the market sees it."""

    instrument: int
    trade_id: int
    price: int
    quantity: int
    side: str  # of the taker: "1" buy, "2" sell
    auction: bool
    busted: bool
    block: bool  # one hour of a block's trade
    off_book: bool  # two blocks traded with each other; not a price of the hour
    trade_group: int  # shared by all trades of one block; 0: no block
    time_ns: int


class TradeTape(ChannelReplica):
    """Replica of the channel of trades, from the first number that the venue names."""

    def __init__(self, instrument: int, on_trade: Callable[[Trade], object]) -> None:
        super().__init__(instrument)
        self._on_trade = on_trade

    @property
    def missing_from(self) -> int:
        """The first missing frame. Before any frame is known, a request for the next number."""
        return self.next_sequence or _NUMBER_ONLY

    def receive(self, frame: bytes) -> bool:
        """Process a frame; False if missing frames must be requested."""
        if self.next_sequence == 0:
            self._begin(read_market_head(frame).sequence)
        return super().receive(frame)

    def expect(self, sequence: int) -> bool:
        """Process the number that a heartbeat announces as the next; False if frames were lost."""
        if self.next_sequence == 0:
            self._begin(sequence)
        return super().expect(sequence)

    def _begin(self, sequence: int) -> None:
        """Begin with this frame; earlier ones are not wanted."""
        self.next_sequence, self._newest_sent, self.is_complete = sequence, sequence - 1, True

    def _receive_image(self, frame: bytes, head: MarketHead) -> bool:
        """Apply a missing frame that comes again. The last frame holds only the next number."""
        if head.flags & MarketFlag.MORE:
            if head.sequence == self.next_sequence:
                self._apply(frame, head)
            return True
        self.repairs += 1
        self.is_complete = True
        self._apply_held()
        self.is_complete = self.next_sequence > max(self._newest_sent, head.sequence - 1)
        return self.is_complete

    def _clear(self) -> None:
        """Do nothing: trades that were passed on are not taken back."""

    def _apply_records(self, frame: bytes) -> bool:
        head = read_market_head(frame)
        for row in np.frombuffer(frame, TRADE, -1, MARKET.itemsize):
            self._on_trade(
                Trade(
                    instrument=head.instrument,
                    trade_id=int(row["trade_id"]),
                    price=int(row["price"]),
                    quantity=int(row["quantity"]),
                    side="2" if row["side"] else "1",
                    auction=bool(row["flags"] & TradeFlag.AUCTION),
                    busted=bool(row["flags"] & TradeFlag.BUSTED),
                    block=bool(row["flags"] & TradeFlag.BLOCK),
                    off_book=bool(row["flags"] & TradeFlag.OFF_BOOK),
                    trade_group=int(row["trade_group"]),
                    time_ns=head.time_ns,
                )
            )
        return True

"""Market view of a client, without sockets: frames in, missing images out."""

from collections import deque
from typing import TypeAlias

import numpy as np

from feeds.client.block_book import BlockBook, CombinedBlockBook
from feeds.client.channel_replica import ChannelReplica
from feeds.client.last_value import LastDefinition, LastValue
from feeds.client.level_book import LevelBook
from feeds.client.order_book import OrderBook
from feeds.client.trade_tape import Trade, TradeTape
from feeds.protocol.messages import Definition
from feeds.protocol.records import (
    MARKET,
    NEXT,
    STATISTICS,
    STATUS,
    TOP,
    Channel,
    MarketKind,
    read_market_head,
)
from matching.records import Phase

TRADES_KEPT = 1_000_000
_LAST_VALUES = {Channel.TOP: TOP, Channel.STATUS: STATUS, Channel.STATISTICS: STATISTICS}
ReplicaKey: TypeAlias = tuple[Channel, int]
"""Channel and instrument."""


class MarketView:
    """Definitions, and the replicas of the channels that are followed."""

    def __init__(self) -> None:
        self.definitions: dict[int, Definition] = {}
        self.replicas: dict[ReplicaKey, ChannelReplica] = {}
        """Every channel of every instrument that is followed, with its counts."""
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        """Trades that the program has not read yet; beyond the bound the oldest are dropped."""
        self.is_over = False  # the trading day
        self.has_definitions = False  # of all instruments
        self._followed: set[Channel] = {Channel.DEFINITIONS}  # for all instruments
        self._incomplete: set[ReplicaKey] = set()

    @property
    def baskets(self) -> dict[str, int]:
        """The numbers of all baskets by their codes, from the definitions of their members."""
        return {code: n for each in self.definitions.values() for code, n in each.baskets.items()}

    def book(self, instrument: int) -> LevelBook:
        """Follow the levels of an instrument. Raises KeyError if it is not defined."""
        found = self.replica(Channel.LEVELS, instrument)
        assert isinstance(found, LevelBook)
        return found

    def orders_book(self, instrument: int) -> OrderBook:
        """Follow the orders of an instrument. Raises KeyError if it is not defined."""
        found = self.replica(Channel.ORDERS, instrument)
        assert isinstance(found, OrderBook)
        return found

    def blocks(self, where: int | str) -> CombinedBlockBook:
        """Follow the standing blocks of a contract, or those that begin with an instrument.

        `where` is a contract, or the symbol or number of an instrument. Raises KeyError if it is
        none of these.
        """

        def books() -> list[BlockBook]:
            """Return the block books of `where`, as they are now."""
            return [
                self._block_book(number)
                for number, each in self.definitions.items()
                if where in (number, each.symbol, each.contract)
            ]

        if not books():
            raise KeyError(f"there is no contract or instrument {where}")
        return CombinedBlockBook(books)

    def follow(self, channel: Channel, instrument: int | None = None) -> None:
        """Follow a channel of one instrument; None: of all present and future instruments."""
        if instrument is not None:
            self.replica(channel, instrument)
            return
        self._followed.add(channel)
        for each in self.definitions:
            self.replica(channel, each)

    @property
    def tops(self) -> dict[int, dict[str, int]]:
        """Best prices by instrument, of the instruments that are followed."""
        return self._last_values(Channel.TOP)

    @property
    def statistics(self) -> dict[int, dict[str, int]]:
        """The day's statistics by instrument, of the instruments that are followed."""
        return self._last_values(Channel.STATISTICS)

    @property
    def phases(self) -> dict[int, int]:
        """The phase of each instrument that is followed."""
        return {n: values["phase"] for n, values in self._last_values(Channel.STATUS).items()}

    @property
    def auctions(self) -> dict[int, dict[str, int]]:
        """Indicative price, volume and surplus (of buys; negative: of sells) by instrument, of the
        instruments that are followed and in an auction."""
        return {
            number: {"price": row["price"], "volume": row["quantity"], "surplus": row["surplus"]}
            for number, row in self._last_values(Channel.STATUS).items()
            if row["phase"] == Phase.AUCTION
        }

    @property
    def missed_trades(self) -> int:
        """Number of frames with trades that were lost, before any were sent again."""
        tapes = (r for (channel, _), r in self.replicas.items() if channel == Channel.TRADES)
        return sum(tape.missed for tape in tapes)

    def replica(self, channel: Channel, instrument: int) -> ChannelReplica:
        """The replica of a channel; the first call begins to follow it."""
        key = channel, instrument
        if key not in self.replicas:
            self.replicas[key] = self._new_replica(channel, instrument)
            self._incomplete.add(key)
        return self.replicas[key]

    def receive(self, frame: bytes) -> None:
        """Process a frame: an increment, a heartbeat or part of an image."""
        head = read_market_head(frame)
        channel, instrument = Channel(head.channel), head.instrument
        if channel == Channel.HEARTBEAT:
            self._receive_heartbeat(frame, head.kind)
        elif channel == Channel.DEFINITIONS:
            self._receive_definition(frame, instrument)
        elif self._is_followed(channel, instrument):
            is_complete = self.replica(channel, instrument).receive(frame)
            self._mark(channel, instrument, is_complete)

    def missing_images(self) -> list[tuple[Channel, int, int]]:
        """The images that are needed now: channel, instrument and first number."""
        found = [(*key, self.replicas[key].missing_from) for key in self._incomplete]
        return found if self.has_definitions else [(Channel.DEFINITIONS, 0, 0), *found]

    def _mark(self, channel: Channel, instrument: int, is_complete: bool) -> None:
        if is_complete:
            self._incomplete.discard((channel, instrument))
        else:
            self._incomplete.add((channel, instrument))

    def _new_replica(self, channel: Channel, instrument: int) -> ChannelReplica:
        if channel == Channel.DEFINITIONS:
            return LastDefinition(instrument)
        if channel == Channel.TRADES:
            return TradeTape(instrument, self.trades.append)
        if channel == Channel.BLOCKS:
            return BlockBook(instrument)
        if channel in _LAST_VALUES:
            return LastValue(instrument, _LAST_VALUES[channel])
        book = LevelBook if channel == Channel.LEVELS else OrderBook
        return book(self.definitions[instrument])

    def _block_book(self, instrument: int) -> BlockBook:
        found = self.replica(Channel.BLOCKS, instrument)
        assert isinstance(found, BlockBook)
        return found

    def _last_values(self, channel: Channel) -> dict[int, dict[str, int]]:
        return {
            instrument: replica.values
            for (of, instrument), replica in self.replicas.items()
            if of == channel and isinstance(replica, LastValue) and replica.values
        }

    def _is_followed(self, channel: Channel, instrument: int) -> bool:
        """Whether frames of a channel are used; a book also needs the instrument's definition."""
        if (channel, instrument) in self.replicas:
            return True
        needs_definition = channel in (Channel.LEVELS, Channel.ORDERS)
        return channel in self._followed and (
            not needs_definition or instrument in self.definitions
        )

    def _receive_definition(self, frame: bytes, instrument: int) -> None:
        if len(frame) == MARKET.itemsize:  # the end of an image of all definitions
            self.has_definitions = True
            return
        replica = self.replica(Channel.DEFINITIONS, instrument)
        self._mark(Channel.DEFINITIONS, instrument, replica.receive(frame))
        assert isinstance(replica, LastDefinition)
        self.definitions[instrument] = replica.definition

    def _receive_heartbeat(self, frame: bytes, kind: int) -> None:
        if kind == MarketKind.END_OF_DAY:
            self.is_over = True
            return
        following = np.frombuffer(frame, NEXT, -1, MARKET.itemsize)
        columns = [following[name].tolist() for name in ("channel", "instrument", "sequence")]
        for number, instrument, sequence in zip(*columns, strict=True):
            channel = Channel(number)
            if self._is_followed(channel, instrument):
                is_complete = self.replica(channel, instrument).expect(sequence)
                self._mark(channel, instrument, is_complete)

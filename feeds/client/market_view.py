"""What a client knows of the market, without any socket: frames in, requests for images out."""

from collections import deque

import numpy as np

from feeds.client.block_book import Blocks, BlocksBook
from feeds.client.channel_replica import Replica
from feeds.client.last_value import Announced, Latest
from feeds.client.level_book import Book
from feeds.client.order_book import OrdersBook
from feeds.client.trade_tape import Tape, Trade
from feeds.protocol.messages import Definition
from feeds.protocol.records import (
    MARKET,
    MARKET_HEAD,
    NEXT,
    STATISTICS,
    STATUS,
    TOP,
    Channel,
    MarketKind,
)

TRADES_KEPT = 1_000_000
LATEST = {Channel.TOP: TOP, Channel.STATUS: STATUS, Channel.STATISTICS: STATISTICS}
Place = tuple[Channel, int]


class MarketView:
    """Definitions, books, trades, phases and statistics of what is followed."""

    def __init__(self) -> None:
        self.definitions: dict[int, Definition] = {}
        self.replicas: dict[Place, Replica] = {}
        """Every channel of every instrument that is followed, with its counts."""
        self.trades: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self.is_over = False  # the day
        self.defined = False
        self._all: set[Channel] = {Channel.DEFINITIONS}
        self._broken: set[Place] = set()

    @property
    def baskets(self) -> dict[str, int]:
        """The numbers of all baskets by their codes, as the definitions of their members tell."""
        return {code: n for each in self.definitions.values() for code, n in each.baskets.items()}

    def book(self, instrument: int) -> Book:
        """The levels of an instrument, followed from now on. KeyError for one not defined."""
        found = self.replica(Channel.LEVELS, instrument)
        assert isinstance(found, Book)
        return found

    def orders_book(self, instrument: int) -> OrdersBook:
        """The orders of an instrument, followed from now on. KeyError for one not defined."""
        found = self.replica(Channel.ORDERS, instrument)
        assert isinstance(found, OrdersBook)
        return found

    def blocks(self, where: int | str) -> Blocks:
        """The standing blocks of a contract, or those that begin with an instrument.

        They are followed from now on. KeyError where neither is defined.
        """

        def books() -> list[BlocksBook]:
            return [
                self._blocks_book(number)
                for number, each in self.definitions.items()
                if where in (number, each.symbol, each.contract)
            ]

        if not books():
            raise KeyError(f"there is no contract or instrument {where}")
        return Blocks(books)

    def follow(self, channel: Channel, instrument: int | None = None) -> None:
        """Follow a channel of an instrument, or of all that there are and will be."""
        if instrument is not None:
            self.replica(channel, instrument)
            return
        self._all.add(channel)
        for each in self.definitions:
            self.replica(channel, each)

    @property
    def tops(self) -> dict[int, dict[str, int]]:
        """Best prices by instrument, as far as they are followed."""
        return self._latest(Channel.TOP)

    @property
    def statistics(self) -> dict[int, dict[str, int]]:
        """The day's statistics by instrument, as far as they are followed."""
        return self._latest(Channel.STATISTICS)

    @property
    def phases(self) -> dict[int, int]:
        """The phase of each instrument that is followed."""
        return {n: values["phase"] for n, values in self._latest(Channel.STATUS).items()}

    @property
    def missed_trades(self) -> int:
        """Frames of trades that were lost at first."""
        tapes = (r for (channel, _), r in self.replicas.items() if channel == Channel.TRADES)
        return sum(tape.missed for tape in tapes)

    def replica(self, channel: Channel, instrument: int) -> Replica:
        """What is known of a channel; it is followed from now on."""
        place = channel, instrument
        if place not in self.replicas:
            self.replicas[place] = self._new(channel, instrument)
            self._broken.add(place)
        return self.replicas[place]

    def take(self, frame: bytes) -> None:
        """Take in a frame, of an image or not."""
        head = MARKET_HEAD.unpack_from(frame)
        channel, instrument = Channel(head[0]), head[1]
        if channel == Channel.HEARTBEAT:
            self._take_heartbeat(frame, head[5])
        elif channel == Channel.DEFINITIONS:
            self._take_definition(frame, instrument)
        elif self._follows(channel, instrument):
            self._note(channel, instrument, self.replica(channel, instrument).take(frame))

    def missing(self) -> list[tuple[Channel, int, int]]:
        """The images that are needed now: channel, instrument and from which number on."""
        found = [(*place, self.replicas[place].wanted_from) for place in self._broken]
        return found if self.defined else [(Channel.DEFINITIONS, 0, 0), *found]

    def _note(self, channel: Channel, instrument: int, whole: bool) -> None:
        (self._broken.discard if whole else self._broken.add)((channel, instrument))

    def _new(self, channel: Channel, instrument: int) -> Replica:
        if channel == Channel.DEFINITIONS:
            return Announced(instrument)
        if channel == Channel.TRADES:
            return Tape(instrument, self.trades.append)
        if channel == Channel.BLOCKS:
            return BlocksBook(instrument)
        if channel in LATEST:
            return Latest(instrument, LATEST[channel])
        of = Book if channel == Channel.LEVELS else OrdersBook
        return of(self.definitions[instrument])

    def _blocks_book(self, instrument: int) -> BlocksBook:
        found = self.replica(Channel.BLOCKS, instrument)
        assert isinstance(found, BlocksBook)
        return found

    def _latest(self, channel: Channel) -> dict[int, dict[str, int]]:
        return {
            instrument: replica.values
            for (of, instrument), replica in self.replicas.items()
            if of == channel and isinstance(replica, Latest) and replica.values
        }

    def _follows(self, channel: Channel, instrument: int) -> bool:
        """Whether a channel is followed; a book needs its definition first."""
        if (channel, instrument) in self.replicas:
            return True
        needs = channel in (Channel.LEVELS, Channel.ORDERS)
        return channel in self._all and (not needs or instrument in self.definitions)

    def _take_definition(self, frame: bytes, instrument: int) -> None:
        if len(frame) == MARKET.itemsize:
            self.defined = True
            return
        replica = self.replica(Channel.DEFINITIONS, instrument)
        self._note(Channel.DEFINITIONS, instrument, replica.take(frame))
        assert isinstance(replica, Announced)
        self.definitions[instrument] = replica.definition

    def _take_heartbeat(self, frame: bytes, kind: int) -> None:
        if kind == MarketKind.END_OF_DAY:
            self.is_over = True
            return
        following = np.frombuffer(frame, NEXT, -1, MARKET.itemsize)
        columns = [following[name].tolist() for name in ("channel", "instrument", "sequence")]
        for number, instrument, sequence in zip(*columns, strict=True):
            channel = Channel(number)
            if self._follows(channel, instrument):
                whole = self.replica(channel, instrument).expect(sequence)
                self._note(channel, instrument, whole)

"""The displayed market of the day: its tables, and the frames of its events."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feeds.event_buffer import EventBuffer
from feeds.market_data.derive import DONE, GROW, derive
from feeds.market_data.frames import CHANNELS
from feeds.market_data.layout import (
    CHAIN,
    CHAINS,
    CHANGED_LEVEL,
    CHANGED_ORDER,
    COUNTERS,
    DERIVATION_LAYOUT,
    FRAME_SPAN,
    INSTRUMENT,
    LIVE_ORDER,
    NEW_TRADE,
    ORDER_KEY,
)
from feeds.market_data.recovery import TradeStore, state_image, trades_image
from feeds.price_levels import EMPTY_CODE, checksum, list_levels, new_ladders
from feeds.protocol.records import (
    BLOCK,
    LEVEL,
    ORDER,
    STATISTICS,
    STATUS,
    TOP,
    Channel,
    MarketKind,
    OrderAction,
)
from matching.limits import Limits
from matching.memory.handle import Handle

Records = NDArray[np.void]

_GROWING = ("changed_levels", "changed_orders", "new_trades", "stored_trades")


class MarketState:
    """The displayed market of the day so far."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        """`folder`: where the trades are stored for recovery requests."""
        count = limits.instruments + 1
        self.instruments = np.zeros(count, INSTRUMENT)
        self.sequences = np.ones((len(CHANNELS), count), np.int64)
        self.wanted = np.zeros((len(CHANNELS), count), np.uint8)
        self._ladders = new_ladders(limits.instruments, limits.ticks)
        self._counters = np.zeros(1, COUNTERS)
        self._counters["free_slot"] = self._counters["open_command"] = -1
        self._live_orders = np.zeros(limits.orders + 64, LIVE_ORDER)
        keys = np.empty(1 << (2 * len(self._live_orders) - 1).bit_length(), ORDER_KEY)
        # Written at once: page faults all over the table would delay the day's first orders.
        keys.view(np.int64)[:] = 0
        self._events = EventBuffer()
        self._event_memory = self._events.memory  # as the handle has it
        self._handle = Handle(
            DERIVATION_LAYOUT,
            {
                "counters": self._counters,
                "events": self._events.memory,
                "instruments": self.instruments,
                "live_orders": self._live_orders,
                "order_keys": keys,
                "ladders": self._ladders.ladders,
                "quantities": self._ladders.quantity,
                "order_counts": self._ladders.orders,
                "bitmap": self._ladders.words,
                "level_commands": np.zeros(len(self._ladders.quantity), np.int64),
                "chains": np.zeros(CHAINS * count, CHAIN),
                "changed_levels": np.zeros(1 << 12, CHANGED_LEVEL),
                "changed_orders": np.zeros(1 << 12, CHANGED_ORDER),
                "new_trades": np.zeros(1 << 13, NEW_TRADE),
                "stored_trades": np.zeros(1 << 13, DERIVATION_LAYOUT.tables["stored_trades"]),
                "changed_instruments": np.zeros(count, np.int64),
                "sequences": self.sequences.reshape(-1),
                "wanted": self.wanted.reshape(-1),
                "out": np.zeros(1 << 17, np.int64),
                "frames": np.zeros(1 << 14, FRAME_SPAN),
            },
        )
        # Memoryviews of single fields and plain views of tables: used in every turn, and faster.
        counters = self._counters
        self._at, self._open_command = counters["at"].data, counters["open_command"].data
        self._frame_count, self._word_count = counters["frames"].data, counters["out"].data
        self._trade_count = counters["trades"].data
        self._view_tables()
        self._trades = TradeStore(folder)

    def queue(self, events: bytes) -> None:
        """Queue EVENT records of whole commands for `derive_queued`."""
        self._events.append(events)

    def derive_queued(self) -> list[bytes]:
        """The frames of the queued events, in order. Unwanted frames are only numbered."""
        made: list[bytes] = []
        events = self._events
        if events.first == events.end:
            return made
        if events.memory is not self._event_memory:
            self._event_memory = events.memory
            self._handle.replace("events", events.memory)
        self._at[0] = events.first
        while True:
            stop = derive(self._handle.argument, events.end)
            has_frames = self._collect(made)
            if stop == DONE:
                events.discard(events.end)
                return made
            if stop == GROW:
                self._grow_changes()
            elif not has_frames:
                self._handle.replace("out", np.zeros(2 * len(self._out), np.int64))
                self._handle.replace("frames", np.zeros(2 * len(self._spans), FRAME_SPAN))
                self._view_tables()

    def derive_frames(self, events: Records) -> list[bytes]:
        """The frames of these events of whole commands, behind those that are queued."""
        self.queue(events.tobytes())
        return self.derive_queued()

    def image(self, channel: Channel, instrument: int, from_sequence: int) -> list[bytes]:
        """The frames of a recovery image; for trades, those from a frame's number on."""
        place = CHANNELS[channel]
        sequence = int(self.sequences[place, instrument])
        if channel == Channel.TRADES:
            trades = self._trades.read_from(instrument, from_sequence, sequence)
            return trades_image(instrument, trades, sequence)
        kind, records = self._image_records(channel, instrument)
        code = EMPTY_CODE if channel == Channel.LEVELS else 0
        if channel == Channel.LEVELS and self._ladders.ladders[instrument]["width"]:
            book = self._ladders
            code = int(checksum(book.ladders, book.quantity, book.words, instrument))
        return state_image(channel, instrument, sequence, kind, records, code)

    def levels(self, instrument: int, side: int) -> list[tuple[int, int, int]]:
        """Price, quantity and number of orders of each level of a side, the best first."""
        book = self._ladders
        out = np.zeros((int(book.ladders[instrument]["width"]), 3), np.int64)
        if not len(out):
            return []
        count = list_levels(
            book.ladders, book.quantity, book.orders, book.words, instrument, side, out
        )
        return [(p, q, n) for p, q, n in out[:count].tolist()]

    def close(self) -> None:
        """Close the file of trades."""
        self._trades.close()

    def _collect(self, made: list[bytes]) -> bool:
        """Collect the frames in `out`, and write the trades of closed commands to the file.

        Returns whether there were any.
        """
        frames, trades = self._frame_count[0], self._trade_count[0]
        if frames:
            content = self._out[: self._word_count[0]].tobytes()
            made += [content[8 * a : 8 * b] for a, b in self._spans[:frames].tolist()]
            self._frame_count[0] = self._word_count[0] = 0
        has_trades = trades > 0 and self._open_command[0] < 0
        if has_trades:
            self._trades.append(self._handle["stored_trades"][:trades])
            self._trade_count[0] = 0
        return frames > 0 or has_trades

    def _view_tables(self) -> None:
        """Set the views of tables that are replaced when they grow."""
        self._out = self._handle["out"]
        self._spans = self._handle["frames"].view(np.int64).reshape(-1, 2)

    def _grow_changes(self) -> None:
        """Double the tables of the changes that one command makes."""
        counters = self._counters[0]
        assert counters["slots_used"] < len(self._live_orders) or counters["free_slot"] >= 0
        for name in _GROWING:
            table = self._handle[name]
            grown = np.zeros(2 * len(table), table.dtype)
            grown[: len(table)] = table
            self._handle.replace(name, grown)

    def _image_records(self, channel: Channel, instrument: int) -> tuple[MarketKind, Records]:
        book = self.instruments[instrument : instrument + 1]
        if channel == Channel.LEVELS:
            return MarketKind.LEVEL, self._level_records(instrument)
        if channel == Channel.ORDERS:
            return MarketKind.ORDER, self._order_records(instrument)
        if channel == Channel.BLOCKS:
            return MarketKind.BLOCK, self._block_records(instrument)
        if channel == Channel.TOP:
            top = np.zeros(1, TOP)
            for name in TOP.names or ():
                top[name] = book[name]
            return MarketKind.TOP, top
        if channel == Channel.STATUS:
            status = np.zeros(1, STATUS)
            status["phase"] = book["phase"]
            status["price"], status["quantity"] = book["status_price"], book["status_quantity"]
            status["surplus"] = book["status_surplus"]
            return MarketKind.STATUS, status
        statistics = np.zeros(1, STATISTICS)
        for name in ("volume", "turnover_fen", "open", "high", "low", "last"):
            statistics[name] = book[name]
        statistics["trades"] = book["count"]
        return MarketKind.STATISTICS, statistics

    def _level_records(self, instrument: int) -> Records:
        sides = [self.levels(instrument, side) for side in (0, 1)]
        records = np.zeros(sum(len(side) for side in sides), LEVEL)
        at = 0
        for number, side in enumerate(sides):
            for price, quantity, orders in side:
                records[at] = (quantity, price, orders, number)
                at += 1
        return records

    def _order_records(self, instrument: int) -> Records:
        """ORDER records that give the book when they are placed in this order."""
        orders = self._in_book(instrument, blocks=False)
        records = np.zeros(len(orders), ORDER)
        records["order_id"] = orders["number"]
        records["price"], records["shown"] = orders["price"], orders["shown"]
        records["side"], records["action"] = orders["side"], OrderAction.PLACE
        return records

    def _block_records(self, instrument: int) -> Records:
        """BLOCK records of the blocks whose first hour is an instrument, the earliest first."""
        blocks = self._in_book(instrument, blocks=True)
        records = np.zeros(len(blocks), BLOCK)
        records["block_id"], records["place"] = blocks["number"], blocks["placed"]
        records["price"], records["quantity"] = blocks["price"], blocks["shown"]
        records["side"], records["action"] = blocks["side"], OrderAction.PLACE
        records["hours"] = blocks["hours"]
        return records

    def _in_book(self, instrument: int, *, blocks: bool) -> Records:
        """The published orders, or blocks, of an instrument, in the order of placing."""
        live = self._live_orders[: self._counters["slots_used"][0]]
        found = live[(live["instrument"] == instrument) & (live["published"] > 0)]
        found = found[(found["hours"] > 0) == blocks]
        ordered: Records = found[np.argsort(found["placed"], kind="stable")]
        return ordered

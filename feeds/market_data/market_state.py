"""The market's view of the day: what `derive` keeps, its buffers, and the images made of it."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feeds.market_data.change_set import (
    COUNTERS,
    DONE,
    FRAMES,
    GROW,
    LIVE,
    LIVE_FREE,
    LIVE_USED,
    MARKET_STATE,
    OUT,
    TRADES,
)
from feeds.market_data.derive import derive
from feeds.price_levels import EMPTY_CODE, checksum, list_levels, new_ladders
from feeds.protocol.records import (
    BLOCK,
    INCREMENTAL,
    LEVEL,
    MARKET_HEAD,
    ORDER,
    STATISTICS,
    STATUS,
    TOP,
    Channel,
    MarketFlag,
    MarketKind,
    OrderAction,
)
from matching.limits import Limits

Records = NDArray[np.void]

CHANNELS = {channel: place for place, channel in enumerate(INCREMENTAL)}
IMAGE_RECORDS = 2_000  # in one frame
TRADES_AGAIN_MAX = 10_000
TRADES_READ = 1 << 14  # at a time
STORED = np.dtype(
    [
        ("instrument", "<i8"),
        ("sequence", "<i8"),
        ("command", "<i8"),
        ("time_ns", "<i8"),
        ("trade", "V24"),  # a TRADE, padding and all
    ]
)
"""A trade as it is kept for those who missed it."""


class MarketState:
    """The day's market data so far."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        count = limits.instruments + 1
        self.instruments = np.zeros(count, MARKET_STATE)
        self.sequences = np.ones((len(CHANNELS), count), np.int64)
        self.wanted = np.zeros((len(CHANNELS), count), np.uint8)
        self._ladders = new_ladders(limits.instruments, limits.ticks)
        self._stamps = np.zeros(len(self._ladders.quantity), np.int64)
        self._live = np.zeros(limits.orders + 64, LIVE)
        size = 1 << (2 * len(self._live) - 1).bit_length()
        # Written at once: pages brought in all over them would hold up the day's first orders.
        self._names = np.empty((size, 2), np.int64)
        self._names[:] = 0
        self._levels = np.zeros((1 << 12, 5), np.int64)
        self._orders = np.zeros((1 << 12, 2), np.int64)
        self._trades = np.zeros((1 << 13, 4), np.int64)
        self._stored = np.zeros((1 << 13, 7), np.int64)
        self._books = np.zeros(count, np.int64)
        self._counters = np.zeros(COUNTERS, np.int64)
        self._counters[LIVE_FREE] = -1
        self._out = np.zeros(1 << 17, np.int64)
        self._frames = np.zeros((1 << 14, 2), np.int64)
        self._path = folder / "trades"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._trade_count = 0

    def derive_frames(self, events: Records) -> list[bytes]:
        """The frames that events make, in order; those that nobody wants are only numbered."""
        made: list[bytes] = []
        at, open_command = 0, -1
        if not len(events):
            return made
        while True:
            at, why, open_command = derive(
                events, at, open_command, self.instruments, self._live, self._names,
                self._ladders.ladders, self._ladders.quantity, self._ladders.orders,
                self._ladders.words, self._stamps, self._levels, self._orders, self._trades,
                self._stored, self._books, self.sequences, self.wanted, self._counters,
                self._out, self._frames,
            )  # fmt: skip
            took = self._take(made, open_command)
            if why == DONE:
                return made
            if why == GROW:
                self._grow_touched()
            elif not took:
                self._out = np.zeros(2 * len(self._out), np.int64)
                self._frames = np.zeros((2 * len(self._frames), 2), np.int64)

    def image(self, channel: Channel, instrument: int, from_sequence: int) -> list[bytes]:
        """The frames of an image; for trades, those from a frame's number on."""
        if channel == Channel.TRADES:
            return self._trades_from(instrument, from_sequence)
        kind, records = self._whole(channel, instrument)
        code = EMPTY_CODE if channel == Channel.LEVELS else 0
        if channel == Channel.LEVELS and self._ladders.ladders[instrument]["width"]:
            book = self._ladders
            code = int(checksum(book.ladders, book.quantity, book.words, instrument))
        place = CHANNELS[channel]
        sequence = int(self.sequences[place, instrument])
        frames = []
        for start in range(0, max(1, len(records)), IMAGE_RECORDS):
            part = records[start : start + IMAGE_RECORDS]
            more = start + IMAGE_RECORDS < len(records)
            flags = MarketFlag.IMAGE | (MarketFlag.MORE if more else 0)
            checked = 0 if more else code
            head = MARKET_HEAD.pack(
                channel, instrument, sequence, 0, 0, kind, flags, len(part), checked
            )
            frames.append(head + part.tobytes())
        return frames

    def levels(self, instrument: int, side: int) -> list[tuple[int, int, int]]:
        """Price, quantity and orders of each level of a side, the best first."""
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
        os.close(self._descriptor)

    def _take(self, made: list[bytes], open_command: int) -> bool:
        """Take the frames out of the buffers; whether there were any."""
        counters = self._counters
        frames, trades = int(counters[FRAMES]), int(counters[TRADES])
        if frames:
            content = self._out[: counters[OUT]].tobytes()
            made += [content[8 * a : 8 * b] for a, b in self._frames[:frames].tolist()]
            counters[FRAMES] = counters[OUT] = 0
        if trades and open_command < 0:
            rows = self._stored[:trades].tobytes()
            os.pwrite(self._descriptor, rows, self._trade_count * STORED.itemsize)
            self._trade_count += trades
            counters[TRADES] = 0
        return bool(frames or (trades and open_command < 0))

    def _grow_touched(self) -> None:
        """Double the tables of what one command touches."""
        assert self._counters[LIVE_USED] < len(self._live) or self._counters[LIVE_FREE] >= 0
        for name in ("_levels", "_orders", "_trades", "_stored"):
            old = getattr(self, name)
            grown = np.zeros((2 * len(old), old.shape[1]), np.int64)
            grown[: len(old)] = old
            setattr(self, name, grown)

    def _whole(self, channel: Channel, instrument: int) -> tuple[MarketKind, Records]:
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
        """The orders of a book, each side by level and place: placing them again gives the book."""
        here = self._standing(instrument, blocks=False)
        records = np.zeros(len(here), ORDER)
        records["order_id"] = here["number"]
        records["price"], records["shown"] = here["price"], here["shown"]
        records["side"], records["action"] = here["side"], OrderAction.PLACE
        return records

    def _block_records(self, instrument: int) -> Records:
        """The blocks that begin with an instrument, first come first."""
        here = self._standing(instrument, blocks=True)
        records = np.zeros(len(here), BLOCK)
        records["block_id"], records["place"] = here["number"], here["placed"]
        records["price"], records["quantity"] = here["price"], here["shown"]
        records["side"], records["action"] = here["side"], OrderAction.PLACE
        records["hours"] = here["hours"]
        return records

    def _standing(self, instrument: int, *, blocks: bool) -> Records:
        """What the market was told to stand there, by place."""
        live = self._live[: self._counters[LIVE_USED]]
        here = live[(live["instrument"] == instrument) & (live["told"] > 0)]
        here = here[(here["hours"] > 0) == blocks]
        ordered: Records = here[np.argsort(here["placed"], kind="stable")]
        return ordered

    def _stored_from(self, instrument: int, from_sequence: int, following: int) -> Records:
        """An instrument's trades from a frame's number on, read backwards: most ask for the last.

        `following` is the number of its next frame.
        """
        size, last, parts = STORED.itemsize, self._trade_count, [np.zeros(0, STORED)]
        found = 0
        while last > 0 and found < following - max(1, from_sequence):
            first = max(0, last - TRADES_READ)
            content = os.pread(self._descriptor, (last - first) * size, first * size)
            rows = np.frombuffer(content, STORED)
            chosen = (rows["instrument"] == instrument) & (rows["sequence"] >= from_sequence)
            parts.append(rows[chosen])
            found += int(chosen.sum())
            last = first
        wanted: Records = np.concatenate(parts[::-1])
        return wanted

    def _trades_from(self, instrument: int, from_sequence: int) -> list[bytes]:
        following = int(self.sequences[CHANNELS[Channel.TRADES], instrument])
        wanted = self._stored_from(instrument, from_sequence, following)
        frames = []
        for row in wanted[:TRADES_AGAIN_MAX]:
            head = MARKET_HEAD.pack(
                Channel.TRADES, instrument, int(row["sequence"]), int(row["command"]),
                int(row["time_ns"]), MarketKind.TRADE, MarketFlag.IMAGE | MarketFlag.MORE, 1, 0,
            )  # fmt: skip
            frames.append(head + row["trade"].tobytes())
        if len(wanted) > TRADES_AGAIN_MAX:
            following = int(wanted[TRADES_AGAIN_MAX]["sequence"])
        head = MARKET_HEAD.pack(
            Channel.TRADES, instrument, following, 0, 0, MarketKind.TRADE, MarketFlag.IMAGE, 0, 0
        )
        return [*frames, head]

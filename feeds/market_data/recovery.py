"""Recovery images: the frames that a subscriber is sent, on request, after a gap."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feeds.market_data.frames import RECORDS_MAX
from feeds.market_data.layout import STORED_TRADE
from feeds.protocol.records import MARKET_HEAD, Channel, MarketFlag, MarketKind

Records = NDArray[np.void]

TRADES_AGAIN_MAX = 10_000
"""Trades in one recovery image."""

TRADES_READ = 1 << 14
"""Trades read from the file at a time."""


class TradeStore:
    """The day's published trades in a file, for recovery requests."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._descriptor = os.open(folder / "trades", flags, 0o600)
        self._count = 0

    def append(self, trades: Records) -> None:
        """Write STORED_TRADE records behind the others."""
        offset = self._count * STORED_TRADE.itemsize
        os.pwrite(self._descriptor, trades.tobytes(), offset)
        self._count += len(trades)

    def read_from(self, instrument: int, from_sequence: int, next_sequence: int) -> Records:
        """An instrument's trades from a frame's number on.

        `next_sequence` is the number of its next frame. The file is read backwards, because most
        requests are for the last trades.
        """
        size, last, parts = STORED_TRADE.itemsize, self._count, [np.zeros(0, STORED_TRADE)]
        found = 0
        while last > 0 and found < next_sequence - max(1, from_sequence):
            first = max(0, last - TRADES_READ)
            content = os.pread(self._descriptor, (last - first) * size, first * size)
            rows = np.frombuffer(content, STORED_TRADE)
            chosen = (rows["instrument"] == instrument) & (rows["sequence"] >= from_sequence)
            parts.append(rows[chosen])
            found += int(chosen.sum())
            last = first
        wanted: Records = np.concatenate(parts[::-1])
        return wanted

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def state_image(
    channel: Channel, instrument: int, sequence: int, kind: MarketKind, records: Records, code: int
) -> list[bytes]:
    """The image of a channel's present state: its records in frames, of which the last has no flag
    MORE and carries the checksum `code`. `sequence` is the number of the channel's next frame."""
    frames = []
    for start in range(0, max(1, len(records)), RECORDS_MAX):
        part = records[start : start + RECORDS_MAX]
        more = start + RECORDS_MAX < len(records)
        flags = MarketFlag.IMAGE | (MarketFlag.MORE if more else 0)
        checked = 0 if more else code
        head = MARKET_HEAD.pack(
            channel, instrument, sequence, 0, 0, kind, flags, len(part), checked
        )
        frames.append(head + part.tobytes())
    return frames


def trades_image(instrument: int, trades: Records, next_sequence: int) -> list[bytes]:
    """The image of stored trades: a frame each, as they were first sent, and one without a record
    that carries the number of the next frame."""
    frames = []
    for row in trades[:TRADES_AGAIN_MAX]:
        head = MARKET_HEAD.pack(
            Channel.TRADES, instrument, int(row["sequence"]), int(row["command"]),
            int(row["time_ns"]), MarketKind.TRADE, MarketFlag.IMAGE | MarketFlag.MORE, 1, 0,
        )  # fmt: skip
        frames.append(head + row["trade"].tobytes())
    if len(trades) > TRADES_AGAIN_MAX:
        next_sequence = int(trades[TRADES_AGAIN_MAX]["sequence"])
    last = MARKET_HEAD.pack(
        Channel.TRADES, instrument, next_sequence, 0, 0, MarketKind.TRADE, MarketFlag.IMAGE, 0, 0
    )
    return [*frames, last]

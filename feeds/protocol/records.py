"""Records of the wire: heads of frames, and the records of market data.

Orders and reports travel as the machine's COMMAND and EVENT (`matching.records`). All fields are
little-endian. The size of every head and record is a multiple of 8 bytes. PROTOCOL.md has them as
tables.
"""

import struct
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np

PROTOCOL_VERSION = 6

FRAME = np.dtype(
    [("kind", "u1"), ("flags", "u1"), ("count", "<u2"), ("spare", "<u4"), ("sequence", "<u8")]
)
"""Head of every frame on an order entry socket."""

FRAME_HEAD = struct.Struct("<BBHIQ")
assert FRAME.itemsize == FRAME_HEAD.size == 16

FRAME_RECORDS_MAX = 1_024
"""Most records in one frame."""

RECORD_BYTES = 64
FRAME_BYTES_MAX = FRAME.itemsize + FRAME_RECORDS_MAX * RECORD_BYTES


class FrameKind(IntEnum):
    """Content after the head of a frame."""

    COMMANDS = 1  # to the venue: COMMAND records of one kind
    REPORTS = 2  # from the venue: EVENT records; `sequence` is the report number of the first one
    MESSAGE = 3  # both ways: one msgpack map, a message of feeds.protocol.messages; `count` is 0
    HEARTBEAT = 4  # both ways: no content


class FrameFlag(IntFlag):
    """Bits of `flags` in a REPORTS frame."""

    POSS_DUP = 1  # the first answer again, to a user_ref that was used before (FIX PossDupFlag)
    RESENT = 2  # a report that may have been sent before (FIX PossResend)
    STATUS = 4  # the last report of an order, the answer to order_status


def _record(*fields: tuple[str, str, int], size: int) -> np.dtype[np.void]:
    names, formats, offsets = zip(*fields, strict=True)
    return np.dtype(
        {"names": list(names), "formats": list(formats), "offsets": list(offsets), "itemsize": size}
    )


MARKET = _record(
    ("channel", "u1", 0),
    ("instrument", "<u4", 4),
    ("sequence", "<u8", 8),
    ("command", "<u8", 16),
    ("time_ns", "<i8", 24),
    ("kind", "u1", 32),
    ("flags", "u1", 33),
    ("count", "<u2", 34),
    ("checksum", "<u4", 36),
    size=40,
)
"""Head of every market data frame; its first 8 bytes are the topic to subscribe to."""

MARKET_HEAD = struct.Struct("<B3xIQQqBBHI")
assert MARKET.itemsize == MARKET_HEAD.size == 40

TOPIC = struct.Struct("<B3xI")


class MarketHead(NamedTuple):
    """Head of a market data frame, unpacked; `records` is the field `count` of MARKET."""

    channel: int
    instrument: int
    sequence: int
    command: int
    time_ns: int
    kind: int
    flags: int
    records: int
    checksum: int


def read_market_head(frame: bytes) -> MarketHead:
    """Unpack the head of a market data frame."""
    return MarketHead._make(MARKET_HEAD.unpack_from(frame))


LEVEL = _record(
    ("quantity", "<i8", 0), ("price", "<i4", 8), ("orders", "<u4", 12), ("side", "u1", 16), size=24
)
"""The displayed quantity at a price; 0: the level is removed."""

TOP = _record(
    ("bid_quantity", "<i8", 0),
    ("ask_quantity", "<i8", 8),
    ("bid_price", "<i4", 16),
    ("ask_price", "<i4", 20),
    ("bid_orders", "<u4", 24),
    ("ask_orders", "<u4", 28),
    size=32,
)
"""Best prices of both sides; all fields of a side without orders are 0."""

ORDER = _record(
    ("order_id", "<u8", 0),
    ("price", "<i4", 8),
    ("shown", "<i4", 12),
    ("side", "u1", 16),
    ("action", "u1", 17),
    size=24,
)
"""An order without its owner."""

BLOCK = _record(
    ("block_id", "<u8", 0),
    ("price", "<i4", 8),
    ("quantity", "<i4", 12),
    ("side", "u1", 16),
    ("action", "u1", 17),
    ("hours", "u1", 18),
    ("place", "<u8", 24),
    size=32,
)
"""A standing block without its owner.

It begins with the instrument of the frame. `price` is the limit on the average of its hours,
`quantity` is for each hour. Of blocks with equal prices the one with the smaller `place` is tried
first, also if they begin with different hours.
"""

TRADE = _record(
    ("trade_id", "<u4", 0),
    ("price", "<i4", 4),
    ("quantity", "<i4", 8),
    ("side", "u1", 12),
    ("flags", "u1", 13),
    ("trade_group", "<u4", 16),
    size=24,
)
"""A trade; `side` is the taker's. All trades of one block trade have the same `trade_group`."""

STATUS = _record(("price", "<i4", 0), ("quantity", "<i4", 4), ("phase", "u1", 8), size=16)
"""An instrument's phase, and price and volume of the uncross before it."""

STATISTICS = _record(
    ("volume", "<i8", 0),
    ("turnover_fen", "<i8", 8),
    ("open", "<i4", 16),
    ("high", "<i4", 20),
    ("low", "<i4", 24),
    ("last", "<i4", 28),
    ("trades", "<u4", 32),
    size=40,
)
"""Statistics of the day so far; all fields are 0 before the first trade."""

NEXT = _record(("sequence", "<u8", 0), ("instrument", "<u4", 8), ("channel", "u1", 12), size=16)
"""In a heartbeat: the number of the next frame of a channel."""


class Channel(IntEnum):
    """First byte of a topic, a letter. Each channel of each instrument has numbers of its own."""

    LEVELS = ord("L")
    TOP = ord("B")
    ORDERS = ord("O")
    TRADES = ord("T")
    STATUS = ord("S")
    STATISTICS = ord("X")
    BLOCKS = ord("K")  # of the blocks' first hour
    DEFINITIONS = ord("D")  # msgpack
    HEARTBEAT = ord("H")  # instrument 0


INCREMENTAL = (
    Channel.LEVELS,
    Channel.TOP,
    Channel.ORDERS,
    Channel.TRADES,
    Channel.STATUS,
    Channel.STATISTICS,
    Channel.BLOCKS,
)
"""Channels derived from events, in the order in which the frames of one command are sent."""


class MarketKind(IntEnum):
    """Type of the records in a market data frame."""

    LEVEL = 1
    TOP = 2
    ORDER = 3
    TRADE = 4
    STATUS = 5
    STATISTICS = 6
    DEFINITION = 7  # one msgpack map
    HEARTBEAT = 8  # NEXT records
    END_OF_DAY = 9  # no records; on the channel of heartbeats
    BLOCK = 10


class MarketFlag(IntFlag):
    """Bits of `flags` in a market data frame."""

    MORE = 1  # another frame of the same command and channel follows; the last one has the checksum
    IMAGE = 2  # part of an image, the state after frame `sequence` - 1


class OrderAction(IntEnum):
    """Change of an order or a block in the market's view."""

    PLACE = 1  # now at the back of its level; it leaves its former place
    CHANGE = 2  # another quantity in the same place
    REMOVE = 3


class TradeFlag(IntFlag):
    """Bits of `flags` in a TRADE."""

    AUCTION = 1
    BUSTED = 2  # the trade of this number was busted
    BLOCK = 4  # one hour of a block's trade
    OFF_BOOK = 8  # two blocks traded with each other; not a price of the hour


RECORD_OF = {
    MarketKind.LEVEL: LEVEL,
    MarketKind.TOP: TOP,
    MarketKind.ORDER: ORDER,
    MarketKind.TRADE: TRADE,
    MarketKind.STATUS: STATUS,
    MarketKind.STATISTICS: STATISTICS,
    MarketKind.BLOCK: BLOCK,
    MarketKind.HEARTBEAT: NEXT,
}
"""Record of each kind of market data frame."""


def topic(channel: Channel, instrument: int) -> bytes:
    """Topic of one instrument's channel. Its first byte alone is the topic of all instruments.

    >>> topic(Channel.LEVELS, 3)
    b'L\\x00\\x00\\x00\\x03\\x00\\x00\\x00'
    """
    return TOPIC.pack(channel, instrument)

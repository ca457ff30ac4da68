"""The wire's own records: the head of a frame, and what market data is made of.

Orders and reports travel as the machine's COMMAND and EVENT (`matching.records`). Everything is
little-endian; a head and every record is a multiple of 8 bytes. PROTOCOL.md has these as tables.
"""

import struct
from enum import IntEnum, IntFlag

import numpy as np

PROTOCOL_VERSION = 4

FRAME = np.dtype(
    [("kind", "u1"), ("flags", "u1"), ("count", "<u2"), ("spare", "<u4"), ("sequence", "<u8")]
)
"""The head of every frame on an order entry socket."""

FRAME_HEAD = struct.Struct("<BBHIQ")
assert FRAME.itemsize == FRAME_HEAD.size == 16

FRAME_RECORDS_MAX = 1_024
"""Records in one frame, at most."""

RECORD_BYTES = 64
FRAME_BYTES_MAX = FRAME.itemsize + FRAME_RECORDS_MAX * RECORD_BYTES


class FrameKind(IntEnum):
    """What follows the head of a frame."""

    COMMANDS = 1  # to the venue: COMMAND records of one kind
    REPORTS = 2  # from the venue: EVENT records; `sequence` is the report number of the first
    MESSAGE = 3  # either way: one msgpack map, a message of feeds.protocol.messages; `count` is 0
    HEARTBEAT = 4  # either way: nothing


class FrameFlag(IntFlag):
    """Bits of `flags` in a REPORTS frame."""

    POSS_DUP = 1  # the first answer again, to a user_ref that was sent before (FIX PossDupFlag)
    RESENT = 2  # a report that went out before (FIX PossResend)
    STATUS = 4  # the last report of an order, as asked for


def _laid(*fields: tuple[str, str, int], size: int) -> np.dtype[np.void]:
    names, formats, offsets = zip(*fields, strict=True)
    return np.dtype(
        {"names": list(names), "formats": list(formats), "offsets": list(offsets), "itemsize": size}
    )


MARKET = _laid(
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
"""The head of every market data frame; its first 8 bytes are the topic to subscribe to."""

MARKET_HEAD = struct.Struct("<B3xIQQqBBHI")
assert MARKET.itemsize == MARKET_HEAD.size == 40

TOPIC = struct.Struct("<B3xI")

LEVEL = _laid(
    ("quantity", "<i8", 0), ("price", "<i4", 8), ("orders", "<u4", 12), ("side", "u1", 16), size=24
)
"""What now stands displayed at a price: an absolute quantity, 0 where the level is gone."""

TOP = _laid(
    ("bid_quantity", "<i8", 0),
    ("ask_quantity", "<i8", 8),
    ("bid_price", "<i4", 16),
    ("ask_price", "<i4", 20),
    ("bid_orders", "<u4", 24),
    ("ask_orders", "<u4", 28),
    size=32,
)
"""The best price of both sides; a side without orders is all zeros."""

ORDER = _laid(
    ("order_id", "<u8", 0),
    ("price", "<i4", 8),
    ("shown", "<i4", 12),
    ("side", "u1", 16),
    ("action", "u1", 17),
    size=24,
)
"""An order without its owner."""

BLOCK = _laid(
    ("block_id", "<u8", 0),
    ("price", "<i4", 8),
    ("quantity", "<i4", 12),
    ("side", "u1", 16),
    ("action", "u1", 17),
    ("hours", "u1", 18),
    ("place", "<u8", 24),
    size=32,
)
"""A standing block without its owner: the limit on its average price, its quantity in each hour.

It begins with the instrument of the frame; of those that are equally good, the one whose `place`
is smaller comes first, whichever hours they begin with.
"""

TRADE = _laid(
    ("trade_id", "<u4", 0),
    ("price", "<i4", 4),
    ("quantity", "<i4", 8),
    ("side", "u1", 12),
    ("flags", "u1", 13),
    ("trade_group", "<u4", 16),
    size=24,
)
"""A trade; `side` is the taker's. What a block traded as one has one `trade_group`."""

STATUS = _laid(("price", "<i4", 0), ("quantity", "<i4", 4), ("phase", "u1", 8), size=16)
"""An instrument's phase, and price and volume of the uncross that led to it."""

STATISTICS = _laid(
    ("volume", "<i8", 0),
    ("turnover_fen", "<i8", 8),
    ("open", "<i4", 16),
    ("high", "<i4", 20),
    ("low", "<i4", 24),
    ("last", "<i4", 28),
    ("trades", "<u4", 32),
    size=40,
)
"""The day so far; all zeros before the first trade."""

NEXT = _laid(("sequence", "<u8", 0), ("instrument", "<u4", 8), ("channel", "u1", 12), size=16)
"""In a heartbeat: the number that the next frame of a channel will have."""


class Channel(IntEnum):
    """First byte of a topic: a letter. Each channel of each instrument is numbered by itself."""

    LEVELS = ord("L")
    TOP = ord("B")
    ORDERS = ord("O")
    TRADES = ord("T")
    STATUS = ord("S")
    STATISTICS = ord("X")
    BLOCKS = ord("K")  # by the first hour
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
"""Channels that the events of commands make, in the order in which one command's frames go out."""


class MarketKind(IntEnum):
    """What records a market data frame holds."""

    LEVEL = 1
    TOP = 2
    ORDER = 3
    TRADE = 4
    STATUS = 5
    STATISTICS = 6
    DEFINITION = 7  # one msgpack map
    HEARTBEAT = 8  # NEXT records
    END_OF_DAY = 9  # nothing; on the heartbeat's channel
    BLOCK = 10


class MarketFlag(IntFlag):
    """Bits of `flags` in a market data frame."""

    MORE = 1  # another frame of the same command and channel follows; the checksum is in the last
    IMAGE = 2  # of a recovery: the whole, as it was after frame `sequence` - 1


class OrderAction(IntEnum):
    """What happened to an order or a block in the market's view."""

    PLACE = 1  # now at the back of its level, wherever it was before
    CHANGE = 2  # shows another quantity in the same place
    REMOVE = 3


class TradeFlag(IntFlag):
    """Bits of `flags` in a TRADE."""

    AUCTION = 1
    BUSTED = 2  # the trade of this number was taken back
    BLOCK = 4  # one hour of a block's trade
    OFF_BOOK = 8  # of two blocks with each other: no price of the hour


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
"""The record that fills a market data frame of each kind."""


def topic(channel: Channel, instrument: int) -> bytes:
    """The topic of one instrument's channel; its first byte alone is the channel of all.

    >>> topic(Channel.LEVELS, 3)
    b'L\\x00\\x00\\x00\\x03\\x00\\x00\\x00'
    """
    return TOPIC.pack(channel, instrument)

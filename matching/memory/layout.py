"""Layout of the machine's memory: every table and record, allocated once from Limits.

Slot, page and position 0 mean "none", so that zeroed memory is a valid empty machine.
"""

from typing import Any

import numpy as np

from matching.limits import REFS_PER_PAGE, Limits
from matching.memory.handle import HandleLayout
from matching.memory.state_record import STATE
from matching.records import BASKET_MEMBERS_MAX, BLOCK_HOURS_MAX, BUSTS_MAX, COMMAND, EVENT

RING = 64
"""Commands for which look-ahead keeps its results: a power of two, and more than the look-ahead
distance."""

PAGE = REFS_PER_PAGE

BOOKS = 4
BUY_STOPS, SELL_STOPS = 2, 3
"""Books of an instrument: 0 bids, 1 asks, 2 waiting buy stops, 3 waiting sell stops."""

RANK_BITS = 40
"""Bits of a timer's rank below its instrument."""

AUCTIONED_BITS = 32
"""Instruments of a word of the bitmap `auctioned`."""

TICKS_MAX = 1 << 18
"""Widest band: what three levels of a 64-ary bitmap span."""

ORDER = np.dtype(
    [
        ("held", "<i8"),  # fen of a buy: its worth at its worst price, and the fee
        ("price", "<i4"),  # limit in ticks; 0: none
        ("leaves", "<i4"),
        ("shown", "<i4"),
        ("display", "<i4"),  # size of a slice; 0: no iceberg. Of a block: its hours
        ("session", "<u4"),
        ("user_ref", "<u4"),
        ("account", "<u4"),
        ("instrument", "<u4"),  # 0: the slot is free
        ("accepted", "<u4"),  # acceptance sequence
        ("cumulative", "<i4"),
        ("stop", "<i4"),  # trigger. Of a block: its number in the pool of blocks
        ("timer", "<u4"),  # its position in the timers; 0: none
        ("fee_fraction", "<i4"),  # millionths of a fen not yet charged
        ("side", "u1"),
        ("type", "u1"),
        ("tif", "u1"),
        ("mode", "u1"),  # self-trade prevention, and the bits below
    ]
)
STP_MASK = 7
POST_ONLY = 8
WAITING = 16
TIMED = 32
BLOCK_BIT = 64
QUOTE_BIT = 128

LINK = np.dtype([("next", "<u4"), ("prev", "<u4")])

INSTRUMENT = np.dtype(
    {
        "names": [
            "level_base", "word_base", "low", "high",
            "tick_fen", "dearer_rate", "deposit_fen", "quantity_max", "width",
            "phase", "watched", "plain_phase", "gated", "longest",
            "maker_rate", "taker_rate", "last", "reference", "words", "groups",
            "collar", "collar_s", "close_s", "gate_s", "after", "follows",
        ],
        "formats": [
            "<i8", "<i8", *["<i4"] * 7, "u1", "u1", "<u2", "u1", "u1", *["<i4"] * 8, *["<u4"] * 4,
        ],
        "offsets": [
            16, 24, 32, 36,
            40, 44, 48, 52, 56,
            60, 61, 60, 62, 63,
            64, 68, 72, 76, 80, 84,
            88, 92, 96, 100, 104, 108,
        ],
        "itemsize": 128,
    }
)  # fmt: skip
"""The first 16 bytes are `tops`, the best levels of the four books. The first 64 bytes are all that
a new order reads. `watched` is 1 while a standing block has a leg in the instrument. `plain_phase`
reads phase and `watched` as one number: it equals the phase where no block stands. `after` and
`follows` are the instruments of the next and the previous delivery period. Bytes 112 to 127 are
WATCH."""

WATCH_AT = 28
WATCH_HEAD, WATCH_REACH = 0, 2
"""As u4 of an instrument, for buys and for sells: WATCH_HEAD is the first leg of a standing block.
WATCH_REACH is a level of the opposite book: only an order above it may help one of these blocks."""

ACCOUNT = np.dtype(
    {
        "names": [
            "free", "reserved", "deposit", "notional_cap", "paid", "earned",
            "order_cap", "position_cap", "group", "trader",
            "funded", "notional_max", "firm", "order_max", "position_max", "halted",
        ],
        "formats": [
            *["<i8"] * 6, "<i4", "<i4", "<u4", "<u4", "<i8", "<i8", "<u4", "<i4", "<i4", "u1",
        ],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 52, 56, 60, 64, 72, 80, 84, 88, 92],
        "itemsize": 128,
    }
)  # fmt: skip
"""The first 64 bytes are all that a new order reads: limits as they act (the columns `_cap`; the
largest number where there is no limit) and the firm whose sessions may trade (`trader`; 0 while the
account is halted)."""

PROTECTION = np.dtype(
    [
        ("lots_max", "<i8"),  # bounds; 0: none
        ("fills_max", "<i8"),
        ("notional_max", "<i8"),
        ("window_ns", "<i8"),  # 0: no protection
        ("began_ns", "<i8"),
        ("lots", "<i8"),  # traded since then
        ("fills", "<i8"),
        ("notional", "<i8"),
        ("tripped", "<u4"),  # 1: a bound was reached
        ("next", "<u4"),  # of the accounts whose quotes are to be withdrawn
    ]
)
"""Record of what an account's quotes may trade within a time."""

POSITION = np.dtype(
    [("registered", "<i4"), ("net", "<i4"), ("open_buy", "<i4"), ("open_sell", "<i4")]
)

SESSION = np.dtype(
    [
        ("firm", "<u4"),
        ("opened", "u1"),
        ("operator", "u1"),
        ("spare", "<u2"),
        ("orders", "<u4"),  # live, blocks and stops among them
        ("blocks", "<u4"),  # live
        ("ref_pages", "<u4"),  # with a live order
        ("spares", "<u4", 3),
    ]
)

HOURS = BLOCK_HOURS_MAX

BLOCK = np.dtype(
    [
        ("total", "<i8"),  # sum of its legs' totals, except those that lack quantity
        ("slot", "<u4"),  # its order; of a free block: the next free one
        ("lacking", "<u4"),  # legs that lack quantity
        ("candidate", "<u4"),  # its place in the table candidates, from 1; 0: none
        ("active", "<u4"),  # 1: its legs are linked
    ]
)

LEG = np.dtype(
    [
        ("total", "<i8"),  # price x quantity: a bound, its hour offers no better
        ("next", "<u4"),  # legs of standing blocks of one side in one hour
        ("prev", "<u4"),
        ("instrument", "<u4"),
        ("last_index", "<u4"),  # orders above this level break the bound; 0: too few lots
        ("low", "<i4"),  # lowest and highest price of its trades, while its block trades
        ("high", "<i4"),
        ("base", "<i4"),  # last trade price before them
        ("spare", "<i4"),
    ]
)
"""Record of a block's hour. Leg k of block b is item HOURS x b + k."""

MEMBERS = BASKET_MEMBERS_MAX

PLACE = np.dtype(
    [
        ("bound", "<i8"),  # lowest level that the order may trade at
        ("limit_room", "<i8"),  # lots that the account's position limit admits
        ("room", "<i8"),  # of these, what it has the capacity for; trades reduce it
        ("left", "<i8"),  # of the room, while a split is computed
        ("instrument", "<u4"),  # 0: not to be used
        ("index", "<u4"),  # the level under way
        ("low", "<i4"),  # lowest and highest price of its trades
        ("high", "<i4"),
        ("base", "<i4"),  # last trade price before them
        ("spare", "<i4"),
    ]
)
"""Record of an hour of a basket's member while an order for the basket runs. Hour k of member j is
item MEMBERS x k + j."""

AUCTION = np.dtype(
    [
        ("volume", "<i8"),  # indicative volume, surplus and price as reported last
        ("surplus", "<i8"),  # of buys; negative: of sells
        ("price", "<i4"),
        ("random_s", "<i4"),  # most seconds that a collar's auction is longer
        ("extension", "<i4"),  # ticks; a price further away puts the end off once; 0: never
        ("extended", "<u4"),  # 1: it was put off
    ]
)
"""Record of an instrument's auctions. What was reported last is 0 outside an auction."""

TIMER = np.dtype(
    [
        ("due", "<i8"),  # seconds x 4 + class
        ("rank", "<i8"),  # instrument x 2^RANK_BITS + acceptance sequence or order of scheduling
        ("slot", "<u4"),  # the order that expires; 0: a timer of the instrument
        ("phase", "<u4"),  # of class PHASE: the new phase, or COLLAR_END
    ]
)

OWN_TIMERS = np.dtype([("expiry", "<u4"), ("close", "<u4"), ("gate", "<u4"), ("collar_end", "<u4")])
"""Positions of an instrument's own timers: the end of its DAY orders and its close, its gate
closure, the end of a collar's auction; 0: none."""

FORESEEN = np.dtype(
    [
        ("place", "<u4"),  # index in the order id table
        ("slot", "<u4"),  # of the order that the command names
        ("level", "<u4"),  # that a new order joins
        ("top", "<u4"),  # index of the other side's best level in tops
        ("limit", "<u4"),  # the level that it must reach
        ("across", "<u4"),  # link of the other side's level 0
        ("met", "<u4"),  # link of the level that a new order meets
        ("spare", "<u4"),
    ]
)
"""Results of look-ahead for one command; 0: none."""

I8, U4, I4 = np.dtype("<i8"), np.dtype("<u4"), np.dtype("<i4")

TABLES: dict[str, np.dtype[Any]] = {
    "state": STATE,  # one record
    "orders": ORDER,  # slots
    "links": LINK,  # of slots, then one for each level: where its circle of orders begins and ends
    "words": I8,  # bitmaps of non-empty levels
    "instruments": INSTRUMENT,
    "accounts": ACCOUNT,
    "protections": PROTECTION,  # of accounts
    "positions": POSITION,  # instrument x (accounts + 1) + account
    "sessions": SESSION,
    "directory": U4,  # session x pages a session -> page
    "pages": U4,  # page x PAGE -> slot
    "page_live": U4,  # live orders of a page, or the next free page
    "blocks": BLOCK,
    "legs": LEG,  # block x HOURS + hour
    "candidates": U4,  # blocks to try, from 1, in no order
    "busts": U4,  # numbers of the trades that were taken back, from 1
    "members": U4,  # of baskets: MEMBERS x basket + place -> instrument
    "places": PLACE,  # of the order for a basket under way
    "own_timers": OWN_TIMERS,  # of instruments
    "auctions": AUCTION,  # of instruments
    "auctioned": I8,  # bitmap of the instruments in an auction
    "buys": I8,  # lots of the ticks that are measured, from 1, as prefix sums (Fenwick trees)
    "sells": I8,
    "timers": TIMER,  # binary heap from 1
    "queue": U4,  # triggered stops, in order
    "keys": I8,  # of the list under way: what it is sorted by
    "slots": U4,  # of the list under way
    "foreseen": FORESEEN,  # of the next commands
    "commands": COMMAND,
    "events": EVENT,
}
"""Item type of each table, by the table's name in the handle."""

VIEWS: dict[str, tuple[str, np.dtype[Any]]] = {
    "tops": ("instruments", U4),  # best index of a book at TOPS x instrument + book; 0: empty
    "watch": ("instruments", U4),  # at TOPS x instrument + WATCH_AT + what + side
    "order_words": ("orders", I8),
    "account_words": ("accounts", I8),
    "position_words": ("positions", I4),
    "command_words": ("commands", I8),
    "event_words": ("events", I8),
}
"""Other readings of the same memory, by name in the handle: of which table, and as what type."""

TOPS = INSTRUMENT.itemsize // U4.itemsize

MACHINE_LAYOUT = HandleLayout("Machine", TABLES, VIEWS)
"""The handle that kernels take as `m`: all tables and views by name."""


def shapes(limits: Limits) -> dict[str, tuple[int, np.dtype[Any]]]:
    """Length and item type of each table except commands and events, by name."""
    lengths = {
        "state": 1,
        "orders": limits.orders + 1,
        "links": limits.orders + 1 + BOOKS * (limits.ticks + limits.instruments),
        "words": BOOKS * (limits.ticks // 64 + limits.ticks // 4096 + 4 * limits.instruments),
        "instruments": limits.instruments + 1,
        "accounts": limits.accounts + 1,
        "protections": limits.accounts + 1,
        "positions": (limits.instruments + 1) * (limits.accounts + 1),
        "sessions": limits.sessions + 1,
        "directory": (limits.sessions + 1) * pages_a_session(limits),
        "pages": (limits.ref_pages + 1) * PAGE,
        "page_live": limits.ref_pages + 1,
        "blocks": limits.blocks + 1,
        "legs": (limits.blocks + 1) * HOURS,
        "candidates": limits.blocks + 1,
        "busts": BUSTS_MAX + 1,
        "members": (limits.baskets + 1) * MEMBERS,
        "places": HOURS * MEMBERS,
        "own_timers": limits.instruments + 1,
        "auctions": limits.instruments + 1,
        "auctioned": limits.instruments // AUCTIONED_BITS + 1,
        "buys": limits.ticks + 1,
        "sells": limits.ticks + 1,
        "timers": limits.orders + 8 * limits.instruments + 1,
        "queue": limits.orders + 1,
        "keys": limits.orders + 1,
        "slots": limits.orders + 1,
        "foreseen": RING,
    }
    return {name: (length, TABLES[name]) for name, length in lengths.items()}


def memory_bytes(limits: Limits) -> dict[str, int]:
    """Bytes of each table and of the buffer of events, by name. Pages that are never used cost no
    memory."""
    sizes = {name: length * dtype.itemsize for name, (length, dtype) in shapes(limits).items()}
    return sizes | {"events": limits.events * EVENT.itemsize}


def pages_a_session(limits: Limits) -> int:
    """Entries that one session has in the directory of the order id table."""
    return (limits.refs + PAGE - 1) // PAGE


assert ORDER.itemsize == 64
assert COMMAND.itemsize == EVENT.itemsize == 64

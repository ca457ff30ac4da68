"""Tables of market data derivation, behind one handle: instruments, orders, changes, frames."""

from typing import Any

import numpy as np

from feeds.price_levels import LADDER
from feeds.protocol.records import TRADE
from matching.memory.handle import HandleLayout, handle_at
from matching.records import EVENT

LIVE_ORDER = np.dtype(
    [
        ("key", "<i8"),  # session and user_ref; -1: the order has left the book
        ("number", "<i8"),  # anonymous order id
        ("instrument", "<i8"),  # 0: the slot is free
        ("side", "<i8"),
        ("price", "<i8"),
        ("shown", "<i8"),  # displayed quantity
        ("published", "<i8"),  # displayed quantity in the last frame; 0: not in the book
        ("placed", "<i8"),  # grows with every placing at the back of a level
        ("moved", "<i8"),  # whether it was placed in this command
        ("change", "<i8"),  # its last entry in `changed_orders` in this command; -1: none
        ("hours", "<i8"),  # of a block; 0: an order
        ("next", "<i8"),  # the next free slot
    ]
)
"""An order or a block in a book, or one that waits to enter it."""

ORDER_KEY = np.dtype([("key", "<i8"), ("slot", "<i8")])
"""Entry of the hash table from a key to a slot of `live_orders`; key 0: empty."""

INSTRUMENT = np.dtype(
    [
        ("command", "<i8"),  # the last that changed it
        ("has_status", "<i8"),  # whether the phase changed in this command
        ("phase", "<i8"),
        ("status_price", "<i8"),
        ("status_quantity", "<i8"),
        ("status_surplus", "<i8"),
        ("bid_price", "<i8"),  # best prices, as last published
        ("bid_quantity", "<i8"),
        ("bid_orders", "<i8"),
        ("ask_price", "<i8"),
        ("ask_quantity", "<i8"),
        ("ask_orders", "<i8"),
        ("tick_fen", "<i8"),
        ("volume", "<i8"),
        ("turnover_fen", "<i8"),
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("last", "<i8"),
        ("count", "<i8"),  # trades
    ]
)
"""State of an instrument."""

CHAIN = np.dtype([("first", "<i8"), ("last", "<i8")])
"""First and last of an instrument's entries in a table of changes; first -1: none."""

CHANGED_LEVELS, CHANGED_ORDERS, CHANGED_BLOCKS, NEW_TRADES = 0, 1, 2, 3
CHAINS = 4
"""Chains of an instrument; blocks have entries in the table of orders."""

CHANGED_LEVEL = np.dtype(
    [
        ("level", "<i8"),
        ("quantity", "<i8"),  # before the command
        ("orders", "<i8"),
        ("side", "<i8"),
        ("next", "<i8"),  # entry of the same chain; -1: none
    ]
)
CHANGED_ORDER = np.dtype([("slot", "<i8"), ("next", "<i8")])
NEW_TRADE = np.dtype([("word_0", "<i8"), ("word_1", "<i8"), ("word_2", "<i8"), ("next", "<i8")])
"""A trade as the words of a TRADE record."""

STORED_TRADE = np.dtype(
    [
        ("instrument", "<i8"),
        ("sequence", "<i8"),  # of its frame
        ("command", "<i8"),
        ("time_ns", "<i8"),
        ("trade", f"V{TRADE.itemsize}"),
    ]
)
"""A published trade, as it is stored for recovery requests."""

_STORED_WORDS: np.dtype[Any] = np.dtype(
    [
        ("instrument", "<i8"),
        ("sequence", "<i8"),
        ("command", "<i8"),
        ("time_ns", "<i8"),
        ("word_0", "<i8"),
        ("word_1", "<i8"),
        ("word_2", "<i8"),
    ]
)
assert _STORED_WORDS.itemsize == STORED_TRADE.itemsize

FRAME_SPAN = np.dtype([("start", "<i8"), ("end", "<i8")])
"""A frame's words in `out`."""

COUNTERS = np.dtype(
    [
        ("free_slot", "<i8"),  # of `live_orders`; -1: none
        ("slots_used", "<i8"),
        ("last_number", "<i8"),  # anonymous order ids given
        ("last_placed", "<i8"),
        ("levels", "<i8"),  # entries in use of the tables of changes
        ("orders", "<i8"),
        ("trades", "<i8"),
        ("instruments", "<i8"),
        ("out", "<i8"),  # words
        ("frames", "<i8"),
        ("ladder_levels", "<i8"),  # allotted to the ladders
        ("ladder_words", "<i8"),
        ("at", "<i8"),  # the next event
        ("open_command", "<i8"),  # whose frames are not written yet; -1: none
    ]
)

_WORD = np.dtype("<i8")
DERIVATION_LAYOUT = HandleLayout(
    "Derivation",
    {
        "counters": COUNTERS,  # one record
        "events": EVENT,
        "instruments": INSTRUMENT,
        "live_orders": LIVE_ORDER,
        "order_keys": ORDER_KEY,  # a power of two
        "ladders": LADDER,  # by instrument; see feeds.price_levels for these four
        "quantities": _WORD,
        "order_counts": _WORD,
        "bitmap": _WORD,
        "level_commands": _WORD,  # by level: the last command that changed it
        "chains": CHAIN,  # CHAINS x instrument + chain
        "changed_levels": CHANGED_LEVEL,
        "changed_orders": CHANGED_ORDER,
        "new_trades": NEW_TRADE,
        "stored_trades": _STORED_WORDS,  # beside each of `new_trades`
        "changed_instruments": _WORD,
        "sequences": _WORD,  # next frame number at instruments x channel + instrument
        "wanted": np.dtype("u1"),  # likewise: whether somebody subscribed
        "out": _WORD,
        "frames": FRAME_SPAN,
    },
)

derivation_at = handle_at(DERIVATION_LAYOUT)
"""Takes `Handle.argument` for the handle of the derivation's tables."""

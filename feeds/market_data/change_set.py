"""Events into market data, in one compiled pass: the same bytes for the same day, always.

The pass keeps every live order's displayed part and every level. It goes command by command: what
a command changed, as seen before and after it, becomes frames (each channel of each instrument at
most one, or several marked MORE), in the order of the channels; what came and went within the
command is not told.
"""

import numpy as np

from feeds.price_levels import put_level
from feeds.protocol.records import TradeFlag
from feeds.transport.compiler import inline
from matching.records import EventFlag, EventKind

LIVE = np.dtype(
    [
        ("key", "<i8"),  # session and user_ref
        ("number", "<i8"),  # anonymous
        ("instrument", "<i8"),
        ("side", "<i8"),
        ("price", "<i8"),
        ("shown", "<i8"),
        ("told", "<i8"),  # what the market was told that it shows; 0: not there
        ("placed", "<i8"),  # grows with every placing at the back of a level
        ("moved", "<i8"),  # placed in this command
        ("touch", "<i8"),  # its last entry among the touched orders of this command
        ("hours", "<i8"),  # of a block; 0: it is an order
        ("next", "<i8"),  # free slots
    ]
)

MARKET_STATE = np.dtype(
    [
        ("command", "<i8"),  # the last that touched it
        ("levels", "<i8"),  # heads of this command's chains of touched entries; -1: none
        ("levels_last", "<i8"),
        ("orders", "<i8"),
        ("orders_last", "<i8"),
        ("blocks", "<i8"),
        ("blocks_last", "<i8"),
        ("trades", "<i8"),
        ("trades_last", "<i8"),
        ("status", "<i8"),  # the phase changed in this command
        ("phase", "<i8"),
        ("status_price", "<i8"),
        ("status_quantity", "<i8"),
        ("bid_price", "<i8"),  # top of book as told
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
        ("count", "<i8"),
    ]
)

COUNTERS = 12
LIVE_FREE, LIVE_USED, NUMBERS, PLACED, LEVELS, ORDERS, TRADES, BOOKS, OUT, FRAMES, TICKS, WORDS = (
    range(COUNTERS)
)
"""Places in the array of counters."""

DONE, ROOM, GROW = 0, 1, 2
RECORDS_MAX = 2_000  # in a frame
_HEAD = 5
_ACCEPTED, _FILLED, _CANCELLED = EventKind.ACCEPTED, EventKind.FILLED, EventKind.CANCELLED
_REPLACED, _EXPIRED, _TRIGGERED = EventKind.REPLACED, EventKind.EXPIRED, EventKind.TRIGGERED
_REFRESHED, _LISTED, _BAND = EventKind.REFRESHED, EventKind.LISTED, EventKind.BAND_SET
_PHASE, _BUSTED = EventKind.PHASE_CHANGED, EventKind.BUSTED
_TAKER, _AUCTION = EventFlag.TAKER, EventFlag.AUCTION
_REQUEUED, _BLOCK, _OFF_BOOK = EventFlag.REQUEUED, EventFlag.BLOCK, EventFlag.OFF_BOOK
_BASKET = EventFlag.BASKET
_TOLD_BUSTED, _TOLD_BLOCK = int(TradeFlag.BUSTED), int(TradeFlag.BLOCK)
_TOLD_OFF_BOOK = int(TradeFlag.OFF_BOOK)


@inline
def home_of(key, mask):
    """Where a key belongs: eight refs of a session in a row side by side, which saves looking
    into the memory for each, the eights all over the table (multiplicative hash).
    """
    return (((((key >> 3) * -7046029254386353131) >> 40) << 3) | (key & 7)) & mask


@inline
def place_of(names, key):
    """Where in the hash table of keys and slots a key is, or would be (linear probing)."""
    mask = len(names) - 1
    at = home_of(key, mask)
    while names[at, 0] != 0 and names[at, 0] != key:
        at = (at + 1) & mask
    return at


@inline
def forget(names, key):
    """Take a key out of the hash table, closing the gap that it leaves."""
    mask = len(names) - 1
    gap = place_of(names, key)
    at = gap
    while True:
        at = (at + 1) & mask
        if names[at, 0] == 0:
            break
        home = home_of(names[at, 0], mask)
        if ((at - home) & mask) >= ((at - gap) & mask):
            names[gap, 0], names[gap, 1] = names[at, 0], names[at, 1]
            gap = at
    names[gap, 0] = 0


@inline
def touch_book(state, books, counters, instrument, command):
    """Note that a command touches an instrument."""
    book = state[instrument]
    if book["command"] == command:
        return
    book["command"] = command
    book["levels"] = -1
    book["orders"] = -1
    book["blocks"] = -1
    book["trades"] = -1
    book["status"] = 0
    books[counters[BOOKS]] = instrument
    counters[BOOKS] += 1


@inline
def touch_level(state, levels, stamps, counters, ladder, quantity, orders, instrument, level, side):
    """Note a level as it was before this command."""
    book = state[instrument]
    if stamps[level] == book["command"]:
        return
    stamps[level] = book["command"]
    at = counters[LEVELS]
    counters[LEVELS] += 1
    levels[at, 0] = level
    levels[at, 1] = quantity[level]
    levels[at, 2] = orders[level]
    levels[at, 3] = side
    levels[at, 4] = -1
    if book["levels"] < 0:
        book["levels"] = at
    else:
        levels[book["levels_last"], 4] = at
    book["levels_last"] = at


@inline
def touch_order(state, live, orders, counters, slot):
    """Note an order, at the end of those that this command touched."""
    order = live[slot]
    book = state[order["instrument"]]
    at = counters[ORDERS]
    counters[ORDERS] += 1
    orders[at, 0] = slot
    orders[at, 1] = -1
    order["touch"] = at
    if book["orders"] < 0:
        book["orders"] = at
    else:
        orders[book["orders_last"], 1] = at
    book["orders_last"] = at


@inline
def touch_block(state, live, orders, counters, slot):
    """Note a block likewise: among the orders, in a chain of its first hour."""
    order = live[slot]
    book = state[order["instrument"]]
    at = counters[ORDERS]
    counters[ORDERS] += 1
    orders[at, 0] = slot
    orders[at, 1] = -1
    order["touch"] = at
    if book["blocks"] < 0:
        book["blocks"] = at
    else:
        orders[book["blocks_last"], 1] = at
    book["blocks_last"] = at


@inline
def place_last(order, counters):
    """An order goes to the back of its level, a block behind all that are as good."""
    order["moved"] = 1
    counters[PLACED] += 1
    order["placed"] = counters[PLACED]


@inline
def show(
    state, live, orders, levels, stamps, counters, ladders, quantity, counts, words,
    slot, price, shown, moved,
):  # fmt: skip
    """An order now shows so much at this price; `moved`: at the back of its level."""
    order = live[slot]
    instrument, side = order["instrument"], order["side"]
    ladder = ladders[instrument]
    before = order["shown"]
    if before == shown and order["price"] == price and not moved:
        return
    if before > 0:
        place = order["price"] - ladder["low"]
        level = ladder["first"] + side * ladder["width"] + place
        touch_level(
            state, levels, stamps, counters, ladder, quantity, counts, instrument, level, side
        )
        put_level(
            ladder, quantity, counts, words, side, place, quantity[level] - before,
            counts[level] - 1,
        )  # fmt: skip
    if shown > 0:
        place = price - ladder["low"]
        level = ladder["first"] + side * ladder["width"] + place
        touch_level(
            state, levels, stamps, counters, ladder, quantity, counts, instrument, level, side
        )
        put_level(
            ladder, quantity, counts, words, side, place, quantity[level] + shown,
            counts[level] + 1,
        )  # fmt: skip
    order["price"] = price
    order["shown"] = shown
    if moved or order["touch"] < 0:
        touch_order(state, live, orders, counters, slot)
    if moved:
        place_last(order, counters)


@inline
def head(out, frames, counters, sequences, wanted, channel, letter, instrument, event, kind, size):
    """Begin a frame; the word where its records go, or -1 where nobody wants it."""
    sequence = sequences[channel, instrument]
    sequences[channel, instrument] = sequence + 1
    if not wanted[channel, instrument]:
        return -1
    at = counters[OUT]
    out[at] = letter | (instrument << 32)
    out[at + 1] = sequence
    out[at + 2] = event["sequence"]
    out[at + 3] = event["time_ns"]
    out[at + 4] = kind
    number = counters[FRAMES]
    counters[FRAMES] += 1
    frames[number, 0] = at
    frames[number, 1] = at + _HEAD + size
    counters[OUT] = at + _HEAD + size
    return at + _HEAD


@inline
def trade(state, trades, counters, stored, sequences, event, flags):
    """Note a trade, or its being taken back."""
    instrument = np.int64(event["instrument"])
    book = state[instrument]
    at = counters[TRADES]
    counters[TRADES] += 1
    price, quantity = np.int64(event["price"]), np.int64(event["quantity"])
    trades[at, 0] = np.int64(event["trade_id"]) | (price << 32)
    trades[at, 1] = quantity | (np.int64(event["side"]) << 32) | (flags << 40)
    trades[at, 2] = np.int64(event["trade_group"])
    trades[at, 3] = -1
    if book["trades"] < 0:
        book["trades"] = at
    else:
        trades[book["trades_last"], 3] = at
    book["trades_last"] = at
    sign = -1 if flags & _TOLD_BUSTED else 1
    book["volume"] += sign * quantity
    book["turnover_fen"] += sign * quantity * price * book["tick_fen"]
    book["count"] += sign
    if sign > 0 and not flags & _TOLD_OFF_BOOK:
        if book["open"] == 0:
            book["open"], book["high"], book["low"] = price, price, price
        book["high"] = max(book["high"], price)
        book["low"] = min(book["low"], price)
        book["last"] = price

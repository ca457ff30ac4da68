"""The set of changes that one command makes to the displayed market.

Tables keep what a command changed, with its state before. After the command's last event, those
changes that lasted become frames; what appeared and disappeared within the command does not.
"""

import numpy as np

from feeds.market_data.layout import (
    CHAINS,
    CHANGED_BLOCKS,
    CHANGED_LEVELS,
    CHANGED_ORDERS,
    NEW_TRADES,
)
from feeds.price_levels import put_level
from feeds.protocol.records import TradeFlag
from feeds.transport.compiler import inline

_BUSTED, _OFF_BOOK = int(TradeFlag.BUSTED), int(TradeFlag.OFF_BOOK)


@inline
def home_index(key, mask):
    """The place of a key in the hash table, if it is free (multiplicative hash).

    Groups of eight user_refs of a session lie side by side, which saves memory accesses; the
    groups are spread over the table.
    """
    return (((((key >> 3) * -7046029254386353131) >> 40) << 3) | (key & 7)) & mask


@inline
def key_index(order_keys, key):
    """The place of a key in the hash table, or the free place for it (linear probing)."""
    mask = len(order_keys) - 1
    at = home_index(key, mask)
    while order_keys[at]["key"] != 0 and order_keys[at]["key"] != key:
        at = (at + 1) & mask
    return at


@inline
def remove_key(order_keys, key):
    """Remove a key from the hash table, and close the gap that it leaves."""
    mask = len(order_keys) - 1
    gap = key_index(order_keys, key)
    at = gap
    while True:
        at = (at + 1) & mask
        if order_keys[at]["key"] == 0:
            break
        home = home_index(order_keys[at]["key"], mask)
        if ((at - home) & mask) >= ((at - gap) & mask):
            order_keys[gap]["key"] = order_keys[at]["key"]
            order_keys[gap]["slot"] = order_keys[at]["slot"]
            gap = at
    order_keys[gap]["key"] = 0


@inline
def note_instrument(h, instrument, command):
    """Note that a command changes an instrument."""
    state = h.instruments[instrument]
    if state["command"] == command:
        return
    state["command"] = command
    state["has_status"] = 0
    for chain in range(CHAINS):
        h.chains[CHAINS * instrument + chain]["first"] = -1
    counters = h.counters[0]
    h.changed_instruments[counters["instruments"]] = instrument
    counters["instruments"] += 1


@inline
def note_level(h, instrument, level, side):
    """Note a level with its quantity before this command."""
    command = h.instruments[instrument]["command"]
    if h.level_commands[level] == command:
        return
    h.level_commands[level] = command
    counters = h.counters[0]
    at = counters["levels"]
    counters["levels"] += 1
    entry = h.changed_levels[at]
    entry["level"], entry["side"], entry["next"] = level, side, -1
    entry["quantity"], entry["orders"] = h.quantities[level], h.order_counts[level]
    chain = h.chains[CHAINS * instrument + CHANGED_LEVELS]
    if chain["first"] < 0:
        chain["first"] = at
    else:
        h.changed_levels[chain["last"]]["next"] = at
    chain["last"] = at


@inline
def note_order(h, slot):
    """Note an order, or a block (in the chain of its first hour), as the last changed so far."""
    order = h.live_orders[slot]
    counters = h.counters[0]
    at = counters["orders"]
    counters["orders"] += 1
    entry = h.changed_orders[at]
    entry["slot"], entry["next"] = slot, -1
    order["change"] = at
    kind = CHANGED_BLOCKS if order["hours"] > 0 else CHANGED_ORDERS
    chain = h.chains[CHAINS * order["instrument"] + kind]
    if chain["first"] < 0:
        chain["first"] = at
    else:
        h.changed_orders[chain["last"]]["next"] = at
    chain["last"] = at


@inline
def free_slot(h, slot):
    """Free the slot of an order that has left the book."""
    order = h.live_orders[slot]
    order["instrument"] = 0
    order["next"] = h.counters[0]["free_slot"]
    h.counters[0]["free_slot"] = slot


@inline
def place_last(h, order):
    """Place an order at the back of its level, or a block behind all that are as good."""
    order["moved"] = 1
    h.counters[0]["last_placed"] += 1
    order["placed"] = h.counters[0]["last_placed"]


@inline
def change_level(h, order, price, quantity, count):
    """Add a quantity and a count of orders to the level of an order's side at a price."""
    instrument, side = order["instrument"], order["side"]
    ladder = h.ladders[instrument]
    place = price - ladder["low"]
    level = ladder["first"] + side * ladder["width"] + place
    note_level(h, instrument, level, side)
    put_level(
        ladder, h.quantities, h.order_counts, h.bitmap, side, place,
        h.quantities[level] + quantity, h.order_counts[level] + count,
    )  # fmt: skip


@inline
def set_shown(h, slot, price, shown, moved):
    """Set price and displayed quantity of an order; `moved`: it goes to the back of its level."""
    order = h.live_orders[slot]
    before = order["shown"]
    if before == shown and order["price"] == price and not moved:
        return
    if before > 0:
        change_level(h, order, order["price"], -before, -1)
    if shown > 0:
        change_level(h, order, price, shown, 1)
    order["price"], order["shown"] = price, shown
    if moved or order["change"] < 0:
        note_order(h, slot)
    if moved:
        place_last(h, order)


@inline
def add_trade(h, event, flags):
    """Note a trade, or a bust (TradeFlag.BUSTED), and count it in the instrument's statistics."""
    instrument = np.int64(event["instrument"])
    price, quantity = np.int64(event["price"]), np.int64(event["quantity"])
    counters = h.counters[0]
    at = counters["trades"]
    counters["trades"] += 1
    entry = h.new_trades[at]
    entry["word_0"] = np.int64(event["trade_id"]) | (price << 32)
    entry["word_1"] = quantity | (np.int64(event["side"]) << 32) | (flags << 40)
    entry["word_2"] = np.int64(event["trade_group"])
    entry["next"] = -1
    chain = h.chains[CHAINS * instrument + NEW_TRADES]
    if chain["first"] < 0:
        chain["first"] = at
    else:
        h.new_trades[chain["last"]]["next"] = at
    chain["last"] = at
    count_trade(h.instruments[instrument], price, quantity, flags)


@inline
def count_trade(state, price, quantity, flags):
    """Count a trade in an instrument's statistics, or take a busted one out of its volume."""
    sign = -1 if flags & _BUSTED else 1
    state["volume"] += sign * quantity
    state["turnover_fen"] += sign * quantity * price * state["tick_fen"]
    state["count"] += sign
    if sign > 0 and not flags & _OFF_BOOK:
        if state["open"] == 0:
            state["open"], state["high"], state["low"] = price, price, price
        state["high"] = max(state["high"], price)
        state["low"] = min(state["low"], price)
        state["last"] = price

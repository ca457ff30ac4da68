"""Derivation of market data from events, in one compiled pass; a day always gives the same bytes.

The pass keeps the displayed part of every live order, and every level. It works command by command:
what a command changed becomes frames, in the order of the channels. Each channel of each instrument
has at most one frame a command, or several marked MORE.
"""

from typing import Any

import numpy as np

from feeds.market_data.change_set import (
    add_trade,
    free_slot,
    key_index,
    note_instrument,
    note_order,
    place_last,
    remove_key,
    set_shown,
)
from feeds.market_data.frames import frames_needed, words_needed, write_instrument
from feeds.market_data.layout import derivation_at
from feeds.protocol.records import TradeFlag
from feeds.transport.compiler import entry, inline, kernel
from matching.records import EventFlag, EventKind

DONE, FLUSH, GROW = 0, 1, 2
"""The pass stopped: all events are processed, frames must be taken from `out` first, or a table of
changes must grow."""

_ACCEPTED, _FILLED = int(EventKind.ACCEPTED), int(EventKind.FILLED)
_CANCELLED, _EXPIRED = int(EventKind.CANCELLED), int(EventKind.EXPIRED)
_REPLACED, _TRIGGERED = int(EventKind.REPLACED), int(EventKind.TRIGGERED)
_REFRESHED, _LISTED = int(EventKind.REFRESHED), int(EventKind.LISTED)
_BAND, _PHASE = int(EventKind.BAND_SET), int(EventKind.PHASE_CHANGED)
_BUSTED, _INDICATIVE = int(EventKind.BUSTED), int(EventKind.INDICATIVE)
_TAKER, _AUCTION = int(EventFlag.TAKER), int(EventFlag.AUCTION)
_REQUEUED, _OFF_BOOK = int(EventFlag.REQUEUED), int(EventFlag.OFF_BOOK)
_BLOCK, _BASKET = int(EventFlag.BLOCK), int(EventFlag.BASKET)
_AUCTION_TRADE, _BUSTED_TRADE = int(TradeFlag.AUCTION), int(TradeFlag.BUSTED)
_BLOCK_TRADE, _OFF_BOOK_TRADE = int(TradeFlag.BLOCK), int(TradeFlag.OFF_BOOK)


@kernel
def derive_events(h, count):
    """Process events from `counters.at` to `count`; returns why it stopped: DONE, FLUSH or GROW."""
    counters = h.counters[0]
    while True:
        at = counters["at"]
        command = np.int64(h.events[at]["sequence"]) if at < count else -1
        if counters["open_command"] >= 0 and command != counters["open_command"]:
            if not has_room_for_frames(h):
                return FLUSH
            close_command(h, at)
            if counters["trades"] > len(h.new_trades) // 2:
                return FLUSH
        if at >= count:
            return DONE
        counters["open_command"] = command
        if not has_room_for_event(h):
            return GROW
        apply_event(h, h.events[at])
        counters["at"] = at + 1


@inline
def has_room_for_frames(h):
    """Whether the frames of the open command fit in `out`."""
    counters = h.counters[0]
    return (
        counters["out"] + words_needed(h) <= len(h.out)
        and counters["frames"] + frames_needed(h) <= len(h.frames)
    )  # fmt: skip


@inline
def has_room_for_event(h):
    """Whether the changes of one more event fit in the tables."""
    counters = h.counters[0]
    return (
        counters["levels"] + 4 <= len(h.changed_levels)
        and counters["orders"] + 4 <= len(h.changed_orders)
        and counters["trades"] + 4 <= len(h.new_trades)
        and (counters["free_slot"] >= 0 or counters["slots_used"] < len(h.live_orders))
    )


@kernel
def close_command(h, at):
    """Write the frames of the open command; its last event is before `at`."""
    counters = h.counters[0]
    event = h.events[at - 1 if at > 0 else 0]
    for index in range(counters["instruments"]):
        write_instrument(h, h.changed_instruments[index], event)
    counters["levels"], counters["orders"], counters["instruments"] = 0, 0, 0
    counters["open_command"] = -1


@inline
def apply_event(h, event):
    """Apply an event to orders, levels and statistics, and note the changes."""
    kind, flags = event["kind"], event["flags"]
    instrument = np.int64(event["instrument"])
    command = np.int64(event["sequence"])
    if kind >= _LISTED:
        apply_admin_event(h, event)
    elif kind == _INDICATIVE:
        surplus = np.int64(event["leaves"])
        set_status(h, event, surplus if event["side"] == 0 else -surplus)
    elif flags & _BASKET:
        if kind == _FILLED:  # an order for a basket is in no book, and always the taker
            note_instrument(h, instrument, command)
            off_book = _OFF_BOOK_TRADE if flags & _OFF_BOOK else 0
            add_trade(h, event, off_book | (_BLOCK_TRADE if flags & _BLOCK else 0))
    elif flags & _BLOCK:
        apply_block_event(h, event)
    elif kind == _ACCEPTED:
        note_instrument(h, instrument, command)
        slot = add_live_order(h, event, 0)
        shown = np.int64(event["shown"])
        set_shown(h, slot, np.int64(event["price"]), shown, shown > 0)
    elif (
        kind == _FILLED
        or kind == _CANCELLED
        or kind == _REPLACED
        or kind == _EXPIRED
        or kind == _TRIGGERED
        or kind == _REFRESHED
    ):
        apply_order_event(h, event)


@inline
def apply_order_event(h, event):
    """Apply an event of an accepted order."""
    kind, flags = event["kind"], event["flags"]
    key = order_key(event)
    place = key_index(h.order_keys, key)
    if h.order_keys[place]["key"] == 0:
        return
    note_instrument(h, np.int64(event["instrument"]), np.int64(event["sequence"]))
    slot = h.order_keys[place]["slot"]
    order = h.live_orders[slot]
    leaves = np.int64(event["leaves"])
    price = order["price"]
    moved: Any = False
    if kind == _FILLED:
        if flags & (_TAKER | _AUCTION):
            shown = min(order["shown"], leaves)
        else:
            shown = order["shown"] - np.int64(event["quantity"])
        if flags & _TAKER:
            add_trade(h, event, _AUCTION_TRADE if flags & _AUCTION else 0)
    else:
        shown = np.int64(event["shown"])
        if kind == _REPLACED:
            price = np.int64(event["price"])
            moved = flags & _REQUEUED != 0 and shown > 0
        elif kind == _TRIGGERED or kind == _REFRESHED:
            moved = shown > 0
    set_shown(h, slot, price, max(0, shown), moved)
    if leaves == 0:
        remove_key(h.order_keys, key)
        order["key"] = -1
        if order["change"] < 0:  # it was never displayed, so no frame will free it
            free_slot(h, slot)


@inline
def apply_block_event(h, event):
    """Apply an event of a block: it is in no hourly book, but its fills are trades of the hours.

    It trades as a whole or not at all, so its first fill removes it.
    """
    kind, flags = event["kind"], event["flags"]
    command = np.int64(event["sequence"])
    if kind == _FILLED and flags & _TAKER:
        note_instrument(h, np.int64(event["instrument"]), command)
        off_book = _OFF_BOOK_TRADE if flags & _OFF_BOOK else 0
        add_trade(h, event, _BLOCK_TRADE | off_book)
    key = order_key(event)
    if kind == _ACCEPTED:
        slot = add_live_order(h, event, np.int64(event["hours"]))
    else:
        place = key_index(h.order_keys, key)
        if h.order_keys[place]["key"] == 0:
            return
        slot = h.order_keys[place]["slot"]
    order = h.live_orders[slot]
    note_instrument(h, order["instrument"], command)
    order["shown"] = 0 if kind == _FILLED else np.int64(event["leaves"])
    if kind == _REPLACED:
        order["price"] = np.int64(event["price"])
    moved = kind == _ACCEPTED or (kind == _REPLACED and flags & _REQUEUED != 0)
    if moved or order["change"] < 0:
        note_order(h, slot)
    if moved:
        place_last(h, order)
    if order["shown"] == 0:
        remove_key(h.order_keys, key)
        order["key"] = -1


@inline
def order_key(event):
    """Session and user_ref of an event's order, as the key of `order_keys`."""
    return (np.int64(event["session"]) << 32) | np.int64(event["user_ref"])


@inline
def add_live_order(h, event, hours):
    """Add an accepted order or block, with nothing displayed yet; returns its slot."""
    counters = h.counters[0]
    slot = counters["free_slot"]
    if slot >= 0:
        counters["free_slot"] = h.live_orders[slot]["next"]
    else:
        slot = counters["slots_used"]
        counters["slots_used"] += 1
    key = order_key(event)
    entry = h.order_keys[key_index(h.order_keys, key)]
    entry["key"], entry["slot"] = key, slot
    order = h.live_orders[slot]
    counters["last_number"] += 1
    order["key"], order["number"] = key, counters["last_number"]
    order["instrument"] = np.int64(event["instrument"])
    order["side"] = np.int64(event["side"])
    order["price"] = np.int64(event["price"])
    order["shown"], order["published"] = 0, 0
    order["placed"], order["moved"], order["change"] = 0, 0, -1
    order["hours"] = hours
    return slot


@inline
def apply_admin_event(h, event):
    """Apply the listing, band or phase of an instrument, or a bust."""
    kind = event["kind"]
    instrument = np.int64(event["instrument"])
    command = np.int64(event["sequence"])
    state = h.instruments[instrument]
    if kind == _LISTED:
        state["tick_fen"] = np.int64(event["quantity"])
    elif kind == _BAND:
        set_band(h, instrument, np.int64(event["price"]), np.int64(event["quantity"]))
    elif kind == _PHASE:
        state["phase"] = np.int64(event["flags"])
        set_status(h, event, np.int64(0))
    elif kind == _BUSTED and event["flags"] & _TAKER:
        note_instrument(h, instrument, command)
        add_trade(h, event, _BUSTED_TRADE)


@inline
def set_status(h, event, surplus):
    """Note the price and volume of an uncross, or of one now, and the surplus of the latter."""
    instrument = np.int64(event["instrument"])
    note_instrument(h, instrument, np.int64(event["sequence"]))
    state = h.instruments[instrument]
    state["has_status"] = 1
    state["status_price"] = np.int64(event["price"])
    state["status_quantity"] = np.int64(event["quantity"])
    state["status_surplus"] = surplus


@inline
def set_band(h, instrument, low, high):
    """Set an instrument's band of prices, both included; its book is empty."""
    ladder, counters = h.ladders[instrument], h.counters[0]
    width = high - low + 1
    if ladder["allotted"] < width:
        ladder["first"] = counters["ladder_levels"]
        ladder["word"] = counters["ladder_words"]
        ladder["allotted"] = width
        counters["ladder_levels"] += 2 * width
        counters["ladder_words"] += 2 * ((width + 31) // 32)
    ladder["low"], ladder["width"] = low, width
    ladder["best_bid"], ladder["best_ask"] = -1, -1


@entry
def derive(handle, count):
    """`derive_events`, called from Python."""
    return np.int64(derive_events(derivation_at(handle), count))

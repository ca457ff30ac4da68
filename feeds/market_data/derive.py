"""The pass itself: `derive` takes events one after another, and has a command's frames written."""

from typing import Any

import numpy as np

from feeds.market_data.change_set import (
    _ACCEPTED,
    _AUCTION,
    _BAND,
    _BASKET,
    _BLOCK,
    _BUSTED,
    _CANCELLED,
    _EXPIRED,
    _FILLED,
    _LISTED,
    _OFF_BOOK,
    _PHASE,
    _REFRESHED,
    _REPLACED,
    _REQUEUED,
    _TAKER,
    _TOLD_BLOCK,
    _TOLD_OFF_BOOK,
    _TRIGGERED,
    BOOKS,
    DONE,
    FRAMES,
    GROW,
    LEVELS,
    LIVE_FREE,
    LIVE_USED,
    NUMBERS,
    ORDERS,
    OUT,
    ROOM,
    TICKS,
    TRADES,
    WORDS,
    forget,
    place_last,
    place_of,
    show,
    touch_block,
    touch_book,
    trade,
)
from feeds.market_data.frames import (
    frames_wanted,
    room_wanted,
    tell_levels,
    tell_orders,
    tell_status,
    tell_top,
    tell_trades,
)
from feeds.transport.compiler import entry, inline, kernel


@kernel
def run(events, at, open_command, state, live, names, ladders, quantity, counts, words,
           stamps, levels, orders, trades, stored, books, sequences, wanted, counters, out,
           frames):  # fmt: skip
    """Work through events from `at`; returns where it stopped, why, and the open command.

    DONE: all are in. ROOM: the frames written have to be taken first (or `out` grown). GROW: the
    tables of touched entries have to be grown.
    """
    while True:
        fresh = at < len(events)
        command = np.int64(events[at]["sequence"]) if fresh else -1
        if open_command >= 0 and command != open_command:
            if (
                counters[OUT] + room_wanted(counters) > len(out)
                or counters[FRAMES] + frames_wanted(counters) > len(frames)
            ):  # fmt: skip
                return at, ROOM, open_command
            event = events[at - 1] if at > 0 else events[0]
            for index in range(counters[BOOKS]):
                instrument = books[index]
                book = state[instrument]
                if book["levels"] >= 0:
                    tell_levels(out, frames, counters, sequences, wanted, state, levels, ladders,
                                quantity, counts, words, instrument, event)  # fmt: skip
                    tell_top(out, frames, counters, sequences, wanted, state, ladders, quantity,
                             counts, instrument, event)  # fmt: skip
                if book["orders"] >= 0:
                    tell_orders(out, frames, counters, sequences, wanted, live, orders,
                                book["orders"], instrument, event, 2, 79, 3, 3)  # fmt: skip
                if book["trades"] >= 0:
                    tell_trades(out, frames, counters, sequences, wanted, state, trades, stored,
                                instrument, event)  # fmt: skip
                if book["status"]:
                    tell_status(out, frames, counters, sequences, wanted, state, instrument, event)
                if book["blocks"] >= 0:
                    tell_orders(out, frames, counters, sequences, wanted, live, orders,
                                book["blocks"], instrument, event, 6, 75, 10, 4)  # fmt: skip
            counters[LEVELS] = 0
            counters[ORDERS] = 0
            counters[BOOKS] = 0
            open_command = -1
            if counters[TRADES] > len(trades) // 2:
                return at, ROOM, open_command
        if not fresh:
            return at, DONE, open_command
        if open_command < 0:
            open_command = command
        if (
            counters[LEVELS] + 4 > len(levels)
            or counters[ORDERS] + 4 > len(orders)
            or counters[TRADES] + 4 > len(trades)
            or (counters[LIVE_FREE] < 0 and counters[LIVE_USED] >= len(live))
        ):
            return at, GROW, open_command
        take(events[at], state, live, names, ladders, quantity, counts, words, stamps,
             levels, orders, trades, stored, books, sequences, counters)  # fmt: skip
        at += 1


@inline
def take(event, state, live, names, ladders, quantity, counts, words, stamps, levels, orders,
         trades, stored, books, sequences, counters):  # fmt: skip
    """One event."""
    kind = event["kind"]
    instrument = np.int64(event["instrument"])
    command = np.int64(event["sequence"])
    if kind < _LISTED and event["flags"] & _BASKET:
        take_basket(event, state, trades, stored, books, sequences, counters)
        return
    if kind < _LISTED and event["flags"] & _BLOCK:
        take_block(event, state, live, names, orders, trades, stored, books, sequences,
                   counters)  # fmt: skip
        return
    if kind == _ACCEPTED:
        touch_book(state, books, counters, instrument, command)
        slot = new_order(event, live, names, counters)
        price, shown = np.int64(event["price"]), np.int64(event["shown"])
        show(state, live, orders, levels, stamps, counters, ladders, quantity, counts, words,
             slot, price, shown, shown > 0)  # fmt: skip
        return
    if kind >= _LISTED:
        administer(event, state, ladders, books, trades, stored, sequences, counters)
        return
    if (
        kind != _FILLED
        and kind != _CANCELLED
        and kind != _REPLACED
        and kind != _EXPIRED
        and kind != _TRIGGERED
        and kind != _REFRESHED
    ):
        return
    key = (np.int64(event["session"]) << 32) | np.int64(event["user_ref"])
    place = place_of(names, key)
    if names[place, 0] == 0:
        return
    touch_book(state, books, counters, instrument, command)
    slot = names[place, 1]
    order = live[slot]
    leaves = np.int64(event["leaves"])
    price = order["price"]
    moved: Any = False
    if kind == _FILLED:
        taker, auction = event["flags"] & _TAKER, event["flags"] & _AUCTION
        if taker or auction:
            shown = min(order["shown"], leaves)
        else:
            shown = order["shown"] - np.int64(event["quantity"])
        if taker:
            trade(state, trades, counters, stored, sequences, event, 1 if auction else 0)
    else:
        shown = np.int64(event["shown"])
        if kind == _REPLACED:
            price = np.int64(event["price"])
            moved = event["flags"] & _REQUEUED != 0 and shown > 0
        elif kind == _TRIGGERED or kind == _REFRESHED:
            moved = shown > 0
    show(state, live, orders, levels, stamps, counters, ladders, quantity, counts, words,
         slot, price, max(0, shown), moved)  # fmt: skip
    if leaves == 0:
        forget(names, key)
        order["key"] = -1
        if order["touch"] < 0:  # it was never shown, and nothing of it is to be told
            order["instrument"] = 0
            order["next"] = counters[LIVE_FREE]
            counters[LIVE_FREE] = slot


@inline
def take_basket(event, state, trades, stored, books, sequences, counters):
    """An event of an order for a basket: it is in no book, and what it trades is a trade like
    others, in a group."""
    if event["kind"] == _FILLED:  # it is always the taker
        touch_book(state, books, counters, np.int64(event["instrument"]),
                   np.int64(event["sequence"]))  # fmt: skip
        told = _TOLD_BLOCK if event["flags"] & _BLOCK else 0
        trade(state, trades, counters, stored, sequences, event, told)


@inline
def take_block(event, state, live, names, orders, trades, stored, books, sequences, counters):
    """An event of a block: it stands in no hourly book; what it trades is a trade of the hour.

    It trades whole or not at all, so its first fill takes it away.
    """
    kind = event["kind"]
    command = np.int64(event["sequence"])
    if kind == _FILLED and event["flags"] & _TAKER:
        touch_book(state, books, counters, np.int64(event["instrument"]), command)
        off_book = _TOLD_OFF_BOOK if event["flags"] & _OFF_BOOK else 0
        trade(state, trades, counters, stored, sequences, event, _TOLD_BLOCK | off_book)
    key = (np.int64(event["session"]) << 32) | np.int64(event["user_ref"])
    if kind == _ACCEPTED:
        slot = new_order(event, live, names, counters)
        live[slot]["hours"] = np.int64(event["hours"])
    else:
        place = place_of(names, key)
        if names[place, 0] == 0:
            return
        slot = names[place, 1]
    order = live[slot]
    touch_book(state, books, counters, order["instrument"], command)
    order["shown"] = 0 if kind == _FILLED else np.int64(event["leaves"])
    if kind == _REPLACED:
        order["price"] = np.int64(event["price"])
    moved = kind == _ACCEPTED or (kind == _REPLACED and event["flags"] & _REQUEUED != 0)
    if moved or order["touch"] < 0:
        touch_block(state, live, orders, counters, slot)
    if moved:
        place_last(order, counters)
    if order["shown"] == 0:
        forget(names, key)
        order["key"] = -1


@inline
def new_order(event, live, names, counters):
    """A slot for an accepted order."""
    key = (np.int64(event["session"]) << 32) | np.int64(event["user_ref"])
    slot = counters[LIVE_FREE]
    if slot >= 0:
        counters[LIVE_FREE] = live[slot]["next"]
    else:
        slot = counters[LIVE_USED]
        counters[LIVE_USED] += 1
    place = place_of(names, key)
    names[place, 0] = key
    names[place, 1] = slot
    order = live[slot]
    counters[NUMBERS] += 1
    order["key"] = key
    order["number"] = counters[NUMBERS]
    order["instrument"] = np.int64(event["instrument"])
    order["side"] = np.int64(event["side"])
    order["price"] = np.int64(event["price"])
    order["shown"] = 0
    order["told"] = 0
    order["placed"] = 0
    order["moved"] = 0
    order["touch"] = -1
    order["hours"] = 0
    return slot


@inline
def administer(event, state, ladders, books, trades, stored, sequences, counters):
    """An instrument's listing, band and phase; a trade taken back."""
    kind = event["kind"]
    instrument = np.int64(event["instrument"])
    command = np.int64(event["sequence"])
    if kind == _LISTED:
        state[instrument]["tick_fen"] = np.int64(event["quantity"])
    elif kind == _BAND:
        ladder = ladders[instrument]
        low, high = np.int64(event["price"]), np.int64(event["quantity"])
        width = high - low + 1
        if ladder["allotted"] < width:
            ladder["first"] = counters[TICKS]
            ladder["word"] = counters[WORDS]
            ladder["allotted"] = width
            counters[TICKS] += 2 * width
            counters[WORDS] += 2 * ((width + 31) // 32)
        ladder["low"] = low
        ladder["width"] = width
        ladder["best_bid"] = -1
        ladder["best_ask"] = -1
    elif kind == _PHASE:
        touch_book(state, books, counters, instrument, command)
        book = state[instrument]
        book["status"] = 1
        book["phase"] = np.int64(event["flags"])
        book["status_price"] = np.int64(event["price"])
        book["status_quantity"] = np.int64(event["quantity"])
    elif kind == _BUSTED and event["flags"] & _TAKER:
        touch_book(state, books, counters, instrument, command)
        trade(state, trades, counters, stored, sequences, event, 2)


@entry
def derive(events, at, open_command, state, live, names, ladders, quantity, counts, words,
           stamps, levels, orders, trades, stored, books, sequences, wanted, counters, out,
           frames):  # fmt: skip
    """`run` for Python: the one place where references are counted."""
    return run(events, at, open_command, state, live, names, ladders, quantity, counts,
               words, stamps, levels, orders, trades, stored, books, sequences, wanted, counters,
               out, frames)  # fmt: skip

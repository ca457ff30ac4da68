"""The pass itself: `derive` takes events one after another, and writes a command's frames."""

from typing import Any

import numpy as np

from feeds.compile import entry, inline, kernel
from feeds.derivation import (
    _ACCEPTED,
    _AUCTION,
    _BAND,
    _BLOCK,
    _BUSTED,
    _CANCELLED,
    _EXPIRED,
    _FILLED,
    _HEAD,
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
    RECORDS_MAX,
    ROOM,
    TICKS,
    TRADES,
    WORDS,
    forget,
    head,
    place_of,
    show,
    touch_book,
    trade,
)
from feeds.ladders import top_code


@inline
def tell_levels(out, frames, counters, sequences, wanted, state, levels, ladders, quantity, counts,
                words, instrument, event):  # fmt: skip
    """LEVEL frames of an instrument: what stands now where it is not what stood before."""
    book, ladder = state[instrument], ladders[instrument]
    changed = 0
    at = book["levels"]
    while at >= 0:
        level = levels[at, 0]
        if quantity[level] != levels[at, 1] or counts[level] != levels[at, 2]:
            changed += 1
        at = levels[at, 4]
    at = book["levels"]
    while changed > 0:
        size = min(changed, RECORDS_MAX)
        changed -= size
        start = head(out, frames, counters, sequences, wanted, 0, 76, instrument, event, 1,
                     3 * size)  # fmt: skip
        written = 0
        while written < size:
            level, side = levels[at, 0], levels[at, 3]
            if quantity[level] != levels[at, 1] or counts[level] != levels[at, 2]:
                if start >= 0:
                    price = ladder["low"] + level - ladder["first"] - side * ladder["width"]
                    word = start + 3 * written
                    out[word] = quantity[level]
                    out[word + 1] = price | (counts[level] << 32)
                    out[word + 2] = side
                written += 1
            at = levels[at, 4]
        if start >= 0:
            code = top_code(ladder, quantity, words) if changed == 0 else 0
            more = 1 if changed else 0
            out[start - 1] |= (more << 8) | (size << 16) | (code << 32)


@inline
def tell_top(out, frames, counters, sequences, wanted, state, ladders, quantity, counts,
             instrument, event):  # fmt: skip
    """A TOP frame, if the best of a side is another one or changed."""
    book, ladder = state[instrument], ladders[instrument]
    bid_price, bid_quantity, bid_orders = 0, 0, 0
    ask_price, ask_quantity, ask_orders = 0, 0, 0
    if ladder["best_bid"] >= 0:
        level = ladder["first"] + ladder["best_bid"]
        bid_price = ladder["low"] + ladder["best_bid"]
        bid_quantity, bid_orders = quantity[level], counts[level]
    if ladder["best_ask"] >= 0:
        level = ladder["first"] + ladder["width"] + ladder["best_ask"]
        ask_price = ladder["low"] + ladder["best_ask"]
        ask_quantity, ask_orders = quantity[level], counts[level]
    if (
        bid_price == book["bid_price"]
        and bid_quantity == book["bid_quantity"]
        and bid_orders == book["bid_orders"]
        and ask_price == book["ask_price"]
        and ask_quantity == book["ask_quantity"]
        and ask_orders == book["ask_orders"]
    ):
        return
    book["bid_price"], book["bid_quantity"], book["bid_orders"] = (
        bid_price, bid_quantity, bid_orders,
    )  # fmt: skip
    book["ask_price"], book["ask_quantity"], book["ask_orders"] = (
        ask_price, ask_quantity, ask_orders,
    )  # fmt: skip
    start = head(out, frames, counters, sequences, wanted, 1, 66, instrument, event, 2, 4)
    if start >= 0:
        out[start - 1] |= 1 << 16
        out[start] = bid_quantity
        out[start + 1] = ask_quantity
        out[start + 2] = bid_price | (ask_price << 32)
        out[start + 3] = bid_orders | (ask_orders << 32)


@inline
def order_action(order, at):
    """What the market is to be told of a touched entry; 0: nothing."""
    if order["touch"] != at:
        return 0
    if order["shown"] == 0:
        return 3 if order["told"] > 0 else 0
    if order["told"] == 0 or order["moved"]:
        return 1
    return 2 if order["told"] != order["shown"] else 0


@inline
def tell_orders(out, frames, counters, sequences, wanted, state, live, orders, keys, slots,
                instrument, event):  # fmt: skip
    """ORDER frames of an instrument; orders that are over leave their slots."""
    book = state[instrument]
    changed = 0
    at = book["orders"]
    while at >= 0:
        changed += 1 if order_action(live[orders[at, 0]], at) else 0
        at = orders[at, 1]
    at = book["orders"]
    while changed > 0:
        size = min(changed, RECORDS_MAX)
        changed -= size
        start = head(out, frames, counters, sequences, wanted, 2, 79, instrument, event, 3,
                     3 * size)  # fmt: skip
        written = 0
        while written < size:
            order = live[orders[at, 0]]
            action = order_action(order, at)
            if action:
                if start >= 0:
                    word = start + 3 * written
                    out[word] = order["number"]
                    out[word + 1] = order["price"] | (order["shown"] << 32)
                    out[word + 2] = order["side"] | (action << 8)
                written += 1
            at = orders[at, 1]
        if start >= 0:
            out[start - 1] |= ((1 if changed else 0) << 8) | (size << 16)
    at = book["orders"]
    while at >= 0:
        slot = orders[at, 0]
        order = live[slot]
        if order["touch"] == at:
            order["told"] = order["shown"]
            order["moved"] = 0
            order["touch"] = -1
            if order["key"] < 0:
                order["instrument"] = 0
                order["next"] = counters[LIVE_FREE]
                counters[LIVE_FREE] = slot
        at = orders[at, 1]


@inline
def tell_trades(out, frames, counters, sequences, wanted, state, trades, stored, instrument, event):
    """A TRADE frame for every trade, stored for those who ask again, and then the statistics."""
    book = state[instrument]
    at = book["trades"]
    while at >= 0:
        following = trades[at, 2]
        sequence = sequences[3, instrument]
        start = head(out, frames, counters, sequences, wanted, 3, 84, instrument, event, 4, 2)
        if start >= 0:
            out[start - 1] |= 1 << 16
            out[start], out[start + 1] = trades[at, 0], trades[at, 1]
        stored[at, 0] = instrument
        stored[at, 1] = sequence
        stored[at, 2] = event["sequence"]
        stored[at, 3] = event["time_ns"]
        stored[at, 4], stored[at, 5] = trades[at, 0], trades[at, 1]
        at = following
    start = head(out, frames, counters, sequences, wanted, 5, 88, instrument, event, 6, 5)
    if start >= 0:
        out[start - 1] |= 1 << 16
        out[start] = book["volume"]
        out[start + 1] = book["turnover_fen"]
        out[start + 2] = book["open"] | (book["high"] << 32)
        out[start + 3] = book["low"] | (book["last"] << 32)
        out[start + 4] = book["count"]


@inline
def tell_status(out, frames, counters, sequences, wanted, state, instrument, event):
    """A STATUS frame."""
    book = state[instrument]
    start = head(out, frames, counters, sequences, wanted, 4, 83, instrument, event, 5, 2)
    if start >= 0:
        out[start - 1] |= 1 << 16
        out[start] = book["status_price"] | (book["status_quantity"] << 32)
        out[start + 1] = book["phase"]


@inline
def room_wanted(counters):
    """Words that the frames of the present command need at most."""
    records = counters[LEVELS] + counters[ORDERS]
    parts = records // RECORDS_MAX + 6 * counters[BOOKS]
    return 3 * records + 2 * counters[TRADES] + 16 * parts + _HEAD * (parts + counters[TRADES])


@kernel
def run(events, at, open_command, state, live, keys, slots, ladders, quantity, counts, words,
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
            if counters[OUT] + room_wanted(counters) > len(out) or counters[FRAMES] + counters[
                LEVELS
            ] + counters[TRADES] + 8 * counters[BOOKS] + 8 > len(frames):
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
                    tell_orders(out, frames, counters, sequences, wanted, state, live, orders,
                                keys, slots, instrument, event)  # fmt: skip
                if book["trades"] >= 0:
                    tell_trades(out, frames, counters, sequences, wanted, state, trades, stored,
                                instrument, event)  # fmt: skip
                if book["status"]:
                    tell_status(out, frames, counters, sequences, wanted, state, instrument, event)
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
        take(events[at], state, live, keys, slots, ladders, quantity, counts, words, stamps,
             levels, orders, trades, stored, books, sequences, counters)  # fmt: skip
        at += 1


@inline
def take(event, state, live, keys, slots, ladders, quantity, counts, words, stamps, levels, orders,
         trades, stored, books, sequences, counters):  # fmt: skip
    """One event."""
    kind = event["kind"]
    instrument = np.int64(event["instrument"])
    command = np.int64(event["sequence"])
    if kind < _LISTED and event["flags"] & _BLOCK:
        # Blocks stand in no hourly book; what they trade is a trade of the hour.
        if kind == _FILLED and event["flags"] & _TAKER:
            touch_book(state, books, counters, instrument, command)
            off_book = _TOLD_OFF_BOOK if event["flags"] & _OFF_BOOK else 0
            trade(state, trades, counters, stored, sequences, event, _TOLD_BLOCK | off_book)
        return
    if kind == _ACCEPTED:
        touch_book(state, books, counters, instrument, command)
        slot = new_order(event, live, keys, slots, counters)
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
    place = place_of(keys, key)
    if keys[place] == 0:
        return
    touch_book(state, books, counters, instrument, command)
    slot = slots[place]
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
        forget(keys, slots, key)
        order["key"] = -1
        if order["touch"] < 0:  # it was never shown, and nothing of it is to be told
            order["instrument"] = 0
            order["next"] = counters[LIVE_FREE]
            counters[LIVE_FREE] = slot


@inline
def new_order(event, live, keys, slots, counters):
    """A slot for an accepted order."""
    key = (np.int64(event["session"]) << 32) | np.int64(event["user_ref"])
    slot = counters[LIVE_FREE]
    if slot >= 0:
        counters[LIVE_FREE] = live[slot]["next"]
    else:
        slot = counters[LIVE_USED]
        counters[LIVE_USED] += 1
    place = place_of(keys, key)
    keys[place] = key
    slots[place] = slot
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
def derive(events, at, open_command, state, live, keys, slots, ladders, quantity, counts, words,
           stamps, levels, orders, trades, stored, books, sequences, wanted, counters, out,
           frames):  # fmt: skip
    """`run` for Python: the one place where references are counted."""
    return run(events, at, open_command, state, live, keys, slots, ladders, quantity, counts,
               words, stamps, levels, orders, trades, stored, books, sequences, wanted, counters,
               out, frames)  # fmt: skip

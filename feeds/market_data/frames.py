"""Frames of market data: what a command changed, written channel by channel."""

from feeds.market_data.change_set import (
    _HEAD,
    BOOKS,
    LEVELS,
    LIVE_FREE,
    ORDERS,
    RECORDS_MAX,
    TRADES,
    head,
)
from feeds.price_levels import top_code
from feeds.transport.compiler import inline


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
def tell_orders(out, frames, counters, sequences, wanted, live, orders, first, instrument, event,
                channel, letter, kind, words):  # fmt: skip
    """Frames of a chain of touched orders or blocks; what is over leaves its slot.

    A record has three words, and a fourth where that is wanted: its place.
    """
    changed = 0
    at = first
    while at >= 0:
        changed += 1 if order_action(live[orders[at, 0]], at) else 0
        at = orders[at, 1]
    at = first
    while changed > 0:
        size = min(changed, RECORDS_MAX)
        changed -= size
        start = head(out, frames, counters, sequences, wanted, channel, letter, instrument, event,
                     kind, words * size)  # fmt: skip
        written = 0
        while written < size:
            order = live[orders[at, 0]]
            action = order_action(order, at)
            if action:
                if start >= 0:
                    word = start + words * written
                    out[word] = order["number"]
                    out[word + 1] = order["price"] | (order["shown"] << 32)
                    out[word + 2] = order["side"] | (action << 8) | (order["hours"] << 16)
                    if words > 3:
                        out[word + 3] = order["placed"]
                written += 1
            at = orders[at, 1]
        if start >= 0:
            out[start - 1] |= ((1 if changed else 0) << 8) | (size << 16)
    at = first
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
        following = trades[at, 3]
        sequence = sequences[3, instrument]
        start = head(out, frames, counters, sequences, wanted, 3, 84, instrument, event, 4, 3)
        if start >= 0:
            out[start - 1] |= 1 << 16
            for word in range(3):
                out[start + word] = trades[at, word]
        stored[at, 0] = instrument
        stored[at, 1] = sequence
        stored[at, 2] = event["sequence"]
        stored[at, 3] = event["time_ns"]
        for word in range(3):
            stored[at, 4 + word] = trades[at, word]
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
def frames_wanted(counters):
    """Frames of the present command at most: six of a book, one of a trade, and of many records."""
    records = counters[LEVELS] + counters[ORDERS]
    return records // RECORDS_MAX + 6 * counters[BOOKS] + counters[TRADES]


@inline
def room_wanted(counters):
    """Words that they need at most: a block's record has four, no other kind more than five."""
    records = counters[LEVELS] + counters[ORDERS]
    return 4 * records + (_HEAD + 5) * frames_wanted(counters)

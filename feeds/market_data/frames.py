"""Frames of market data: the changes of one command, written channel by channel."""

import numpy as np

from feeds.market_data.change_set import free_slot
from feeds.market_data.layout import (
    CHAINS,
    CHANGED_BLOCKS,
    CHANGED_LEVELS,
    CHANGED_ORDERS,
    NEW_TRADES,
)
from feeds.price_levels import top_code
from feeds.protocol.records import (
    BLOCK,
    INCREMENTAL,
    LEVEL,
    MARKET,
    ORDER,
    STATISTICS,
    STATUS,
    TOP,
    TRADE,
    Channel,
    MarketFlag,
    MarketKind,
    OrderAction,
)
from feeds.transport.compiler import inline, kernel

CHANNELS = {channel: place for place, channel in enumerate(INCREMENTAL)}
"""Index of each channel in the tables of sequences and of wanted frames."""

RECORDS_MAX = 2_000
"""Records in one frame."""

_LEVELS, _TOP, _ORDERS = CHANNELS[Channel.LEVELS], CHANNELS[Channel.TOP], CHANNELS[Channel.ORDERS]
_TRADES, _STATUS = CHANNELS[Channel.TRADES], CHANNELS[Channel.STATUS]
_STATISTICS, _BLOCKS = CHANNELS[Channel.STATISTICS], CHANNELS[Channel.BLOCKS]
_LETTERS = tuple(int(channel) for channel in INCREMENTAL)
_KIND_OF_CHANNEL = {
    Channel.LEVELS: MarketKind.LEVEL,
    Channel.TOP: MarketKind.TOP,
    Channel.ORDERS: MarketKind.ORDER,
    Channel.TRADES: MarketKind.TRADE,
    Channel.STATUS: MarketKind.STATUS,
    Channel.STATISTICS: MarketKind.STATISTICS,
    Channel.BLOCKS: MarketKind.BLOCK,
}
_KINDS = tuple(int(_KIND_OF_CHANNEL[channel]) for channel in INCREMENTAL)
_HEAD_WORDS, _LEVEL_WORDS, _TOP_WORDS = (x.itemsize // 8 for x in (MARKET, LEVEL, TOP))
_ORDER_WORDS, _BLOCK_WORDS, _TRADE_WORDS = (x.itemsize // 8 for x in (ORDER, BLOCK, TRADE))
_STATUS_WORDS, _STATISTICS_WORDS = STATUS.itemsize // 8, STATISTICS.itemsize // 8
_MORE = int(MarketFlag.MORE)
_PLACE, _CHANGE = int(OrderAction.PLACE), int(OrderAction.CHANGE)
_REMOVE = int(OrderAction.REMOVE)


@inline
def begin_frame(h, channel, instrument, event, words):
    """Begin a frame for records of so many words.

    Returns the index of the first of them in `out`, or -1 if nobody wants the frame: then it is
    only numbered. The head's last word has the kind; flags, count and checksum are added later.
    """
    place = len(h.instruments) * channel + instrument
    sequence = h.sequences[place]
    h.sequences[place] = sequence + 1
    if h.wanted[place] == 0:
        return -1
    counters = h.counters[0]
    at = counters["out"]
    start = at + _HEAD_WORDS
    h.out[at] = _LETTERS[channel] | (instrument << 32)
    h.out[at + 1] = sequence
    h.out[at + 2] = np.int64(event["sequence"])
    h.out[at + 3] = np.int64(event["time_ns"])
    h.out[at + 4] = _KINDS[channel]
    frame = h.frames[counters["frames"]]
    frame["start"], frame["end"] = at, start + words
    counters["frames"] += 1
    counters["out"] = start + words
    return start


@inline
def end_frame(h, start, count, flags, checksum):
    """Complete a frame's head."""
    h.out[start - 1] = h.out[start - 1] | (flags << 8) | (count << 16) | (checksum << 32)


@kernel
def write_instrument(h, instrument, event):
    """Write the frames of an instrument that a command changed; `event` is the command's last."""
    state = h.instruments[instrument]
    if h.chains[CHAINS * instrument + CHANGED_LEVELS]["first"] >= 0:
        write_levels(h, instrument, event)
        write_top(h, instrument, event)
    if h.chains[CHAINS * instrument + CHANGED_ORDERS]["first"] >= 0:
        write_orders(h, instrument, event, CHANGED_ORDERS, _ORDERS, _ORDER_WORDS)
    if h.chains[CHAINS * instrument + NEW_TRADES]["first"] >= 0:
        write_trades(h, instrument, event)
        write_statistics(h, instrument, event)
    if state["has_status"]:
        write_status(h, instrument, event)
    if h.chains[CHAINS * instrument + CHANGED_BLOCKS]["first"] >= 0:
        write_orders(h, instrument, event, CHANGED_BLOCKS, _BLOCKS, _BLOCK_WORDS)


@inline
def has_changed(h, entry):
    """Whether a level is not as it was before the command."""
    level = entry["level"]
    return h.quantities[level] != entry["quantity"] or h.order_counts[level] != entry["orders"]


@inline
def write_levels(h, instrument, event):
    """Write LEVEL frames: the levels that are not as they were before the command."""
    ladder = h.ladders[instrument]
    first = h.chains[CHAINS * instrument + CHANGED_LEVELS]["first"]
    changed = 0
    at = first
    while at >= 0:
        changed += has_changed(h, h.changed_levels[at])
        at = h.changed_levels[at]["next"]
    at = first
    while changed > 0:
        size = min(changed, RECORDS_MAX)
        changed -= size
        start = begin_frame(h, _LEVELS, instrument, event, _LEVEL_WORDS * size)
        written = 0
        while written < size:
            entry = h.changed_levels[at]
            if has_changed(h, entry):
                if start >= 0:
                    level, side = entry["level"], entry["side"]
                    price = ladder["low"] + level - ladder["first"] - side * ladder["width"]
                    word = start + _LEVEL_WORDS * written
                    h.out[word] = h.quantities[level]
                    h.out[word + 1] = price | (h.order_counts[level] << 32)
                    h.out[word + 2] = side
                written += 1
            at = entry["next"]
        if start >= 0:
            code = top_code(ladder, h.quantities, h.bitmap) if changed == 0 else 0
            end_frame(h, start, size, _MORE if changed else 0, code)


@inline
def write_top(h, instrument, event):
    """Write a TOP frame, if the best level of a side has changed since the last one."""
    state, ladder = h.instruments[instrument], h.ladders[instrument]
    bid_price, bid_quantity, bid_orders = 0, 0, 0
    ask_price, ask_quantity, ask_orders = 0, 0, 0
    if ladder["best_bid"] >= 0:
        level = ladder["first"] + ladder["best_bid"]
        bid_price = ladder["low"] + ladder["best_bid"]
        bid_quantity, bid_orders = h.quantities[level], h.order_counts[level]
    if ladder["best_ask"] >= 0:
        level = ladder["first"] + ladder["width"] + ladder["best_ask"]
        ask_price = ladder["low"] + ladder["best_ask"]
        ask_quantity, ask_orders = h.quantities[level], h.order_counts[level]
    if (
        bid_price == state["bid_price"]
        and bid_quantity == state["bid_quantity"]
        and bid_orders == state["bid_orders"]
        and ask_price == state["ask_price"]
        and ask_quantity == state["ask_quantity"]
        and ask_orders == state["ask_orders"]
    ):
        return
    state["bid_price"], state["ask_price"] = bid_price, ask_price
    state["bid_quantity"], state["ask_quantity"] = bid_quantity, ask_quantity
    state["bid_orders"], state["ask_orders"] = bid_orders, ask_orders
    start = begin_frame(h, _TOP, instrument, event, _TOP_WORDS)
    if start >= 0:
        end_frame(h, start, 1, 0, 0)
        h.out[start] = bid_quantity
        h.out[start + 1] = ask_quantity
        h.out[start + 2] = bid_price | (ask_price << 32)
        h.out[start + 3] = bid_orders | (ask_orders << 32)


@inline
def order_action(order, at):
    """The OrderAction to publish for an entry of `changed_orders`; 0: none."""
    if order["change"] != at:  # a later entry has the order
        return 0
    if order["shown"] == 0:
        return _REMOVE if order["published"] > 0 else 0
    if order["published"] == 0 or order["moved"]:
        return _PLACE
    return _CHANGE if order["published"] != order["shown"] else 0


@inline
def write_orders(h, instrument, event, chain, channel, words):
    """Write ORDER or BLOCK frames, of so many words a record; free the orders that have left.

    A BLOCK record has one word more than an ORDER: its place.
    """
    first = h.chains[CHAINS * instrument + chain]["first"]
    changed = 0
    at = first
    while at >= 0:
        changed += order_action(h.live_orders[h.changed_orders[at]["slot"]], at) != 0
        at = h.changed_orders[at]["next"]
    at = first
    while changed > 0:
        size = min(changed, RECORDS_MAX)
        changed -= size
        start = begin_frame(h, channel, instrument, event, words * size)
        written = 0
        while written < size:
            order = h.live_orders[h.changed_orders[at]["slot"]]
            action = order_action(order, at)
            if action:
                if start >= 0:
                    word = start + words * written
                    h.out[word] = order["number"]
                    h.out[word + 1] = order["price"] | (order["shown"] << 32)
                    h.out[word + 2] = order["side"] | (action << 8) | (order["hours"] << 16)
                    if words > _ORDER_WORDS:
                        h.out[word + 3] = order["placed"]
                written += 1
            at = h.changed_orders[at]["next"]
        if start >= 0:
            end_frame(h, start, size, _MORE if changed else 0, 0)
    at = first
    while at >= 0:
        slot = h.changed_orders[at]["slot"]
        order = h.live_orders[slot]
        if order["change"] == at:
            order["published"] = order["shown"]
            order["moved"] = 0
            order["change"] = -1
            if order["key"] < 0:
                free_slot(h, slot)
        at = h.changed_orders[at]["next"]


@inline
def write_trades(h, instrument, event):
    """Write a TRADE frame for every trade and bust, and store them for recovery requests."""
    at = h.chains[CHAINS * instrument + NEW_TRADES]["first"]
    while at >= 0:
        trade, stored = h.new_trades[at], h.stored_trades[at]
        stored["sequence"] = h.sequences[len(h.instruments) * _TRADES + instrument]
        start = begin_frame(h, _TRADES, instrument, event, _TRADE_WORDS)
        if start >= 0:
            end_frame(h, start, 1, 0, 0)
            h.out[start] = trade["word_0"]
            h.out[start + 1] = trade["word_1"]
            h.out[start + 2] = trade["word_2"]
        stored["instrument"] = instrument
        stored["command"] = np.int64(event["sequence"])
        stored["time_ns"] = np.int64(event["time_ns"])
        stored["word_0"], stored["word_1"] = trade["word_0"], trade["word_1"]
        stored["word_2"] = trade["word_2"]
        at = trade["next"]


@inline
def write_statistics(h, instrument, event):
    """Write a STATISTICS frame."""
    state = h.instruments[instrument]
    start = begin_frame(h, _STATISTICS, instrument, event, _STATISTICS_WORDS)
    if start >= 0:
        end_frame(h, start, 1, 0, 0)
        h.out[start] = state["volume"]
        h.out[start + 1] = state["turnover_fen"]
        h.out[start + 2] = state["open"] | (state["high"] << 32)
        h.out[start + 3] = state["low"] | (state["last"] << 32)
        h.out[start + 4] = state["count"]


@inline
def write_status(h, instrument, event):
    """Write a STATUS frame."""
    state = h.instruments[instrument]
    start = begin_frame(h, _STATUS, instrument, event, _STATUS_WORDS)
    if start >= 0:
        end_frame(h, start, 1, 0, 0)
        h.out[start] = state["status_price"] | (state["status_quantity"] << 32)
        h.out[start + 1] = state["phase"] | (state["status_surplus"] << 32)


@inline
def frames_needed(h):
    """Most frames that the open command can make: six an instrument, one a trade, and further
    ones if there are many records."""
    counters = h.counters[0]
    records = counters["levels"] + counters["orders"]
    return records // RECORDS_MAX + 6 * counters["instruments"] + counters["trades"]


@inline
def words_needed(h):
    """Most words that those frames can have: a block's record has four, others five at most."""
    counters = h.counters[0]
    records = counters["levels"] + counters["orders"]
    return _BLOCK_WORDS * records + (_HEAD_WORDS + _STATISTICS_WORDS) * frames_needed(h)

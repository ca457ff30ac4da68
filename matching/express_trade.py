"""The express lane's trades: an incoming order against the other side, best price first."""

import numpy as np

from matching.codes import FILLED, REFRESHED, TAKER
from matching.compile import inline
from matching.incoming import ROOM, finish, same_owner
from matching.ladder import first, level_at, requeue, top, unlink, vanish
from matching.layout import BUY_STOPS, SELL_STOPS, STP_MASK
from matching.report import report
from matching.risk import settle
from matching.words import EVENT_FLAGS_AT, LOW, SIDE_AT, WORDS, copy_stamp, either

i64 = np.int64


@inline
def trade_plainly(m, at, slot, limit):
    """Trade an incoming order where nothing special is in the way. Returns False where something
    is: prevention, a collar, a stop that the next trade triggers, or no room for its events. What
    has been traded until then stays.
    """
    state = m.state[0]
    order = m.orders[slot]
    instrument_id, side = i64(order["instrument"]), i64(order["side"])
    instrument = m.instruments[instrument_id]
    low, high = i64(instrument["low"]), i64(instrument["high"])
    traded = i64(instrument["last"])
    state["base_price"] = traded if traded > 0 else i64(instrument["reference"])
    if i64(instrument["collar"]) != 0:
        return False
    # The prices that trigger the nearest stops; beyond the band where there are none.
    buy_stop = high + 1 - top(m, instrument_id, BUY_STOPS)
    sell_stop = low - 1 + top(m, instrument_id, SELL_STOPS)
    guarded = i64(order["mode"]) & STP_MASK != 0
    last = i64(len(m.events)) - ROOM
    while i64(order["leaves"]) != 0:
        best = top(m, instrument_id, 1 - side)
        if best < limit:
            display, leaves = i64(order["display"]), i64(order["leaves"])
            order["shown"] = min(display, leaves) if display != 0 else leaves
            break
        level = level_at(instrument, 1 - side, best)
        maker_slot = first(m, level)
        price = either(side, high - best, low + best - 2) + 1
        if (
            (guarded and same_owner(m, order, m.orders[maker_slot]))
            or not sell_stop < price < buy_stop
            or state["events"] > last
        ):
            return False
        fill(m, at, slot, maker_slot, price)
        maker = m.orders[maker_slot]
        if i64(maker["leaves"]) == 0:
            if unlink(m, maker_slot):
                vanish(m, instrument_id, 1 - side, best)
            finish(m, maker_slot)
        elif i64(maker["shown"]) == 0:
            shown = min(i64(maker["display"]), i64(maker["leaves"]))
            maker["shown"] = shown
            requeue(m, maker_slot, level)
            report(m, m.commands[at], maker, REFRESHED, 0, 0, 0, shown, price, shown)
    return True


@inline
def fill(m, at, slot, maker_slot, price):
    """One trade, of as much as both show, and its two events."""
    state = m.state[0]
    order, maker = m.orders[slot], m.orders[maker_slot]
    side = i64(order["side"])
    instrument = m.instruments[i64(order["instrument"])]
    quantity = min(i64(order["leaves"]), i64(maker["shown"]))
    maker_rate, taker_rate = i64(instrument["maker_rate"]), i64(instrument["taker_rate"])
    buy_fee, sell_fee = settle(
        m, instrument,
        m.orders[either(side, slot, maker_slot)], m.orders[either(side, maker_slot, slot)],
        price, quantity,
        either(side, taker_rate, maker_rate), either(side, maker_rate, taker_rate),
    )  # fmt: skip
    maker["shown"] = i64(maker["shown"]) - quantity
    instrument["last"] = price
    state["trades"] += 1
    maker_fee, taker_fee = either(side, sell_fee, buy_fee), either(side, buy_fee, sell_fee)
    write_filled(m, at, maker_slot, maker_fee, price, quantity, 0)
    write_filled(m, at, slot, taker_fee, price, quantity, TAKER)


@inline
def write_filled(m, at, slot, fee, price, quantity, flags):
    """Append a FILLED event of the trade that was counted last."""
    state = m.state[0]
    out, own = state["events"] * WORDS, slot * WORDS
    state["events"] += 1
    order = m.orders[slot]
    copy_stamp(m, at, out)
    m.event_words[out + 2] = state["trades"] & LOW | fee << 32
    m.event_words[out + 3] = price | quantity << 32
    m.event_words[out + 4] = i64(order["leaves"]) | i64(order["cumulative"]) << 32
    m.event_words[out + 5] = m.order_words[own + 3]
    m.event_words[out + 6] = m.order_words[own + 4]
    m.event_words[out + 7] = FILLED | i64(order["side"]) << SIDE_AT | flags << EVENT_FLAGS_AT

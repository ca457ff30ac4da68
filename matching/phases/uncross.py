"""Call auction: one price for all that crosses, and the pairing of orders at it."""

import numpy as np

from matching.book.events import must_pause
from matching.book.order_ids import finish_order
from matching.book.price_levels import first_order, index_at, level_at, remove_from_level, top
from matching.codes import AUCTION, FLAG_AUCTION
from matching.memory.compiler import inline, kernel
from matching.memory.layout import STP_MASK
from matching.orders.fills import book_trade, note_price, trade_events
from matching.orders.self_trade_prevention import are_related, prevent_self_trade
from matching.orders.sweep import report_phase, schedule_collar_end
from matching.phases.auction_quantities import cross, take_off
from matching.stages import DUE, ENTER_PHASE, PAIR

i64 = np.int64


@kernel
def begin_uncross(m, c):
    """Find the price at which what is left crosses, and pair orders at it; where nothing crosses,
    enter continuous trading. The end of a collar's auction may be put off instead."""
    state = m.state[0]
    price, _, _ = cross(m, state["instrument"], state["base_price"])
    if is_put_off(m, price):
        put_off(m, c)
        return
    state["by_collar"] = 0  # it begins: no later price puts it off
    if price != 0:
        state["cross_price"] = price
        state["stage"] = PAIR
    else:
        state["stage"] = ENTER_PHASE


@inline
def is_put_off(m, price):
    """Whether the end of a collar's auction is put off: the first price lies beyond the extension's
    ticks, and it was not put off before."""
    state = m.state[0]
    auction = m.auctions[state["instrument"]]
    return (
        state["by_collar"] != 0
        and price != 0
        and i64(auction["extension"]) != 0
        and i64(auction["extended"]) == 0
        and abs(price - state["base_price"]) > i64(auction["extension"])
    )


@inline
def put_off(m, c):
    """Put the end of a collar's auction off: the auction goes on for as long again."""
    state = m.state[0]
    m.auctions[state["instrument"]]["extended"] = 1
    report_phase(m, c, state["instrument"], AUCTION, 0, 0, 0)
    schedule_collar_end(m, state["instrument"], state["due_s"])
    state["stage"] = DUE


@inline
def pair_orders(m, c, instrument_id):
    """Trade the crossing orders with each other at the price found, by price, then time.

    Returns False where the event buffer is full or the call has worked long enough.
    """
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    price = state["cross_price"]
    rate = i64(instrument["maker_rate"])
    while True:
        bid = top(m, instrument_id, 0)
        ask = top(m, instrument_id, 1)
        if bid < index_at(instrument, 0, price) or ask < index_at(instrument, 1, price):
            return True
        if must_pause(m):
            return False
        state["spent"] += 1
        older_slot = first_order(m, level_at(instrument, 0, bid))
        newer_slot = first_order(m, level_at(instrument, 1, ask))
        if m.orders[older_slot]["accepted"] > m.orders[newer_slot]["accepted"]:
            older_slot, newer_slot = newer_slot, older_slot
        older, newer = m.orders[older_slot], m.orders[newer_slot]
        older_leaves, newer_leaves = i64(older["leaves"]), i64(newer["leaves"])
        mode = i64(newer["mode"]) & STP_MASK
        if mode != 0 and are_related(m, older, newer):
            prevent_self_trade(m, c, newer_slot, older_slot, mode)
        else:
            quantity = min(older_leaves, newer_leaves)
            older_fee, newer_fee = book_trade(
                m, instrument, older, newer, price, quantity, rate, rate
            )
            older["shown"] = min(i64(older["shown"]), i64(older["leaves"]))
            newer["shown"] = min(i64(newer["shown"]), i64(newer["leaves"]))
            trade_events(m, c, older, newer, price, quantity, older_fee, newer_fee, FLAG_AUCTION)
            note_price(state, instrument, price)
            state["cross_volume"] += quantity
        take_off(m, older, older_leaves - i64(older["leaves"]))
        take_off(m, newer, newer_leaves - i64(newer["leaves"]))
        finish_if_filled(m, older_slot)
        finish_if_filled(m, newer_slot)


@inline
def finish_if_filled(m, slot):
    """End an order that has nothing left."""
    if i64(m.orders[slot]["leaves"]) == 0:
        remove_from_level(m, slot)
        finish_order(m, slot)

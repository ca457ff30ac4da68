"""Cancels on the fast path."""

import numpy as np

from matching.book.order_ids import entry_at, return_page
from matching.book.pools import return_slot
from matching.book.price_levels import remove_level, unlink
from matching.book.risk import deposit_for, position_at
from matching.codes import CANCELLED, REQUESTED
from matching.fast_path.new import DONE, UNHANDLED
from matching.fast_path.prefetch import place_of_target
from matching.fast_path.record_words import (
    LOW,
    ORDER_SIDE_AT,
    REASON_AT,
    SIDE_AT,
    SPECIAL,
    WORDS,
    by_side,
    copy_stamp,
    is_below,
)
from matching.memory.compiler import inline
from matching.memory.layout import PAGE

i64 = np.int64


@inline
def cancel_resting(m, at, watched):
    """Carry out CANCEL of a resting order. Returns UNHANDLED or DONE.

    The order id in the order's own record is compared: if it is the target's, then the place from
    look-ahead is right and the session is open. `watched`: see dispatch.py.
    """
    c = m.commands[at]
    state = m.state[0]
    place = place_of_target(m, at)
    slot = i64(m.pages[place])
    named = i64(c["session"]) | i64(c["target_ref"]) << 32
    if (
        slot == 0
        or m.order_words[slot * WORDS + 3] != named
        or m.order_words[slot * WORDS + 7] & SPECIAL != 0
        or not is_below(i64(c["user_ref"]) - 1, state["refs"] - 1)
    ):
        return UNHANDLED
    instrument = m.instruments[i64(m.orders[slot]["instrument"])]
    if i64(instrument["watched"]) != 0 and (not watched or i64(instrument["collar"]) != 0):
        return UNHANDLED  # under a collar, a cancel may let blocks trade
    side = (m.order_words[slot * WORDS + 7] >> ORDER_SIDE_AT) & 1
    write_cancelled(m, at, slot, side)
    m.pages[place] = 0
    m.sessions[i64(c["session"])]["orders"] -= 1
    page = place // PAGE
    live = i64(m.page_live[page]) - 1
    m.page_live[page] = live
    if live == 0:
        return_page(m, entry_at(m, i64(c["session"]), i64(c["target_ref"])), page)
    remove_resting(m, slot, side)
    return DONE


@inline
def write_cancelled(m, at, slot, side):
    """Append the CANCELLED event."""
    state = m.state[0]
    own, out = slot * WORDS, state["events"] * WORDS
    state["events"] += 1
    copy_stamp(m, at, out)
    m.event_words[out + 2] = i64(m.commands[at]["user_ref"])
    m.event_words[out + 3] = m.order_words[own + 1]  # price and leaves
    m.event_words[out + 4] = m.order_words[own + 5] & ~LOW  # cumulative
    m.event_words[out + 5] = m.order_words[own + 3]
    m.event_words[out + 6] = m.order_words[own + 4]
    m.event_words[out + 7] = CANCELLED | side << SIDE_AT | REQUESTED << REASON_AT


@inline
def remove_resting(m, slot, side):
    """Unlink an order, return its slot, and release its money and capacity."""
    order = m.orders[slot]
    account_id, instrument_id = i64(order["account"]), i64(order["instrument"])
    price, leaves = i64(order["price"]), i64(order["leaves"])
    instrument = m.instruments[instrument_id]
    if unlink(m, slot):
        low, high = i64(instrument["low"]), i64(instrument["high"])
        remove_level(m, instrument_id, side, by_side(side, price - low, high - price) + 1)
    return_slot(m, slot)
    position_id = position_at(m, instrument_id, account_id)
    opened = i64(m.position_words[position_id * 4 + 2 + side])
    m.position_words[position_id * 4 + 2 + side] = opened - leaves
    uncovered = opened - i64(m.positions[position_id]["net"])
    deposit = deposit_for(instrument, uncovered) - deposit_for(instrument, uncovered - leaves)
    freed = order["held"] + (deposit & -side)  # a sell holds no money
    m.accounts[account_id]["free"] += freed
    m.account_words[account_id * 16 + 1 + side] -= freed

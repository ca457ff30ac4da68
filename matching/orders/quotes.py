"""Quotes: bid and ask of an instrument, set and replaced as one.

The two sides of a quote are orders like others, named by a ref and the next one. A side that
changes its place is in no level until its turn comes: first the bid, and when it has run, the ask.
"""

import numpy as np

from matching.book.block_legs import recheck_collar_without
from matching.book.events import reject, report
from matching.book.order_ids import add_order_id
from matching.book.pools import allocate_slot
from matching.book.price_levels import remove_from_level
from matching.book.risk import hold, release
from matching.codes import (
    ACCEPTED,
    BUY,
    CANCELLED,
    FLAG_REQUEUED,
    NONE,
    POST_ONLY_FLAG,
    REPLACED,
    REQUESTED,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import POST_ONLY, QUOTE_BIT
from matching.orders.entry import ENDED, QUIET, RUNS, enter_book, remove_order
from matching.orders.quote_checks import (
    enters,
    keeps_place,
    lots_of,
    price_of,
    quote_reason,
    slot_of,
)
from matching.stages import QUOTE_ASK

i64 = np.int64


@kernel
def quote(m, c):
    """Carry out QUOTE: withdraw and shrink, take the sides that change out of the book, then enter
    them. Returns what remains to do."""
    reason = quote_reason(m, c)
    if reason != NONE:
        reject(m, c, reason)
        return ENDED
    state = m.state[0]
    bid, ask = slot_of(m, c, 0), slot_of(m, c, 1)
    for side in range(2):
        slot = bid if side == BUY else ask
        if slot == 0:
            continue
        if lots_of(c, side) == 0:
            remove_order(m, c, slot, CANCELLED, REQUESTED, i64(c["user_ref"]))
        elif keeps_place(m, c, slot, side):
            shrink_side(m, c, slot, side)
    bid_enters, ask_enters = enters(m, c, bid, 0), enters(m, c, ask, 1)
    if bid_enters and bid != 0:
        unlink_side(m, bid)
    if ask_enters and ask != 0:
        unlink_side(m, ask)
    left = QUIET
    if bid_enters:
        left = enter_side(m, c, bid, 0)
        if left == RUNS and ask_enters:
            state["quote_ask"] = ask
            state["after"] = QUOTE_ASK
            return left
    return enter_side(m, c, ask, 1) if ask_enters else left


@inline
def unlink_side(m, slot):
    """Take a side that changes its place out of its level, until its turn comes."""
    remove_from_level(m, slot)
    recheck_collar_without(m, m.orders[slot])


@inline
def write_terms(c, order):
    """Give a side the terms of the command that are not price and quantity."""
    post_only = (i64(c["flags"]) & POST_ONLY_FLAG) * POST_ONLY
    order["mode"] = i64(c["stp"]) | post_only | QUOTE_BIT


@inline
def report_replaced(m, c, order, flags):
    """Report a side as it is now."""
    total = i64(order["leaves"]) + i64(order["cumulative"])
    report(
        m, c, order, REPLACED, 0, flags, i64(c["user_ref"]), i64(order["shown"]),
        i64(order["price"]), total,
    )  # fmt: skip


@inline
def shrink_side(m, c, slot, side):
    """Give a side that keeps its place its new quantity."""
    order = m.orders[slot]
    write_terms(c, order)
    release(m, order, i64(order["leaves"]) - lots_of(c, side))
    order["shown"] = order["leaves"]
    report_replaced(m, c, order, 0)


@kernel
def enter_side(m, c, slot, side):
    """Enter one side, as a new order (slot 0) or one that lost its place. Returns what remains to
    do."""
    state = m.state[0]
    price, lots = price_of(c, side), lots_of(c, side)
    is_new = slot == 0
    state["accepted"] += 1
    if is_new:
        slot = allocate_slot(m)
        write_side(m, c, slot, side)
        add_order_id(m, i64(c["session"]), i64(c["target_ref"]) + side, slot)
    order = m.orders[slot]
    if not is_new:
        release(m, order, i64(order["leaves"]))
    write_terms(c, order)
    order["price"] = price
    order["leaves"] = lots
    order["shown"] = lots
    order["accepted"] = state["accepted"]
    hold(m, order, price, lots)
    if is_new:
        report(m, c, order, ACCEPTED, 0, 0, i64(c["user_ref"]), lots, price, lots)
    else:
        report_replaced(m, c, order, FLAG_REQUEUED)
    return enter_book(m, c, slot)


@inline
def write_side(m, c, slot, side):
    """Write what a new side's order never changes."""
    order = m.orders[slot]
    order["held"] = 0
    order["display"] = 0
    order["session"] = c["session"]
    order["user_ref"] = i64(c["target_ref"]) + side
    order["account"] = c["account"]
    order["instrument"] = c["instrument"]
    order["cumulative"] = 0
    order["stop"] = 0
    order["timer"] = 0
    order["fee_fraction"] = 0
    order["side"] = side
    order["type"] = c["type"]
    order["tif"] = c["tif"]


@kernel
def enter_ask(m, c):
    """Enter the ask of a quote after its bid has run. Returns what remains to do."""
    return enter_side(m, c, m.state[0]["quote_ask"], 1)

"""Sums over live orders, which compiled checks compute and other tables are compared with."""

import numpy as np

from matching.book.order_ids import entry_at, place_at
from matching.book.risk import position_at
from matching.invariants.memory.rules import ORDER_ACCEPTED, ORDER_HELD, ORDER_OPEN, SOUND
from matching.memory.compiler import inline
from matching.memory.handle import HandleLayout, handle_at
from matching.memory.intrinsics import prefetch
from matching.memory.layout import MACHINE_LAYOUT

i64 = np.int64
I8 = np.dtype("<i8")
LOW = 2**32 - 1

COUNTS = np.dtype(
    [
        ("orders", "<i8"),  # live, blocks excepted
        ("blocks", "<i8"),  # live
        ("legs", "<i8"),  # of live blocks
        ("pages", "<i8"),  # given: in the directory
        ("occupied", "<i8"),  # levels that lead to an order
        ("firsts", "<i8"),  # orders that are the first of a level
        ("apart", "<i8"),
    ]
)

SUMS = HandleLayout(
    "Sums",
    {
        "counts": COUNTS,  # one record
        "apart": np.dtype("<u4"),  # slots of orders that are not in sequence
        "met": np.dtype("u1"),  # of slots: 1 where an order was met in its level
        "acceptances": np.dtype("u1"),  # a bit for each acceptance of a live order
        "page_orders": I8,  # of pages
        "session_orders": I8,  # of sessions, blocks among them
        "session_blocks": I8,  # of sessions
        "position_blocks": I8,  # given: blocks of positions that are not empty, rising
        "level_blocks": I8,  # given: blocks of links that are not empty, with a level in them
        "bands": I8,  # given: instruments in the order of their levels
        "open_lots": np.dtype("<i4"),  # 2 x position + side
        "reserved_high": I8,  # of accounts, in 2^32 fen: one word might not hold a forged sum
        "reserved_low": I8,  # the rest, in fen
        "deposits_high": I8,
        "deposits_low": I8,
    },
)

machine_at, sums_at = handle_at(MACHINE_LAYOUT), handle_at(SUMS)


@inline
def add_order(m, s, order, held, is_block):
    """Add up the id and the money of a live order. Returns ORDER_HELD where it holds other money
    than it needs, ORDER_ACCEPTED where another one has its acceptance."""
    if order["held"] != held:
        return ORDER_HELD
    accepted = i64(order["accepted"])
    before, bit = i64(s.acceptances[accepted >> 3]), i64(1) << (accepted & 7)
    if before & bit != 0:
        return ORDER_ACCEPTED
    s.acceptances[accepted >> 3] = np.uint8(before | bit)
    session_id, account_id = i64(order["session"]), i64(order["account"])
    s.page_orders[i64(m.directory[entry_at(m, session_id, i64(order["user_ref"]))])] += 1
    s.session_orders[session_id] += 1
    s.reserved_high[account_id] += held >> 32
    s.reserved_low[account_id] += held & LOW
    counts = s.counts[0]
    if is_block:
        s.session_blocks[session_id] += 1
        counts["blocks"] += 1
    else:
        counts["orders"] += 1
    return SOUND


@inline
def add_open(m, s, order, instrument_id):
    """Add up the lots that an order has open in an instrument. Returns ORDER_OPEN where the
    account's position has fewer."""
    at = position_at(m, instrument_id, i64(order["account"]))
    side = i64(order["side"])
    lots = i64(s.open_lots[2 * at + side]) + i64(order["leaves"])
    if lots > i64(m.position_words[4 * at + 2 + side]):
        return ORDER_OPEN
    s.open_lots[2 * at + side] = np.int32(lots)
    return SOUND


@inline
def prefetch_order(m, s, slot):
    """Prefetch what is read and added up for an order, which lies anywhere."""
    order, own = m.orders[slot], m.links[slot]
    behind = i64(own["next"])
    prefetch(m.orders, behind)
    prefetch(m.links, behind)
    prefetch(m.links, i64(own["prev"]))
    at = position_at(m, i64(order["instrument"]), i64(order["account"]))
    prefetch(m.positions, at)
    prefetch(s.open_lots, 2 * at)
    ref = i64(order["user_ref"])
    entry = entry_at(m, i64(order["session"]), ref)
    page = i64(m.directory[entry if entry < len(m.directory) else i64(0)])
    prefetch(m.pages, place_at(page, ref))

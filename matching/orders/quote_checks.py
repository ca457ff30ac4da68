"""Checks of quotes: form, owner, both sides together, room, and whether a side would trade."""

import numpy as np

from matching.book.order_ids import entry_at, find_order
from matching.book.pools import has_numbers
from matching.book.price_levels import (
    first_order,
    index_at,
    is_order,
    level_at,
    next_below,
    next_order,
    top,
)
from matching.book.registry import is_account, is_listed, is_open, is_ref
from matching.book.risk import deposit_for, position_at, reserve
from matching.codes import (
    ACCOUNT_HALTED,
    BAND,
    BUY,
    CAPACITY,
    CONTINUOUS,
    DAY,
    DEPOSIT,
    FUNDS,
    LIMIT,
    MALFORMED,
    NONE,
    NOT_ENTITLED,
    POOL_FULL,
    POSITION_LIMIT,
    POST_ONLY_FLAG,
    REFUSED_POST_ONLY,
    SESSION_LIMIT,
    SIZE_LIMIT,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
    UNKNOWN_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import QUOTE_BIT
from matching.orders.checks import is_outside_band, phase_reason, size_reason
from matching.records import ACCEPTED_MAX, INT32_MAX

i64 = np.int64


@inline
def price_of(c, side):
    """Price that a QUOTE asks of a side."""
    return i64(c["price"]) if side == BUY else i64(c["stop"])


@inline
def lots_of(c, side):
    """Lots that a QUOTE wants open on a side."""
    return i64(c["quantity"]) if side == BUY else i64(c["display"])


@inline
def slot_of(m, c, side):
    """Slot of a side's live order; 0 if it has none."""
    return find_order(m, i64(c["session"]), i64(c["target_ref"]) + side)


@inline
def quote_malformed(m, c):
    """Whether the fields of a QUOTE do not agree with one another."""
    flags = i64(c["flags"])
    bid, ask = i64(c["price"]), i64(c["stop"])
    bid_lots, ask_lots = i64(c["quantity"]), i64(c["display"])
    return (
        not is_ref(m, i64(c["user_ref"]))
        or not is_ref(m, i64(c["target_ref"]))
        or not is_ref(m, i64(c["target_ref"]) + 1)
        or (i64(c["hours"]) | i64(c["spare"]) | i64(c["side"]) | i64(c["expiry_s"])) != 0
        or not (flags == 0 or flags == POST_ONLY_FLAG)
        or i64(c["type"]) != LIMIT
        or i64(c["tif"]) != DAY
        or i64(c["stp"]) > 4
        or min(bid, ask, bid_lots, ask_lots) < 0
        or (bid == 0) != (bid_lots == 0)
        or (ask == 0) != (ask_lots == 0)
        or 0 < ask <= bid
    )


@inline
def owner_reason(m, c):
    """Reason to reject a command of a member about one of its accounts, else NONE."""
    session_id, account_id = i64(c["session"]), i64(c["account"])
    if not is_open(m, session_id):
        return UNKNOWN_SESSION
    if not is_account(m, account_id):
        return UNKNOWN_ACCOUNT
    same = m.sessions[session_id]["firm"] == m.accounts[account_id]["firm"]
    return NONE if same else NOT_ENTITLED


@kernel
def quote_reason(m, c):
    """The first reason to reject a QUOTE, else NONE."""
    if quote_malformed(m, c):
        return MALFORMED
    reason = owner_reason(m, c)
    if reason != NONE:
        return reason
    account_id, instrument_id = i64(c["account"]), i64(c["instrument"])
    halted = i64(m.accounts[account_id]["halted"])
    if halted != 0 or i64(m.protections[account_id]["tripped"]) != 0:
        return ACCOUNT_HALTED
    if not is_listed(m, instrument_id):
        return UNKNOWN_INSTRUMENT
    reason = phase_reason(i64(m.instruments[instrument_id]["phase"]))
    if reason != NONE:
        return reason
    bid, ask = slot_of(m, c, 0), slot_of(m, c, 1)
    nothing = lots_of(c, 0) == 0 and lots_of(c, 1) == 0 and bid == 0 and ask == 0
    if nothing or not is_side(m, c, bid, 0) or not is_side(m, c, ask, 1):
        return UNKNOWN_ORDER
    reason = sides_reason(m, c, bid, ask)
    if reason == NONE:
        reason = quote_room_reason(m, c, bid, ask)
    if reason == NONE and i64(c["flags"]) != 0 and would_trade(m, c, bid, ask):
        reason = REFUSED_POST_ONLY
    return reason


@inline
def is_side(m, c, slot, side):
    """Whether a live order, if there is one, is this side of a quote of the account here."""
    order = m.orders[slot]
    return slot == 0 or (
        (i64(order["mode"]) & QUOTE_BIT) != 0
        and order["account"] == c["account"]
        and order["instrument"] == c["instrument"]
        and i64(order["side"]) == side
    )


@inline
def sides_reason(m, c, bid, ask):
    """Reason to reject both sides together: band, sizes, position, capacity or money; else NONE."""
    first, second = side_reason(m, c, bid, 0), side_reason(m, c, ask, 1)
    if first != NONE or second != NONE:
        return first if second == NONE or NONE < first < second else second
    account, instrument = m.accounts[i64(c["account"])], m.instruments[i64(c["instrument"])]
    position = m.positions[position_at(m, i64(c["instrument"]), i64(c["account"]))]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    more = lots_of(c, 1) - i64(m.orders[ask]["leaves"])
    deposit = deposit_for(instrument, uncovered + more) - deposit_for(instrument, uncovered)
    order = m.orders[bid]
    fraction = i64(order["fee_fraction"]) if bid != 0 else i64(0)
    money = reserve(instrument, price_of(c, 0), lots_of(c, 0), fraction)
    money -= i64(order["held"]) if bid != 0 else i64(0)
    if deposit > 0 and deposit + min(money, i64(0)) > account["free"]:
        return DEPOSIT
    return FUNDS if money > 0 and money + deposit > account["free"] else NONE


@inline
def side_reason(m, c, slot, side):
    """Reason to reject one side, apart from money; else NONE."""
    lots, price = lots_of(c, side), price_of(c, side)
    if lots == 0:
        return NONE
    account_id, instrument_id = i64(c["account"]), i64(c["instrument"])
    instrument = m.instruments[instrument_id]
    filled = i64(m.orders[slot]["cumulative"]) if slot != 0 else i64(0)
    if is_outside_band(instrument, price):
        return BAND
    if lots + filled > INT32_MAX:
        return SIZE_LIMIT
    reason = size_reason(m, account_id, instrument, price, lots + filled)
    more = lots - i64(m.orders[slot]["leaves"])
    if reason != NONE or more <= 0:
        return reason
    position = m.positions[position_at(m, instrument_id, account_id)]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    after = uncovered + more
    if side == BUY:
        after = i64(position["net"]) + i64(position["open_buy"]) + more
    if after > i64(m.accounts[account_id]["position_cap"]):
        return POSITION_LIMIT
    return CAPACITY if side != BUY and after > i64(position["registered"]) else NONE


@inline
def keeps_place(m, c, slot, side):
    """Whether a side's order stays where it is, with no more quantity."""
    order = m.orders[slot]
    return (
        slot != 0
        and i64(order["price"]) == price_of(c, side)
        and 0 < lots_of(c, side) <= i64(order["leaves"])
    )


@inline
def enters(m, c, slot, side):
    """Whether an order comes to the book on this side, new or from another place."""
    return lots_of(c, side) != 0 and not keeps_place(m, c, slot, side)


@inline
def quote_room_reason(m, c, bid, ask):
    """Reason to reject a QUOTE for lack of room: the session's shares, or the pools; else NONE."""
    state, session_id = m.state[0], i64(c["session"])
    entering = i64(enters(m, c, bid, 0)) + i64(enters(m, c, ask, 1))
    if entering == 0:
        return NONE
    new = i64(bid == 0 and lots_of(c, 0) != 0) + i64(ask == 0 and lots_of(c, 1) != 0)
    pages = new_pages(m, c, bid, ask)
    session = m.sessions[session_id]
    if new != 0 and (
        i64(session["orders"]) + new > state["session_orders"]
        or i64(session["ref_pages"]) + pages > state["session_ref_pages"]
    ):
        return SESSION_LIMIT
    fits = (
        has_numbers(m)
        and state["accepted"] + entering <= ACCEPTED_MAX
        and free_slots(m) >= new
        and free_pages(m) >= pages
    )
    return NONE if fits else POOL_FULL


@inline
def new_pages(m, c, bid, ask):
    """Pages of refs that a quote's new orders need."""
    session_id, ref = i64(c["session"]), i64(c["target_ref"])
    first, second = entry_at(m, session_id, ref), entry_at(m, session_id, ref + 1)
    of_bid = bid == 0 and lots_of(c, 0) != 0 and i64(m.directory[first]) == 0
    of_ask = ask == 0 and lots_of(c, 1) != 0 and i64(m.directory[second]) == 0
    return i64(of_bid) + i64(of_ask and not (of_bid and first == second))


@inline
def free_slots(m):
    """Free order slots, counted up to two."""
    state = m.state[0]
    unused = len(m.orders) - 1 - state["slots_used"]
    slot, found = state["free_slot"], unused
    while slot != 0 and found < 2:
        found += 1
        slot = i64(m.links[slot]["next"])
    return found


@inline
def free_pages(m):
    """Free pages of refs, counted up to two."""
    state = m.state[0]
    unused = len(m.page_live) - 1 - state["pages_used"]
    page, found = state["free_page"], unused
    while page != 0 and found < 2:
        found += 1
        page = i64(m.page_live[page])
    return found


@kernel
def would_trade(m, c, bid, ask):
    """Whether a side that enters would meet an order that is not of the quote itself."""
    if i64(m.instruments[i64(c["instrument"])]["phase"]) != CONTINUOUS:
        return False
    return meets_other(m, c, bid, 0, ask) or meets_other(m, c, ask, 1, bid)


@inline
def meets_other(m, c, slot, side, own):
    """Whether a side that enters reaches an opposite order other than the quote's own."""
    if not enters(m, c, slot, side):
        return False
    instrument_id, book = i64(c["instrument"]), 1 - side
    instrument = m.instruments[instrument_id]
    best = top(m, instrument_id, book)
    if best != 0:
        first = first_order(m, level_at(instrument, book, best))
        if first == own and not is_order(m, next_order(m, first)):
            best = next_below(m, instrument, book, best)
    return best != 0 and best >= index_at(instrument, book, price_of(c, side))

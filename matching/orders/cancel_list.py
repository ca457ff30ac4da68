"""Lists of orders that end together, by acceptance: mass cancels, closes, gate closures.

A list is collected at once and ended step by step, so that a command which ends a million orders
needs no more room for events than one that ends one.
"""

import numpy as np

from matching.book.block_legs import has_hour, is_block
from matching.book.events import must_pause
from matching.book.order_ids import entry_at
from matching.book.price_levels import first_order, is_order, level_at, next_below, next_order, top
from matching.codes import (
    CANCELLED,
    DAY,
    END_OF_DAY,
    END_OF_TIME,
    ENDED_BY_HALT,
    EXPIRED,
    GATE_CLOSURE,
    GTD,
    MASS_CANCEL,
    SCOPE_ACCOUNT,
    SCOPE_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BOOKS, HOURS, PAGE, TOPS, WATCH_AT, WATCH_HEAD
from matching.orders.entry import remove_order

i64 = np.int64


@inline
def sift_down(m, at, size, key, slot):
    """Move (key, slot) down from this position in a heap with the greatest key first."""
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and m.keys[child + 1] > m.keys[child]:
            child += 1
        if m.keys[child] <= key:
            break
        m.keys[at] = m.keys[child]
        m.slots[at] = m.slots[child]
        at = child
    m.keys[at] = key
    m.slots[at] = slot


@kernel
def sort_list(m, size):
    """Sort the list by key. Heapsort needs no memory, and has no slow case."""
    at = size // 2 - 1
    while at >= 0:
        sift_down(m, at, size, m.keys[at], m.slots[at])
        at -= 1
    last = size - 1
    while last > 0:
        key = m.keys[last]
        slot = m.slots[last]
        m.keys[last] = m.keys[0]
        m.slots[last] = m.slots[0]
        sift_down(m, i64(0), last, key, slot)
        last -= 1


@inline
def begin_cancel_list(m, size, reason, request_ref, after_list):
    """Sort a collected list, and set the state from which `end_orders` goes on."""
    sort_list(m, size)
    state = m.state[0]
    state["list_head"] = 0
    state["list_tail"] = size
    state["list_reason"] = reason
    state["list_ref"] = request_ref
    state["after_list"] = after_list


@inline
def ends_all(reason):
    """Whether all orders of an instrument end for this reason."""
    return reason == GATE_CLOSURE or reason == MASS_CANCEL


@kernel
def gather_instrument(m, instrument_id, reason, second):
    """Collect the orders of an instrument that its close ends: DAY orders, and GTD orders due at
    this second. A gate closure and an operator's mass cancel end all. Returns the list's size."""
    size = i64(0)
    instrument = m.instruments[instrument_id]
    for book in range(BOOKS):
        index = top(m, instrument_id, book)
        while index != 0:
            slot = first_order(m, level_at(instrument, book, index))
            while is_order(m, slot):
                order = m.orders[slot]
                tif = i64(order["tif"])
                timer = i64(order["timer"])
                if (
                    ends_all(reason)
                    or tif == DAY
                    or (timer != 0 and i64(m.timers[timer]["due"]) >> 2 == second)
                ):
                    size = add_to_list(m, size, slot)
                slot = next_order(m, slot)
            index = next_below(m, instrument, book, index)
    return gather_blocks(m, instrument_id, reason, second, size)


@kernel
def gather_blocks(m, instrument_id, reason, second, size):
    """Add the blocks with an hour in the instrument. A GTD block ends by the timer of its first
    hour. Returns the list's size."""
    for side in range(2):
        leg = i64(m.watch[instrument_id * TOPS + WATCH_AT + WATCH_HEAD + side])
        while leg != 0:
            slot = i64(m.blocks[leg // HOURS]["slot"])
            order = m.orders[slot]
            due = i64(m.timers[i64(order["timer"])]["due"]) >> 2
            if (
                ends_all(reason)
                or i64(order["tif"]) == DAY
                or (due == second and i64(order["instrument"]) == instrument_id)
            ):
                size = add_to_list(m, size, slot)
            leg = i64(m.legs[leg]["next"])
    return size


@kernel
def gather_session(m, session_id, scope, account_id, instrument_id, size):
    """Add the orders of a session that a mass cancel of this scope ends to a list of this size.
    Returns the list's size. Cost: a read of the session's directory and its live pages of refs."""
    first = entry_at(m, session_id, i64(0))
    for entry in range(first, first + m.state[0]["session_pages"]):
        page = i64(m.directory[entry])
        if page == 0:
            continue
        for place in range(page * PAGE, (page + 1) * PAGE):
            slot = i64(m.pages[place])
            if slot != 0 and is_in_scope(m, slot, scope, account_id, instrument_id):
                size = add_to_list(m, size, slot)
    return size


@kernel
def gather_account(m, account_id):
    """Collect the orders of an account, of all sessions of its firm, for an operator. Returns the
    list's size. Cost: as `gather_session`, for each of them."""
    size = i64(0)
    for session_id in range(1, len(m.sessions)):
        if m.sessions[session_id]["firm"] == m.accounts[account_id]["firm"]:
            size = gather_session(m, session_id, SCOPE_ACCOUNT, account_id, i64(0), size)
    return size


@inline
def is_in_scope(m, slot, scope, account_id, instrument_id):
    """Whether a mass cancel of this scope ends an order of its session."""
    order = m.orders[slot]
    if scope == SCOPE_SESSION:
        return True
    if scope == SCOPE_ACCOUNT:
        return i64(order["account"]) == account_id
    return i64(order["instrument"]) == instrument_id or (
        is_block(order) and has_hour(m, order, instrument_id)
    )


@inline
def add_to_list(m, size, slot):
    """Add an order to the list that is collected. Returns the list's size."""
    m.keys[size] = i64(m.orders[slot]["accepted"])
    m.slots[size] = slot
    return size + 1


@inline
def end_orders(m, c):
    """End the orders of the list one by one. Returns False where the event buffer is full."""
    state = m.state[0]
    reason = state["list_reason"]
    while state["list_head"] < state["list_tail"]:
        if must_pause(m):
            return False
        slot = i64(m.slots[state["list_head"]])
        state["list_head"] += 1
        if reason == MASS_CANCEL or reason == ENDED_BY_HALT:
            remove_order(m, c, slot, CANCELLED, reason, state["list_ref"])
        elif reason == END_OF_DAY and i64(m.orders[slot]["tif"]) == GTD:
            remove_order(m, c, slot, EXPIRED, END_OF_TIME, 0)
        else:
            remove_order(m, c, slot, EXPIRED, reason, 0)
    return True

"""Lists of orders that end together, by acceptance: mass cancels, halts, closes, gate closures.

A list is a heap. Orders are gathered into it and ended out of it step by step, so that a command
which ends a million orders needs no more room for events, and no more time at once, than one that
ends a few.
"""

import numpy as np

from matching.book.block_legs import has_hour, is_block
from matching.book.events import must_pause
from matching.book.order_ids import entry_at
from matching.book.walk import begin_walk, next_in_book, pause_walk
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
    PROTECTION,
    SCOPE_ACCOUNT,
    SCOPE_INSTRUMENT,
    SCOPE_SESSION,
)
from matching.memory.compiler import inline, kernel
from matching.memory.layout import BOOKS, HOURS, PAGE, QUOTE_BIT, TOPS, WATCH_AT, WATCH_HEAD
from matching.orders.entry import remove_order
from matching.stages import CANCEL_LIST, GATHER_BOOKS, GATHER_SESSIONS

i64 = np.int64

SCOPE_QUOTES = 4
"""A scope like those of mass cancels: the quotes of an account."""


@kernel
def push(m, key, slot):
    """Add an order to the list by its key."""
    state = m.state[0]
    at = state["list_size"]
    state["list_size"] = at + 1
    state["spent"] += 1
    while at > 0:
        above = (at - 1) >> 1
        if m.keys[above] <= key:
            break
        m.keys[at] = m.keys[above]
        m.slots[at] = m.slots[above]
        at = above
    m.keys[at] = key
    m.slots[at] = slot


@kernel
def pop(m):
    """Remove the order with the least key from a list that has one. Returns its slot."""
    state = m.state[0]
    size = state["list_size"] - 1
    state["list_size"] = size
    state["spent"] += 1
    first = i64(m.slots[0])
    key, slot = m.keys[size], m.slots[size]
    at = i64(0)
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and m.keys[child + 1] < m.keys[child]:
            child += 1
        if m.keys[child] >= key:
            break
        m.keys[at] = m.keys[child]
        m.slots[at] = m.slots[child]
        at = child
    m.keys[at] = key
    m.slots[at] = slot
    return first


@inline
def begin_list(m, reason, request_ref, after_list):
    """Begin an empty list of orders that end for this reason; the stage `after_list` follows."""
    state = m.state[0]
    state["list_size"] = 0
    state["list_count"] = 0
    state["list_reason"] = reason
    state["list_ref"] = request_ref
    state["after_list"] = after_list
    state["stage"] = CANCEL_LIST


@inline
def add_to_list(m, slot):
    """Add an order to the list by its acceptance."""
    m.state[0]["list_count"] += 1
    push(m, i64(m.orders[slot]["accepted"]), slot)


@inline
def gather_session(m, session_id, scope, account_id, instrument_id):
    """Have the orders of a session gathered that this scope reaches."""
    gather_sessions(m, session_id, session_id, scope, account_id, instrument_id)
    m.state[0]["gather_firm"] = 0


@inline
def gather_account(m, account_id, scope):
    """Have the orders of an account gathered, of all sessions of its firm."""
    gather_sessions(m, i64(1), i64(len(m.sessions) - 1), scope, account_id, i64(0))
    m.state[0]["gather_firm"] = m.accounts[account_id]["firm"]


@inline
def gather_sessions(m, first, last, scope, account_id, instrument_id):
    """Begin to gather orders of sessions, page of refs by page of refs."""
    state = m.state[0]
    state["gather_session"] = first
    state["gather_last"] = last
    state["gather_entry"] = 0
    state["gather_scope"] = scope
    state["gather_account"] = account_id
    state["gather_instrument"] = instrument_id
    state["stage"] = GATHER_SESSIONS


@kernel
def go_on_sessions(m):
    """Gather orders of sessions from where it is. Returns False where the call has worked long
    enough.

    Cost: a read of the directories of the sessions and of their live pages of refs.
    """
    state = m.state[0]
    firm = state["gather_firm"]
    while state["gather_session"] <= state["gather_last"]:
        session_id = state["gather_session"]
        if firm == 0 or i64(m.sessions[session_id]["firm"]) == firm:
            first = entry_at(m, session_id, i64(0))
            while state["gather_entry"] < state["session_pages"]:
                if must_pause(m):
                    return False
                page = i64(m.directory[first + state["gather_entry"]])
                if page != 0:
                    gather_page(m, page)
                state["gather_entry"] += 1
            state["spent"] += state["session_pages"] >> 4
        state["gather_session"] += 1
        state["gather_entry"] = 0
    return True


@kernel
def gather_page(m, page):
    """Gather the orders of a page of refs that the scope reaches."""
    m.state[0]["spent"] += PAGE >> 4
    for place in range(page * PAGE, (page + 1) * PAGE):
        slot = i64(m.pages[place])
        if slot != 0 and is_in_scope(m, slot):
            add_to_list(m, slot)


@inline
def is_in_scope(m, slot):
    """Whether the scope reaches an order of the session."""
    state = m.state[0]
    order, scope = m.orders[slot], state["gather_scope"]
    if scope == SCOPE_SESSION:
        return True
    if scope == SCOPE_INSTRUMENT:
        return i64(order["instrument"]) == state["gather_instrument"] or (
            is_block(order) and has_hour(m, order, state["gather_instrument"])
        )
    return i64(order["account"]) == state["gather_account"] and (
        scope == SCOPE_ACCOUNT or (i64(order["mode"]) & QUOTE_BIT) != 0
    )


@inline
def ends_all(reason):
    """Whether all orders of an instrument end for this reason."""
    return reason == GATE_CLOSURE or reason == MASS_CANCEL


@kernel
def gather_instrument(m, instrument_id, second):
    """Begin to gather the orders of an instrument that its close ends: DAY orders, and GTD orders
    due at this second. A gate closure and an operator's mass cancel end all."""
    state = m.state[0]
    state["gather_instrument"] = instrument_id
    state["gather_second"] = second
    begin_walk(m, instrument_id, 0)
    state["stage"] = GATHER_BOOKS


@kernel
def go_on_books(m):
    """Gather orders of an instrument from where it is. Returns False where the call has worked long
    enough."""
    state = m.state[0]
    instrument_id = state["gather_instrument"]
    while gather_book(m, instrument_id, state["walk_book"]):
        if state["walk_book"] == BOOKS - 1:
            gather_blocks(m, instrument_id)
            return True
        begin_walk(m, instrument_id, state["walk_book"] + 1)
    return False


@inline
def gather_book(m, instrument_id, book):
    """Gather orders of a book from where it is. Returns False where the call has worked long
    enough."""
    state = m.state[0]
    instrument = m.instruments[instrument_id]
    index, slot = state["walk_index"], state["walk_slot"]
    while index != 0:
        if must_pause(m):
            pause_walk(m, index, slot)
            return False
        state["spent"] += 1
        if is_to_end(m, slot):
            add_to_list(m, slot)
        index, slot = next_in_book(m, instrument, book, index, slot)
    return True


@inline
def is_to_end(m, slot):
    """Whether an order of the instrument ends."""
    state = m.state[0]
    order = m.orders[slot]
    timer = i64(order["timer"])
    return (
        ends_all(state["list_reason"])
        or i64(order["tif"]) == DAY
        or (timer != 0 and i64(m.timers[timer]["due"]) >> 2 == state["gather_second"])
    )


@kernel
def gather_blocks(m, instrument_id):
    """Gather the blocks with an hour in the instrument that end. A GTD block ends by the timer of
    its first hour."""
    state = m.state[0]
    for side in range(2):
        leg = i64(m.watch[instrument_id * TOPS + WATCH_AT + WATCH_HEAD + side])
        while leg != 0:
            slot = i64(m.blocks[leg // HOURS]["slot"])
            order = m.orders[slot]
            due = i64(m.timers[i64(order["timer"])]["due"]) >> 2
            if (
                ends_all(state["list_reason"])
                or i64(order["tif"]) == DAY
                or (due == state["gather_second"] and i64(order["instrument"]) == instrument_id)
            ):
                add_to_list(m, slot)
            leg = i64(m.legs[leg]["next"])


@inline
def end_orders(m, c):
    """End the orders of the list one by one. Returns False where the event buffer is full or the
    call has worked long enough."""
    state = m.state[0]
    reason = state["list_reason"]
    while state["list_size"] != 0:
        if must_pause(m):
            return False
        slot = pop(m)
        if reason == MASS_CANCEL or reason == ENDED_BY_HALT or reason == PROTECTION:
            remove_order(m, c, slot, CANCELLED, reason, state["list_ref"])
        elif reason == END_OF_DAY and i64(m.orders[slot]["tif"]) == GTD:
            remove_order(m, c, slot, EXPIRED, END_OF_TIME, 0)
        else:
            remove_order(m, c, slot, EXPIRED, reason, 0)
    return True

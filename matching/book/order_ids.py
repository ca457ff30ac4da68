"""Order ids: a direct, paged table from (session, user_ref) to the order's slot.

A hash table was the costliest part when measured. Refs of a session only grow, so live refs stand
close together. A page without a live order returns to the pool.
"""

import numpy as np

from matching.book.pools import has_numbers, next_number, return_slot
from matching.book.timers import remove_timer
from matching.codes import NONE, POOL_FULL, SESSION_LIMIT
from matching.memory.compiler import inline, kernel
from matching.memory.layout import PAGE

i64 = np.int64


@inline
def entry_at(m, session, user_ref):
    """Index of the directory entry for a ref, which must be within the limits."""
    return session * m.state[0]["session_pages"] + user_ref // PAGE


@inline
def place_at(page, user_ref):
    """Index of a ref in the table of pages."""
    return page * PAGE + user_ref % PAGE


@inline
def find_order(m, session, user_ref):
    """Slot of a live order, else 0. The ref must be within the limits."""
    return i64(m.pages[place_at(i64(m.directory[entry_at(m, session, user_ref)]), user_ref)])


@inline
def has_page(m):
    """Whether `allocate_page` can succeed."""
    state = m.state[0]
    return next_number(state["free_page"], state["pages_used"], len(m.page_live)) != 0


@inline
def has_page_share(m, session):
    """Whether a session's share of pages admits one more."""
    return i64(m.sessions[session]["ref_pages"]) < m.state[0]["session_ref_pages"]


@inline
def has_order_share(m, session):
    """Whether a session's share of live orders admits one more."""
    return i64(m.sessions[session]["orders"]) < m.state[0]["session_orders"]


@inline
def room_reason(m, c):
    """Reason to reject a NEW for lack of room: its session's share of orders or pages, or the
    numbers and pages of all; else NONE. Its slot is not counted."""
    session_id = i64(c["session"])
    needs_page = i64(m.directory[entry_at(m, session_id, i64(c["user_ref"]))]) == 0
    if not has_order_share(m, session_id) or (needs_page and not has_page_share(m, session_id)):
        return SESSION_LIMIT
    return NONE if has_numbers(m) and not (needs_page and not has_page(m)) else POOL_FULL


@kernel
def allocate_page(m, entry):
    """Put a page of the pool into a directory entry. Returns the page."""
    state = m.state[0]
    page = next_number(state["free_page"], state["pages_used"], len(m.page_live))
    if page > state["pages_used"]:
        state["pages_used"] = page
    else:
        state["free_page"] = i64(m.page_live[page])
        m.page_live[page] = 0
    m.directory[entry] = page
    m.sessions[entry // state["session_pages"]]["ref_pages"] += 1
    return page


@inline
def add_order_id(m, session, user_ref, slot):
    """Add the id of a live order."""
    entry = entry_at(m, session, user_ref)
    page = i64(m.directory[entry])
    if page == 0:
        page = allocate_page(m, entry)
    m.page_live[page] += 1
    m.pages[place_at(page, user_ref)] = slot
    m.sessions[session]["orders"] += 1


@inline
def remove_order_id(m, session, user_ref):
    """Remove the id of an order that has ended. Returns the page to the pool if it is empty."""
    entry = entry_at(m, session, user_ref)
    page = i64(m.directory[entry])
    m.pages[place_at(page, user_ref)] = 0
    m.sessions[session]["orders"] -= 1
    live = i64(m.page_live[page]) - 1
    m.page_live[page] = live
    if live == 0:
        return_page(m, entry, page)


@kernel
def return_page(m, entry, page):
    """Return a page without a live order to the pool."""
    state = m.state[0]
    m.directory[entry] = 0
    m.sessions[entry // state["session_pages"]]["ref_pages"] -= 1
    m.page_live[page] = state["free_page"]
    state["free_page"] = page


@inline
def finish_order(m, slot):
    """End an order that is in no level: remove its id and timer, return its slot."""
    order = m.orders[slot]
    remove_order_id(m, i64(order["session"]), i64(order["user_ref"]))
    if i64(order["timer"]) != 0:
        remove_timer(m, i64(order["timer"]))
    return_slot(m, slot)

"""Who is who: (session, user_ref) -> order slot, by a direct, paged table.

A hash was the costliest feature when measured. Refs of a session only grow, so the live ones stand
close together, and a page without a live order goes back to the pool.
"""

import numpy as np

from matching.compile import inline
from matching.layout import PAGE

i64 = np.int64


@inline
def find(m, session, user_ref):
    """The slot of a live order, else 0. The ref must be within the limits."""
    entry = session * m.state[0]["session_pages"] + user_ref // PAGE
    return i64(m.pages[i64(m.directory[entry]) * PAGE + user_ref % PAGE])


@inline
def has_room(m, session, user_ref):
    """Whether `name` can succeed."""
    state = m.state[0]
    entry = session * state["session_pages"] + user_ref // PAGE
    return (
        i64(m.directory[entry]) != 0
        or state["free_page"] != 0
        or state["pages_used"] + 1 < len(m.page_live)
    )


@inline
def name(m, session, user_ref, slot):
    """Enter a live order."""
    state = m.state[0]
    entry = session * state["session_pages"] + user_ref // PAGE
    page = i64(m.directory[entry])
    if page == 0:
        page = state["free_page"]
        if page != 0:
            state["free_page"] = i64(m.page_live[page])
            m.page_live[page] = 0
        else:
            state["pages_used"] += 1
            page = state["pages_used"]
        m.directory[entry] = page
    m.page_live[page] += 1
    m.pages[page * PAGE + user_ref % PAGE] = slot


@inline
def unname(m, session, user_ref):
    """Remove an order that is over."""
    state = m.state[0]
    entry = session * state["session_pages"] + user_ref // PAGE
    page = i64(m.directory[entry])
    m.pages[page * PAGE + user_ref % PAGE] = 0
    live = i64(m.page_live[page]) - 1
    m.page_live[page] = live
    if live == 0:
        m.directory[entry] = 0
        m.page_live[page] = state["free_page"]
        state["free_page"] = page

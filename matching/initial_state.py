"""Initial state: what is not 0 at the start of a day."""

from typing import Any

from matching.book.timers import NEVER


def open_memory(m: Any, refs: int, session_pages: int, shares: tuple[int, int, int]) -> None:
    """Turn zeroed memory into a machine: write the limits of refs and the shares of a session
    (orders, blocks, pages of refs), open the venue's own session 0."""
    state = m.state[0]
    state["next_due_ns"] = NEVER
    state["refs"] = refs
    state["session_pages"] = session_pages
    state["session_orders"], state["session_blocks"], state["session_ref_pages"] = shares
    venue = m.sessions[0]
    venue["opened"] = 1
    venue["operator"] = 1

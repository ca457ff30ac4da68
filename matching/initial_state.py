"""How zeroed memory becomes a machine: what is not 0 at the start of a day."""

from typing import Any

from matching.book.timers import NEVER


def open_memory(m: Any, refs: int, session_pages: int) -> None:
    """Write the bounds and open session 0, the venue's own, into a machine of zeros."""
    state = m.state[0]
    state["next_due_ns"] = NEVER
    state["refs"] = refs
    state["session_pages"] = session_pages
    venue = m.sessions[0]
    venue["opened"] = 1
    venue["operator"] = 1

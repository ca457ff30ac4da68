"""Consecutive user_refs for commands: each session counts its own."""

import numpy as np
from numpy.typing import NDArray


class Refs:
    """A counter of refs for each session, which starts at `first`."""

    def __init__(self, sessions: int, first: int = 1) -> None:
        self._next = np.full(sessions + 1, first, np.int64)

    def take(self, session: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the next refs for commands of these sessions, in the order of the commands."""
        order = np.argsort(session, kind="stable")
        counts = np.bincount(session, minlength=len(self._next))
        before = np.cumsum(counts) - counts
        ranks = np.empty(len(session), np.int64)
        ranks[order] = np.arange(len(session)) - before[session[order]]
        taken = self._next[session] + ranks
        self._next += counts
        return np.asarray(taken)

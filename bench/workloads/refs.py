"""The user_refs of sessions: each session counts its own commands."""

import numpy as np
from numpy.typing import NDArray


class Refs:
    """Gives out refs, from `first` on in every session."""

    def __init__(self, sessions: int, first: int = 1) -> None:
        self._next = np.full(sessions + 1, first, np.int64)

    def give(self, session: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The refs of commands in order, by their sessions."""
        order = np.argsort(session, kind="stable")
        counts = np.bincount(session, minlength=len(self._next))
        before = np.cumsum(counts) - counts
        ranks = np.empty(len(session), np.int64)
        ranks[order] = np.arange(len(session)) - before[session[order]]
        given = self._next[session] + ranks
        self._next += counts
        return np.asarray(given)

"""The agenda of the reference: work that falls due, in the order in which it runs."""

from enum import IntEnum

from sortedcontainers import SortedDict

from matching.records import NANOSECONDS


class Work(IntEnum):
    """Kinds of due work, in the order in which they run at one second."""

    EXPIRY = 0
    GATE = 1
    PHASE = 2


Due = tuple[int, int, int, int]
"""Due second, Work, instrument, order of scheduling (0 but for PHASE): work runs in this order."""


class Agenda:
    """Work to come, by second, kind, instrument and order of scheduling."""

    def __init__(self) -> None:
        self.work: SortedDict = SortedDict()  # Due -> (phase, cause), which is 0, 0 but for PHASE
        self.scheduled = 0  # phase changes of the day

    def add_expiry(self, instrument: int, due_s: int) -> None:
        """At this second, look for orders of the instrument that end."""
        self.work[due_s, Work.EXPIRY, instrument, 0] = (0, 0)

    def move_gate(self, instrument: int, from_s: int, to_s: int) -> None:
        """Move a gate closure to another second; 0: no gate closure."""
        self.work.pop((from_s, Work.GATE, instrument, 0), None)
        if to_s:
            self.work[to_s, Work.GATE, instrument, 0] = (0, 0)

    def add_phase(self, instrument: int, due_s: int, phase: int, cause: int) -> None:
        """Schedule a phase change, after those scheduled earlier for the same second."""
        self.scheduled += 1
        self.work[due_s, Work.PHASE, instrument, self.scheduled] = (phase, cause)

    def drop_phases(self, instrument: int, cause: int) -> None:
        """Remove the instrument's phase changes of this cause."""
        for due, (_, other) in list(self.work.items()):
            if due[2] == instrument and other == cause:
                del self.work[due]

    def count_phases(self, cause: int) -> int:
        """Number of phase changes of this cause to come, in all instruments."""
        return sum(other == cause for _, other in self.work.values())

    def pop_due(self, now_ns: int) -> tuple[Due, tuple[int, int]] | None:
        """Remove and return the first work that is due by now; None where none is."""
        if not self.work or self.work.peekitem(0)[0][0] * NANOSECONDS > now_ns:
            return None
        first: tuple[Due, tuple[int, int]] = self.work.popitem(0)
        return first

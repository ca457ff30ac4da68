"""The agenda of the reference: what falls due, and in which order."""

from sortedcontainers import SortedDict

from matching.records import NANOSECONDS

EXPIRY, GATE, PHASE = 0, 1, 2
"""Classes of due work, in the order in which they run at one second."""

Due = tuple[int, int, int, int]
"""Due second, class, instrument, order of scheduling (0 but for PHASE): in this order it runs."""


class Agenda:
    """Work to come, by second, class, instrument and order of scheduling."""

    def __init__(self) -> None:
        self.work: SortedDict = SortedDict()  # Due -> (phase, cause), which is 0, 0 but for PHASE
        self._scheduled = 0

    def add_expiry(self, instrument: int, due_s: int) -> None:
        """Look for orders that end at this second when it comes."""
        self.work[due_s, EXPIRY, instrument, 0] = (0, 0)

    def move_gate(self, instrument: int, from_s: int, to_s: int) -> None:
        """Close the gate at another second; 0: at none."""
        self.work.pop((from_s, GATE, instrument, 0), None)
        if to_s:
            self.work[to_s, GATE, instrument, 0] = (0, 0)

    def add_phase(self, instrument: int, due_s: int, phase: int, cause: int) -> None:
        """Change the phase at this second, after what was scheduled for it before."""
        self._scheduled += 1
        self.work[due_s, PHASE, instrument, self._scheduled] = (phase, cause)

    def drop_phases(self, instrument: int, cause: int) -> None:
        """Forget the instrument's phase changes of this cause."""
        for due, (_, other) in list(self.work.items()):
            if due[2] == instrument and other == cause:
                del self.work[due]

    def count_phases(self, cause: int) -> int:
        """How many phase changes of this cause are to come, in all instruments."""
        return sum(other == cause for _, other in self.work.values())

    def take(self, now_ns: int) -> tuple[Due, tuple[int, int]] | None:
        """Take out the first work that is due by now; None where none is."""
        if not self.work or self.work.peekitem(0)[0][0] * NANOSECONDS > now_ns:
            return None
        first: tuple[Due, tuple[int, int]] = self.work.popitem(0)
        return first

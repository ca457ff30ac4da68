"""A buffer of events that wait to be processed; its memory is used again."""

import numpy as np

from matching.records import EVENT

EVENT_BYTES = EVENT.itemsize


class EventBuffer:
    """EVENT records end to end, appended at the end and removed from the beginning.

    Records `first` to `end` of `memory` are in the buffer. `append` may move them, or replace
    `memory` by more.
    """

    def __init__(self, events: int = 1 << 12) -> None:
        """`events`: room at the beginning; it grows as needed."""
        self.first = self.end = 0
        self._allocate(events)

    def append(self, content: bytes) -> None:
        """Append the bytes of EVENT records."""
        size = len(content)
        start = self.end * EVENT_BYTES
        if start + size > len(self._bytes):
            self._make_room(size // EVENT_BYTES)
            start = self.end * EVENT_BYTES
        self._bytes[start : start + size] = content
        self.end += size // EVENT_BYTES

    def discard(self, first: int) -> None:
        """Remove the records before `first`, an index in `memory`."""
        self.first = first
        if first == self.end:
            self.first = self.end = 0

    def _make_room(self, count: int) -> None:
        """Make room for more records: move the others to the start, or allocate if half is full."""
        waiting = bytes(self._bytes[self.first * EVENT_BYTES : self.end * EVENT_BYTES])
        self.first, self.end = 0, self.end - self.first
        if self.end + count > len(self.memory) // 2:
            self._allocate(4 * (self.end + count))
        self._bytes[: len(waiting)] = waiting  # as bytes: numpy copies records one by one

    def _allocate(self, events: int) -> None:
        self.memory = np.zeros(events, EVENT)
        self._bytes = self.memory.view(np.uint8).data

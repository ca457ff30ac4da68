"""A buffer of events that wait to be processed; its memory is used again."""

import numpy as np
from numpy.typing import NDArray

from matching.records import EVENT

Events = NDArray[np.void]


class EventBuffer:
    """EVENT records end to end, appended at the end and removed from the beginning.

    Records `first` to `end` of `memory` are in the buffer. `append` may move them, or replace
    `memory` by more; until then, `content` and the result of `drain` stay valid.
    """

    def __init__(self, events: int = 1 << 12) -> None:
        """`events`: room at the beginning; it grows as needed."""
        self.first = self.end = 0
        self._allocate(events)

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, content: bytes) -> None:
        """Append the bytes of EVENT records."""
        start = self.end * EVENT.itemsize
        if start + len(content) > len(self._bytes):
            self._make_room(len(content) // EVENT.itemsize)
            start = self.end * EVENT.itemsize
        self._bytes[start : start + len(content)] = content
        self.end += len(content) // EVENT.itemsize

    @property
    def content(self) -> memoryview:
        """The bytes of all records."""
        return self._bytes[self.first * EVENT.itemsize : self.end * EVENT.itemsize]

    def drain(self) -> Events:
        """Return all records and empty the buffer."""
        events = self.memory[self.first : self.end]
        self.first = self.end = 0
        return events

    def discard(self, first: int) -> None:
        """Remove the records before `first`, an index in `memory`."""
        self.first = first
        if first == self.end:
            self.first = self.end = 0

    def _make_room(self, count: int) -> None:
        """Make room for more records: move the others to the start, or allocate if half is full."""
        events = self.memory[self.first : self.end].copy()
        if len(events) + count > len(self.memory) // 2:
            self._allocate(4 * (len(events) + count))
        self.memory[: len(events)] = events
        self.first, self.end = 0, len(events)

    def _allocate(self, events: int) -> None:
        self.memory = np.zeros(events, EVENT)
        self._bytes = self.memory.view(np.uint8).data

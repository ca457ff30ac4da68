"""A buffer of events that wait to be processed; its memory is used again."""

import numpy as np
from numpy.typing import NDArray

from matching.records import EVENT

Events = NDArray[np.void]


class EventBuffer:
    """EVENT records end to end. `content` and the result of `drain` are valid until `append`."""

    def __init__(self) -> None:
        self._end = 0
        self._make_room(1 << 16)

    def append(self, content: bytes) -> None:
        """Append the bytes of more records."""
        end = self._end + len(content)
        if end > len(self._bytes):
            self._make_room(2 * end)
        self._bytes[self._end : end] = content
        self._end = end

    @property
    def content(self) -> memoryview:
        """The bytes of all records."""
        return self._bytes[: self._end]

    def drain(self) -> Events:
        """Return all records and empty the buffer."""
        count, self._end = self._end // EVENT.itemsize, 0
        return self._events[:count]

    def _make_room(self, size: int) -> None:
        events = np.zeros(size // EVENT.itemsize, EVENT)
        content = events.view(np.uint8).data
        if self._end:
            content[: self._end] = self.content
        self._events, self._bytes = events, content

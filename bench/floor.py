"""What matching is measured against: reading commands and writing events, and nothing else.

The floor is compiled like the engine's kernels, takes its commands from the same array and writes
into a buffer like the engine's; its entry builds the views in the same way. `np.copyto` shows that
the floor itself is no slower than it has to be.
"""

from typing import Any

import numba
import numpy as np
from numba import carray
from numpy.typing import NDArray

from matching.compile import kernel, pointer

WORDS = 8  # int64 of a COMMAND, and of an EVENT

Words = NDArray[np.int64]


@kernel
def copy_words(commands: Any, events: Any, count: int) -> int:
    """Read eight int64 of each command, write eight of one event."""
    for at in range(count):
        command, event = commands[at], events[at]
        event[0] = command[0]
        event[1] = command[1]
        event[2] = command[2]
        event[3] = command[3]
        event[4] = command[4]
        event[5] = command[5]
        event[6] = command[6]
        event[7] = command[7]
    return count


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def run_floor(header: Any) -> Any:
    """The entry: views from (address, rows) of commands and events, then the number to copy."""
    commands = carray(pointer(header[0]), (header[1], 8), np.int64)
    events = carray(pointer(header[2]), (header[3], 8), np.int64)
    return copy_words(commands, events, header[4])


class Floor:
    """Copies batches of commands into a buffer of its own."""

    def __init__(self, events: int) -> None:
        self._events = np.zeros((events, WORDS), np.int64)
        self._header = np.zeros(5, np.int64)
        self._header[2:4] = self._events.ctypes.data, events

    def run(self, commands: NDArray[np.void]) -> None:
        """Copy by the kernel."""
        header = self._header
        header[0] = commands.ctypes.data
        header[1] = header[4] = len(commands)
        run_floor(header)

    def copyto(self, words: Words) -> None:
        """Copy by NumPy; the commands are given as rows of eight int64."""
        np.copyto(self._events[: len(words)], words)

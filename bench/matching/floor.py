"""The floor: a kernel that reads commands and writes events of the same size, and does no more.

The engine is measured against it. The floor is compiled like the engine's kernels, reads the same
array of commands, and writes into a buffer as long as the engine's. `np.copyto` is measured beside
it to show that the floor is not slower than it has to be.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from matching import EVENT
from matching.memory.allocation import allocate
from matching.memory.compiler import kernel

WORDS = 8  # int64 of a COMMAND, and of an EVENT

Words = NDArray[np.int64]


@kernel
def copy_words(commands: Any, events: Any) -> None:
    """Read eight int64 of each command, and write eight of one event."""
    for at in range(len(commands)):
        events[at, 0] = commands[at, 0]
        events[at, 1] = commands[at, 1]
        events[at, 2] = commands[at, 2]
        events[at, 3] = commands[at, 3]
        events[at, 4] = commands[at, 4]
        events[at, 5] = commands[at, 5]
        events[at, 6] = commands[at, 6]
        events[at, 7] = commands[at, 7]


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def run_floor(commands: Any, events: Any) -> None:
    """Copy one batch: the entry point for Python."""
    copy_words(commands, events)


class Floor:
    """Copies batches of commands, given as `int64[n, 8]`, into a buffer of `events` records."""

    def __init__(self, events: int) -> None:
        buffers = allocate({"events": (events, EVENT)})
        self.events = buffers["events"].view(np.int64).reshape(-1, WORDS)

    def run(self, commands: Words) -> None:
        """Copy by the kernel."""
        run_floor(commands, self.events)

    def copyto(self, commands: Words) -> None:
        """Copy by NumPy."""
        np.copyto(self.events[: len(commands)], commands)

"""The engine: the face of the compiled machine."""

from typing import Self

import numpy as np
from numba import carray, int64, typeof
from numpy.typing import NDArray

from matching import snapshot
from matching.compile import JIT_DISABLED, compile_quickly, entry, is_compiled, pointer
from matching.inspection import Inspection
from matching.layout import (
    ACCOUNT,
    INSTRUMENT,
    LEVEL,
    ORDER,
    POSITION,
    SESSION,
    STATE,
    TIMER,
    Machine,
    pages_a_session,
    shapes,
)
from matching.limits import Limits
from matching.machine import run
from matching.records import COMMAND, EVENT
from matching.timers import NEVER

I8, U4 = np.dtype("<i8"), np.dtype("<u4")

Commands = NDArray[np.void]
Events = NDArray[np.void]


@entry
def run_compiled(header):  # type: ignore[no-untyped-def]
    """Build the views from addresses, once a batch, and run. `header` holds (address, length) of
    each array of a Machine in order, then the number of commands. Returns what `run` returns."""
    m = Machine(
        carray(pointer(header[0]), (header[1],), STATE),
        carray(pointer(header[2]), (header[3],), ORDER),
        carray(pointer(header[4]), (header[5],), LEVEL),
        carray(pointer(header[6]), (header[7],), I8),
        carray(pointer(header[8]), (header[9],), U4),
        carray(pointer(header[10]), (header[11],), INSTRUMENT),
        carray(pointer(header[12]), (header[13],), ACCOUNT),
        carray(pointer(header[14]), (header[15],), POSITION),
        carray(pointer(header[16]), (header[17],), SESSION),
        carray(pointer(header[18]), (header[19],), U4),
        carray(pointer(header[20]), (header[21],), U4),
        carray(pointer(header[22]), (header[23],), U4),
        carray(pointer(header[24]), (header[25],), TIMER),
        carray(pointer(header[26]), (header[27],), U4),
        carray(pointer(header[28]), (header[29],), I8),
        carray(pointer(header[30]), (header[31],), U4),
        carray(pointer(header[32]), (header[33],), COMMAND),
        carray(pointer(header[34]), (header[35],), EVENT),
    )
    return run(m, header[36])


class Engine(Inspection):
    """The matching machine: commands in, events out.

    >>> from matching import Limits
    >>> engine = Engine(Limits(orders=16, instruments=2, accounts=4, ticks=128))
    >>> len(engine.process(np.zeros(1, COMMAND)))  # kind 0 does not exist: one rejection
    1
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._arrays = {
            name: np.zeros(length, dtype) for name, (length, dtype) in shapes(limits).items()
        }
        self._inbox = np.zeros(64, COMMAND)
        self._events = np.zeros(limits.events, EVENT)
        state = self._arrays["state"]
        state["next_due_ns"] = NEVER
        state["refs"] = limits.refs
        state["session_pages"] = pages_a_session(limits)
        self._arrays["sessions"][0]["opened"] = 1  # the venue itself
        self._arrays["sessions"][0]["operator"] = 1
        self._header = np.zeros(2 * len(Machine._fields) + 1, np.int64)
        for at, array in enumerate([*self._arrays.values(), self._inbox, self._events]):
            self._header[2 * at : 2 * at + 2] = array.ctypes.data, len(array)
        if not (JIT_DISABLED or is_compiled()):
            machine = Machine._make([*self._arrays.values(), self._inbox, self._events])
            compile_quickly(run, (typeof(machine), int64))
        self._state = state.view(np.int64)
        names = STATE.names or ()
        self._at = {name: names.index(name) for name in ("cursor", "events")}

    def process(self, commands: Commands) -> Events:
        """Work through commands, a COMMAND array; returns their events, an EVENT array.

        The array is a view that is valid until the next call; copy what you keep. Stamps must not
        go backwards (such a command is rejected as malformed). Raises TypeError for another dtype.
        """
        if commands.dtype != COMMAND:
            raise TypeError(f"commands: expected the COMMAND dtype, got {commands.dtype}")
        count = len(commands)
        if count <= len(self._inbox):
            self._inbox[:count] = commands
            commands = self._inbox
        else:
            commands = np.ascontiguousarray(commands)
        state, at = self._state, self._at
        state[at["cursor"]] = 0
        state[at["events"]] = 0
        parts = []
        while not self._run(commands, count):
            parts.append(self._events[: state[at["events"]]].copy())
            state[at["events"]] = 0
        last = self._events[: state[at["events"]]]
        return np.concatenate([*parts, last], dtype=EVENT) if parts else last

    def snapshot(self) -> bytes:
        """The whole state as bytes, for `restore`."""
        return snapshot.write(self.limits, self._arrays)

    @classmethod
    def restore(cls, blob: bytes) -> Self:
        """The machine that a snapshot was taken from: it says the same events from here on.

        Raises ValueError naming what and where, for anything that is not a whole snapshot.
        """
        engine = cls(snapshot.read_limits(blob))
        snapshot.read(blob, engine._arrays)
        return engine

    def _run(self, commands: Commands, count: int) -> bool:
        if JIT_DISABLED:
            return bool(run(Machine._make([*self._arrays.values(), commands, self._events]), count))
        header = self._header
        header[32] = commands.ctypes.data
        header[33] = len(commands)
        header[36] = count
        return bool(run_compiled(header))

"""The engine: the face of the compiled machine."""

from typing import Self

import numpy as np
from numba import int64
from numpy.typing import NDArray

from matching import snapshot
from matching.compile import JIT_DISABLED, compile_quickly, entry, is_compiled
from matching.inspection import Inspection
from matching.layout import STATE, TABLES, Machine, pages_a_session, shapes
from matching.limits import Limits
from matching.machine import run
from matching.records import COMMAND, EVENT
from matching.timers import NEVER

if not JIT_DISABLED:
    from matching.memory import MACHINE, machine_at

Commands = NDArray[np.void]
Events = NDArray[np.void]

COMMANDS_AT = 2 * list(TABLES).index("commands")
INBOX = 64
"""Batches up to this size are copied into a buffer of a known address, which costs less."""


@entry
def run_compiled(header, count):  # type: ignore[no-untyped-def]
    """Run the machine whose header stands at this address. Returns what `run` returns."""
    return run(machine_at(header), count)


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
        self._inbox = np.zeros(INBOX, COMMAND)
        self._events = np.zeros(limits.events, EVENT)
        state = self._arrays["state"]
        state["next_due_ns"] = NEVER
        state["refs"] = limits.refs
        state["session_pages"] = pages_a_session(limits)
        self._arrays["sessions"][0]["opened"] = 1  # the venue itself
        self._arrays["sessions"][0]["operator"] = 1
        tables = [*self._arrays.values(), self._inbox, self._events]
        self._header = np.array([(table.ctypes.data, len(table)) for table in tables]).reshape(-1)
        self._header_address = self._header.ctypes.data
        if not is_compiled():
            compile_quickly(run, (MACHINE, int64))
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
        if not JIT_DISABLED:
            self._header[COMMANDS_AT] = commands.ctypes.data
            return bool(run_compiled(self._header_address, count))
        return bool(run(Machine(*self._arrays.values(), commands, self._events), count))

"""The engine: the Python interface of the compiled machine."""

from collections.abc import Callable
from threading import Lock
from typing import Self

import numpy as np
from numba import boolean, int64
from numpy.typing import NDArray

from matching import snapshot
from matching.initial_state import open_memory
from matching.invariants.inspection import Inspection
from matching.invariants.memory.violations import first_violation
from matching.limits import Limits
from matching.loop import advance
from matching.memory.allocation import allocate
from matching.memory.compiler import JIT_DISABLED, alone, compile_quickly, entry, is_compiled
from matching.memory.handle import ADDRESS
from matching.memory.layout import MACHINE_LAYOUT, pages_a_session, shapes
from matching.records import COMMAND, EVENT, as_commands
from matching.snapshot import MEMORY_MAX_BYTES

if not JIT_DISABLED:
    from matching.memory.machine_type import MACHINE, machine_at

Commands = NDArray[np.void]
Events = NDArray[np.void]
Between = Callable[[Events], None]

COMMANDS_ADDRESS = MACHINE_LAYOUT.word("commands", ADDRESS)
INBOX = 64
"""Batches up to this size are copied to a buffer at a fixed address, which costs less. They are
copied as bytes: numpy copies records field by field, and checks at length before it views them as
another type."""


UNUSABLE = (
    "engine: another thread is in a call, or an exception ended a call in the middle. Give each "
    "engine one thread; after an exception build the engine again from a snapshot or the day log"
)


def _compile() -> None:
    """Compile the machine, once for all processes that start together."""
    with alone():
        if not is_compiled():
            compile_quickly(advance, (MACHINE, int64, boolean))
            run_compiled.compile((int64, int64, boolean))


@entry
def run_compiled(header, count, fresh):  # type: ignore[no-untyped-def]
    """Run the machine whose header is at this address. Returns what `advance` returns."""
    return advance(machine_at(header), count, fresh)


class Engine(Inspection):
    """The matching machine: commands in, events out.

    >>> from matching import Limits
    >>> engine = Engine(Limits(orders=16, instruments=2, accounts=4, ticks=128))
    >>> len(engine.process(np.zeros(1, COMMAND)))  # kind 0 does not exist: one rejection
    1
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = Lock()
        self._arrays = allocate(shapes(limits))
        buffers = allocate({"commands": (INBOX, COMMAND), "events": (limits.events, EVENT)})
        self._inbox, self._events = buffers["commands"], buffers["events"]
        self._inbox_bytes = self._inbox.view(np.uint8).data
        tables = self._arrays | buffers
        shares = limits.session_orders, limits.session_blocks, limits.session_ref_pages
        open_memory(MACHINE_LAYOUT.plain(tables), limits.refs, pages_a_session(limits), shares)
        self._header = MACHINE_LAYOUT.header(tables)
        self._header_address = self._header.ctypes.data
        self._inbox_address = self._inbox.ctypes.data
        if not is_compiled():
            _compile()

    def process(self, commands: Commands, between: Between | None = None) -> Events:
        """Process commands, a COMMAND array of shape (n,); returns their events, EVENT of shape
        (m,).

        Long work goes in slices of some 2 ms. After each that leaves more to come `between` gets
        its events, a view that is valid while it runs, and may do something else; it must not call
        this engine, and may write to the memory of `commands`. `process` then returns the events
        that `between` did not get.

        The array is a view that is valid until the next call; copy what you keep. Time stamps must
        not go backwards (such a command is rejected as malformed). What `np.concatenate` makes of
        COMMAND arrays is taken, too. Raises TypeError for another dtype, ValueError for another
        shape, and RuntimeError where another thread is in a call or an exception, such as a signal
        handler's, ended an earlier call in the middle.
        """
        if commands.dtype is not COMMAND and commands.dtype != COMMAND:
            commands = as_commands(commands)
        if commands.ndim != 1:
            raise ValueError(f"commands: expected one dimension, got shape {commands.shape}")
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(UNUSABLE)
        events = self._process(commands, between)
        self._lock.release()  # not after an exception: the machine may stand inside a command
        return events

    def _process(self, commands: Commands, between: Between | None) -> Events:
        count = len(commands)
        if count <= INBOX:
            self._inbox_bytes[: count * COMMAND.itemsize] = commands.tobytes()
            commands = self._inbox
        else:
            commands = np.ascontiguousarray(commands)
        made = self._advance(commands, count, True)
        if made >= 0:
            return self._events[:made]
        parts: list[Events] = []
        if between is not None and commands is not self._inbox:
            commands = commands.copy()
        while made < 0:
            events = self._events[: -1 - made]
            if between is None:
                parts.append(events.copy())
            else:
                between(events)
            made = self._advance(commands, count, False)
        last = self._events[:made]
        return np.concatenate([*parts, last], dtype=EVENT) if parts else last

    def snapshot(self) -> bytes:
        """The whole state as bytes, for `restore`. Raises RuntimeError as `process` does; an
        exception in here ends nothing, because it changes nothing."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(UNUSABLE)
        try:
            return snapshot.write(self.limits, self._arrays)
        finally:
            self._lock.release()

    @classmethod
    def restore(
        cls,
        blob: bytes | bytearray | memoryview,
        memory_max_bytes: int = MEMORY_MAX_BYTES,
    ) -> Self:
        """The machine that a snapshot was taken from: it gives the same events from here on.

        The snapshot is checked, not trusted: what comes back is a machine that some commands may
        have led to, whatever the bytes are. Not proved is that the commands of a log lead to it.

        Raises ValueError with what is wrong and where: bytes that are not a whole snapshot, a rule
        that a table breaks (table, row, column, rule), limits that need more than
        `memory_max_bytes`, or more than the system gives. Raises TypeError for what is not bytes.
        """
        flat = snapshot.as_bytes(blob)
        limits = snapshot.read_limits(flat)
        snapshot.require_memory(limits, memory_max_bytes)
        try:
            engine = cls(limits)
            broken = first_violation(engine._arrays, limits, snapshot.read(flat, engine._arrays))
        except (MemoryError, OSError) as error:
            raise ValueError(
                f"snapshot: no memory for a machine with its limits: {error}"
            ) from error
        if broken is not None:
            raise ValueError(f"snapshot: {broken}")
        return engine

    def _advance(self, commands: Commands, count: int, fresh: bool) -> int:
        if not JIT_DISABLED:
            if commands is self._inbox:
                self._header[COMMANDS_ADDRESS] = self._inbox_address
            else:
                self._header[COMMANDS_ADDRESS] = commands.ctypes.data
            return int(run_compiled(self._header_address, count, fresh))
        tables = self._arrays | {"commands": commands, "events": self._events}
        return int(advance(MACHINE_LAYOUT.plain(tables), count, fresh))

"""Replay of a day log: its commands through an engine, its events counted and hashed."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ledger.daylog import DayLog
from matching.records import EVENT, CommandKind, EventFlag, EventKind, Reason
from matching.state_tables import Tables

Records: TypeAlias = npt.NDArray[np.void]

BATCH_COMMANDS = 4_096
"""Commands in a batch: enough that the cost of a call to the engine does not show."""

_COUNT_BYTES = 1 << 20  # of events counted at a time: in small pieces it costs more than matching


class Machine(Protocol):
    """An engine: the kernel or the reference."""

    def process(
        self, commands: Records, between: Callable[[Records], None] | None = None
    ) -> Records:
        """Return the events of the commands, EVENT[n], valid until the next call. In long work
        `between` may get a part of them instead, now and then; it must not call the engine."""
        ...

    def state_tables(self) -> Tables:
        """Return the state after the last command."""
        ...


class SealDisagrees(Exception):
    """A replay's events differ from those that the SEAL of the log has the hash of."""


class EventTally:
    """Counts and the hash of events; neither depends on how they are batched."""

    def __init__(self) -> None:
        self.kinds: Counter[int] = Counter()
        self.reasons: Counter[int] = Counter()
        self.trades = 0
        self.volume_lots = 0
        self.blocks = 0
        self.block_trades = 0
        self.block_lots = 0
        self._last_group = 0
        self._digest = hashlib.sha256()
        self._uncounted = bytearray()

    def add(self, events: Records) -> None:
        """Add the next events; the array is copied."""
        content = events.tobytes()
        self._digest.update(content)
        self._uncounted += content
        if len(self._uncounted) >= _COUNT_BYTES:
            self.count()

    def count(self) -> None:
        """Count the events that were added since the last count."""
        events = np.frombuffer(self._uncounted, EVENT)
        kinds = events["kind"]
        _count(self.kinds, kinds)
        _count(self.reasons, events["reason"][kinds == EventKind.REJECTED])
        taker = (kinds == EventKind.FILLED) & (events["flags"] & EventFlag.TAKER != 0)
        self.trades += int(taker.sum())
        self.volume_lots += int(events["quantity"][taker].sum(dtype=np.int64))
        self._uncounted = bytearray()
        in_blocks = (kinds < EventKind.LISTED) & (events["flags"] & EventFlag.BLOCK != 0)
        if in_blocks.any():
            self._count_blocks(events[in_blocks])

    def _count_blocks(self, events: Records) -> None:
        """Count accepted blocks, trades of whole blocks, and the lots in these."""
        self.blocks += int((events["kind"] == EventKind.ACCEPTED).sum())
        fills = events[events["kind"] == EventKind.FILLED]
        groups = np.unique(fills["trade_group"])  # in order; a group may continue in the next piece
        self.block_trades += int((groups > self._last_group).sum())
        self._last_group = max(self._last_group, int(groups.max(initial=0)))
        taker = fills["flags"] & EventFlag.TAKER != 0
        self.block_lots += int(fills["quantity"][taker].sum(dtype=np.int64))

    @property
    def sha256(self) -> bytes:
        """SHA-256 of all events so far in order, as a SEAL has it."""
        return self._digest.digest()


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """Counts, hash and times of a replay."""

    commands: int
    events: int
    trades: int
    volume_lots: int
    blocks: int  # accepted
    block_trades: int  # trades of all hours of a block together
    block_lots: int  # in all of their hours
    commands_by_kind: dict[str, int]
    events_by_kind: dict[str, int]
    rejects: dict[str, int]  # by reason
    events_sha256: str  # hexadecimal
    engine_s: float  # in the engine
    replay_s: float  # in all, with counting and hashing


class Replay:
    """A replay of a log: iterate once for its events, then call `result`.

    Each array of events is valid until the next; copy one to keep it. The events, and so the hash,
    are the same for every size of batch. Raises DayLogOtherRules for a log made under other rules
    than this build's.
    """

    def __init__(
        self,
        log: DayLog,
        machine: Machine,
        *,
        batch: int = BATCH_COMMANDS,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        assert batch >= 1
        log.check_rules()
        self._log = log
        self._machine = machine
        self._batch = batch
        self._progress = progress
        self._tally = EventTally()
        self._command_kinds: Counter[int] = Counter()
        self._commands = 0
        self._engine_ns = 0
        self._whole_ns = 0

    def __iter__(self) -> Iterator[Records]:
        """Yield the events of each batch, EVENT[n], to the end of the log."""
        start_ns = time.perf_counter_ns()
        for commands in self._batches():
            before_ns = time.perf_counter_ns()
            events = self._machine.process(commands)
            self._engine_ns += time.perf_counter_ns() - before_ns
            self._tally.add(events)
            self._commands += len(commands)
            if self._progress is not None:
                self._progress(self._commands)
            yield events
        self._tally.count()
        self._whole_ns = time.perf_counter_ns() - start_ns

    def _batches(self) -> Iterator[Records]:
        for block in self._log.blocks():
            _count(self._command_kinds, block["kind"])
            for start in range(0, len(block), self._batch):
                yield block[start : start + self._batch]

    def result(self) -> ReplayResult:
        """Return counts, hash and times, once the replay has come to the end of the log."""
        return ReplayResult(
            commands=self._commands,
            events=self._tally.kinds.total(),
            trades=self._tally.trades,
            volume_lots=self._tally.volume_lots,
            blocks=self._tally.blocks,
            block_trades=self._tally.block_trades,
            block_lots=self._tally.block_lots,
            commands_by_kind=by_name(self._command_kinds, CommandKind),
            events_by_kind=by_name(self._tally.kinds, EventKind),
            rejects=by_name(self._tally.reasons, Reason),
            events_sha256=self._tally.sha256.hex(),
            engine_s=self._engine_ns / 1e9,
            replay_s=self._whole_ns / 1e9,
        )


def replay(
    log: DayLog,
    machine: Machine,
    *,
    batch: int = BATCH_COMMANDS,
    progress: Callable[[int], None] | None = None,
) -> ReplayResult:
    """Replay a log, `batch` commands at a time, and return the result; events are not kept.

    `progress` is called with the number of commands done after each batch.
    """
    run = Replay(log, machine, batch=batch, progress=progress)
    for _ in run:
        pass
    return run.result()


def check_seal(run: Replay, log: DayLog) -> Iterator[Records]:
    """Yield the events of a replay; after the last, raise SealDisagrees where the SEAL differs.

    A caller that stores results only after the last event so stores none that differ.
    """
    yield from run
    replayed = run.result().events_sha256
    if log.events_sha256 is not None and log.events_sha256.hex() != replayed:
        raise SealDisagrees(
            f"{log.path}: the events differ from those that were sealed: "
            f"{replayed[:16]}... replayed, {log.events_sha256.hex()[:16]}... in the SEAL"
        )


def _count(counter: Counter[int], values: npt.NDArray[np.uint8]) -> None:
    counts = np.bincount(values)
    for value in np.flatnonzero(counts):
        counter[int(value)] += int(counts[value])


def by_name(counter: Counter[int], names: type[CommandKind | EventKind | Reason]) -> dict[str, int]:
    """Return counts by number as counts by name, in order of the numbers."""
    known = {int(member): member.name for member in names}
    return {known.get(value, f"KIND_{value}"): counter[value] for value in sorted(counter)}

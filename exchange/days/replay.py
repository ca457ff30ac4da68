"""A day again: the commands of a log through a machine, and what came of it."""

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
"""Where the machine's cost of a call no longer shows."""


_COUNT_BYTES = 1 << 20


class Machine(Protocol):
    """What a replay drives: the kernel's engine or the reference."""

    def process(self, commands: Records) -> Records:
        """The events that the commands cause; the array is valid until the next call."""
        ...

    def state_tables(self) -> Tables:
        """The state after the last command."""
        ...


class SealDisagrees(Exception):
    """A machine made other events of a log than those that its SEAL vouches for."""


class EventTally:
    """Counts and hashes events as they come; neither depends on how they are batched."""

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
        """Take the next events; nothing of the array is kept."""
        content = events.tobytes()
        self._digest.update(content)
        self._uncounted += content
        if len(self._uncounted) >= _COUNT_BYTES:
            self.count()

    def count(self) -> None:
        """Count what was taken. Done in large pieces, or it would cost more than matching."""
        events = np.frombuffer(self._uncounted, EVENT)
        kinds = events["kind"]
        _count(self.kinds, kinds)
        _count(self.reasons, events["reason"][kinds == EventKind.REJECTED])
        taken = (kinds == EventKind.FILLED) & (events["flags"] & EventFlag.TAKER != 0)
        self.trades += int(taken.sum())
        self.volume_lots += int(events["quantity"][taken].sum(dtype=np.int64))
        self._uncounted = bytearray()
        in_blocks = (kinds < EventKind.LISTED) & (events["flags"] & EventFlag.BLOCK != 0)
        if in_blocks.any():
            self._count_blocks(events[in_blocks])

    def _count_blocks(self, events: Records) -> None:
        """Blocks that were accepted, trades of whole blocks, and the lots in these."""
        self.blocks += int((events["kind"] == EventKind.ACCEPTED).sum())
        fills = events[events["kind"] == EventKind.FILLED]
        groups = np.unique(fills["trade_group"])  # in order; one may go on from piece to piece
        self.block_trades += int((groups > self._last_group).sum())
        self._last_group = max(self._last_group, int(groups.max(initial=0)))
        taken = fills["flags"] & EventFlag.TAKER != 0
        self.block_lots += int(fills["quantity"][taken].sum(dtype=np.int64))

    @property
    def sha256(self) -> bytes:
        """SHA-256 of all events so far, in order: what a SEAL carries."""
        return self._digest.digest()


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """What a replay did and how long it took."""

    commands: int
    events: int
    trades: int
    volume_lots: int
    blocks: int  # accepted
    block_trades: int  # what traded as one, all hours together
    block_lots: int  # in all of their hours
    commands_by_kind: dict[str, int]
    events_by_kind: dict[str, int]
    rejects: dict[str, int]  # by reason
    events_sha256: str  # hexadecimal
    engine_s: float  # inside the machine
    replay_s: float  # all of it, counting and hashing included


class Replay:
    """A day going through a machine: iterate once for the events, then ask for the result.

    Each array of events is valid until the next; who keeps one copies it. The events, and so the
    hash, are the same for every size of batch.
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
        self._log = log
        self._machine = machine
        self._batch = batch
        self._progress = progress
        self._tally = EventTally()
        self._asked: Counter[int] = Counter()
        self._commands = 0
        self._engine_ns = 0
        self._whole_ns = 0

    def __iter__(self) -> Iterator[Records]:
        """The events of the next batch, and so on to the end of the log."""
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
            _count(self._asked, block["kind"])
            for start in range(0, len(block), self._batch):
                yield block[start : start + self._batch]

    def result(self) -> ReplayResult:
        """What came of it; for a log that was read to its end."""
        return ReplayResult(
            commands=self._commands,
            events=self._tally.kinds.total(),
            trades=self._tally.trades,
            volume_lots=self._tally.volume_lots,
            blocks=self._tally.blocks,
            block_trades=self._tally.block_trades,
            block_lots=self._tally.block_lots,
            commands_by_kind=_named(self._asked, CommandKind),
            events_by_kind=_named(self._tally.kinds, EventKind),
            rejects=_named(self._tally.reasons, Reason),
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
    """Run a log through a machine, at most `batch` commands at a time; `progress` is told how many.

    What the machine says is counted and hashed, and not kept.
    """
    run = Replay(log, machine, batch=batch, progress=progress)
    for _ in run:
        pass
    return run.result()


def certified(run: Replay, log: DayLog) -> Iterator[Records]:
    """The events of a replay, ending in SealDisagrees where they are not those that were sealed.

    Whoever writes down what the events say does it after the last one, and so not at all.
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


def _named(counter: Counter[int], names: type[CommandKind | EventKind | Reason]) -> dict[str, int]:
    known = {int(member): member.name for member in names}
    return {known.get(value, f"KIND_{value}"): counter[value] for value in sorted(counter)}

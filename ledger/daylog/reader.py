"""The day log, the book of original entry: read whole, checked to the last bit.

`read_day_log` maps the file and proves it before anything else sees it: every byte stands in a
chain of checksums, sequence numbers have no gaps, times never go backwards, a SEAL ends it. What
breaks a rule is DayLogDamaged with its offset; what merely has no end is DayLogNotSealed, because
a crash leaves such logs and they are read on purpose (`unsealed=True`). FORMAT.md has the bytes.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ledger.daylog.layout import (
    DayLogDamaged,
    DayLogError,
    DayLogNotSealed,
    DayLogUnreadable,
    DayLogUnwritable,
)
from ledger.daylog.registry import Registry
from ledger.daylog.scan import Scan
from ledger.daylog.writer import DayLogWriter
from matching.limits import Limits
from matching.records import COMMAND

__all__ = [
    "DayLog",
    "DayLogDamaged",
    "DayLogError",
    "DayLogNotSealed",
    "DayLogUnreadable",
    "DayLogUnwritable",
    "DayLogWriter",
    "read_day_log",
]

Commands: TypeAlias = npt.NDArray[np.void]

_GATHER_COMMANDS = 1 << 16
"""Small blocks are joined to about this many commands: a live log has blocks of a few."""


@dataclass(frozen=True, eq=False)
class DayLog:
    """A day log that was read and proved. Its arrays are read-only views of the file."""

    path: Path
    venue: str
    trading_day: str  # YYYY-MM-DD
    registries: tuple[Registry, ...]  # one of each REFERENCE block
    command_count: int
    sealed: bool
    events_sha256: bytes | None  # of the SEAL; None too where the writer ran no machine
    end: int  # offset after the last whole block
    torn_bytes: int  # of an interrupted write after it
    zero_bytes: int  # after that: space allocated and never written
    checksum: int  # the last of the chain, which stands for every byte up to `end`
    _content: memoryview = field(repr=False)
    _blocks: tuple[tuple[int, int], ...] = field(repr=False)  # offset of commands, and their count

    @property
    def registry(self) -> Registry:
        """The registry in force at the end of the day."""
        return self.registries[-1]

    @property
    def limits(self) -> Limits:
        """The limits of the machine that ran this day."""
        return Limits(**self.registries[0].limits)

    @property
    def block_count(self) -> int:
        """Blocks before the SEAL."""
        return len(self.registries) + len(self._blocks)

    @property
    def last_time_ns(self) -> int:
        """The stamp of the last command; the earliest time there is where there is none."""
        if not self._blocks:
            return -(2**63)
        return int(self._joined(self._blocks[-1:])["time_ns"][-1])

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file up to `end`, in hexadecimal; computed when first asked for."""
        return hashlib.sha256(self._content[: self.end]).hexdigest()

    def blocks(self) -> Iterator[Commands]:
        """The commands in order, as arrays of at least one; only small blocks are copied."""
        run: list[tuple[int, int]] = []
        size = 0
        for offset, count in self._blocks:
            if run and size + count > _GATHER_COMMANDS:
                yield self._joined(run)
                run, size = [], 0
            run.append((offset, count))
            size += count
        if run:
            yield self._joined(run)

    def commands(self) -> Commands:
        """All commands in one array: a view where the log has one block, else a copy."""
        return self._joined(self._blocks)

    def _joined(self, blocks: Sequence[tuple[int, int]]) -> Commands:
        """Joined as bytes: numpy would lay fields that share bytes side by side."""
        size = COMMAND.itemsize
        parts = [self._content[offset : offset + count * size] for offset, count in blocks]
        return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), COMMAND)


def read_day_log(path: str | Path, *, unsealed: bool = False) -> DayLog:
    """The log of a file, proved; with `unsealed`, also one whose end is missing or torn.

    Raises DayLogUnreadable, DayLogDamaged or DayLogNotSealed. One pass over the file: about
    0.1 s for a million commands.
    """
    path = Path(path)
    content = _mapped(path)
    scan = Scan(path, content)
    scan.run()
    log = DayLog(
        path=path,
        venue=scan.venue,
        trading_day=scan.trading_day,
        registries=tuple(scan.registries),
        command_count=scan.next_sequence - 1,
        sealed=scan.sealed,
        events_sha256=scan.events_sha256,
        end=scan.offset,
        torn_bytes=scan.torn_bytes,
        zero_bytes=scan.zero_bytes,
        checksum=scan.checksum,
        _content=content,
        _blocks=tuple(scan.blocks),
    )
    _check_stamps(log)
    if not log.registries:
        raise _not_sealed(log, "no whole REFERENCE block")
    if not log.sealed and not unsealed:
        raise _not_sealed(log, "the SEAL is missing")
    return log


def _mapped(path: Path) -> memoryview:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise DayLogUnreadable(path, f"cannot be read: {error.strerror}") from None


def _not_sealed(log: DayLog, what: str) -> DayLogNotSealed:
    return DayLogNotSealed(
        log.path, commands=log.command_count, end=log.end, torn_bytes=log.torn_bytes, what=what
    )


def _check_stamps(log: DayLog) -> None:
    """Sequence numbers go up by one from 1, times never go back; else DayLogDamaged."""
    done = 0
    last_ns = np.int64(np.iinfo(np.int64).min)
    for block in log.blocks():
        expected = np.arange(done + 1, done + len(block) + 1, dtype=np.uint64)
        times_ns = block["time_ns"]
        gaps = block["sequence"] != expected
        backwards = times_ns < np.concatenate(([last_ns], times_ns[:-1]))
        wrong = gaps | backwards
        if wrong.any():
            at = int(wrong.argmax())
            rule = (
                f"sequence must be {done + at + 1}, got {block['sequence'][at]}"
                if gaps[at]
                else f"time_ns must not go backwards, got {times_ns[at]}"
            )
            raise DayLogDamaged(log.path, _offset_of(log, done + at), rule)
        done += len(block)
        last_ns = times_ns[-1]


def _offset_of(log: DayLog, index: int) -> int:
    """Where in the file the command with this index lies."""
    for offset, count in log._blocks:
        if index < count:
            return offset + index * COMMAND.itemsize
        index -= count
    raise AssertionError(index)

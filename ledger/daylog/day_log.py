"""A day log that was read and proved: its registries, its commands, its end."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ledger.daylog.registry import Registry
from matching.limits import Limits
from matching.records import COMMAND

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

    def offset_of(self, index: int) -> int:
        """Offset in the file of the command with this index, which counts from 0."""
        for offset, count in self._blocks:
            if index < count:
                return offset + index * COMMAND.itemsize
            index -= count
        raise AssertionError(index)

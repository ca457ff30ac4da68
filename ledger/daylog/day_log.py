"""A day log after it was read and verified: its registries, commands, seal and end."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ledger.daylog.layout import DayLogOtherRules
from ledger.daylog.registry import Registry
from matching import rules
from matching.limits import Limits
from matching.records import COMMAND

Commands: TypeAlias = npt.NDArray[np.void]

_GATHER_COMMANDS = 1 << 16
"""Small blocks are joined up to about this many commands. A live log has blocks of a few commands.
"""


@dataclass(frozen=True, eq=False)
class DayLog:
    """A day log that was read and verified. Its arrays are read-only views of the file."""

    path: Path
    venue: str
    trading_day: str  # YYYY-MM-DD
    rules: int  # number of the rules that it was made under; 0: before the first release
    registries: tuple[Registry, ...]  # one for each REFERENCE block
    command_count: int
    sealed: bool
    events_sha256: bytes | None  # from the SEAL; None without a SEAL or where no machine was run
    end: int  # offset after the last whole block
    torn_bytes: int  # of an interrupted write after `end`
    zero_bytes: int  # after the torn bytes: space allocated and never written
    checksum: int  # the last of the chain, which covers every byte up to `end`
    _content: memoryview = field(repr=False)
    _blocks: tuple[tuple[int, int], ...] = field(repr=False)  # offset and count of commands

    @property
    def registry(self) -> Registry:
        """The registry in force at the end of the day."""
        return self.registries[-1]

    @property
    def limits(self) -> Limits:
        """The limits of the machine that ran this day."""
        return Limits(**self.registries[0].limits)

    @property
    def is_opened(self) -> bool:
        """Whether the whole opening of the day was written: before that, nothing was reported."""
        return self.command_count >= max(1, self.registry.opening_commands)

    @property
    def torn_path(self) -> Path:
        """The file for the bytes of an interrupted write, of a writer that resumes this log."""
        return self.path.with_suffix(f".torn-{self.end}")

    def check_rules(self, then: str = "") -> None:
        """Raise DayLogOtherRules where this build does not replay the log; `then` ends its line.

        Whatever runs the commands through a machine calls this first.
        """
        if self.rules != rules.RULES:
            raise DayLogOtherRules(self.path, self.rules, then)

    @property
    def block_count(self) -> int:
        """Number of blocks before the SEAL."""
        return len(self.registries) + len(self._blocks)

    @property
    def last_time_ns(self) -> int:
        """Time of the last command; the smallest int64 where there is none."""
        if not self._blocks:
            return -(2**63)
        return int(self._joined(self._blocks[-1:])["time_ns"][-1])

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file up to `end`, in hexadecimal; computed at first use."""
        return hashlib.sha256(self._content[: self.end]).hexdigest()

    def blocks(self) -> Iterator[Commands]:
        """Yield the commands in order, as arrays `COMMAND[n]` with n >= 1. Only small blocks are
        copied.
        """
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
        """Blocks joined as bytes, because numpy would copy overlapping fields one by one."""
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

"""Writer of day logs: appends blocks, makes them durable, seals the log."""

import os
import struct
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from ledger.daylog.day_log import DayLog
from ledger.daylog.durable_files import sync_folder
from ledger.daylog.file_lock import FileHeld, lock_exclusively
from ledger.daylog.layout import (
    CELL,
    BlockKind,
    DayLogUnwritable,
    pack_block_header,
    pack_file_header,
    pack_seal,
    padded_size,
)
from ledger.daylog.registry import RULES_MAX, Registry, encode
from matching.records import COMMAND
from matching.rules import RULES

BLOCK_COMMANDS_MAX = 1 << 16
"""A longer batch becomes several blocks, so that readers need little memory at a time."""

_CHECKED_SINGLY_MAX = 24
"""Up to this many commands, a loop checks the stamps faster than numpy."""

_STAMP = struct.Struct("<Qq48x")  # sequence and time of a command


class DayLogWriter:
    """Appends blocks to a new day log. What was appended is durable after `sync` or `seal` returns.

    It holds the file's lock until `close`: no other writer can continue the log meanwhile.
    After a failed write the end of the file is unknown, so every further call is refused.
    """

    def __init__(
        self, descriptor: int, path: Path, *, venue: str, trading_day: str, rules: int
    ) -> None:
        self.path = path
        self.venue = venue
        self.trading_day = trading_day
        self.rules = rules
        self.next_sequence = 1
        self.last_time_ns = -(2**63)
        self.sealed = False
        self._descriptor = descriptor
        self._checksum = 0
        self._offset = 0
        self._blocks = 0
        self._has_registry = False
        self._broken = False

    @classmethod
    def create(cls, path: str | Path, *, venue: str, trading_day: str, rules: int = RULES) -> Self:
        """A writer of a new log; the day is YYYY-MM-DD.

        `rules` is the number of the rules of the machine that runs the commands, by default this
        build's. Raises DayLogUnwritable where the path exists or cannot be created, ValueError
        where venue, day or number do not fit into a log.
        """
        path = Path(path)
        header = pack_file_header(venue, trading_day)
        if not 1 <= rules <= RULES_MAX:
            raise ValueError(f"rules: must be 1 to {RULES_MAX}, got {rules}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
        except FileExistsError:
            raise DayLogUnwritable(path, "exists already; a day log is never overwritten") from None
        except OSError as error:
            if not path.parent.exists():
                raise DayLogUnwritable(path, f"the folder {path.parent} does not exist") from None
            raise DayLogUnwritable(path, f"cannot be created: {error.strerror}") from None
        writer = cls(descriptor, path, venue=venue, trading_day=trading_day, rules=rules)
        try:
            _lock(descriptor, path)
            writer._write(descriptor, header)
        except DayLogUnwritable:
            writer.close()
            raise
        writer._checksum = int.from_bytes(header[-4:], "little")
        return writer

    @classmethod
    def resume(cls, log: DayLog) -> Self:
        """A writer that continues after the last whole block of a log without a SEAL.

        The bytes of an interrupted write are moved to `log.torn_path` first. Raises ValueError for
        a sealed log, DayLogOtherRules for one made under other rules than this build's,
        DayLogUnwritable where the file cannot be written, is held by another writer, or was
        continued by one since it was read.
        """
        if log.sealed:
            raise ValueError(f"{log.path}: sealed, nothing can follow")
        log.check_rules()
        descriptor = -1
        try:
            descriptor = os.open(log.path, os.O_WRONLY | os.O_CLOEXEC)
            _lock(descriptor, log.path)
            size = log.end + log.torn_bytes + log.zero_bytes
            if os.fstat(descriptor).st_size != size:
                raise DayLogUnwritable(log.path, "was continued since it was read; read it again")
            if log.torn_bytes:
                with log.path.open("rb") as file:
                    file.seek(log.end)
                    log.torn_path.write_bytes(file.read(log.torn_bytes))
            os.ftruncate(descriptor, log.end)
            os.lseek(descriptor, 0, os.SEEK_END)
            os.fsync(descriptor)
        except DayLogUnwritable:
            os.close(descriptor)
            raise
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise DayLogUnwritable(log.path, f"cannot be continued: {error.strerror}") from None
        writer = cls(
            descriptor, log.path, venue=log.venue, trading_day=log.trading_day, rules=log.rules
        )
        writer.next_sequence = log.command_count + 1
        writer.last_time_ns = log.last_time_ns
        writer._checksum = log.checksum
        writer._offset = log.end
        writer._blocks = log.block_count
        writer._has_registry = True
        return writer

    def append_registry(self, registry: Registry) -> None:
        """Append a REFERENCE block with the registry that the following commands refer to.

        It names the rules of the log, whatever `registry.rules` is.
        """
        if (registry.venue, registry.trading_day) != (self.venue, self.trading_day):
            raise ValueError(
                f"registry: is of {registry.venue} on {registry.trading_day}, "
                f"the log of {self.venue} on {self.trading_day}"
            )
        blob = encode(replace(registry, rules=self.rules))
        self._append_block(
            BlockKind.REFERENCE, len(blob), blob.ljust(padded_size(len(blob)), b"\0")
        )
        self._has_registry = True

    def append(self, commands: npt.NDArray[np.void]) -> None:
        """Append a batch of stamped commands, `COMMAND[n]`. They are durable only after `sync` or
        `seal`.

        Raises ValueError where sequence numbers have a gap or times go backwards.
        """
        if (commands.dtype is not COMMAND and commands.dtype != COMMAND) or commands.ndim != 1:
            raise ValueError(f"commands: must be a COMMAND array, got {commands.dtype}")
        if not self._has_registry:
            raise ValueError("commands: a REFERENCE block comes first")
        content = commands.tobytes()
        last_ns = self._check_stamps(commands, content)
        for start in range(0, len(content), BLOCK_COMMANDS_MAX * CELL):
            batch = content[start : start + BLOCK_COMMANDS_MAX * CELL]
            count = len(batch) // CELL
            self._append_block(BlockKind.COMMANDS, count, batch)
            self.next_sequence += count
        self.last_time_ns = last_ns

    def sync(self) -> None:
        """Make everything appended so far durable."""
        try:
            os.fdatasync(self._open_descriptor())
        except OSError as error:
            self._broken = True
            raise DayLogUnwritable(self.path, f"cannot be made durable: {error.strerror}") from None

    def fileno(self) -> int:
        """The file's descriptor, for a caller that makes it durable by other means than `sync`."""
        return self._open_descriptor()

    def seal(self, events_sha256: bytes) -> None:
        """Append the SEAL and make the log durable, including its name in the folder.

        `events_sha256` is the hash of all events that the machine made of the commands; 32 zero
        bytes mean that no machine was run. Nothing can be appended afterwards.
        """
        if not self._has_registry:
            raise ValueError("seal: a REFERENCE block comes first")
        seal = pack_seal(
            events_sha256, self.next_sequence - 1, self._blocks, self._offset, self.rules
        )
        self._append_block(BlockKind.SEAL, 1, seal)
        self.sealed = True
        self.sync()
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file. A log that was not sealed stays as it is. A second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check_stamps(self, commands: npt.NDArray[np.void], content: bytes) -> int:
        """The last command's time. Raises ValueError where sequence numbers or times do not
        continue.
        """
        following, last_ns = self.next_sequence, self.last_time_ns
        if len(content) <= _CHECKED_SINGLY_MAX * CELL:
            without_gaps = in_time = True
            for sequence, time_ns in _STAMP.iter_unpack(content):
                without_gaps &= sequence == following
                in_time &= time_ns >= last_ns
                following, last_ns = sequence + 1, time_ns
        else:
            sequences, times_ns = commands["sequence"], commands["time_ns"]
            without_gaps = sequences[0] == following and bool((np.diff(sequences) == 1).all())
            in_time = times_ns[0] >= last_ns and bool((np.diff(times_ns) >= 0).all())
            last_ns = int(times_ns[-1])
        if not without_gaps:
            raise ValueError(f"commands: sequence must go on without gaps at {self.next_sequence}")
        if not in_time:
            raise ValueError("commands: time_ns must never go backwards")
        return last_ns

    def _append_block(self, kind: BlockKind, count: int, payload: bytes) -> None:
        descriptor = self._open_descriptor()
        if self.sealed:
            raise ValueError(f"{self.path}: sealed, nothing can follow")
        header, checksum = pack_block_header(
            kind, count, self.next_sequence, self._checksum, payload
        )
        self._write(descriptor, header + payload)
        self._checksum = checksum
        self._blocks += 1

    def _write(self, descriptor: int, whole: bytes) -> None:
        """Write all bytes, by several calls where the kernel accepts only a part."""
        size = len(whole)
        try:
            written = os.write(descriptor, whole)
            while written < size:
                written += os.write(descriptor, whole[written:])
        except OSError as error:
            self._broken = True
            raise DayLogUnwritable(
                self.path, f"cannot be written at offset {self._offset}: {error.strerror}"
            ) from None
        self._offset += size

    def _open_descriptor(self) -> int:
        if self._broken or self._descriptor < 0:
            state = "an earlier write failed" if self._broken else "closed"
            raise DayLogUnwritable(self.path, f"cannot be written: {state}")
        return self._descriptor


def _lock(descriptor: int, path: Path) -> None:
    """Lock a log for its writer. Raises DayLogUnwritable where another writer holds it."""
    try:
        lock_exclusively(descriptor)
    except FileHeld as held:
        raise DayLogUnwritable(path, f"is {held}, which writes it") from None
    except OSError as error:
        raise DayLogUnwritable(path, f"cannot be locked: {error.strerror}") from None

"""Layout of a day log: headers, checksums, and the errors of a log.

Everything in the file is a multiple of one 64-byte cell: the file header, block headers, commands,
the padded text of a REFERENCE, the content of a SEAL. FORMAT.md has the same as byte tables.
"""

import datetime
import struct
import zlib
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from matching.records import COMMAND, EVENT
from matching.rules import explain_refusal

CELL = 64
VERSION = 2
UNNAMED_RULES_VERSION = 1
"""Logs of this version name no rules: they were made before the first release. They are read, and
never written."""

FILE_MAGIC = b"SUANSHI\n"
BLOCK_MAGIC = b"SUANBLK\n"
SEAL_MARK = b"SEALED\r\n"
VENUE_BYTES_MAX = 32

_FILE = struct.Struct("<8sHHHHI32s8sI")
_BLOCK_HEAD = struct.Struct("<8sIIQQ24s")
_CHECKSUMS = struct.Struct("<II")
_BLOCK = struct.Struct("<8sIIQQ24sII")
_SEAL = struct.Struct("<32sQIIQ8s")
assert _FILE.size == _BLOCK.size == _SEAL.size == CELL


class BlockKind(IntEnum):
    """Content of a block."""

    REFERENCE = 1
    COMMANDS = 2
    SEAL = 3


class BlockHeader(NamedTuple):
    """A block's header whose own checksum matches."""

    kind: int
    length: int  # bytes of JSON, number of commands, or 1
    first_sequence: int
    head_checksum: int
    checksum: int

    def matches(self, payload: bytes | memoryview) -> bool:
        """Whether the block's checksum is that of this payload."""
        return zlib.crc32(payload, self.head_checksum) == self.checksum


class DayLogError(Exception):
    """An error of a day log, in one line that starts with the log's path."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}")
        self.path = path


class DayLogUnreadable(DayLogError):
    """The file cannot be opened or read."""


class DayLogUnwritable(DayLogError):
    """The file cannot be created or written, because it exists or the disk is full, for example."""


class DayLogDamaged(DayLogError):
    """The bytes at `offset` break `rule`, and an interrupted write does not explain it."""

    def __init__(self, path: Path, offset: int, rule: str) -> None:
        super().__init__(path, f"damaged at offset {offset}: {rule}")
        self.offset = offset
        self.rule = rule


class DayLogOtherRules(DayLogError):
    """The log was made under other rules than this build replays; the line names the release.

    It can still be read and queried. `then` is a sentence for the end of the line.
    """

    def __init__(self, path: Path, rules: int, then: str = "") -> None:
        super().__init__(path, explain_refusal(rules) + (f". {then}" if then else ""))
        self.rules = rules


class DayLogNotSealed(DayLogError):
    """The log has no SEAL: it is still being written, or writing was interrupted."""

    def __init__(self, path: Path, *, commands: int, end: int, torn_bytes: int, what: str) -> None:
        super().__init__(
            path,
            f"not sealed: {what}; {commands} commands read up to offset {end}, "
            f"{torn_bytes} bytes after it skipped as torn",
        )
        self.commands = commands
        self.end = end
        self.torn_bytes = torn_bytes


class FileHeader(NamedTuple):
    """A log's first cell, whose checksum matches."""

    version: int
    venue: str
    trading_day: str  # YYYY-MM-DD
    checksum: int


def pack_file_header(venue: str, trading_day: str, version: int = VERSION) -> bytes:
    """The first cell of a log.

    Raises ValueError unless the venue has 1 to 32 bytes of UTF-8 and the day is YYYY-MM-DD.
    """
    name = venue.encode()
    if not 1 <= len(name) <= VENUE_BYTES_MAX or b"\0" in name:
        raise ValueError(f"venue: must have 1 to {VENUE_BYTES_MAX} bytes of UTF-8, got {venue!r}")
    day = _day_number(trading_day)
    head = _FILE.pack(
        FILE_MAGIC, version, CELL, COMMAND.itemsize, EVENT.itemsize, day, name, b"", 0
    )[:-4]
    return head + struct.pack("<I", zlib.crc32(head))


def unpack_file_header(cell: bytes) -> FileHeader:
    """The fields of a log's first cell; raises ValueError with the broken rule.

    The version is checked before the checksum, because another version may have another layout.
    """
    magic, version, cell_size, command, event, day, name, spare, checksum = _FILE.unpack(cell)
    if magic != FILE_MAGIC:
        raise ValueError("not a day log: the file must start with the magic `SUANSHI`")
    if version not in (UNNAMED_RULES_VERSION, VERSION):
        raise ValueError(
            f"format version must be {UNNAMED_RULES_VERSION} or {VERSION}, got {version}"
        )
    if checksum != zlib.crc32(cell[:-4]):
        raise ValueError("the file header does not match its checksum")
    if (cell_size, command, event) != (CELL, COMMAND.itemsize, EVENT.itemsize):
        raise ValueError(
            f"cells, commands and events must have 64 bytes, got {cell_size}, {command}, {event}"
        )
    if spare.strip(b"\0"):
        raise ValueError("reserved bytes of the file header must be zero")
    year, month, date = day // 10_000, day // 100 % 100, day % 100
    trading_day = f"{year:04}-{month:02}-{date:02}"
    _day_number(trading_day)
    try:
        venue = name.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise ValueError("the venue must be UTF-8") from None
    if pack_file_header(venue, trading_day, version) != cell:
        raise ValueError("the venue must be padded with zeros")
    return FileHeader(version, venue, trading_day, checksum)


def pack_block_header(
    kind: BlockKind, count: int, first_sequence: int, previous: int, payload: bytes | memoryview
) -> tuple[bytes, int]:
    """A block's header and its checksum. The next block takes that checksum as `previous`.

    The header also has a checksum of its own, so that a reader verifies it before it uses the
    length.
    """
    head = _BLOCK_HEAD.pack(BLOCK_MAGIC, kind, 0, count, first_sequence, b"")
    head_checksum = zlib.crc32(head, previous)
    checksum = zlib.crc32(payload, head_checksum)
    return head + _CHECKSUMS.pack(head_checksum, checksum), checksum


def unpack_block_header(cell: bytes | memoryview, previous: int) -> BlockHeader | None:
    """The fields of a block's header; None where the header's own checksum does not match.

    Raises ValueError where the checksum matches but the header breaks the format.
    """
    magic, kind, zero, count, first, spare, head_checksum, checksum = _BLOCK.unpack(cell)
    if magic != BLOCK_MAGIC or head_checksum != zlib.crc32(cell[:-8], previous):
        return None
    if zero or spare.strip(b"\0"):
        raise ValueError("reserved bytes of the block header must be zero")
    return BlockHeader(kind, count, first, head_checksum, checksum)


def block_fields(cell: bytes | memoryview) -> tuple[int, int]:
    """Kind and count that a block's header states, unproven: for what lies behind damage."""
    _, kind, _, count, *_ = _BLOCK.unpack(cell)
    return kind, count


def pack_seal(events_sha256: bytes, commands: int, blocks: int, offset: int, rules: int) -> bytes:
    """The content of a SEAL. A hash of 32 zero bytes means that the writer ran no machine."""
    if len(events_sha256) != 32:
        raise ValueError(f"events_sha256: must have 32 bytes, got {len(events_sha256)}")
    return _SEAL.pack(events_sha256, commands, blocks, rules, offset, SEAL_MARK)


def unpack_seal(
    cell: bytes | memoryview, commands: int, blocks: int, offset: int, rules: int
) -> bytes:
    """The event hash of a SEAL; raises ValueError where it has other counts or rules than given."""
    events_sha256: bytes
    events_sha256, *stated, mark = _SEAL.unpack(cell)
    if stated != [commands, blocks, rules, offset] or mark != SEAL_MARK:
        raise ValueError(
            f"the seal must count {commands} commands and {blocks} blocks in {offset} bytes under "
            f"rules {rules}, got {stated[0]}, {stated[1]}, {stated[3]} and {stated[2]}"
        )
    return events_sha256


def padded_size(size: int) -> int:
    """The size rounded up to whole cells.

    >>> padded_size(0), padded_size(1), padded_size(64)
    (0, 64, 64)
    """
    return -(-size // CELL) * CELL


def _day_number(trading_day: str) -> int:
    try:
        day = datetime.date.fromisoformat(trading_day)
    except ValueError:
        day = None
    if day is None or day.isoformat() != trading_day:
        raise ValueError(f"trading day: must be a date as YYYY-MM-DD, got {trading_day!r}")
    return day.year * 10_000 + day.month * 100 + day.day

"""One pass over the blocks of a day log: proves them, and says where the log ends and how.

Torn means: the last block of an unsealed log does not check and nothing or only zeros follow it.
An interrupted write leaves exactly that, so it is an end and no damage. A cell of 64 bytes never
straddles a disk sector, so a header is there or not, and one that is wrong with written bytes
behind it was damaged.
"""

from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from ledger.daylog.layout import (
    CELL,
    BlockHeader,
    BlockKind,
    DayLogDamaged,
    padded_size,
    unpack_block_header,
    unpack_file_header,
    unpack_seal,
)
from ledger.daylog.registry import Registry, decode, encode
from matching.limits import Limits
from matching.records import COMMAND

_ZEROS_STEP = 1 << 20


class Scan:
    """A reader's place in a log: the chain of checksums and the next sequence number.

    `run` takes every block up to the SEAL or the end; then `offset` is the end of the last whole
    block, followed by `torn_bytes` of an interrupted write and `zero_bytes` never written.
    Raises DayLogDamaged.
    """

    def __init__(self, path: Path, content: memoryview) -> None:
        self.path = path
        self.content = content
        self.offset = 0
        self.next_sequence = 1
        self.registries: list[Registry] = []
        self.blocks: list[tuple[int, int]] = []  # of commands: offset and count
        self.block_count = 0
        self.sealed = False
        self.events_sha256: bytes | None = None
        self.torn_bytes = 0
        self.zero_bytes = 0
        self.venue, self.trading_day, self.checksum = self._file_header()

    def run(self) -> None:
        """Take all blocks."""
        while not self.sealed and self._take_block():
            pass
        rest = len(self.content) - self.offset
        if self.sealed and rest:
            self._damaged(f"nothing may follow the SEAL, got {rest} bytes")
        self.torn_bytes = max(0, self._written_end() - self.offset)
        self.zero_bytes = rest - self.torn_bytes

    def _file_header(self) -> tuple[str, str, int]:
        if len(self.content) < CELL:
            size = len(self.content)
            self._damaged(f"a day log starts with a header of {CELL} bytes, the file has {size}")
        try:
            header = unpack_file_header(bytes(self.content[:CELL]))
        except ValueError as error:
            self._damaged(str(error))
        self.offset = CELL
        return header

    def _take_block(self) -> bool:
        """Take the block at the offset; False where the log ends without a whole one."""
        start = self.offset + CELL
        if start > len(self.content):
            return False
        try:
            header = unpack_block_header(self.content[self.offset : start], self.checksum)
        except ValueError as error:
            self._damaged(str(error))
        if header is None:
            if self._written_end() > start:
                self._damaged("the block header does not match its checksum")
            return False
        end = start + self._payload_size(header)
        if end > len(self.content):
            return False
        payload = self.content[start:end]
        if not header.matches(payload):
            whole_seal = header.kind == BlockKind.SEAL and payload[-1] != 0
            if whole_seal or self._written_end() > end:
                self._damaged("the block does not match its checksum")
            return False
        self._take_payload(header, payload, start)
        self.offset = end
        self.checksum = header.checksum
        self.block_count += 1
        return True

    def _payload_size(self, header: BlockHeader) -> int:
        """Bytes after the header; it is proved, so what it breaks was written that way."""
        kind, count = header.kind, header.length
        if header.first_sequence != self.next_sequence:
            self._damaged(
                f"the block must start at sequence {self.next_sequence}, "
                f"got {header.first_sequence}"
            )
        if kind == BlockKind.REFERENCE and count >= 1:
            return padded_size(count)
        if kind not in (BlockKind.COMMANDS, BlockKind.SEAL) or count < 1:
            self._damaged(f"there is no block of kind {kind} and count {count}")
        if not self.registries:
            self._damaged("a REFERENCE block must come first")
        return count * COMMAND.itemsize

    def _take_payload(self, header: BlockHeader, payload: memoryview, start: int) -> None:
        if header.kind == BlockKind.REFERENCE:
            self._take_reference(bytes(payload), header.length)
        elif header.kind == BlockKind.COMMANDS:
            self.blocks.append((start, header.length))
            self.next_sequence += header.length
        else:
            self._take_seal(payload)

    def _take_reference(self, payload: bytes, size: int) -> None:
        blob, padding = payload[:size], payload[size:]
        if any(padding):
            self._damaged("the text of a REFERENCE must be padded with zeros")
        try:
            registry = decode(blob)
            Limits(**registry.limits)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as error:
            self._damaged(f"the registry is wrong: {error}")
        if encode(registry) != blob:
            self._damaged("the registry must be canonical JSON")
        if (registry.venue, registry.trading_day) != (self.venue, self.trading_day):
            self._damaged(
                f"the registry must be of {self.venue} on {self.trading_day}, "
                f"got {registry.venue} on {registry.trading_day}"
            )
        self.registries.append(registry)

    def _take_seal(self, payload: memoryview) -> None:
        counted = (self.next_sequence - 1, self.block_count, self.offset)
        try:
            events_sha256 = unpack_seal(payload, *counted)
        except ValueError as error:
            self._damaged(str(error))
        self.sealed = True
        self.events_sha256 = events_sha256 if any(events_sha256) else None

    def _written_end(self) -> int:
        """The offset after the last byte that is not zero."""
        end = len(self.content)
        while end > self.offset:
            start = max(self.offset, end - _ZEROS_STEP)
            written = np.flatnonzero(np.frombuffer(self.content[start:end], np.uint8))
            if len(written):
                return start + int(written[-1]) + 1
            end = start
        return end

    def _damaged(self, rule: str) -> NoReturn:
        raise DayLogDamaged(self.path, self.offset, rule)

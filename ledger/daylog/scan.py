"""Scan of a day log: one pass over its blocks that verifies them and finds the log's end.

The last block of an unsealed log is torn where its checksum does not match and only zeros or
nothing follow it. An interrupted write leaves exactly that, so it counts as an end and not as
damage. A cell of 64 bytes never crosses a disk sector, so a header is written whole or not at all;
a wrong header with written bytes behind it is damage.
"""

from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np

from ledger.daylog.layout import (
    CELL,
    UNNAMED_RULES_VERSION,
    BlockHeader,
    BlockKind,
    DayLogDamaged,
    FileHeader,
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
    """State of a pass over a log: the offset, the chain of checksums and the next sequence number.

    `run` reads every block up to the SEAL or the end. Then `offset` is the end of the last whole
    block, followed by `torn_bytes` of an interrupted write and by `zero_bytes` never written.
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
        self.rules = 0  # of the first registry
        header = self._file_header()
        self.version, self.venue, self.trading_day, self.checksum = header

    def run(self) -> None:
        """Read all blocks."""
        while not self.sealed and self._read_block():
            pass
        rest = len(self.content) - self.offset
        if self.sealed and rest:
            self._raise_damaged(f"nothing may follow the SEAL, got {rest} bytes")
        self.torn_bytes = max(0, self._written_end() - self.offset)
        self.zero_bytes = rest - self.torn_bytes

    def _file_header(self) -> FileHeader:
        if len(self.content) < CELL:
            size = len(self.content)
            self._raise_damaged(
                f"a day log starts with a header of {CELL} bytes, the file has {size}"
            )
        try:
            header = unpack_file_header(bytes(self.content[:CELL]))
        except ValueError as error:
            self._raise_damaged(str(error))
        self.offset = CELL
        return header

    def _read_block(self) -> bool:
        """Read the block at the offset; False where the log ends without a whole block."""
        start = self.offset + CELL
        if start > len(self.content):
            return False
        try:
            header = unpack_block_header(self.content[self.offset : start], self.checksum)
        except ValueError as error:
            self._raise_damaged(str(error))
        if header is None:
            if self._written_end() > start:
                self._raise_damaged("the block header does not match its checksum")
            return False
        end = start + self._payload_size(header)
        if end > len(self.content):
            return False
        payload = self.content[start:end]
        if not header.matches(payload):
            whole_seal = header.kind == BlockKind.SEAL and payload[-1] != 0
            if whole_seal or self._written_end() > end:
                self._raise_damaged("the block does not match its checksum")
            return False
        self._read_payload(header, payload, start)
        self.offset = end
        self.checksum = header.checksum
        self.block_count += 1
        return True

    def _payload_size(self, header: BlockHeader) -> int:
        """Bytes after a header. The header's checksum matches, so a wrong field was written that
        way.
        """
        kind, count = header.kind, header.length
        if header.first_sequence != self.next_sequence:
            self._raise_damaged(
                f"the block must start at sequence {self.next_sequence}, "
                f"got {header.first_sequence}"
            )
        if kind == BlockKind.REFERENCE and count >= 1:
            return padded_size(count)
        if kind not in (BlockKind.COMMANDS, BlockKind.SEAL) or count < 1:
            self._raise_damaged(f"there is no block of kind {kind} and count {count}")
        if not self.registries:
            self._raise_damaged("a REFERENCE block must come first")
        return count * COMMAND.itemsize

    def _read_payload(self, header: BlockHeader, payload: memoryview, start: int) -> None:
        if header.kind == BlockKind.REFERENCE:
            self._read_reference(bytes(payload), header.length)
        elif header.kind == BlockKind.COMMANDS:
            self.blocks.append((start, header.length))
            self.next_sequence += header.length
        else:
            self._read_seal(payload)

    def _read_reference(self, payload: bytes, size: int) -> None:
        blob, padding = payload[:size], payload[size:]
        if any(padding):
            self._raise_damaged("the text of a REFERENCE must be padded with zeros")
        try:
            registry = decode(blob)
            Limits(**registry.limits)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as error:
            self._raise_damaged(f"the registry is wrong: {error}")
        if encode(registry) != blob:
            self._raise_damaged("the registry must be canonical JSON")
        if (registry.venue, registry.trading_day) != (self.venue, self.trading_day):
            self._raise_damaged(
                f"the registry must be of {self.venue} on {self.trading_day}, "
                f"got {registry.venue} on {registry.trading_day}"
            )
        self._read_rules(registry)
        self.registries.append(registry)

    def _read_rules(self, registry: Registry) -> None:
        """Take the rules number of the first registry, which later ones repeat."""
        named = 0 if registry.rules is msgspec.UNSET else registry.rules
        if self.version == UNNAMED_RULES_VERSION and named:
            self._raise_damaged(f"a log of version {self.version} names no rules, got {named}")
        if self.version != UNNAMED_RULES_VERSION and not named:
            self._raise_damaged(f"a log of version {self.version} must name its rules")
        if self.registries and named != self.rules:
            self._raise_damaged(f"the registry must name rules {self.rules}, got {named}")
        self.rules = named

    def _read_seal(self, payload: memoryview) -> None:
        counted = (self.next_sequence - 1, self.block_count, self.offset)
        try:
            events_sha256 = unpack_seal(payload, *counted, self.rules)
        except ValueError as error:
            self._raise_damaged(str(error))
        self.sealed = True
        self.events_sha256 = events_sha256 if any(events_sha256) else None

    def _written_end(self) -> int:
        """Offset after the last byte that is not zero."""
        end = len(self.content)
        while end > self.offset:
            start = max(self.offset, end - _ZEROS_STEP)
            written = np.flatnonzero(np.frombuffer(self.content[start:end], np.uint8))
            if len(written):
                return start + int(written[-1]) + 1
            end = start
        return end

    def _raise_damaged(self, rule: str) -> NoReturn:
        raise DayLogDamaged(self.path, self.offset, rule)

"""Snapshots taken apart and put together again, with right checksums: what a forger can do.

It reads and writes the format that matching/snapshot.py documents, by code of its own.
"""

import struct
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matching.memory.layout import shapes
from matching.snapshot import BLOCK, HEAD, SCRATCH, read_limits

Numbers = NDArray[np.uint32]


class SnapshotEditor:
    """The limits of a snapshot, and its arrays by name, which a test may change."""

    def __init__(self, blob: bytes) -> None:
        self.head = bytearray(blob[: HEAD.size])
        self.limits = read_limits(blob)
        self.arrays = {
            name: np.zeros(length, dtype)
            for name, (length, dtype) in shapes(self.limits).items()
            if name not in SCRATCH
        }
        at = HEAD.size + 4
        for name in self.arrays:
            (count,) = struct.unpack_from("<Q", blob, at + 4)
            numbers = np.frombuffer(blob, "<u4", count, at + 12)
            at += 12 + 4 * count
            blocks = np.frombuffer(blob, np.uint8, count * BLOCK, at).reshape(count, BLOCK)
            at += count * BLOCK
            whole = self._blocks(name)
            whole[numbers] = blocks
            flat = self.arrays[name].view(np.uint8)
            flat[:] = whole.reshape(-1)[: len(flat)]

    def words(self, name: str) -> Numbers:
        """The words of four bytes of an array, to be read and changed."""
        return self.arrays[name].view(np.uint32)

    def to_bytes(self) -> bytes:
        """The snapshot of these arrays."""
        return self.join(self.sections())

    def join(self, sections: list[tuple[Numbers, NDArray[np.uint8]]]) -> bytes:
        """A snapshot of these sections: the numbers of the blocks of an array, and the blocks."""
        parts = [bytes(self.head), struct.pack("<I", crc32(self.head))]
        for numbers, blocks in sections:
            body = struct.pack("<Q", len(numbers)) + numbers.tobytes() + blocks.tobytes()
            parts += [struct.pack("<I", crc32(body)), body]
        return b"".join(parts)

    def sections(self) -> list[tuple[Numbers, NDArray[np.uint8]]]:
        """The sections of the arrays as they are, for `join`."""
        found = []
        for name in self.arrays:
            blocks = self._blocks(name)
            numbers = np.flatnonzero(blocks.any(axis=1)).astype(np.uint32)
            found.append((numbers, blocks[numbers]))
        return found

    def _blocks(self, name: str) -> NDArray[np.uint8]:
        """A copy of an array as blocks, the last filled up with zeros."""
        flat = self.arrays[name].view(np.uint8)
        padded = np.zeros(-(-len(flat) // BLOCK) * BLOCK, np.uint8)
        padded[: len(flat)] = flat
        return padded.reshape(-1, BLOCK)

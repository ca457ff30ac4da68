"""Snapshots: a machine's memory as bytes, and back.

A machine's state between two commands is what its arrays hold, so a snapshot is those arrays
without their empty blocks. It continues exactly as the machine it was taken from would have.

| bytes | what |
| --- | --- |
| 8 | magic |
| 4 | version |
| 4 | number of arrays |
| 8 x 13 | the limits, in the order of their names in `Limits` |
| 16 | hash of the layout: names, lengths and types of all arrays |
| 4 | CRC-32 of the above |
| for each array: 4 + 8 | CRC-32 of what follows, number of blocks kept |
| 4 a block | the numbers of the blocks kept, rising |
| 512 a block | their bytes; the array's last block is filled up with zeros |

All integers are little-endian. Scratch memory, which means something only inside a command, is
left out. A snapshot is a shortcut to a day log's replay: a program with another layout refuses it.
"""

import struct
from dataclasses import fields
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits
from matching.memory.layout import shapes

MAGIC = b"SUANSHI\x1a"
VERSION = 3
BLOCK = 512
WORDS = BLOCK // 8
SCRATCH = ("queue", "keys", "slots", "places", "foreseen", "buys", "sells")
BOUNDS = tuple(field.name for field in fields(Limits))
HEAD = struct.Struct(f"<8sII{len(BOUNDS)}q16s")
CHECKSUM = struct.Struct("<I")
SECTION = struct.Struct("<Q")

Arrays = dict[str, NDArray[Any]]


def write(limits: Limits, arrays: Arrays) -> bytes:
    """The arrays of a machine, which must be between two commands, as bytes.

    Cost: a read of all memory, and a copy of the blocks that are not empty: 64 bytes an order and
    some more.
    """
    kept = _kept(arrays)
    bounds = (getattr(limits, name) for name in BOUNDS)
    head = HEAD.pack(MAGIC, VERSION, len(kept), *bounds, _layout_hash(limits))
    parts = [head, CHECKSUM.pack(crc32(head))]
    for array in kept.values():
        parts += _section(array)
    return b"".join(parts)


def read_limits(blob: bytes) -> Limits:
    """The limits of the machine that a snapshot was taken from.

    Raises ValueError with the position where the head is not one that this program wrote.
    """
    if blob[: len(MAGIC)] != MAGIC[: len(blob)]:
        raise ValueError("snapshot: no snapshot begins like this, at byte 0")
    _require(blob, 0, HEAD.size + CHECKSUM.size, "the head")
    _, version, _, *bounds, layout = HEAD.unpack_from(blob)
    if version != VERSION:
        raise ValueError(f"snapshot: version {version} at byte 8, this program reads {VERSION}")
    (checksum,) = CHECKSUM.unpack_from(blob, HEAD.size)
    if checksum != crc32(blob[: HEAD.size]):
        raise ValueError(
            f"snapshot: the head is damaged: its checksum differs, at byte {HEAD.size}"
        )
    limits = Limits(**dict(zip(BOUNDS, bounds, strict=True)))
    if layout != _layout_hash(limits):
        where = HEAD.size - len(layout)
        raise ValueError(f"snapshot: taken with another layout of memory, at byte {where}")
    return limits


def read(blob: bytes, arrays: Arrays) -> None:
    """Fill the arrays of a new machine, built with the snapshot's limits.

    Raises ValueError with the array and the byte where the snapshot is damaged or cut. The arrays
    are unusable then.
    """
    at = HEAD.size + CHECKSUM.size
    for name, array in _kept(arrays).items():
        _require(blob, at, CHECKSUM.size + SECTION.size, f"`{name}`")
        (checksum,) = CHECKSUM.unpack_from(blob, at)
        start = at + CHECKSUM.size
        (count,) = SECTION.unpack_from(blob, start)
        end = start + SECTION.size + count * (4 + BLOCK)
        _require(blob, at, end - at, f"`{name}`")
        if checksum != crc32(memoryview(blob)[start:end]):
            raise ValueError(f"snapshot: `{name}` is damaged, its checksum differs at byte {at}")
        numbers = np.frombuffer(blob, "<u4", count, start + SECTION.size)
        content = np.frombuffer(blob, np.uint8, count * BLOCK, end - count * BLOCK)
        _fill(array, numbers.astype(np.int64), content.reshape(count, BLOCK))
        at = end
    if at != len(blob):
        raise ValueError(f"snapshot: {len(blob) - at} bytes after its end, at byte {at}")


def _kept(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name not in SCRATCH}


def _require(blob: bytes, at: int, size: int, what: str) -> None:
    if len(blob) - at < size:
        raise ValueError(
            f"snapshot: cut off in {what}, which needs {size} bytes from byte {at} on, "
            f"got {len(blob) - at}"
        )


def _layout_hash(limits: Limits) -> bytes:
    """Hash of the names, lengths and types of all arrays."""
    digest = sha256(f"{BLOCK} {SCRATCH}".encode())
    for name, (length, dtype) in shapes(limits).items():
        types = [(field, *dtype.fields[field][:2]) for field in dtype.names or ()]  # type: ignore[index]
        digest.update(f"{name} {length} {dtype.str} {types}".encode())
    return digest.digest()[:16]


def _section(array: NDArray[Any]) -> list[Any]:
    """One array as buffers: checksum, number of blocks kept, their numbers, their bytes."""
    flat = array.view(np.uint8)
    whole = flat[: len(flat) // BLOCK * BLOCK].view(np.int64).reshape(-1, WORDS)
    kept = np.flatnonzero(np.bitwise_or.reduce(whole, axis=1))
    content = whole if len(kept) == len(whole) else whole[kept]
    rest = flat[whole.nbytes :]
    if rest.any():
        kept = np.append(kept, len(whole))
        last = np.zeros(BLOCK, np.uint8)
        last[: len(rest)] = rest
        content = np.concatenate([content, last.view(np.int64)[None]])
    body: list[Any] = [SECTION.pack(len(kept)), kept.astype("<u4"), content]
    checksum = 0
    for part in body:
        checksum = crc32(part, checksum)
    return [CHECKSUM.pack(checksum), *body]


def _fill(array: NDArray[Any], numbers: NDArray[np.int64], content: NDArray[np.uint8]) -> None:
    """Write blocks to their positions. The others are empty in a new machine as well."""
    flat = array.view(np.uint8)
    whole = flat[: len(flat) // BLOCK * BLOCK].reshape(-1, BLOCK)
    rest = flat[whole.nbytes :]
    inside = numbers < len(whole)
    whole[numbers[inside]] = content[inside]
    for last in content[~inside]:
        rest[:] = last[: len(rest)]

"""Snapshots: a machine's memory as bytes, and back.

A machine's state between two commands is what its arrays hold, so a snapshot is those arrays
without their empty blocks. It continues exactly as the machine it was taken from would have.

| bytes | what |
| --- | --- |
| 8 | magic |
| 4 | version |
| 4 | number of arrays |
| 8 each | the limits, in the order of their names in `Limits` |
| 16 | hash of the layout: names, lengths and types of all arrays |
| 4 | CRC-32 of the above |
| for each array: 4 + 8 | CRC-32 of what follows, number of blocks kept |
| 4 a block | the numbers of the blocks kept, rising |
| 512 a block | their bytes; the array's last block is filled up with zeros |

All integers are little-endian. Scratch memory, which means something only inside a command, is
left out, and zeros stand for the columns of STATE that do (UNFINISHED). A snapshot is a shortcut to
a day log's replay: a program with another layout refuses it.

Checksums find damage, not malice. So what is read here is only put into its place; whether it is a
machine, matching/invariants/memory/violations.py says.
"""

import struct
from dataclasses import fields
from hashlib import sha256
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits
from matching.memory.blocks_used import BLOCK, block_count, rest_of, used_blocks, whole_blocks
from matching.memory.layout import memory_bytes, shapes
from matching.memory.state_record import UNFINISHED

MAGIC = b"SUANSHI\x1a"
VERSION = 4
SCRATCH = ("queue", "keys", "slots", "places", "foreseen", "buys", "sells")
BOUNDS = tuple(field.name for field in fields(Limits))
HEAD = struct.Struct(f"<8sII{len(BOUNDS)}q16s")
CHECKSUM = struct.Struct("<I")
SECTION = struct.Struct("<Q")

MEMORY_MAX_BYTES = 1 << 34
"""Memory that a snapshot's limits may ask for, unless the caller allows more: 16 GiB."""

Arrays = dict[str, NDArray[Any]]
Blocks = dict[str, NDArray[np.int64]]
"""Numbers of the blocks of each array that are not empty."""


def write(limits: Limits, arrays: Arrays) -> bytes:
    """The arrays of a machine, which must be between two commands, as bytes.

    Cost: a read of all memory, and a copy of the blocks that are not empty: 64 bytes an order and
    some more.
    """
    kept = _kept(arrays)
    kept["state"] = arrays["state"].copy()
    for column in UNFINISHED:
        kept["state"][column] = 0
    bounds = (getattr(limits, name) for name in BOUNDS)
    head = HEAD.pack(MAGIC, VERSION, len(kept), *bounds, _layout_hash(limits))
    parts = [head, CHECKSUM.pack(crc32(head))]
    for array in kept.values():
        parts += _section(array)
    return b"".join(parts)


def as_bytes(blob: Any) -> memoryview:
    """A bytes-like object, of any shape and item, as its bytes.

    Raises TypeError for anything else.
    """
    view = memoryview(blob)
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


def read_limits(blob: bytes | memoryview) -> Limits:
    """The limits of the machine that a snapshot was taken from.

    Raises ValueError with the position where the head is not one that this program wrote.
    """
    if blob[: len(MAGIC)] != MAGIC[: len(blob)]:
        raise ValueError("snapshot: no snapshot begins like this, at byte 0")
    _require(blob, 0, HEAD.size + CHECKSUM.size, "the head")
    _, version, count, *bounds, layout = HEAD.unpack_from(blob)
    if version != VERSION:
        raise ValueError(f"snapshot: version {version} at byte 8, this program reads {VERSION}")
    (checksum,) = CHECKSUM.unpack_from(blob, HEAD.size)
    if checksum != crc32(blob[: HEAD.size]):
        raise ValueError(
            f"snapshot: the head is damaged: its checksum differs, at byte {HEAD.size}"
        )
    try:
        limits = Limits(**dict(zip(BOUNDS, bounds, strict=True)))
    except ValueError as error:
        raise ValueError(f"snapshot: {error}, at byte 16") from None
    arrays = len(_kept(shapes(limits)))
    if count != arrays:
        raise ValueError(f"snapshot: {count} arrays at byte 12, a machine has {arrays}")
    if layout != _layout_hash(limits):
        where = HEAD.size - len(layout)
        raise ValueError(f"snapshot: taken with another layout of memory, at byte {where}")
    return limits


def require_memory(limits: Limits, bytes_max: int) -> None:
    """Raise ValueError with the size where a machine with these limits needs more memory than this,
    before any is allocated."""
    sizes = memory_bytes(limits)
    largest, total = max(sizes, key=sizes.__getitem__), sum(sizes.values())
    if total > bytes_max:
        raise ValueError(
            f"snapshot: its limits need {total:,} bytes of memory, most of it for `{largest}`; "
            f"{bytes_max:,} are allowed, see `memory_max_bytes` of Engine.restore"
        )


def read(blob: bytes | memoryview, arrays: Arrays) -> Blocks:
    """Fill the arrays of a new machine, built with the snapshot's limits. Returns the blocks that
    it has.

    Raises ValueError with the array and the byte where the snapshot is damaged or cut. The arrays
    are unusable then.
    """
    at = HEAD.size + CHECKSUM.size
    blocks: Blocks = {}
    for name, array in _kept(arrays).items():
        _require(blob, at, CHECKSUM.size + SECTION.size, f"`{name}`")
        (checksum,) = CHECKSUM.unpack_from(blob, at)
        start = at + CHECKSUM.size
        (count,) = SECTION.unpack_from(blob, start)
        end = start + SECTION.size + count * (4 + BLOCK)
        _require(blob, at, end - at, f"`{name}`")
        if checksum != crc32(blob[start:end]):
            raise ValueError(f"snapshot: `{name}` is damaged, its checksum differs at byte {at}")
        numbers = np.frombuffer(blob, "<u4", count, start + SECTION.size).astype(np.int64)
        content = np.frombuffer(blob, np.uint8, count * BLOCK, end - count * BLOCK)
        where = f"at byte {start + SECTION.size}"
        if (np.diff(numbers) <= 0).any():
            raise ValueError(f"snapshot: the blocks of `{name}` must have rising numbers, {where}")
        if count and numbers[-1] >= block_count(array):
            raise ValueError(
                f"snapshot: `{name}` has {block_count(array)} blocks, got number {numbers[-1]}, "
                f"{where}"
            )
        _fill(name, array, numbers, content.reshape(count, BLOCK))
        blocks[name] = numbers
        at = end
    if at != len(blob):
        raise ValueError(f"snapshot: {len(blob) - at} bytes after its end, at byte {at}")
    return blocks


def _kept(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array for name, array in arrays.items() if name not in SCRATCH}


def _require(blob: bytes | memoryview, at: int, size: int, what: str) -> None:
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
    whole, rest = whole_blocks(array), rest_of(array)
    numbers = used_blocks(array)
    inside = numbers[numbers < len(whole)]
    content = whole if len(inside) == len(whole) else whole[inside]
    body: list[Any] = [SECTION.pack(len(numbers)), numbers.astype("<u4"), content]
    if len(inside) < len(numbers):
        body.append(bytes(rest) + bytes(BLOCK - len(rest)))
    checksum = 0
    for part in body:
        checksum = crc32(part, checksum)
    return [CHECKSUM.pack(checksum), *body]


def _fill(
    name: str, array: NDArray[Any], numbers: NDArray[np.int64], content: NDArray[np.uint8]
) -> None:
    """Write blocks to their positions. The others are empty in a new machine as well."""
    whole, rest = whole_blocks(array).view(np.uint8), rest_of(array)
    inside = len(numbers) - (1 if len(numbers) and numbers[-1] == len(whole) else 0)
    if inside and numbers[inside - 1] - numbers[0] == inside - 1:  # without a gap: copied at once
        whole[numbers[0] : numbers[0] + inside] = content[:inside]
    else:
        whole[numbers[:inside]] = content[:inside]
    for last in content[inside:]:
        if last[len(rest) :].any():
            raise ValueError(f"snapshot: `{name}` goes on behind its end, in block {len(whole)}")
        rest[:] = last[: len(rest)]

"""Allocation of a machine's tables: zeros, on cache lines, and on huge pages where that helps."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
HUGE = 1 << 21
SPARSE_BYTES = 1 << 28
"""A table named in SPARSE stays mostly empty from this size on."""

SPARSE = ("links", "words", "directory", "legs")
"""Tables that may stay mostly empty. On huge pages, one item would bring in two megabytes."""

Shapes = dict[str, tuple[int, np.dtype[Any]]]


def allocate(shapes: Shapes) -> dict[str, NDArray[Any]]:
    """Return arrays of zeros by name, of these lengths and types. Pages that are never used cost no
    memory.

    A record never straddles two cache lines. NumPy's own memory begins 16 bytes into a line, so
    that every access to a 64-byte record would touch two. All small tables share their huge pages.
    """
    arrays: dict[str, NDArray[Any]] = {}
    together = {name: shape for name, shape in shapes.items() if not _is_sparse(name, shape)}
    sizes = [-(-length * dtype.itemsize // LINE) * LINE for length, dtype in together.values()]
    memory = _map(sum(sizes) + HUGE, "MADV_HUGEPAGE")
    at = -np.frombuffer(memory, np.uint8).ctypes.data % HUGE
    for (name, (length, dtype)), size in zip(together.items(), sizes, strict=True):
        arrays[name] = np.frombuffer(memory, dtype, length, at)
        at += size
    for name in shapes.keys() - together.keys():
        length, dtype = shapes[name]
        arrays[name] = np.frombuffer(_map(length * dtype.itemsize, "MADV_NOHUGEPAGE"), dtype)
    return {name: arrays[name] for name in shapes}


def _is_sparse(name: str, shape: tuple[int, np.dtype[Any]]) -> bool:
    return name in SPARSE and shape[0] * shape[1].itemsize >= SPARSE_BYTES


def _map(size: int, advice: str) -> mmap.mmap:
    """Map private memory. Shared memory would be allocated by reading, and would be one for a
    process and its forks."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, advice):
        memory.madvise(getattr(mmap, advice))
    return memory

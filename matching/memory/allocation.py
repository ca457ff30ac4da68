"""Memory for a machine's tables: zeros, on cache lines, and on huge pages where that helps."""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64
HUGE = 1 << 21
SPARSE_BYTES = 1 << 28
"""A table of this size or more is taken for one that stays mostly empty where SPARSE names it."""

SPARSE = ("links", "words", "directory", "legs")
"""Tables that may stay mostly empty; on huge pages, a little of each would bring in all of it."""

Shapes = dict[str, tuple[int, np.dtype[Any]]]


def allocate(shapes: Shapes) -> dict[str, NDArray[Any]]:
    """Arrays of zeros by name, of these lengths and types; what is never touched costs nothing.

    A record never straddles two cache lines: NumPy's own memory begins 16 bytes into one, which
    makes every access to a 64-byte record two. All small tables share their huge pages.
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
    """Private memory: what is shared would be one for a fork and its parent, and allocated by
    reading."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, advice):
        memory.madvise(getattr(mmap, advice))
    return memory

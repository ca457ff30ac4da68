"""Compilation of the wire's kernels, with a cache folder named by a hash of their sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from matching.memory import compiler as machine

JIT_DISABLED = machine.JIT_DISABLED


def cache_folder() -> Path:
    """Folder of compiled kernels, named by a hash of all sources of the wire and of the machine."""
    folder = machine.cache_folder()
    sources = machine.source_hash(Path(__file__).parents[1])
    return folder.with_name(f"feeds-{sources}-{folder.name.partition('-')[2]}")


def is_compiled() -> bool:
    """Whether the cache has the kernels."""
    return JIT_DISABLED or any(cache_folder().rglob("*.derive-*.nbc"))


def entry(function: Callable[..., Any], *, nogil: bool = False) -> Any:
    """Compile a function that Python calls, cached on disk; `nogil` releases the interpreter."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=nogil)(function)
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels and entries call, without reference counting.

    The caller of the entry keeps the arrays alive; counting costs several times the work itself.
    """
    return numba.njit(error_model="numpy", no_cpython_wrapper=True, _nrt=False)(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function into the kernels that call it."""
    return numba.njit(error_model="numpy", no_cpython_wrapper=True, forceinline=True, _nrt=False)(
        function
    )

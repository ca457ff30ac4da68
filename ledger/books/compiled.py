"""Compilation of the ledger's kernels, which are plain Python functions that tests also run as
such.
"""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The function compiled. The first call loads it from the cache, or compiles it.

    Numba is imported only then, because most commands need no kernel.
    """
    from matching.memory.compiler import entry

    kernel: Callable[..., Any] = entry(rule)
    return kernel

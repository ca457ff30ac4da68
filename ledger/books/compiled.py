"""Rules of the ledger that run compiled: plain Python functions, which tests can read and run."""

from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def compiled(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule compiled; the first call loads it, or compiles it where the cache lacks it.

    Numba is imported then, not before: most commands do without.
    """
    from matching.memory.compiler import entry

    kernel: Callable[..., Any] = entry(rule)
    return kernel

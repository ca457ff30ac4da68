"""Compilation of kernels: the flags, and the cache folder.

Numba's file cache does not see a change in another file. Therefore the cache folder is named by a
hash of every module in this package: changed source, new folder.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.types import unliteral  # type: ignore[attr-defined]

JIT_DISABLED = bool(numba.config.DISABLE_JIT)


def source_hash(folder: Path | None = None) -> str:
    """Hash of all sources of the package matching, of their folder and of Numba's version.

    The folder counts because Numba keeps the kernels of two folders apart.
    """
    folder = folder or Path(__file__).parents[1]
    digest = hashlib.sha256(f"{numba.__version__} {folder.resolve()}".encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Folder of compiled kernels: below SUANSHI_CACHE_DIR, else below the user's cache folder."""
    base = os.environ.get("SUANSHI_CACHE_DIR")
    if base is None:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suanshi")
    return Path(base) / f"kernels-{_own_hash()}"


@cache
def _own_hash() -> str:
    """Hash of the sources that this process runs; reading them for each engine costs 15 ms."""
    return source_hash()


def is_compiled() -> bool:
    """Whether the cache holds the engine. If not, a start compiles it, which takes half a
    minute."""
    return JIT_DISABLED or any(cache_folder().rglob("*.run_compiled-*.nbc"))


def entry(function: Callable[..., Any], folder: Path | None = None) -> Any:
    """Compile a function that Python calls, cached on disk."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder or cache_folder())
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call."""
    return _internal(function, forceinline=False)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function into its callers. This halves the time of a command."""
    return _internal(function, forceinline=True)


def _internal(function: Callable[..., Any], forceinline: bool) -> Any:
    dispatcher = numba.njit(error_model="numpy", no_cpython_wrapper=True, forceinline=forceinline)(
        function
    )
    if not JIT_DISABLED:
        _widen_literals(dispatcher)
    return dispatcher


def _widen_literals(dispatcher: Any) -> None:
    """Compile one version for all values of an argument. Numba would compile one for each literal,
    in 0.1 s each."""
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve(
        tuple(unliteral(argument) for argument in args), kws
    )


@contextmanager
def alone() -> Iterator[None]:
    """Hold the cache folder while kernels are compiled. A second process waits, and then finds them
    there. Where the folder cannot be written, each process compiles its own."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile_quickly(function: Any, signature: Any) -> None:
    """Compile a kernel and all that it calls with few optimisations.

    The entry that calls it is optimised as a whole anyway. Optimising at every level costs a
    minute.
    """
    before = numba.config.OPT
    numba.config.OPT = type(before)(1)
    try:
        function.compile(signature)
    finally:
        numba.config.OPT = before

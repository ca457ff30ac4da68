"""How kernels are compiled: one place for the flags, the cache folder and the intrinsics.

Two facts shape this file. Reference counts of arrays cost more than matching does, so kernels are
compiled without them (`_nrt=False`, a private flag of Numba: setup.cfg pins the range of versions
and a test proves the flag). And Numba's file cache does not see a change in another file, so the
cache folder is named by a hash of every module in this package: changed source, new folder.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

JIT_DISABLED = bool(numba.config.DISABLE_JIT)


def source_hash(folder: Path | None = None) -> str:
    """Hash of all sources of this package, and of Numba's version: the name of the cache folder."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted((folder or Path(__file__).parent).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled kernels are kept: SUANSHI_CACHE_DIR, else below the user's cache folder."""
    base = os.environ.get("SUANSHI_CACHE_DIR")
    if base is None:
        base = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suanshi")
    return Path(base) / f"kernels-{source_hash()}"


def is_compiled() -> bool:
    """Whether a start finds the kernels in the cache; if not, it compiles for some ten seconds."""
    return JIT_DISABLED or any(cache_folder().rglob("*.nbc"))


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls: cached on disk, views built from addresses."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call, without reference counts."""
    return _internal(function, forceinline=False)


def inline(function: Callable[..., Any]) -> Any:
    """Compile a small function into its callers; halves the time of a command."""
    return _internal(function, forceinline=True)


def _internal(function: Callable[..., Any], forceinline: bool) -> Any:
    dispatcher = numba.njit(
        _nrt=False, error_model="numpy", no_cpython_wrapper=True, forceinline=forceinline
    )(function)
    if JIT_DISABLED:
        return dispatcher
    # A literal argument would make a version of its own for every value, and each takes 0.1 s.
    resolve = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: resolve(
        tuple(types.unliteral(argument) for argument in args), kws
    )
    return dispatcher


def compile_quickly(function: Any, signature: Any) -> None:
    """Compile a kernel and all that it calls with few optimisations.

    Whoever calls it is optimised as a whole anyway; doing so at every level costs a minute.
    """
    before = numba.config.OPT
    numba.config.OPT = type(before)(1)
    try:
        function.compile(signature)
    finally:
        numba.config.OPT = before


def _lowest_bit(word: int) -> int:
    return (word & -word).bit_length() - 1


def _highest_bit(word: int) -> int:
    return (word & 0xFFFF_FFFF_FFFF_FFFF).bit_length() - 1


@intrinsic  # type: ignore[untyped-decorator]
def _highest_bit_native(typing_context: Any, word: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(ir.IntType(64), 63), zeros)

    return types.int64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def pointer(typing_context: Any, address: Any) -> Any:
    """The void pointer of an int64 address, for `carray`."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch_native(typing_context: Any, array: Any, index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        item = builder.gep(view.data, [arguments[1]])
        address = builder.bitcast(item, ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [address.type],
            ir.FunctionType(ir.VoidType(), [address.type, word, word, word]),
        )
        builder.call(function, [address, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(array, types.int64), build


if JIT_DISABLED:
    prefetch: Any = lambda array, index: None  # noqa: E731
    highest_bit: Any = lambda word: _highest_bit(int(word))  # noqa: E731
else:
    prefetch = _prefetch_native
    highest_bit = _highest_bit_native

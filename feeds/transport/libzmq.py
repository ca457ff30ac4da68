"""Calls from compiled code to C functions by address, mainly those of libzmq."""

import ctypes
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from feeds.transport.compiler import JIT_DISABLED

_WORD, _INT = ir.IntType(64), ir.IntType(32)


@intrinsic  # type: ignore[untyped-decorator]
def call(typing_context: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Call the C function at an address with four words; returns its int."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_INT, [_WORD] * 4)
        function = builder.inttoptr(values[0], kind.as_pointer())
        return builder.sext(builder.call(function, values[1:]), _WORD)

    return types.int64(*[types.int64] * 5), build


@intrinsic  # type: ignore[untyped-decorator]
def call_for_word(typing_context: Any, function: Any) -> Any:
    """Call the C function at an address without arguments; returns its word."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_WORD, [])
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), [])

    return types.int64(types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def pointer(typing_context: Any, address: Any) -> Any:
    """An address as the pointer that `numba.carray` takes."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.inttoptr(values[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), build


def libzmq() -> ctypes.CDLL | None:
    """The libzmq that pyzmq has loaded; None if it cannot be found."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        path = next(line.split()[-1] for line in maps if "libzmq" in line)
        library = ctypes.CDLL(path)
        _ = library.zmq_recv, library.zmq_getsockopt, library.zmq_send, library.zmq_poll
    except (OSError, StopIteration, AttributeError):
        return None
    return library


def function(name: str) -> int:
    """The address of a function of libzmq; 0: compiled code cannot call it."""
    library = libzmq()
    if JIT_DISABLED or library is None:
        return 0
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0

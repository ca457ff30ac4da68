"""Reading a ROUTER until nothing is left, compiled: libzmq is called without Python in between.

A frame costs about as much to read as to copy then. Whatever is not a plain order frame of an open
session is only set apart here; Python looks at it afterwards.
"""

import ctypes
from pathlib import Path
from typing import Any

import zmq
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from feeds.compile import JIT_DISABLED, entry

EMPTY, FULL, STRANGER = 0, 1, 2
FRAME_CELLS = 9_000  # words kept free for one more frame: the size limit and a little more
START, SIZE, OWNER, ROUTE, APART = range(5)
"""Columns of a row about a frame: see `drain`."""
STRANGE, PARTS = 1, 2
"""Why a frame is set apart: not an order of an open session, or of several parts."""

_WORD, _INT = ir.IntType(64), ir.IntType(32)
_DONTWAIT, _RCVMORE = int(zmq.NOBLOCK), int(zmq.RCVMORE)
_ROUTE = 0xFF_FFFF_FFFF


def _called(builder: Any, address: Any, arguments: list[Any]) -> Any:
    """What a C function that returns an int returns, as a word."""
    kind = ir.FunctionType(_INT, [argument.type for argument in arguments])
    call = builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)
    return builder.sext(call, _WORD)


@intrinsic  # type: ignore[untyped-decorator]
def call_recv(typing_context: Any, function: Any, socket: Any, buffer: Any, size: Any) -> Any:
    """`zmq_recv(socket, buffer, size, ZMQ_DONTWAIT)` at an address."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        return _called(builder, values[0], [*values[1:], ir.Constant(_INT, _DONTWAIT)])

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@intrinsic  # type: ignore[untyped-decorator]
def call_more(typing_context: Any, function: Any, socket: Any, value: Any, size: Any) -> Any:
    """`zmq_getsockopt(socket, ZMQ_RCVMORE, value, size)` at an address."""

    def build(context: Any, builder: Any, types_: Any, values: Any) -> Any:
        option = ir.Constant(_INT, _RCVMORE)
        return _called(builder, values[0], [values[1], option, *values[2:]])

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@entry
def drain(recv, getsockopt, socket, data, address, used, scratch, scratch_address, routes, numbers,
          frames, count, records, records_max):  # fmt: skip
    """Read frames into `data` from word `used` on.

    Returns how many frames, words and records there are now, why it ended, and how many of the
    frames just read were set apart.

    A row of `frames` is: start in words, bytes, session, route, why it is set apart (0: it is not).
    `routes` are the known peers, sorted; `numbers` their sessions. STRANGER: the id of an unknown
    peer was read, and stands in `scratch`; its frame is still to be read.
    """
    set_apart = 0
    while True:
        if count >= len(frames) or records >= records_max or used + FRAME_CELLS > len(data):
            return count, used, records, FULL, set_apart
        size = call_recv(recv, socket, scratch_address, 16)
        if size < 0:
            return count, used, records, EMPTY, set_apart
        route = scratch[0] & _ROUTE
        low, high = 0, len(routes)
        while low < high:
            middle = (low + high) // 2
            if routes[middle] < route:
                low = middle + 1
            else:
                high = middle
        if size != 5 or low >= len(routes) or routes[low] != route:
            scratch[3] = size
            return count, used, records, STRANGER, set_apart
        size = call_recv(recv, socket, address + 8 * used, 8 * (FRAME_CELLS - 1))
        scratch[1] = 0
        scratch[2] = 4
        call_more(getsockopt, socket, scratch_address + 8, scratch_address + 16)
        apart = 0
        while scratch[1] & 1:
            apart = PARTS
            call_recv(recv, socket, scratch_address, 0)
            call_more(getsockopt, socket, scratch_address + 8, scratch_address + 16)
        number = numbers[low]
        if apart == 0 and (number == 0 or size % 8 != 0 or size < 16 or data[used] & 0xFF != 1):
            apart = STRANGE
        frames[count, START] = used
        frames[count, SIZE] = size
        frames[count, OWNER] = number
        frames[count, ROUTE] = route
        frames[count, APART] = apart
        set_apart += apart != 0
        count += 1
        records += size // 64
        used += (size + 7) // 8


def libzmq() -> ctypes.CDLL | None:
    """The libzmq that pyzmq has loaded; None where it cannot be told."""
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        path = next(line.split()[-1] for line in maps if "libzmq" in line)
        library = ctypes.CDLL(path)
        _ = library.zmq_recv, library.zmq_getsockopt, library.zmq_poll
    except (OSError, StopIteration, AttributeError):
        return None
    return library


def functions() -> tuple[int, int]:
    """The addresses of zmq_recv and zmq_getsockopt in the libzmq that pyzmq has loaded; 0: none."""
    library = libzmq()
    if JIT_DISABLED or library is None:
        return 0, 0
    both = (library.zmq_recv, library.zmq_getsockopt)
    recv, getsockopt = (ctypes.cast(each, ctypes.c_void_p).value or 0 for each in both)
    return recv, getsockopt

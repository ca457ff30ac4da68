"""Making a file durable on a thread that never asks for the interpreter.

The loop writes down how far it has come and wakes the thread; the thread calls fdatasync, writes
down how far that was, and wakes the loop. Compiled, neither waits for the other's turn to run
Python: with two processors that was a third of what a durable order costs.
"""

import ctypes

import numpy as np
from numba import carray
from numpy.typing import NDArray

from feeds.transport.compiler import JIT_DISABLED, entry
from feeds.transport.libzmq import call, call_for_word, pointer

READ, WRITE, FDATASYNC, ERRNO, FILE, ASK, WAKE, BUFFER, ASKED, DONE, FAILED, SYNCS, CELLS = range(
    13
)
"""Cells that both sides see: C functions, descriptors, a buffer; then how far each side is."""

STOP = -1
"""As ASKED: the thread is to end."""

_FUNCTIONS = {READ: "read", WRITE: "write", FDATASYNC: "fdatasync", ERRNO: "__errno_location"}
_INTERRUPTED = 4  # EINTR


def keep_syncing(header_at):  # type: ignore[no-untyped-def]
    """Make the file durable whenever that is asked for, until it fails or STOP is asked."""
    h = carray(pointer(header_at), CELLS, np.int64)
    while True:
        if call(h[READ], h[ASK], h[BUFFER], 8, 0) < 0:
            error = carray(pointer(call_for_word(h[ERRNO])), 1, np.int32)[0]
            if error == _INTERRUPTED:
                continue
            h[FAILED] = error
        asked = h[ASKED]
        if asked == STOP:
            return
        if h[FAILED] == 0 and call(h[FDATASYNC], h[FILE], 0, 0, 0) < 0:
            h[FAILED] = carray(pointer(call_for_word(h[ERRNO])), 1, np.int32)[0]
        if h[FAILED] == 0:
            h[SYNCS] += 1
            h[DONE] = asked
        call(h[WRITE], h[WAKE], h[BUFFER], 8, 0)
        if h[FAILED] != 0:
            return


def header(file: int, ask: int, wake: int, done: int) -> NDArray[np.int64]:
    """The cells of a thread: `ask` and `wake` are eventfds."""
    library = ctypes.CDLL(None)
    cells = np.zeros(CELLS + 1, np.int64)
    for cell, name in _FUNCTIONS.items():
        found = getattr(library, name, None)
        cells[cell] = ctypes.cast(found, ctypes.c_void_p).value or 0 if found else 0
    cells[FILE], cells[ASK], cells[WAKE] = file, ask, wake
    cells[BUFFER] = cells[CELLS:].ctypes.data
    cells[CELLS] = 1
    cells[ASKED] = cells[DONE] = done
    return cells


def is_compiled(cells: NDArray[np.int64]) -> bool:
    """Whether `run` can be used with these cells: every C function was found."""
    return not JIT_DISABLED and all(cells[cell] for cell in _FUNCTIONS)


run = entry(keep_syncing, nogil=True)
"""`keep_syncing`, compiled."""

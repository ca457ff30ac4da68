"""A thread that makes a file durable (fdatasync) without holding Python's interpreter lock.

The loop writes how far the file is written and wakes the thread. The thread calls fdatasync, writes
how far the file is durable, and wakes the loop. In compiled code, neither waits for the other to
release the interpreter: on two processors, that wait was a third of a durable order's latency.
"""

import ctypes
from typing import Any

import numpy as np
from numba import carray

from feeds.transport.compiler import JIT_DISABLED, entry
from feeds.transport.libzmq import call, call_for_word, pointer
from matching.memory.handle import Handle, HandleLayout, handle_at

SYNC = np.dtype(
    [
        ("read", "<i8"),  # addresses of C functions
        ("write", "<i8"),
        ("fdatasync", "<i8"),
        ("errno_location", "<i8"),
        ("file", "<i8"),  # descriptors: of the file, and of the eventfds that wake either side
        ("wake_thread", "<i8"),
        ("wake_loop", "<i8"),
        ("buffer_address", "<i8"),  # of `buffer`
        ("buffer", "<i8"),  # read from and written to an eventfd
        ("requested", "<i8"),  # the command up to which the file is to be durable, or STOP
        ("durable", "<i8"),  # the command up to which it is
        ("error", "<i8"),  # errno of the sync that failed; 0: none
        ("syncs", "<i8"),  # done so far
    ]
)
"""Memory that the loop and the thread share: one record."""

STOP = -1
"""As `requested`: the thread is to end."""

_LAYOUT = HandleLayout("Sync", {"cells": SYNC})
_sync_at = handle_at(_LAYOUT)
_FUNCTIONS = {
    "read": "read",
    "write": "write",
    "fdatasync": "fdatasync",
    "errno_location": "__errno_location",
}
_INTERRUPTED = 4  # EINTR


def keep_syncing(handle):  # type: ignore[no-untyped-def]
    """Make the file durable whenever the loop asks for it, until a sync fails or STOP."""
    cells = _sync_at(handle).cells[0]
    while True:
        if call(cells["read"], cells["wake_thread"], cells["buffer_address"], 8, 0) < 0:
            error = carray(pointer(call_for_word(cells["errno_location"])), 1, np.int32)[0]
            if error == _INTERRUPTED:
                continue
            cells["error"] = error
        requested = cells["requested"]
        if requested == STOP:
            return
        if cells["error"] == 0 and call(cells["fdatasync"], cells["file"], 0, 0, 0) < 0:
            cells["error"] = carray(pointer(call_for_word(cells["errno_location"])), 1, np.int32)[0]
        if cells["error"] == 0:
            cells["syncs"] += 1
            cells["durable"] = requested
        cells["buffer"] = 1
        call(cells["write"], cells["wake_loop"], cells["buffer_address"], 8, 0)
        if cells["error"] != 0:
            return


run = entry(keep_syncing, nogil=True)
"""`keep_syncing`, compiled."""


class SyncCells:
    """The record that the loop and the thread share; the loop's fields are memoryviews of one."""

    def __init__(self, file: int, wake_thread: int, wake_loop: int, durable: int) -> None:
        """`wake_thread` and `wake_loop` are eventfds, `durable` the last durable command."""
        record = np.zeros(1, SYNC)
        library = ctypes.CDLL(None)
        for field, name in _FUNCTIONS.items():
            found = getattr(library, name, None)
            record[field] = ctypes.cast(found, ctypes.c_void_p).value or 0 if found else 0
        record["file"] = file
        record["wake_thread"], record["wake_loop"] = wake_thread, wake_loop
        record["buffer_address"] = record["buffer"].ctypes.data
        record["requested"] = record["durable"] = durable
        self._record = record
        self._handle = Handle(_LAYOUT, {"cells": record})
        self.file, self.requested = record["file"].data, record["requested"].data
        self.durable, self.error = record["durable"].data, record["error"].data
        self.syncs = record["syncs"].data

    @property
    def argument(self) -> Any:
        """The argument of `run`."""
        return self._handle.argument


def is_compiled(cells: SyncCells) -> bool:
    """Whether `run` can be used with these cells: every C function was found."""
    return not JIT_DISABLED and all(cells._record[field][0] for field in _FUNCTIONS)

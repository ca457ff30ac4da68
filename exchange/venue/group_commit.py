"""Group commit: what was appended to the day log becomes durable behind the loop's back.

At most one fdatasync is in flight; whatever was appended meanwhile goes with the next one. The
loop goes on reading and matching, and lets nothing out that is not durable.
"""

import errno
import os
from select import select
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from exchange.venue import sync_thread as syncing
from exchange.venue.sync_thread import ASKED, DONE, FAILED, FILE, STOP, SYNCS
from ledger.daylog import DayLogUnwritable, DayLogWriter
from ledger.daylog.registry import Registry


class GroupCommit:
    """A day log's writer with one thread that makes it durable."""

    def __init__(self, writer: DayLogWriter, *, durable: bool = True) -> None:
        """Not `durable`: what is written counts as durable (to measure, or to play)."""
        self.writer = writer
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ask_wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._durable = self._asked = writer.next_sequence - 1
        self._cells = syncing.header(writer.fileno(), self._ask_wake, self.wake, self._durable)
        self._view = self._cells.data
        self._is_compiled = syncing.is_compiled(self._cells)
        self._thread = Thread(target=self._run, name="day log", daemon=True) if durable else None
        if self._thread is not None:
            self._thread.start()

    @property
    def next_sequence(self) -> int:
        """The number of the next command."""
        return self.writer.next_sequence

    def append(self, commands: NDArray[np.void]) -> None:
        """Write commands; they are durable when `durable_sequence` says so."""
        self.writer.append(commands)
        self._ask()

    def reference(self, registry: Registry) -> None:
        """Write what the commands after it refer to; durable with the first of them."""
        self.writer.append_registry(registry)

    def durable_sequence(self) -> int:
        """The last command that is durable; starts the next sync if one is wanted.

        Raises DayLogUnwritable where the disk failed: then nothing more may be said.
        """
        if self._thread is None:
            return self.writer.next_sequence - 1
        if self._view[FAILED]:
            text = f"cannot be made durable: {os.strerror(self._view[FAILED])}"
            raise DayLogUnwritable(self.writer.path, text)
        if self._view[DONE] != self._durable:
            self._durable = self._view[DONE]
            self._ask()
        return self._durable

    def quiet(self) -> None:
        """Take note that the loop was woken."""
        try:
            os.eventfd_read(self.wake)
        except BlockingIOError:
            return

    def settle(self) -> int:
        """Wait until everything written is durable; returns the last command."""
        last = self.writer.next_sequence - 1
        while self.durable_sequence() < last:
            select([self.wake], [], [])
            self.quiet()
        return last

    def close(self) -> None:
        """Stop the thread and close the file."""
        if self._thread is not None:
            self._view[ASKED] = STOP
            os.eventfd_write(self._ask_wake, 1)
            self._thread.join()
        self.writer.close()
        os.close(self.wake)
        os.close(self._ask_wake)

    def _ask(self) -> None:
        """Start a sync, unless one is in flight or nothing is new."""
        last = self.writer.next_sequence - 1
        if self._asked == self._durable and last > self._asked:
            self._asked = self._view[ASKED] = last
            os.eventfd_write(self._ask_wake, 1)

    def _run(self) -> None:
        """The thread: compiled, or the same in Python."""
        if self._is_compiled:
            syncing.run(self._cells.ctypes.data)
            return
        view = self._view
        while view[FAILED] == 0:
            os.eventfd_read(self._ask_wake)
            asked = view[ASKED]
            if asked == STOP:
                return
            try:
                os.fdatasync(view[FILE])
            except OSError as error:
                view[FAILED] = error.errno or errno.EIO
            else:
                view[SYNCS] += 1
                view[DONE] = asked
            os.eventfd_write(self.wake, 1)

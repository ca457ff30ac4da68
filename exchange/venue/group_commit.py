"""Group commit: a thread makes the day log durable while the venue's loop goes on.

At most one fdatasync is in flight; whatever is appended meanwhile goes with the next one. The loop
goes on reading and matching, and sends nothing that is not durable.
"""

import errno
import os
from pathlib import Path
from select import select
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from exchange.venue import sync_thread
from exchange.venue.sync_thread import STOP, SyncCells
from ledger.daylog import DayLogUnwritable, DayLogWriter
from ledger.daylog.registry import Registry


class GroupCommit:
    """A day log that is appended to here and made durable by a thread of its own."""

    def __init__(self, writer: DayLogWriter, *, durable: bool = True) -> None:
        """With `durable` false, what is written counts as durable (to measure, or to play)."""
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._writer = writer
        self._request_fd = os.eventfd(0, os.EFD_CLOEXEC)
        self._durable = self._requested = writer.next_sequence - 1
        self._cells = SyncCells(writer.fileno(), self._request_fd, self.wake_fd, self._durable)
        self._is_compiled = sync_thread.is_compiled(self._cells)
        self._thread = Thread(target=self._run, name="day log", daemon=True) if durable else None
        if self._thread is not None:
            self._thread.start()

    @property
    def path(self) -> Path:
        """The file."""
        return self._writer.path

    @property
    def next_sequence(self) -> int:
        """Sequence of the next command."""
        return self._writer.next_sequence

    @property
    def last_sequence(self) -> int:
        """Sequence of the last command appended."""
        return self._writer.next_sequence - 1

    @property
    def last_time_ns(self) -> int:
        """Time of the last command appended."""
        return self._writer.last_time_ns

    def append(self, commands: NDArray[np.void]) -> None:
        """Write commands, and request a sync; `durable_sequence` says when they are durable."""
        self._writer.append(commands)
        self._request_sync()

    def append_registry(self, registry: Registry) -> None:
        """Write the registry that the next commands refer to; durable with the first of them."""
        self._writer.append_registry(registry)

    def durable_sequence(self) -> int:
        """Return the sequence of the last durable command; start the next sync where one is due.

        Raises DayLogUnwritable where the disk failed: then nothing more may be sent.
        """
        if self._thread is None:
            return self._writer.next_sequence - 1
        if self._cells.error[0]:
            text = f"cannot be made durable: {os.strerror(self._cells.error[0])}"
            raise DayLogUnwritable(self._writer.path, text)
        if self._cells.durable[0] != self._durable:
            self._durable = self._cells.durable[0]
            self._request_sync()
        return self._durable

    def wait_durable(self) -> int:
        """Wait until every command written is durable; return the sequence of the last one.

        Raises DayLogUnwritable where the disk failed.
        """
        last = self._writer.next_sequence - 1
        while self.durable_sequence() < last:
            select([self.wake_fd], [], [])
            self.clear_wake()
        return last

    def wake(self) -> None:
        """End the wait of a loop that polls `wake_fd`, as the thread does after every sync."""
        os.eventfd_write(self.wake_fd, 1)

    def clear_wake(self) -> None:
        """Reset `wake_fd`, so that the next wait blocks."""
        try:
            os.eventfd_read(self.wake_fd)
        except BlockingIOError:
            return

    def seal(self, events_sha256: bytes) -> None:
        """Write the SEAL with the hash of all events, and make the whole log durable."""
        self._writer.seal(events_sha256)

    def close(self) -> None:
        """Stop the thread and close the file."""
        if self._thread is not None:
            self._cells.requested[0] = STOP
            os.eventfd_write(self._request_fd, 1)
            self._thread.join()
        self._writer.close()
        os.close(self.wake_fd)
        os.close(self._request_fd)

    def _request_sync(self) -> None:
        """Start a sync, unless one is in flight or nothing is new."""
        last = self._writer.next_sequence - 1
        if self._requested == self._durable and last > self._requested:
            self._requested = self._cells.requested[0] = last
            os.eventfd_write(self._request_fd, 1)

    def _run(self) -> None:
        """Run the thread: compiled, or the same in Python."""
        if self._is_compiled:
            sync_thread.run(self._cells.argument)
            return
        cells = self._cells
        while cells.error[0] == 0:
            os.eventfd_read(self._request_fd)
            requested = cells.requested[0]
            if requested == STOP:
                return
            try:
                os.fdatasync(cells.file[0])
            except OSError as error:
                cells.error[0] = error.errno or errno.EIO
            else:
                cells.syncs[0] += 1
                cells.durable[0] = requested
            os.eventfd_write(self.wake_fd, 1)

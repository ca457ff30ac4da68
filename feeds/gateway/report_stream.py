"""A report stream: the numbered reports of one session, or of one firm's drop copy.

A file beside the day log keeps the reports of a stream for later requests. It is written anew from
the log at every start, and proves nothing.
"""

import os
from bisect import bisect_left, bisect_right
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.gate_rules import MARK_REFS
from feeds.gateway.report_dispatch import BEHIND, CURRENT, UNREAD
from feeds.protocol.execution_reports import is_named_by_request
from feeds.protocol.records import RECORD_BYTES
from matching.records import EVENT, EventKind

Events = NDArray[np.void]

TAIL_BYTES_MAX = 1 << 20
"""Reports kept in memory for a reader that is behind; the file has the others."""

WRITTEN_TOGETHER = 256
"""Reports written to a stream's file at once; until then they are in memory only."""

_SCAN_REPORTS = 4_096
_NO_REPORTS = np.zeros(0, EVENT)
_OF_TRADES = (EventKind.FILLED, EventKind.BUSTED)
_NO_TRADE = 1 << 32


class ReportStream:
    """Reports numbered from 1, without gaps; all of them are durable."""

    def __init__(self, path: Path, row: np.void) -> None:
        """`row`: its STREAM record, which the dispatch's kernels share."""
        self.resent_until = 0  # reports up to this number were sent on an earlier connection
        self._row = row
        self._stored = 0  # reports in the file or in `_tail`
        self._written = 0  # of them in the file
        self._path = path
        self._descriptor = -1
        self._tail = bytearray()
        self._tail_first = 1
        self._mark_refs: list[int] = []
        self._mark_counts: list[int] = []

    @property
    def count(self) -> int:
        """Reports made."""
        return int(self._row["count"])

    @property
    def sent(self) -> int:
        """Reports sent on the present connection, or before it."""
        return int(self._row["sent"])

    def send_from(self, number: int) -> None:
        """Make this report the next to send."""
        self._row["sent"] = number - 1

    def set_read(self, *, is_read: bool) -> None:
        """Set whether the stream has a reader; without one, reports count as sent."""
        self._row["mode"] = BEHIND if is_read else UNREAD

    def set_current(self, socket: int, route: int) -> None:
        """The reader has received all reports; new ones may be sent to this address at once."""
        self._row["socket"], self._row["route"] = socket, route
        self._row["mode"] = CURRENT

    def set_behind(self) -> None:
        """The reader has disconnected, or has not received all reports."""
        if self._row["mode"] == CURRENT:
            self._row["mode"] = BEHIND

    def open(self) -> None:
        """Open the file now, so that it cannot fail later for want of a descriptor."""
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)

    def store(self, reports: bytes | memoryview) -> None:
        """Store reports, EVENT records that are numbered already, for later requests."""
        self._stored += len(reports) // RECORD_BYTES
        self._tail += reports
        if self._stored - self._written > WRITTEN_TOGETHER:
            self.write()

    def append(self, reports: bytes) -> None:
        """Number reports, and store them."""
        self._row["count"] += len(reports) // RECORD_BYTES
        if self._row["mode"] == UNREAD:
            self._row["sent"] = self._row["count"]
        self.store(reports)

    def write(self) -> None:
        """Write the reports that are not in the file yet."""
        if self._written == self._stored:
            return
        self.open()
        start = (self._written + 1 - self._tail_first) * RECORD_BYTES
        with memoryview(self._tail) as tail, tail[start:] as new:
            os.pwrite(self._descriptor, new, self._written * RECORD_BYTES)
        self._written = self._stored
        self._trim()

    def mark(self, last_ref: int) -> None:
        """Note that answers to later user_refs than this come after the reports made so far."""
        if not self._mark_refs or last_ref >= self._mark_refs[-1] + MARK_REFS:
            self._mark_refs.append(last_ref)
            self._mark_counts.append(self.count)

    def next_unsent(self, count_max: int) -> bytes | bytearray:
        """The next reports to send, at most so many; empty if all were sent."""
        count = min(self.count - self.sent, count_max)
        start = self.sent + 1 - self._tail_first
        if start >= 0:
            return self._tail[start * RECORD_BYTES : (start + count) * RECORD_BYTES]
        return self.read(self.sent + 1, count)

    def count_sent(self, count: int) -> None:
        """Count reports that were sent."""
        self._row["sent"] += count

    def read(self, first: int, count: int) -> bytes:
        """Reports by number."""
        self.write()
        if self._descriptor < 0:
            return b""
        return os.pread(self._descriptor, count * RECORD_BYTES, (first - 1) * RECORD_BYTES)

    def first_answer(self, user_ref: int) -> tuple[int, Events]:
        """Number and record of the first report that answered a command; number 0: none."""
        mark = bisect_right(self._mark_refs, user_ref - 1) - 1
        first = self._mark_counts[mark] + 1 if mark >= 0 else 1
        while first <= self.count:
            reports = self._reports(first)
            is_answer = reports["user_ref"] == user_ref
            is_answer &= ~np.isin(reports["kind"], _OF_TRADES)
            was_requested = is_named_by_request(reports) & (reports["request_ref"] == user_ref)
            found = np.flatnonzero(is_answer | was_requested)
            if len(found):
                at = int(found[0])
                return first + at, reports[at : at + 1]
            first += len(reports)
        return 0, _NO_REPORTS

    def last_report(self, user_ref: int) -> tuple[int, Events]:
        """Number and record of the last report of an order; number 0: none."""
        last = self.count
        while last > 0:
            first = max(1, last - _SCAN_REPORTS + 1)
            reports = np.frombuffer(self.read(first, last - first + 1), EVENT)
            is_own = (reports["user_ref"] == user_ref) & (reports["kind"] != EventKind.BUSTED)
            found = np.flatnonzero(is_own)
            if len(found):
                at = int(found[-1])
                return first + at, reports[at : at + 1]
            last = first - 1
        return 0, _NO_REPORTS

    def fills_of(self, trade_id: int) -> Events:
        """The session's fills in a trade: none, one, or two if it traded with itself.

        Trades are numbered in the order of events. So a binary search finds the place, and from
        there reports are read until a later trade.
        """
        parts = range(1, self.count + 1, _SCAN_REPORTS)
        at = max(0, bisect_left(parts, trade_id, key=self._trade_from) - 1)
        found = b""
        for first in parts[at:]:
            fills = self._fills(first)
            found += fills[fills["trade_id"] == trade_id].tobytes()
            if len(fills) and fills["trade_id"][-1] > trade_id:
                break
        return np.frombuffer(found, EVENT)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _trim(self) -> None:
        """Remove from memory the reports in the file that were sent, or are too many."""
        keep_from = self.sent + 1
        excess = self.count - TAIL_BYTES_MAX // RECORD_BYTES + 1
        drop = min(max(keep_from, excess), self._written + 1) - self._tail_first
        if drop > 0:
            del self._tail[: drop * RECORD_BYTES]
            self._tail_first += drop

    def _reports(self, first: int) -> Events:
        count = min(_SCAN_REPORTS, self.count - first + 1)
        return np.frombuffer(self.read(first, count), EVENT)

    def _fills(self, first: int) -> Events:
        """The fills among _SCAN_REPORTS reports."""
        reports = self._reports(first)
        fills: Events = reports[reports["kind"] == EventKind.FILLED]
        return fills

    def _trade_from(self, first: int) -> int:
        """The trade of the first fill from a report on."""
        for start in range(first, self.count + 1, _SCAN_REPORTS):
            fills = self._fills(start)
            if len(fills):
                return int(fills["trade_id"][0])
        return _NO_TRADE

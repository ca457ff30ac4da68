"""Report streams: what each session (and each firm's drop copy) is told, numbered without gaps.

A stream is the walk through the day's events that keeps those of its session, in order; so the
day log alone gives every report its number again. A file beside the log keeps the reports of a
stream for whoever asks again; it is made anew from the log at every start and proves nothing.

Who was told of a fill is told of its bust, with the order's own session and user_ref.
"""

import os
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from feeds.gateway import report_dispatch as telling
from feeds.gateway.order_gate import MARK_REFS
from feeds.gateway.report_dispatch import NO_ROOM, ROW, tell, tell_at
from feeds.protocol.records import RECORD_BYTES
from feeds.transport.libzmq import function
from matching.records import EVENT, EventKind

if TYPE_CHECKING:
    from feeds.gateway.connections import Session

Events = NDArray[np.void]
Words = NDArray[np.int64]

TAIL_BYTES_MAX = 1 << 20
"""Reports kept in memory for a broker that is behind; the file has the others."""

STORED_TOGETHER = 256
"""Reports written to a stream's file at once; until then they are in memory alone."""

SEQUENCE_MAX = (1 << 63) - 1
_SCAN_REPORTS = 4_096
_NO_REPORTS = np.zeros(0, EVENT)
_OF_TRADES = (EventKind.FILLED, EventKind.BUSTED)
_NO_TRADE = 1 << 32


class ReportStream:
    """The reports of one session or firm, all of them durable. Numbers start at 1."""

    def __init__(self, path: Path, row: Words) -> None:
        """`row`: its row of a table of `feeds.gateway.report_dispatch`, where it is counted."""
        self.resent_until = 0
        self.listener: Session | None = None  # whoever is told of it
        self._row = row
        self._kept = 0  # reports that went through `keep`
        self._stored = 0  # of them in the file
        self._path = path
        self._descriptor = -1
        self._tail = bytearray()
        self._tail_first = 1
        self._mark_refs: list[int] = []
        self._mark_counts: list[int] = []

    @property
    def count(self) -> int:
        """Reports made."""
        return int(self._row[telling.COUNT])

    @property
    def sent(self) -> int:
        """Of them told on the present connection."""
        return int(self._row[telling.SENT])

    def tell_from(self, number: int) -> None:
        """The next report to tell is this one."""
        self._row[telling.SENT] = number - 1

    def read_by(self, session: "Session | None") -> None:
        """From now on this session is told; None: nobody is."""
        self.listener = session
        self._row[telling.MODE] = telling.NOBODY if session is None else telling.AWAY

    def here(self, socket: int, route: int) -> None:
        """Its reader is up to date, and takes what is new at this address."""
        self._row[telling.SOCKET], self._row[telling.ROUTE] = socket, route
        self._row[telling.MODE] = telling.HERE

    def away(self) -> None:
        """Its reader has gone, or is behind."""
        if self._row[telling.MODE] == telling.HERE:
            self._row[telling.MODE] = telling.AWAY

    def open(self) -> None:
        """Open the file now, so that no shortage of descriptors can come between."""
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)

    def keep(self, reports: bytes | memoryview) -> None:
        """Keep reports, EVENT records that were numbered, for who asks for them again."""
        self._kept += len(reports) // RECORD_BYTES
        self._tail += reports
        if self._kept - self._stored > STORED_TOGETHER:
            self.store()

    def append(self, reports: bytes) -> None:
        """Number reports, and keep them."""
        self._row[telling.COUNT] += len(reports) // RECORD_BYTES
        if self.listener is None:
            self._row[telling.SENT] = self._row[telling.COUNT]
        self.keep(reports)

    def store(self) -> None:
        """Write what the file does not have yet."""
        if self._stored == self._kept:
            return
        self.open()
        start = (self._stored + 1 - self._tail_first) * RECORD_BYTES
        with memoryview(self._tail) as tail, tail[start:] as new:
            os.pwrite(self._descriptor, new, self._stored * RECORD_BYTES)
        self._stored = self._kept
        self.forget()

    def mark(self, last_ref: int) -> None:
        """Remember that answers to later refs than this come after the reports made so far."""
        if not self._mark_refs or last_ref >= self._mark_refs[-1] + MARK_REFS:
            self._mark_refs.append(last_ref)
            self._mark_counts.append(self.count)

    def take(self, count_max: int) -> bytes | bytearray:
        """The next reports to tell, at most so many; empty where all that may be told was told."""
        count = min(self.count - self.sent, count_max)
        start = self.sent + 1 - self._tail_first
        if start >= 0:
            return self._tail[start * RECORD_BYTES : (start + count) * RECORD_BYTES]
        return self.read(self.sent + 1, count)

    def told(self, count: int) -> None:
        """So many more were told."""
        self._row[telling.SENT] += count

    def forget(self) -> None:
        """Let go of the memory of what was told, and of too much that was not."""
        keep_from = self.sent + 1
        excess = self.count - TAIL_BYTES_MAX // RECORD_BYTES + 1
        drop = min(max(keep_from, excess), self._stored + 1) - self._tail_first
        if drop > 0:
            del self._tail[: drop * RECORD_BYTES]
            self._tail_first += drop

    def read(self, first: int, count: int) -> bytes:
        """Reports by number."""
        self.store()
        if self._descriptor < 0:
            return b""
        return os.pread(self._descriptor, count * RECORD_BYTES, (first - 1) * RECORD_BYTES)

    def answer_to(self, user_ref: int) -> tuple[int, Events]:
        """Number and record of the first report that answered a command; 0 where there is none."""
        mark = bisect_right(self._mark_refs, user_ref - 1) - 1
        first = self._mark_counts[mark] + 1 if mark >= 0 else 1
        while first <= self.count:
            reports = self._reports(first)
            own = reports["user_ref"] == user_ref
            own &= ~np.isin(reports["kind"], _OF_TRADES)
            asked = np.isin(reports["kind"], (EventKind.CANCELLED, EventKind.REPLACED))
            asked &= reports["request_ref"] == user_ref
            found = np.flatnonzero(own | asked)
            if len(found):
                at = int(found[0])
                return first + at, reports[at : at + 1]
            first += len(reports)
        return 0, _NO_REPORTS

    def last_of(self, user_ref: int) -> tuple[int, Events]:
        """Number and record of the last report of an order; 0 where there is none."""
        last = self.count
        while last > 0:
            first = max(1, last - _SCAN_REPORTS + 1)
            reports = np.frombuffer(self.read(first, last - first + 1), EVENT)
            own = (reports["user_ref"] == user_ref) & (reports["kind"] != EventKind.BUSTED)
            found = np.flatnonzero(own)
            if len(found):
                at = int(found[-1])
                return first + at, reports[at : at + 1]
            last = first - 1
        return 0, _NO_REPORTS

    def fills_of(self, trade_id: int) -> Events:
        """Its fills in a trade: none, one, or both where it traded with itself.

        Trades are numbered as they happen, so the place is found by halving; from there reports
        are read until a later trade.
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

    def _reports(self, first: int) -> Events:
        count = min(_SCAN_REPORTS, self.count - first + 1)
        return np.frombuffer(self.read(first, count), EVENT)

    def _fills(self, first: int) -> Events:
        """Fills among some reports."""
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


class ReportStreams:
    """All streams of a day, fed with its events."""

    def __init__(self, folder: Path, sessions: int, firms: dict[int, int]) -> None:
        """`firms`: the firm of each session; its streams are numbered after the sessions."""
        folder.mkdir(parents=True, exist_ok=True)
        self._firm_stream = {
            firm: sessions + 1 + place
            for place, firm in enumerate(sorted(set(firms.values()) - {0}))
        }
        total = sessions + 1 + len(self._firm_stream)
        self.busted_trades: set[int] = set()
        """Trades of the day that were taken back."""
        names = {number: f"firm-{firm}" for firm, number in self._firm_stream.items()}
        self._table = np.zeros((total, ROW), np.int64)
        self.streams = [
            ReportStream(folder / f"{names.get(number, f'session-{number}')}.reports", row)
            for number, row in enumerate(self._table)
        ]
        self._of = np.full((sessions + 1, 2), -1, np.int64)
        self._firms = dict(firms)
        self._kept: set[int] = set()  # numbers of firms' streams that are told to somebody
        self._counts = np.zeros(total, np.int64)
        self._touched = np.zeros((total, 4), np.int64)
        self._route = np.zeros(1, np.int64)
        self._send = function("zmq_send")
        self._first = self._end = 0  # of the events that wait
        self._header = np.zeros(telling.CELLS, np.int64)
        self._make_room(1 << 12, 1 << 16)

    def open_session(self, session: int) -> ReportStream:
        """A session's own stream, which its events go to from now on."""
        self._of[session, 0] = session
        self.streams[session].open()
        return self.streams[session]

    def join(self, session: int, firm: int) -> None:
        """A session that is new in the day; its events go to its firm's stream too, if kept."""
        self._firms[session] = firm
        if self.has_firm(firm):
            self._of[session, 1] = self._firm_stream[firm]

    def has_firm(self, firm: int) -> bool:
        """Whether a firm's stream is kept: that begins with the day or not at all."""
        return self._firm_stream.get(firm, 0) in self._kept

    def open_firm(self, firm: int) -> ReportStream | None:
        """A firm's stream; None for a firm that has no session."""
        number = self._firm_stream.get(firm)
        if number is None:
            return None
        self._kept.add(number)
        self.streams[number].open()
        for session, of in self._firms.items():
            if of == firm:
                self._of[session, 1] = number
        return self.streams[number]

    def append(self, content: bytes) -> None:
        """Take the next EVENT records; they are handed out when they are durable (`dispatch`)."""
        start = self._end * RECORD_BYTES
        if start + len(content) > len(self._waiting_bytes):
            self._make_way(len(content) // RECORD_BYTES)
            start = self._end * RECORD_BYTES
        self._waiting_bytes[start : start + len(content)] = content
        self._end += len(content) // RECORD_BYTES

    @property
    def has_undispatched(self) -> bool:
        """Whether there are events that were not handed out."""
        return self._first != self._end

    def dispatch(self, durable_sequence: int = SEQUENCE_MAX) -> list[ReportStream]:
        """Hand out the events of commands up to this one; returns streams that have more to tell.

        What their readers take at once was sent.
        """
        behind: list[ReportStream] = []
        while self._first != self._end:
            used, self._first, is_bust = self._tell(durable_sequence)
            if used == NO_ROOM:
                self._make_room(len(self._waiting), 2 * len(self._out))
                continue
            content, streams = self._content, self.streams
            for number, start, count, told in self._touched[:used].tolist():
                stream = streams[number]
                stream.keep(content[8 * start : 8 * start + count * RECORD_BYTES])
                if not told:
                    behind.append(stream)
            if not is_bust:
                break
            behind += self._dispatch_bust()
        if self._first == self._end:
            self._first = self._end = 0
        return behind

    def store(self) -> None:
        """Write what the streams' files do not have yet."""
        for stream in self.streams:
            stream.store()

    def fills_of(self, trade_id: int) -> Events:
        """The fills of a trade of the day: two, or none where there is no such trade.

        Those of sessions that are open; a few reads of each one's file.
        """
        own = [self.streams[number] for number in np.flatnonzero(self._of[:, 0] >= 0)]
        parts = [stream.fills_of(trade_id).tobytes() for stream in own if stream.count]
        return np.frombuffer(b"".join(parts), EVENT)

    def _tell(self, until: int) -> tuple[int, int, bool]:
        """`telling.tell` of the events that wait."""
        found: tuple[int, int, bool]
        if self._send:
            found = tell_at(self._header_at, self._first, self._end, until)
            return found
        found = tell(
            self._waiting, self._first, self._end, until, self._of, self._table, self._counts,
            self._touched, self._out, 0, 0, self._route, 0,
        )  # fmt: skip
        return found

    def _dispatch_bust(self) -> list[ReportStream]:
        """One side's bust: to the operator as it is, and to whoever was told of the fill."""
        event = self._waiting[self._first : self._first + 1].view(EVENT)[0].copy()
        self._first += 1
        trade_id = int(event["trade_id"][0])
        self.busted_trades.add(trade_id)
        told = dict.fromkeys(self._heard_by(int(event["session"][0])), event)
        fills = self.fills_of(trade_id)
        for fill in fills[fills["side"] == event["side"]]:
            report = event.copy()
            report["session"], report["user_ref"] = fill["session"], fill["user_ref"]
            told.update((number, report) for number in self._heard_by(int(fill["session"])))
        for number, report in told.items():
            self.streams[number].append(report.tobytes())
        return [self.streams[number] for number in told]

    def _heard_by(self, session: int) -> list[int]:
        """The streams that a session's events belong to."""
        return [number for number in self._of[session].tolist() if number >= 0]

    def _make_way(self, count: int) -> None:
        """Let so many more events wait."""
        waiting = self._waiting[self._first : self._end].copy()
        if len(waiting) + count > len(self._waiting) // 2:
            self._make_room(4 * (len(waiting) + count), len(self._out))
        self._waiting[: len(waiting)] = waiting
        self._first, self._end = 0, len(waiting)

    def _make_room(self, events: int, words: int) -> None:
        """Let so many events wait, and so many words of reports come of them at once."""
        waiting, self._waiting = getattr(self, "_waiting", None), np.zeros((events, 8), np.int64)
        if waiting is not None:
            kept = min(len(waiting), events)
            self._waiting[:kept] = waiting[:kept]
        self._waiting_bytes = self._waiting.reshape(-1).view(np.uint8).data
        self._out = np.zeros(words, np.int64)
        self._content = self._out.view(np.uint8).data
        for cell, value in (
            (telling.EVENTS_AT, self._waiting.ctypes.data),
            (telling.EVENTS_LONG, events),
            (telling.STREAMS_AT, self._of.ctypes.data),
            (telling.STREAMS_LONG, len(self._of)),
            (telling.TABLE_AT, self._table.ctypes.data),
            (telling.TABLE_LONG, len(self._table)),
            (telling.COUNTS_AT, self._counts.ctypes.data),
            (telling.TOUCHED_AT, self._touched.ctypes.data),
            (telling.OUT_AT, self._out.ctypes.data),
            (telling.OUT_LONG, words),
            (telling.ROUTE_AT, self._route.ctypes.data),
            (telling.SEND, self._send),
        ):
            self._header[cell] = value
        self._header_at = self._header.ctypes.data

    def close(self) -> None:
        """Close all files."""
        for stream in self.streams:
            stream.close()

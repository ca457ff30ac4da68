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

from feeds.admission import MARK_REFS
from feeds.records import RECORD_BYTES
from feeds.splitting import BUSTS, NO_ROOM, split
from matching.records import EVENT, EventKind

if TYPE_CHECKING:
    from feeds.ports import Session

Events = NDArray[np.void]

TAIL_BYTES_MAX = 1 << 20
"""Reports kept in memory for a broker that is behind; the file has the others."""

TAIL_BYTES_KEPT = 1 << 14
"""Reports that may stay in memory when they were told, until the stream is stored."""

_SCAN_REPORTS = 4_096
_NO_REPORTS = np.zeros(0, EVENT)
_OF_TRADES = (EventKind.FILLED, EventKind.BUSTED)
_NO_TRADE = 1 << 32


class Stream:
    """The reports of one session or firm. Numbers start at 1."""

    def __init__(self, path: Path) -> None:
        self.count = 0  # reports made
        self.released = 0  # of them durable, so that they may be told
        self.sent = 0  # of them told on the present connection
        self.resent_until = 0
        self.listener: Session | None = None  # whoever is told of it
        self._stored = 0  # of them in the file
        self._path = path
        self._descriptor = -1
        self._tail = bytearray()
        self._tail_first = 1
        self._mark_refs: list[int] = []
        self._mark_counts: list[int] = []

    def open(self) -> None:
        """Open the file now, so that no shortage of descriptors can come between."""
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)

    def append(self, reports: bytes) -> None:
        """Add reports, EVENT records."""
        self.count += len(reports) // RECORD_BYTES
        self._tail += reports

    def store(self) -> None:
        """Write what the file does not have yet."""
        if self._stored == self.count:
            return
        self.open()
        new = self._tail[(self._stored + 1 - self._tail_first) * RECORD_BYTES :]
        os.pwrite(self._descriptor, new, self._stored * RECORD_BYTES)
        self._stored = self.count
        self.forget()

    def mark(self, last_ref: int) -> None:
        """Remember that answers to later refs than this come after the reports made so far."""
        if not self._mark_refs or last_ref >= self._mark_refs[-1] + MARK_REFS:
            self._mark_refs.append(last_ref)
            self._mark_counts.append(self.count)

    def take(self, count_max: int) -> bytes | bytearray:
        """The next reports to tell, at most so many; empty where all that may be told was told."""
        count = min(self.released - self.sent, count_max)
        start = self.sent + 1 - self._tail_first
        if start >= 0:
            return self._tail[start * RECORD_BYTES : (start + count) * RECORD_BYTES]
        return self.read(self.sent + 1, count)

    def told(self, count: int) -> None:
        """So many more were told."""
        self.sent += count
        if len(self._tail) > TAIL_BYTES_KEPT:
            self.forget()

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
        while first <= self.released:
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
        last = self.released
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
        count = min(_SCAN_REPORTS, self.released - first + 1)
        return np.frombuffer(self.read(first, count), EVENT)

    def _fills(self, first: int) -> Events:
        """Fills among some reports, told or not."""
        count = min(_SCAN_REPORTS, self.count - first + 1)
        reports = np.frombuffer(self.read(first, count), EVENT)
        fills: Events = reports[reports["kind"] == EventKind.FILLED]
        return fills

    def _trade_from(self, first: int) -> int:
        """The trade of the first fill from a report on."""
        for start in range(first, self.count + 1, _SCAN_REPORTS):
            fills = self._fills(start)
            if len(fills):
                return int(fills["trade_id"][0])
        return _NO_TRADE


class Streams:
    """All streams of a day, fed with its events."""

    def __init__(self, folder: Path, sessions: int, firms: dict[int, int]) -> None:
        """`firms`: the firm of each session; its streams are numbered after the sessions."""
        folder.mkdir(parents=True, exist_ok=True)
        self._firm_stream = {
            firm: sessions + 1 + place
            for place, firm in enumerate(sorted(set(firms.values()) - {0}))
        }
        total = sessions + 1 + len(self._firm_stream)
        self.busted: set[int] = set()
        """Trades of the day that were taken back."""
        names = {number: f"firm-{firm}" for firm, number in self._firm_stream.items()}
        self.streams = [
            Stream(folder / f"{names.get(number, f'session-{number}')}.reports")
            for number in range(total)
        ]
        self._of = np.full((sessions + 1, 2), -1, np.int64)
        self._firms = dict(firms)
        self._kept: set[int] = set()  # numbers of firms' streams that are told to somebody
        self._counts = np.zeros(total, np.int64)
        self._touched = np.zeros((total, 3), np.int64)
        self._unstored: set[Stream] = set()
        self._make_room(1 << 12)

    def open_session(self, session: int) -> Stream:
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

    def open_firm(self, firm: int) -> Stream | None:
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

    def add(self, events: Events) -> list[Stream]:
        """Hand out the next events; returns the streams that got some."""
        if not len(events):
            return []
        size = len(self._out)
        used = split(events, self._of, self._counts, self._touched, self._out, size)
        if used == BUSTS:
            return self._add_busts(events)
        while used == NO_ROOM:
            size = max(2 * size, 2 * len(events))
            self._make_room(size)
            used = split(events, self._of, self._counts, self._touched, self._out, size)
        content = self._content
        got = []
        for number, start, count in self._touched[:used].tolist():
            stream = self.streams[number]
            stream.append(content[start * RECORD_BYTES : (start + count) * RECORD_BYTES])
            got.append(stream)
        self._unstored.update(got)
        return got

    def store(self) -> None:
        """Write what was handed out since the last time to the streams' files."""
        for stream in self._unstored:
            stream.store()
        self._unstored.clear()

    def fills_of(self, trade_id: int) -> Events:
        """The fills of a trade of the day: two, or none where there is no such trade.

        Those of sessions that are open; a few reads of each one's file.
        """
        own = [self.streams[number] for number in np.flatnonzero(self._of[:, 0] >= 0)]
        parts = [stream.fills_of(trade_id).tobytes() for stream in own if stream.count]
        return np.frombuffer(b"".join(parts), EVENT)

    def _add_busts(self, events: Events) -> list[Stream]:
        """The same where trades were taken back among the events."""
        got: list[Stream] = []
        start = 0
        for place in np.flatnonzero(events["kind"] == EventKind.BUSTED).tolist():
            got += self.add(events[start:place])
            got += self._add_bust(events[place : place + 1])
            start = place + 1
        got += self.add(events[start:])
        return list(dict.fromkeys(got))

    def _add_bust(self, event: Events) -> list[Stream]:
        """One side's bust: to the operator as it is, and to whoever was told of the fill."""
        trade_id = int(event["trade_id"][0])
        self.busted.add(trade_id)
        told = dict.fromkeys(self._heard_by(int(event["session"][0])), event)
        fills = self.fills_of(trade_id)
        for fill in fills[fills["side"] == event["side"]]:
            report = event.copy()
            report["session"], report["user_ref"] = fill["session"], fill["user_ref"]
            told.update((number, report) for number in self._heard_by(int(fill["session"])))
        for number, report in told.items():
            self.streams[number].append(report.tobytes())
        got = [self.streams[number] for number in told]
        self._unstored.update(got)
        return got

    def _heard_by(self, session: int) -> list[int]:
        """The streams that a session's events belong to."""
        return [number for number in self._of[session].tolist() if number >= 0]

    def _make_room(self, size: int) -> None:
        self._out = np.zeros(size, EVENT)
        self._content = self._out.view(np.uint8).data

    def close(self) -> None:
        """Close all files."""
        for stream in self.streams:
            stream.close()

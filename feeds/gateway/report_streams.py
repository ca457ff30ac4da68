"""All report streams of a day: events become numbered reports, without gaps.

A stream has the day's events of its session, or of its firm's sessions, in order. So the day log
alone gives every report its number again.

A bust is reported to every stream that had the fill, with the session and user_ref of that order.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feeds.event_buffer import EventBuffer
from feeds.gateway.gate_rules import GateRules, new_rules
from feeds.gateway.report_dispatch import (
    DISPATCH_CALL,
    DISPATCH_LAYOUT,
    NEW_REPORTS,
    NO_ROOM,
    STREAM,
    WAYS,
    dispatch,
)
from feeds.gateway.report_stream import ReportStream
from feeds.protocol.records import RECORD_BYTES
from feeds.transport.libzmq import function
from matching.memory.handle import Handle
from matching.records import EVENT

Events = NDArray[np.void]

SEQUENCE_MAX = (1 << 63) - 1


class ReportStreams:
    """All streams of a day, fed with its events."""

    def __init__(
        self,
        folder: Path,
        sessions: int,
        firms: dict[int, int],
        rules: GateRules | None = None,
        *,
        events: int = 1 << 12,
        words: int = 1 << 16,
    ) -> None:
        """`firms`: the firm of each session; streams of firms are numbered after the sessions.

        `rules`: of the gate; each trade allows its sessions more commands under their limit.

        `events` and `words`: room at the beginning for events that wait and for the reports of one
        dispatch; both grow as needed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._firm_stream = {
            firm: sessions + 1 + place
            for place, firm in enumerate(sorted(set(firms.values()) - {0}))
        }
        total = sessions + 1 + len(self._firm_stream)
        self.busted_trades: set[int] = set()
        names = {number: f"firm-{firm}" for firm, number in self._firm_stream.items()}
        rows = np.zeros(total, STREAM)
        self.streams = [
            ReportStream(folder / f"{names.get(number, f'session-{number}')}.reports", rows[number])
            for number in range(total)
        ]
        """By number: those of sessions, then those of firms."""
        self._of_session = np.full((sessions + 1, WAYS), -1, np.int64)
        self._firms = dict(firms)
        self._open_firms: set[int] = set()
        self._pending = EventBuffer(events)
        self._pending_memory = self._pending.memory  # as the handle has it
        new_reports = np.zeros(total, NEW_REPORTS)
        self._new_reports = new_reports.view(np.int64).reshape(total, -1)  # read in every turn
        rules = rules or new_rules(sessions, 0, 0)
        self._call, route = np.zeros(1, DISPATCH_CALL), np.zeros(1, np.int64)
        self._call["per_trade"] = -1 if rules.limit is None else rules.limit.per_trade
        self._call["zmq_send"] = function("zmq_send")
        self._call["route_address"] = route.ctypes.data
        # Memoryviews of single fields: faster than a record's, and used in every turn.
        self._first, self._end = self._call["first"].data, self._call["end"].data
        self._is_bust = self._call["is_bust"].data
        out = np.zeros(words, np.int64)
        self._handle = Handle(
            DISPATCH_LAYOUT,
            {
                "call": self._call,
                "events": self._pending.memory,
                "session_streams": self._of_session.reshape(-1),
                "streams": rows,
                "order_to_trade": rules.order_to_trade,
                "new_counts": np.zeros(total, np.int64),
                "new_reports": new_reports,
                "out": out,
                "route": route,
            },
        )
        self._use_output(out)

    def open_session(self, session: int) -> ReportStream:
        """Open the stream of a session: it gets the session's events from now on."""
        self._of_session[session, 0] = session
        self.streams[session].open()
        return self.streams[session]

    def add_session(self, session: int, firm: int) -> None:
        """Add a session that is new in the day; its firm's stream gets its events too, if open."""
        self._firms[session] = firm
        if self.has_firm(firm):
            self._of_session[session, 1] = self._firm_stream[firm]

    def has_firm(self, firm: int) -> bool:
        """Whether a firm's stream is open: it is opened at the start of a day, or not at all."""
        return firm in self._open_firms

    def open_firm(self, firm: int) -> ReportStream | None:
        """Open the stream of a firm; None for a firm without sessions."""
        number = self._firm_stream.get(firm)
        if number is None:
            return None
        self._open_firms.add(firm)
        self.streams[number].open()
        for session, of in self._firms.items():
            if of == firm:
                self._of_session[session, 1] = number
        return self.streams[number]

    def append(self, content: bytes) -> None:
        """Take the next EVENT records, which wait for `dispatch` until they are durable."""
        self._pending.append(content)

    @property
    def has_undispatched(self) -> bool:
        """Whether events wait."""
        return self._pending.first != self._pending.end

    def dispatch(self, durable_sequence: int = SEQUENCE_MAX) -> list[ReportStream]:
        """Number and send the events of commands up to this one.

        Returns the streams that have more to send: their readers were behind, or are now.
        """
        unsent: list[ReportStream] = []
        pending = self._pending
        while pending.first != pending.end:
            used = self._dispatch(durable_sequence)
            if used == NO_ROOM:
                self._use_output(np.zeros(2 * len(self._handle["out"]), np.int64))
                continue
            content, streams = self._content, self.streams
            for number, start, count, is_done in self._new_reports[:used].tolist():
                stream = streams[number]
                stream.store(content[8 * start : 8 * start + count * RECORD_BYTES])
                if not is_done:
                    unsent.append(stream)
            if pending.first == pending.end or not self._is_bust[0]:
                break
            unsent += self._dispatch_bust()
        return unsent

    def write(self) -> None:
        """Write the reports that the streams' files do not have yet."""
        for stream in self.streams:
            stream.write()

    def fills_of(self, trade_id: int) -> Events:
        """The fills of a trade of the day: two, or none if there is no such trade.

        Costs a few reads of the file of each session.
        """
        own = [self.streams[number] for number in np.flatnonzero(self._of_session[:, 0] >= 0)]
        parts = [stream.fills_of(trade_id).tobytes() for stream in own if stream.count]
        return np.frombuffer(b"".join(parts), EVENT)

    def load_kernels(self) -> None:
        """Have the kernel compiled or loaded, by a dispatch of nothing."""
        self._dispatch(0)

    def close(self) -> None:
        """Close all files."""
        for stream in self.streams:
            stream.close()

    def _dispatch(self, until: int) -> int:
        """Run the kernel `dispatch` on the events that wait."""
        pending = self._pending
        if pending.memory is not self._pending_memory:
            self._pending_memory = pending.memory
            self._handle.replace("events", pending.memory)
        self._first[0], self._end[0] = pending.first, pending.end
        used: int = dispatch(self._handle.argument, until)
        pending.discard(self._first[0])
        return used

    def _dispatch_bust(self) -> list[ReportStream]:
        """Report one side's bust: to the operator as it is, and to every stream of the fill."""
        first = self._pending.first
        event = self._pending.memory[first].copy()
        self._pending.discard(first + 1)
        trade_id = int(event["trade_id"])
        self.busted_trades.add(trade_id)
        reports = dict.fromkeys(self._streams_of(int(event["session"])), event)
        fills = self.fills_of(trade_id)
        for fill in fills[fills["side"] == event["side"]]:
            report = event.copy()
            report["session"], report["user_ref"] = fill["session"], fill["user_ref"]
            reports.update((number, report) for number in self._streams_of(int(fill["session"])))
        for number, report in reports.items():
            self.streams[number].append(report.tobytes())
        return [self.streams[number] for number in reports]

    def _streams_of(self, session: int) -> list[int]:
        """Numbers of the streams that get a session's events."""
        return [number for number in self._of_session[session].tolist() if number >= 0]

    def _use_output(self, out: NDArray[np.int64]) -> None:
        """Let the kernel write reports to this array."""
        self._handle.replace("out", out)
        self._call["out_address"] = out.ctypes.data
        self._content = out.view(np.uint8).data

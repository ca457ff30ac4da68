"""The client's side of an order entry session, without sockets: frames in, frames and reports out.

The session numbers commands and knows which of them are unanswered. It detects gaps and duplicates
in the reports and requests what is missing. After a reconnection it sends again only the commands
that never reached the venue.
"""

import time
from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from feeds.protocol.errors import LogonRefused, NotConnected
from feeds.protocol.execution_reports import Report, decode_reports, is_named_by_request
from feeds.protocol.messages import (
    Logon,
    LogonAck,
    Logout,
    Refusal,
    RefusalReason,
    Reply,
    ResendRequest,
    from_venue,
    pack,
)
from feeds.protocol.records import FRAME, FRAME_HEAD, FRAME_RECORDS_MAX, FrameFlag, FrameKind
from matching.records import COMMAND, EVENT, EventKind

Records = NDArray[np.void]
_ANSWERS = (
    EventKind.ACCEPTED,
    EventKind.REJECTED,
    EventKind.CANCELLED,
    EventKind.REPLACED,
    EventKind.MASS_CANCELLED,
    EventKind.PROTECTED,
)


class OrderSession:
    """State of one session: numbers, unanswered commands, and queues in both directions."""

    def __init__(self, *, next_report: int = 0, cancel_on_disconnect: bool = False) -> None:
        """Start a session that wants the reports from `next_report` on; 0: new reports only."""
        self.ack: LogonAck | None = None  # None while not logged on
        self.logons = 0  # how often the venue has acknowledged a logon
        self.next_report = next_report
        self.last_ref = 0
        self.reports: deque[tuple[Records, int, int]] = deque()  # events, first number, flags
        self.statuses: deque[Report] = deque()
        self.replies: deque[Reply] = deque()
        self.refusals: deque[Refusal] = deque()
        self.outgoing: deque[bytes] = deque()
        self.ended: LogonRefused | None = None  # set when the session has ended for good
        self.ended_s = 0.0  # time of that, by the monotonic clock
        self.acked_ns = 0  # time of the last logon_ack, by this process's monotonic clock
        self.last_sent_ns = 0  # time of the last frame sent, by the same clock
        self.gaps = 0
        self.duplicates = 0
        self._cancel_on_disconnect = cancel_on_disconnect
        self._unanswered: dict[int, bytes] = {}  # one record by user_ref, in the order of sending
        self._resend_from = 0  # the last report requested again; 0: none is under way
        self._late_report = 0  # a report that one heartbeat has announced and that has not come

    @property
    def unanswered(self) -> int:
        """Number of commands without an answer."""
        return len(self._unanswered)

    def on_connected(self) -> None:
        """Queue the logon of a new connection."""
        logon = Logon(
            next_report=self.next_report,
            cancel_on_disconnect=self._cancel_on_disconnect,
            client="suanshi",
        )
        self.outgoing.clear()
        self.outgoing.append(pack(logon))

    def on_disconnected(self) -> None:
        """Forget what was queued for the connection that has ended."""
        self.ack = None
        self._resend_from = 0
        self.outgoing.clear()

    def queue_heartbeat(self, now_ns: int) -> None:
        """Queue a heartbeat if nothing was sent for the interval of the venue's heartbeats."""
        ack = self.ack
        if ack is None or self.outgoing:
            return
        if now_ns - self.last_sent_ns >= ack.heartbeat_ms * 1_000_000:
            self.outgoing.append(FRAME_HEAD.pack(FrameKind.HEARTBEAT, 0, 0, 0, 0))

    def send(self, commands: Records) -> int:
        """Number commands and queue them in frames of one kind; returns the first user_ref.

        Raises NotConnected if the session is not logged on.
        """
        if self.ack is None:
            raise NotConnected("not logged on; nothing was sent")
        first = self.last_ref + 1
        count = len(commands)
        commands["user_ref"] = np.arange(first, first + count)
        self.last_ref += count
        content = commands.tobytes()
        size = COMMAND.itemsize
        for index in range(count):
            self._unanswered[first + index] = content[index * size : (index + 1) * size]
        self._queue_frames(content, commands["kind"])
        return first

    def forget(self, refs: range) -> None:
        """Wait no longer for the answers to commands: they were carried out without one."""
        for ref in refs:
            self._unanswered.pop(ref, None)

    def receive(self, frame: bytes) -> None:
        """Process one frame from the venue."""
        kind, flags, count, _, sequence = FRAME_HEAD.unpack_from(frame)
        if kind == FrameKind.REPORTS:
            events = np.frombuffer(frame, EVENT, count, FRAME.itemsize)
            self._receive_reports(events, sequence, flags)
        elif kind == FrameKind.HEARTBEAT:
            self._receive_heartbeat(sequence)
        elif kind == FrameKind.MESSAGE:
            self._receive_message(frame)

    def _receive_reports(self, events: Records, first: int, flags: int) -> None:
        if flags & FrameFlag.STATUS:
            self.statuses.extend(decode_reports(events, first, flags))
            return
        if flags & FrameFlag.POSS_DUP:
            self._mark_answered(events)
            self.duplicates += len(events)
            return
        if self.next_report == 0:
            self.next_report = first
        if first > self.next_report:
            self._request_resend()
            return
        known = self.next_report - first
        if known >= len(events):
            self.duplicates += len(events)
            return
        fresh = events[known:]
        self.duplicates += known
        self.next_report += len(fresh)
        if self.next_report > self._resend_from:
            self._resend_from = 0
        self._mark_answered(fresh)
        self.reports.append((fresh, first + known, flags))

    def _request_resend(self) -> None:
        """Request the missing reports; once for each gap."""
        if self._resend_from != self.next_report:
            self.gaps += 1
            self._resend_from = self.next_report
            self.outgoing.append(pack(ResendRequest(from_report=self.next_report)))

    def _receive_heartbeat(self, following: int) -> None:
        """Request a resend if two heartbeats in a row announce a report that has not come.

        One heartbeat is no proof: the report may still be on its way.
        """
        if 0 < self.next_report < following:
            if self._late_report == self.next_report:
                self._request_resend()
            self._late_report = self.next_report
        else:
            self._late_report = 0

    def _mark_answered(self, events: Records) -> None:
        if not self._unanswered:
            return
        kind = events["kind"]
        administrative = (kind >= EventKind.LISTED) & (kind != EventKind.BUSTED)
        answers = events[np.isin(kind, _ANSWERS) | administrative]
        refs = np.where(is_named_by_request(answers), answers["request_ref"], answers["user_ref"])
        for ref in refs.tolist():
            self._unanswered.pop(ref, None)

    def _receive_message(self, frame: bytes) -> None:
        message = from_venue.decode(frame[FRAME.itemsize :])
        if isinstance(message, LogonAck):
            self._receive_logon_ack(message)
        elif isinstance(message, Logout):
            self.on_disconnected()
            if message.reason in (RefusalReason.SLOW, RefusalReason.SILENT):
                self.on_connected()
            elif message.reason != RefusalReason.STOPPING:  # then the connection ends too
                self.ended, self.ended_s = LogonRefused(message), time.monotonic()
        elif isinstance(message, Refusal):
            self._receive_refusal(message)
        else:
            self.replies.append(message)

    def _receive_logon_ack(self, ack: LogonAck) -> None:
        """Open the session, and send again the commands that the venue did not receive."""
        self.ack = ack
        self.logons += 1
        self.acked_ns = time.monotonic_ns()
        self.last_ref = max(self.last_ref, ack.last_ref)
        if self.next_report == 0:
            self.next_report = ack.next_report
        lost = [record for ref, record in self._unanswered.items() if ref > ack.last_ref]
        if lost:
            content = b"".join(lost)
            self._queue_frames(content, np.frombuffer(content, COMMAND)["kind"])

    def _receive_refusal(self, refusal: Refusal) -> None:
        """Forget the commands of a refused frame; their user_refs may be used again."""
        for ref in refused_refs(refusal):
            self._unanswered.pop(ref, None)
        self.refusals.append(refusal)

    def _queue_frames(self, content: bytes, kinds: NDArray[np.uint8]) -> None:
        """Queue records as frames of one kind each."""
        size = COMMAND.itemsize
        edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
        for start, end in pairwise(edges):
            for at in range(start, end, FRAME_RECORDS_MAX):
                count = min(FRAME_RECORDS_MAX, end - at)
                head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, count, 0, 0)
                self.outgoing.append(head + content[at * size : (at + count) * size])


def refused_refs(refusal: Refusal) -> range:
    """The user_refs of the commands that a refusal is about; empty for one of a message.

    The whole frame is refused, so the range begins with the first record of the frame.
    """
    if not refusal.user_ref or not refusal.count:
        return range(0)
    return range(refusal.user_ref - refusal.index, refusal.user_ref + refusal.count)

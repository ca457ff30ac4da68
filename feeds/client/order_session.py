"""The broker's side of a session without any socket: frames in, frames out, reports.

It numbers commands, knows which are unanswered, sees gaps and duplicates, asks again, and after a
reconnection sends again only what never reached the venue.
"""

import time
from collections import deque
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from feeds.protocol.errors import LogonRefused, NotConnected
from feeds.protocol.execution_reports import Report, reports_of
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
)


class Dialogue:
    """What a broker knows of its session."""

    def __init__(self, *, next_report: int = 0, cancel_on_disconnect: bool = False) -> None:
        """`next_report`: the first report wanted; 0: only those of this session's future."""
        self.ack: LogonAck | None = None  # while logged on
        self.next_report = next_report
        self.last_ref = 0
        self.reports: deque[tuple[Records, int, int]] = deque()  # events, first number, flags
        self.statuses: deque[Report] = deque()
        self.replies: deque[Reply] = deque()
        self.refusals: deque[Refusal] = deque()
        self.outgoing: deque[bytes] = deque()
        self.ended: LogonRefused | None = None  # for good
        self.ended_s = 0.0  # when, by the monotonic clock
        self.acked_ns = 0  # by this process's monotonic clock
        self.spoke_ns = 0  # by the same, when something was sent last
        self.gaps = 0
        self.duplicates = 0
        self._cancel_on_disconnect = cancel_on_disconnect
        self._unanswered: dict[int, bytes] = {}  # by ref, in order: a record each
        self._asked_from = 0
        self._heard_ahead = 0

    @property
    def unanswered(self) -> int:
        """How many commands have no answer yet."""
        return len(self._unanswered)

    def connected(self) -> None:
        """A connection stands: log on."""
        logon = Logon(
            next_report=self.next_report,
            cancel_on_disconnect=self._cancel_on_disconnect,
            client="suanshi",
        )
        self.outgoing.clear()
        self.outgoing.append(pack(logon))

    def beat(self, now_ns: int) -> None:
        """Say that somebody is here, where nothing else was said for a while."""
        ack = self.ack
        if ack is None or self.outgoing or now_ns - self.spoke_ns < ack.heartbeat_ms * 1_000_000:
            return
        self.outgoing.append(FRAME_HEAD.pack(FrameKind.HEARTBEAT, 0, 0, 0, 0))

    def disconnected(self) -> None:
        """The connection is gone; nothing is sent until the next one."""
        self.ack = None
        self._asked_from = 0
        self.outgoing.clear()

    def send(self, commands: Records) -> int:
        """Number commands and queue them in frames of one kind; returns the first user_ref.

        Raises NotConnected where nobody is there to take them.
        """
        if self.ack is None:
            raise NotConnected("not logged on; nothing was sent")
        first = self.last_ref + 1
        count = len(commands)
        commands["user_ref"] = np.arange(first, first + count)
        self.last_ref += count
        content = commands.tobytes()
        size = COMMAND.itemsize
        for place in range(count):
            self._unanswered[first + place] = content[place * size : (place + 1) * size]
        self._frames(content, commands["kind"])
        return first

    def feed(self, frame: bytes) -> None:
        """Take in a frame."""
        kind, flags, count, _, sequence = FRAME_HEAD.unpack_from(frame)
        if kind == FrameKind.REPORTS:
            events = np.frombuffer(frame, EVENT, count, FRAME.itemsize)
            self._reports(events, sequence, flags)
        elif kind == FrameKind.HEARTBEAT:
            self._heartbeat(sequence)
        elif kind == FrameKind.MESSAGE:
            self._message(frame)

    def _reports(self, events: Records, first: int, flags: int) -> None:
        if flags & FrameFlag.STATUS:
            self.statuses.extend(reports_of(events, first, flags))
            return
        if flags & FrameFlag.POSS_DUP:
            self._answered(events)
            self.duplicates += len(events)
            return
        if self.next_report == 0:
            self.next_report = first
        if first > self.next_report:
            self._ask()
            return
        known = self.next_report - first
        if known >= len(events):
            self.duplicates += len(events)
            return
        fresh = events[known:]
        self.duplicates += known
        self.next_report += len(fresh)
        if self.next_report > self._asked_from:
            self._asked_from = 0
        self._answered(fresh)
        self.reports.append((fresh, first + known, flags))

    def _ask(self) -> None:
        """A gap: ask for what is missing, once."""
        if self._asked_from != self.next_report:
            self.gaps += 1
            self._asked_from = self.next_report
            self.outgoing.append(pack(ResendRequest(from_report=self.next_report)))

    def _heartbeat(self, following: int) -> None:
        """Two heartbeats that speak of a report which did not come mean that it was lost."""
        if 0 < self.next_report < following:
            if self._heard_ahead == self.next_report:
                self._ask()
            self._heard_ahead = self.next_report
        else:
            self._heard_ahead = 0

    def _answered(self, events: Records) -> None:
        if not self._unanswered:
            return
        kind = events["kind"]
        administrative = (kind >= EventKind.LISTED) & (kind != EventKind.BUSTED)
        answers = events[np.isin(kind, _ANSWERS) | administrative]
        kinds, refs = answers["kind"].tolist(), answers["user_ref"].tolist()
        for kind, ref, request in zip(kinds, refs, answers["request_ref"].tolist(), strict=True):
            asked = request if kind in (EventKind.CANCELLED, EventKind.REPLACED) else ref
            self._unanswered.pop(asked, None)

    def _message(self, frame: bytes) -> None:
        message = from_venue.decode(frame[FRAME.itemsize :])
        if isinstance(message, LogonAck):
            self._logged_on(message)
        elif isinstance(message, Logout):
            self.disconnected()
            if message.reason in (RefusalReason.SLOW, RefusalReason.SILENT):
                self.connected()
            else:
                self.ended, self.ended_s = LogonRefused(message), time.monotonic()
        elif isinstance(message, Refusal):
            self._refused(message)
        else:
            self.replies.append(message)

    def _logged_on(self, ack: LogonAck) -> None:
        self.ack = ack
        self.acked_ns = time.monotonic_ns()
        self.last_ref = max(self.last_ref, ack.last_ref)
        if self.next_report == 0:
            self.next_report = ack.next_report
        lost = [record for ref, record in self._unanswered.items() if ref > ack.last_ref]
        if lost:
            content = b"".join(lost)
            self._frames(content, np.frombuffer(content, COMMAND)["kind"])

    def _refused(self, refusal: Refusal) -> None:
        """What is refused is over; its ref and the later ones of the frame may be used again."""
        first = refusal.user_ref - refusal.index
        for ref in range(first, refusal.user_ref + max(1, refusal.count)):
            self._unanswered.pop(ref, None)
        self.refusals.append(refusal)

    def _frames(self, content: bytes, kinds: NDArray[np.uint8]) -> None:
        """Queue records as frames of one kind each."""
        size = COMMAND.itemsize
        edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
        for start, end in pairwise(edges):
            for at in range(start, end, FRAME_RECORDS_MAX):
                count = min(FRAME_RECORDS_MAX, end - at)
                head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, count, 0, 0)
                self.outgoing.append(head + content[at * size : (at + count) * size])

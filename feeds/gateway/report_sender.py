"""Sending of reports to the sessions that read them, as fast as each takes them."""

import time

from feeds.gateway.peers import Session
from feeds.gateway.sessions import LogoutReason, Sessions
from feeds.gateway.state import GatewayState
from feeds.protocol.messages import RefusalReason
from feeds.protocol.records import (
    FRAME_HEAD,
    FRAME_RECORDS_MAX,
    RECORD_BYTES,
    FrameFlag,
    FrameKind,
)

STALLED_NS_MAX = 5_000_000_000
"""A session that takes no reports for so long is ended."""

UNSENT_REPORTS_MAX = 200_000
"""A session that takes no reports is ended when it has so many to receive."""

FRAMES_MAX = 16
"""Frames to one session in a turn, so that a long replay leaves time for the others."""


class ReportSender:
    """Sends reports, and keeps the sessions that have not received all of theirs."""

    def __init__(self, state: GatewayState, sessions: Sessions) -> None:
        self._state = state
        self._sessions = sessions
        self._behind: set[Session] = set()

    @property
    def has_backlog(self) -> bool:
        """Whether some session has not received all its reports."""
        return bool(self._behind)

    def dispatch(self, durable_sequence: int) -> None:
        """Number the reports of commands up to this one, and send them."""
        for stream in self._state.streams.dispatch(durable_sequence):
            session = self._state.readers.get(stream)
            if session is not None and session.peer and session not in self._behind:
                self.send(session)

    def send(self, session: Session) -> None:
        """Send a session the reports that it has not received, as many as it takes."""
        stream, peer = session.stream, session.peer
        if peer is None:
            self._behind.discard(session)
            return
        for _ in range(FRAMES_MAX):
            reports = stream.next_unsent(FRAME_RECORDS_MAX)
            if not reports:
                self._behind.discard(session)
                stream.set_current(peer.port.address, peer.route_number)
                return
            count = len(reports) // RECORD_BYTES
            first = stream.sent + 1
            flags = FrameFlag.RESENT if first <= stream.resent_until else 0
            head = FRAME_HEAD.pack(FrameKind.REPORTS, flags, count, 0, first)
            if not peer.send(head + reports):
                if session.peer is None:  # it has disconnected
                    return
                session.stalled_since_ns = session.stalled_since_ns or time.monotonic_ns()
                break
            session.stalled_since_ns = 0
            stream.count_sent(count)
        stream.set_behind()
        self._behind.add(session)

    def catch_up(self) -> None:
        """Send again to the sessions that are behind; end those that take nothing."""
        if not self._behind:
            return
        now_ns = time.monotonic_ns()
        for session in list(self._behind):
            self.send(session)
            since_ns = session.stalled_since_ns
            unsent = session.stream.count - session.stream.sent
            if since_ns and (now_ns - since_ns > STALLED_NS_MAX or unsent > UNSENT_REPORTS_MAX):
                text = (
                    f"{unsent} reports wait and are not taken; log on again from the first of them"
                )
                self._sessions.end(session, LogoutReason(RefusalReason.SLOW, text))

"""The gateway: frames in, commands out; events in, reports out.

`receive` reads the sockets and gives the venue's loop an array of stamped commands. `report` takes
the events of those commands, and `send_durable` sends their reports once the commands are durable.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.config import GatewayConfig
from feeds.gateway.connections import Port
from feeds.gateway.frame_reader import FrameReader
from feeds.gateway.gate_layout import MULTIPART
from feeds.gateway.gate_rules import new_rules
from feeds.gateway.order_gate import NEEDS_REVIEW
from feeds.gateway.report_sender import ReportSender
from feeds.gateway.report_streams import ReportStreams
from feeds.gateway.session_messages import SessionMessages
from feeds.gateway.session_registry import SessionRegistry
from feeds.gateway.sessions import HEARTBEAT_MS, LogoutReason, Sessions
from feeds.gateway.state import GatewayState
from feeds.protocol.messages import RefusalReason
from feeds.protocol.records import FRAME_BYTES_MAX, FRAME_HEAD, FRAME_RECORDS_MAX, FrameKind
from feeds.transport.reject_log import log_refusal
from feeds.transport.sockets import Context, Security, bind, venue_router
from matching.records import COMMAND

LOG = logging.getLogger("suanshi.gateway")

Records = NDArray[np.void]

BATCH_COMMANDS = 8_192
"""After so many commands a turn reads no further frame; the rest waits in the sockets."""

_NO_COMMANDS = np.zeros(0, COMMAND)


class Gateway:
    """Order entry, drop copy and administration over two ROUTERs."""

    def __init__(self, context: Context, config: GatewayConfig, counters: Counter[str]) -> None:
        self.config = config
        limits = config.limits
        self._rules = new_rules(
            limits.sessions, limits.accounts, limits.refs - 1, config.order_to_trade
        )
        self.streams = ReportStreams(config.folder, limits.sessions, config.firms, self._rules)
        self._state = GatewayState(config, counters, self._rules, self.streams)
        self.registry = SessionRegistry(self._state)
        self.sessions = Sessions(self._state)
        self._reports = ReportSender(self._state, self.sessions)
        self.messages = SessionMessages(self._state, self.sessions, self._reports)
        self._reader = FrameReader(BATCH_COMMANDS, self._rules)
        self._make_room(0)
        self._heartbeat_ns = 0
        self.ports = [
            self._port(context, "orders", config.orders),
            self._port(context, "admin", config.admin),
        ]

    # In

    def receive(
        self,
        now_ns: int,
        sequence: int,
        own: Records = _NO_COMMANDS,
        ports: Sequence[Port] | None = None,
    ) -> Records:
        """Stamped commands: the venue's own, then those received. Valid until the next call.

        `sequence` is the number of the first command. The venue's `own` have their times already.
        `ports` are those that may have frames; None: all.
        """
        reader, state = self._reader, self._state
        state.now_ns = now_ns
        ports = self.ports if ports is None else ports
        if len(ports) == 1 and self._is_usual(ports[0], own):
            count = reader.read_and_admit(ports[0], now_ns, sequence)
            if count != NEEDS_REVIEW:
                state.sequence = sequence + count - 1
                self._handle_verdicts()
                return self._out[:count]
        else:
            reader.clear()
            for port in ports:
                reader.read(port)
        for place in reader.irregular_places():
            self._handle_irregular(place)
        for port in ports:
            if port.has_disconnects:
                port.handle_disconnects()
        own = self.sessions.with_cancels(own, now_ns)
        count = len(own)
        if count:
            if count > len(self._out) - BATCH_COMMANDS - FRAME_RECORDS_MAX:
                self._make_room(count)
            self._out[:count] = own
            self._out["sequence"][:count] = np.arange(sequence, sequence + count)
        state.sequence = sequence + count - 1
        if reader.count:
            count += reader.admit(now_ns, sequence + count, count)
            state.sequence = sequence + count - 1
            self._handle_verdicts()
        return self._out[:count]

    def _is_usual(self, port: Port, own: Records) -> bool:
        """Whether a turn has nothing but frames, so that one compiled call may do it."""
        if len(own) or port.has_disconnects:
            return False
        return self._reader.is_compiled and not self.sessions.has_cancels

    def _handle_irregular(self, place: int) -> None:
        """Handle a frame that is not an order frame of a session that is logged on."""
        reader = self._reader
        peer = reader.peer(place)
        if peer is None:
            return
        if reader.frames["irregular"][place] == MULTIPART:
            text = "a message has one part, got several"
            self.messages.refuse(peer, RefusalReason.MALFORMED_FRAME, text)
        else:
            self.messages.handle(peer, reader.content(place))

    def _handle_verdicts(self) -> None:
        """Mark report streams, and answer refused and repeated records, as the gate decided."""
        reader = self._reader
        if reader.mark_count:
            marked = self._rules.sessions["marked_ref"]
            for number in np.unique(reader.frames["session"][: reader.count]).tolist():
                self.streams.streams[number].mark(int(marked[number]))
        if reader.verdict_count:
            verdicts = reader.verdicts[: reader.count]
            for place in np.flatnonzero(verdicts["reason"] | verdicts["repeated"]).tolist():
                peer = reader.peer(place)
                if peer is not None:
                    self.messages.answer_verdict(peer, reader.content(place), verdicts[place])

    # Out

    def report(self, events: bytes) -> None:
        """Take EVENT records, to be reported when their commands are durable."""
        self.streams.append(events)

    def send_durable(self, durable_sequence: int) -> None:
        """Number and send the reports of commands up to this one, which are durable."""
        if self.streams.has_undispatched:
            self._reports.dispatch(durable_sequence)
        self.messages.answer_duplicates(durable_sequence)
        self._reports.catch_up()

    @property
    def has_backlog(self) -> bool:
        """Whether some session has not received all its reports."""
        return self._reports.has_backlog

    def send_heartbeats(self, now_ns: int) -> None:
        """Once in HEARTBEAT_MS: send heartbeats to idle sessions, and end those that are silent.

        `now_ns` is of the monotonic clock.
        """
        if now_ns - self._heartbeat_ns < HEARTBEAT_MS * 1_000_000:
            return
        self._heartbeat_ns = now_ns
        self._count_missing_descriptor()
        for session in self._state.sessions.values():
            peer = session.peer
            if peer is None:
                continue
            sent = session.stream.sent
            if sent == session.sent_at_heartbeat:
                next_report = session.stream.count + 1
                peer.send(FRAME_HEAD.pack(FrameKind.HEARTBEAT, 0, 0, 0, next_report))
            session.sent_at_heartbeat = sent
            self.sessions.check_silence(session)
        self.sessions.save()

    def _count_missing_descriptor(self) -> None:
        """Count it as a refusal if the system has no descriptor left for another connection.

        libzmq's monitor would report each attempt to accept, thousands a second.
        """
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            log_refusal(self._state.counters, LOG, "no room for a connection", "somebody")

    def log_out_all(self, why: LogoutReason) -> None:
        """Log all sessions out."""
        for session in self._state.sessions.values():
            self.sessions.end(session, why)

    def restore(self, commands: Records, events: Records) -> None:
        """Process commands and events of the day before this start: user_refs used, reports."""
        self.note_used_refs(commands)
        opening = self.config.opening_commands
        sent = commands[(commands["session"] > 0) & (commands["sequence"] > opening)]
        self._rules.count_sent(sent["session"])
        self.streams.append(events.tobytes())
        for stream in self.streams.dispatch():
            stream.send_from(stream.count + 1)

    def note_used_refs(self, commands: Records) -> None:
        """Note the user_refs of commands in the log that this gateway did not admit."""
        last = self._rules.sessions["last_ref"]
        sent = commands["session"] > 0
        sessions, refs = commands["session"][sent], commands["user_ref"][sent]
        for number in np.unique(sessions).tolist():
            self.streams.streams[number].mark(int(last[number]))
        np.maximum.at(last, sessions, refs)

    def close(self) -> None:
        """Close sockets and files."""
        for port in self.ports:
            port.close()
        self.streams.close()

    # Setup

    def load_kernels(self) -> None:
        """Have the kernels compiled or loaded, so that the first order need not wait for it."""
        self._reader.load_kernels()
        self.streams.load_kernels()

    def _port(self, context: Context, domain: str, endpoint: str) -> Port:
        security = Security(self.config.secret, plain=self.config.plain)
        socket = venue_router(context, security, domain, FRAME_BYTES_MAX)
        endpoint = bind(socket, endpoint)
        return Port(socket, endpoint, self._state.counters, self.sessions.end_disconnected)

    def _make_room(self, own: int) -> None:
        """Make room for so many commands of the venue itself beside those received.

        The gates of many instruments that close at once need it.
        """
        self._out = np.zeros(own + BATCH_COMMANDS + 2 * FRAME_RECORDS_MAX, COMMAND)
        self._reader.write_to(self._out)

"""The gateway: frames in, commands out; events in, reports out.

It holds the sessions' order entry together: `receive` drains the sockets and gives the venue's
loop an array of stamped commands, `report` numbers what the machine answered, and `release` tells
the brokers, once the commands behind it are durable.
"""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.config import GatewayConfig
from feeds.gateway.connections import Port, Session
from feeds.gateway.frame_reader import FRAMES_MAX, FrameReader
from feeds.gateway.order_gate import LOOK, VERDICT, admit, new_rules
from feeds.gateway.read_frames import APART, OWNER, PARTS
from feeds.gateway.report_streams import ReportStreams
from feeds.gateway.session_messages import SessionMessages
from feeds.gateway.session_registry import SessionRegistry
from feeds.gateway.sessions import HEARTBEAT_MS, LogoutReason, Sessions
from feeds.protocol.messages import RefusalReason
from feeds.protocol.records import (
    FRAME_BYTES_MAX,
    FRAME_HEAD,
    FRAME_RECORDS_MAX,
    RECORD_BYTES,
    FrameFlag,
    FrameKind,
)
from feeds.transport.reject_log import refused
from feeds.transport.sockets import Context, Security, bind, venue_router
from matching.records import COMMAND

LOG = logging.getLogger("suanshi.gateway")

Records = NDArray[np.void]

BATCH_COMMANDS = 8_192
"""Commands read before they are worked through; the rest waits in the sockets."""

STUCK_NS_MAX = 5_000_000_000
OUTBOX_REPORTS_MAX = 200_000
RESENT_FRAMES = 16  # to one broker in a turn, so that a long replay leaves time for the others
_NO_COMMANDS = np.zeros(0, COMMAND)


class Gateway:
    """Order entry, drop copy and administration over two ROUTERs."""

    def __init__(self, context: Context, config: GatewayConfig, counters: Counter[str]) -> None:
        self.counters = counters
        self.config = config
        self.now_ns = 0  # the venue's time of the last batch
        self.sequence = 0  # of the last command
        limits = config.limits
        self.streams = ReportStreams(config.folder, limits.sessions, config.firms)
        self.rules = new_rules(limits.sessions, limits.accounts, limits.refs - 1)
        self.registry = SessionRegistry(config, self.streams, self.rules)
        self.messages = SessionMessages(self)
        self.sessions = Sessions(self)
        self._behind: set[Session] = set()
        self._verdicts = np.zeros(FRAMES_MAX, VERDICT)
        self._reader = FrameReader(BATCH_COMMANDS, self.rules, self._verdicts)
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
        """What has arrived, as stamped commands behind the venue's own; valid until the next call.

        `sequence` is that of the first command. `own` has its times already. `ports`: those that
        have something; None: nobody knows.
        """
        reader = self._reader
        self.now_ns = now_ns
        ports = self.ports if ports is None else ports
        if len(ports) == 1 and self._is_usual(ports[0], own):
            count = reader.take_in(ports[0], now_ns, sequence)
            if count != LOOK:
                self.sequence = sequence + count - 1
                noted, marks = reader.judged()
                if noted or marks:
                    self._judged(noted, marks)
                return self._out[:count]
        else:
            reader.clear()
            for port in ports:
                reader.read(port)
        for place in reader.apart():
            self._set_apart(place)
        for port in ports:
            if port.has_disconnects:
                port.watch()
        own = self.sessions.with_cancels(own, now_ns)
        count = len(own)
        if count:
            if count > len(self._out) - BATCH_COMMANDS - FRAME_RECORDS_MAX:
                self._make_room(count)
            self._out[:count] = own
            self._out["sequence"][:count] = np.arange(sequence, sequence + count)
        self.sequence = sequence + count - 1
        if reader.count:
            count += self._admit(now_ns, sequence + count, count)
        return self._out[:count]

    def _set_apart(self, place: int) -> None:
        """Look at a frame that is no plain order of an open session."""
        reader = self._reader
        peer = reader.peer(place)
        if peer is None:
            return
        if reader.frames[place, APART] == PARTS:
            text = "a message has one part, got several"
            self.messages.refuse(peer, RefusalReason.MALFORMED_FRAME, text)
        else:
            self.messages.take(peer, reader.content(place))

    def _admit(self, now_ns: int, sequence: int, start: int) -> int:
        """Turn the frames read into commands behind `start`; answers those that are refused."""
        reader, rules = self._reader, self.rules
        count, noted, marks = admit(
            reader.words, reader.frames, reader.count, rules.sessions, rules.accounts,
            rules.ref_max, now_ns, sequence, self._rows, start, self._verdicts,
        )  # fmt: skip
        self.sequence = sequence + int(count) - 1
        self._judged(noted, marks)
        return int(count)

    def _is_usual(self, port: Port, own: Records) -> bool:
        """Whether this turn has nothing but frames that a port may have."""
        if len(own) or port.has_disconnects:
            return False
        return self._reader.is_compiled and not self.sessions.has_cancels

    def _judged(self, noted: int, marks: int) -> None:
        """Do what the gate's verdicts ask for."""
        reader = self._reader
        if marks:
            marked = self.rules.sessions["marked_ref"]
            for number in np.unique(reader.frames[: reader.count, OWNER]).tolist():
                self.streams.streams[number].mark(int(marked[number]))
        if noted:
            said = self._verdicts[: reader.count]
            for frame in np.flatnonzero(said["reason"] | said["repeated"]).tolist():
                peer = reader.peer(frame)
                if peer is not None:
                    self.messages.answer(peer, reader.content(frame), said[frame])

    # Out

    def report(self, events: bytes) -> None:
        """Take what the machine said, EVENT records, to be told when it is durable."""
        self.streams.append(events)

    def send_durable(self, durable_sequence: int) -> None:
        """Number and tell what is durable: reports of commands up to this one."""
        if self.streams.has_undispatched:
            for stream in self.streams.dispatch(durable_sequence):
                session = stream.listener
                if session is not None and session.peer and session not in self._behind:
                    self.tell(session)
        if self.messages.repeats:
            self.messages.answer_repeats(durable_sequence)
        if self._behind:
            self._catch_up()

    def tell(self, session: Session, frames_max: int = RESENT_FRAMES) -> None:
        """Send a session what it has not been told, as far as it takes it."""
        stream, peer = session.stream, session.peer
        if peer is None:
            self._behind.discard(session)
            return
        for _ in range(frames_max):
            reports = stream.take(FRAME_RECORDS_MAX)
            if not reports:
                self._behind.discard(session)
                stream.here(peer.port.address, peer.number_of_route)
                return
            count = len(reports) // RECORD_BYTES
            first = stream.sent + 1
            flags = FrameFlag.RESENT if first <= stream.resent_until else 0
            head = FRAME_HEAD.pack(FrameKind.REPORTS, flags, count, 0, first)
            if not peer.port.send(peer, head + reports):
                if session.peer is None:  # it has gone
                    return
                session.stuck_since_ns = session.stuck_since_ns or time.monotonic_ns()
                break
            session.stuck_since_ns = 0
            stream.told(count)
        stream.away()
        self._behind.add(session)

    @property
    def has_backlog(self) -> bool:
        """Whether some broker has not taken all that it may be told."""
        return bool(self._behind)

    def _catch_up(self) -> None:
        now_ns = time.monotonic_ns()
        for session in list(self._behind):
            self.tell(session)
            since_ns = session.stuck_since_ns
            lag = session.stream.count - session.stream.sent
            if since_ns and (now_ns - since_ns > STUCK_NS_MAX or lag > OUTBOX_REPORTS_MAX):
                text = f"{lag} reports wait and are not taken; log on again from the first of them"
                self.sessions.end(session, RefusalReason.SLOW, text)

    def send_heartbeats(self, now_ns: int) -> None:
        """Let sessions that heard nothing for a while know that the venue is there."""
        if now_ns - self._heartbeat_ns < HEARTBEAT_MS * 1_000_000:
            return
        self._heartbeat_ns = now_ns
        self._look_for_room()
        for session in self.registry.sessions.values():
            peer = session.peer
            if peer is None:
                continue
            told = session.stream.sent
            if told == session.told:
                following = session.stream.count + 1
                peer.port.send(peer, FRAME_HEAD.pack(FrameKind.HEARTBEAT, 0, 0, 0, following))
            session.told = told
            self.sessions.beat(session)
        self.sessions.save()

    def _look_for_room(self) -> None:
        """Count it where the system has no descriptor left for another connection.

        libzmq tells of each attempt to accept, thousands a second, so it is not asked.
        """
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            refused(self.counters, LOG, "no room for a connection", "somebody")

    def log_out_all(self, told: LogoutReason) -> None:
        """Say goodbye to everybody."""
        for session in self.registry.sessions.values():
            if session.peer is not None:
                self.sessions.end(session, *told)

    def restore(self, commands: Records, events: Records) -> None:
        """Take in a part of the day that happened before this start: refs used, reports made."""
        self.note_used_refs(commands)
        self.streams.append(events.tobytes())
        for stream in self.streams.dispatch():
            stream.tell_from(stream.count + 1)

    def note_used_refs(self, commands: Records) -> None:
        """Take note of refs that stand in the log and did not come over the wire just now."""
        last = self.rules.sessions["last_ref"]
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

    # Making it

    def load_kernels(self) -> None:
        """Have the gate compiled or loaded, so that the first order waits for nothing."""
        self._reader.clear()
        self._admit(0, 1, 0)
        if self._reader.is_compiled:
            self._reader.load_kernels()
        self.streams.dispatch()

    def _port(self, context: Context, domain: str, endpoint: str) -> Port:
        security = Security(self.config.secret, plain=self.config.plain)
        socket = venue_router(context, security, domain, FRAME_BYTES_MAX)
        return Port(socket, bind(socket, endpoint), self.counters, self.sessions.lost)

    def _make_room(self, own: int) -> None:
        """Room for commands of the venue's own too, as a closure of many instruments needs it."""
        self._out = np.zeros(own + BATCH_COMMANDS + 2 * FRAME_RECORDS_MAX, COMMAND)
        self._rows = self._out.view(np.int64).reshape(-1, 8)
        self._reader.fill(self._rows)

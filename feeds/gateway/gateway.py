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

from feeds.gateway.config import Setting
from feeds.gateway.connections import Port, Session
from feeds.gateway.frame_reader import FRAMES_MAX, Intake
from feeds.gateway.order_gate import LOOK, VERDICT, admit, new_rules
from feeds.gateway.read_frames import APART, OWNER, PARTS
from feeds.gateway.report_streams import Streams
from feeds.gateway.session_messages import Desk
from feeds.gateway.session_registry import Roster
from feeds.gateway.sessions import HEARTBEAT_MS, Attendance, Told
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

    def __init__(self, context: Context, setting: Setting, counters: Counter[str]) -> None:
        self.counters = counters
        self.setting = setting
        self.now_ns = 0  # the venue's time of the last batch
        self.sequence = 0  # of the last command
        limits = setting.limits
        self.streams = Streams(setting.folder, limits.sessions, setting.firms)
        self.rules = new_rules(limits.sessions, limits.accounts, limits.refs - 1)
        self.roster = Roster(setting, self.streams, self.rules)
        self.sessions = self.roster.sessions
        self.desk = Desk(self)
        self.attendance = Attendance(self)
        self._behind: set[Session] = set()
        self._verdicts = np.zeros(FRAMES_MAX, VERDICT)
        self._intake = Intake(BATCH_COMMANDS, self.rules, self._verdicts)
        self._make_room(0)
        self._heartbeat_ns = 0
        self.ports = [
            self._port(context, "orders", setting.orders),
            self._port(context, "admin", setting.admin),
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
        intake = self._intake
        self.now_ns = now_ns
        ports = self.ports if ports is None else ports
        if len(ports) == 1 and self._is_usual(ports[0], own):
            count = intake.take_in(ports[0], now_ns, sequence)
            if count != LOOK:
                self.sequence = sequence + count - 1
                noted, marks = intake.judged()
                if noted or marks:
                    self._judged(noted, marks)
                return self._out[:count]
        else:
            intake.clear()
            for port in ports:
                intake.read(port)
        for place in intake.apart():
            self._set_apart(place)
        for port in ports:
            if port.has_ends:
                port.watch()
        own = self.attendance.with_cancels(own, now_ns)
        count = len(own)
        if count:
            if count > len(self._out) - BATCH_COMMANDS - FRAME_RECORDS_MAX:
                self._make_room(count)
            self._out[:count] = own
            self._out["sequence"][:count] = np.arange(sequence, sequence + count)
        self.sequence = sequence + count - 1
        if intake.count:
            count += self._admit(now_ns, sequence + count, count)
        return self._out[:count]

    def _set_apart(self, place: int) -> None:
        """Look at a frame that is no plain order of an open session."""
        intake = self._intake
        peer = intake.peer(place)
        if peer is None:
            return
        if intake.frames[place, APART] == PARTS:
            text = "a message has one part, got several"
            self.desk.refuse(peer, RefusalReason.MALFORMED_FRAME, text)
        else:
            self.desk.take(peer, intake.content(place))

    def _admit(self, now_ns: int, sequence: int, start: int) -> int:
        """Turn the frames read into commands behind `start`; answers those that are refused."""
        intake, rules = self._intake, self.rules
        count, noted, marks = admit(
            intake.words, intake.frames, intake.count, rules.sessions, rules.accounts,
            rules.ref_max, now_ns, sequence, self._rows, start, self._verdicts,
        )  # fmt: skip
        self.sequence = sequence + int(count) - 1
        self._judged(noted, marks)
        return int(count)

    def _is_usual(self, port: Port, own: Records) -> bool:
        """Whether this turn has nothing but frames that a port may have."""
        if len(own) or port.has_ends:
            return False
        return self._intake.is_compiled and not self.attendance.has_cancels

    def _judged(self, noted: int, marks: int) -> None:
        """Do what the gate's verdicts ask for."""
        intake = self._intake
        if marks:
            marked = self.rules.sessions["marked_ref"]
            for number in np.unique(intake.frames[: intake.count, OWNER]).tolist():
                self.streams.streams[number].mark(int(marked[number]))
        if noted:
            said = self._verdicts[: intake.count]
            for frame in np.flatnonzero(said["reason"] | said["repeated"]).tolist():
                peer = intake.peer(frame)
                if peer is not None:
                    self.desk.answer(peer, intake.content(frame), said[frame])

    # Out

    def report(self, events: bytes) -> None:
        """Take what the machine said, EVENT records, to be told when it is durable."""
        self.streams.add(events)

    def release(self, durable_sequence: int) -> None:
        """Number and tell what is durable: reports of commands up to this one."""
        if self.streams.is_waiting:
            for stream in self.streams.release(durable_sequence):
                session = stream.listener
                if session is not None and session.peer and session not in self._behind:
                    self.tell(session)
        if self.desk.repeats:
            self.desk.answer_repeats(durable_sequence)
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
    def is_behind(self) -> bool:
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
                self.attendance.end(session, RefusalReason.SLOW, text)

    def beat(self, now_ns: int) -> None:
        """Let sessions that heard nothing for a while know that the venue is there."""
        if now_ns - self._heartbeat_ns < HEARTBEAT_MS * 1_000_000:
            return
        self._heartbeat_ns = now_ns
        self._look_for_room()
        for session in self.sessions.values():
            peer = session.peer
            if peer is None:
                continue
            told = session.stream.sent
            if told == session.told:
                following = session.stream.count + 1
                peer.port.send(peer, FRAME_HEAD.pack(FrameKind.HEARTBEAT, 0, 0, 0, following))
            session.told = told
            self.attendance.beat(session)
        self.attendance.save()

    def _look_for_room(self) -> None:
        """Count it where the system has no descriptor left for another connection.

        libzmq tells of each attempt to accept, thousands a second, so it is not asked.
        """
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            refused(self.counters, LOG, "no room for a connection", "somebody")

    def flush(self, told: Told) -> None:
        """Say goodbye to everybody."""
        for session in self.sessions.values():
            if session.peer is not None:
                self.attendance.end(session, *told)

    def restore(self, commands: Records, events: Records) -> None:
        """Take in a part of the day that happened before this start: refs used, reports made."""
        self.used(commands)
        self.streams.add(events.tobytes())
        for stream in self.streams.release():
            stream.tell_from(stream.count + 1)

    def used(self, commands: Records) -> None:
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

    def warm(self) -> None:
        """Have the gate compiled or loaded, so that the first order waits for nothing."""
        self._intake.clear()
        self._admit(0, 1, 0)
        if self._intake.is_compiled:
            self._intake.warm()
        self.streams.release()

    def _port(self, context: Context, domain: str, endpoint: str) -> Port:
        security = Security(self.setting.secret, plain=self.setting.plain)
        socket = venue_router(context, security, domain, FRAME_BYTES_MAX)
        return Port(socket, bind(socket, endpoint), self.counters, self.attendance.lost)

    def _make_room(self, own: int) -> None:
        """Room for commands of the venue's own too, as a closure of many instruments needs it."""
        self._out = np.zeros(own + BATCH_COMMANDS + 2 * FRAME_RECORDS_MAX, COMMAND)
        self._rows = self._out.view(np.int64).reshape(-1, 8)
        self._intake.fill(self._rows)

"""Answers to session messages (logon, logout, queries) and to refused or repeated orders."""

import logging
from collections import deque
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from feeds.gateway.peers import Peer, Session
from feeds.gateway.report_sender import ReportSender
from feeds.gateway.sessions import (
    BLOCKED_TEXT,
    HEARTBEAT_MS,
    SILENCE_MS_MAX,
    LogoutReason,
    Sessions,
)
from feeds.gateway.state import GatewayState
from feeds.protocol.delivery_messages import MeterReadings, NoticesRequest
from feeds.protocol.messages import (
    BustTrade,
    CloseDay,
    Done,
    FirmAccountsRequest,
    KeysRequest,
    KillSwitch,
    ListBasket,
    ListInstrument,
    Logon,
    LogonAck,
    Logout,
    Message,
    OrderStatusRequest,
    Refusal,
    RefusalReason,
    RegisterCapacity,
    ResendRequest,
    VenueStatus,
    VenueStatusRequest,
    pack,
    to_venue,
)
from feeds.protocol.records import (
    FRAME,
    FRAME_HEAD,
    FRAME_RECORDS_MAX,
    PROTOCOL_VERSION,
    RECORD_BYTES,
    FrameFlag,
    FrameKind,
)
from feeds.transport.reject_log import log_refusal
from matching.records import COMMAND

LOG = logging.getLogger("suanshi.gateway")

Request: TypeAlias = (
    ListInstrument
    | ListBasket
    | BustTrade
    | RegisterCapacity
    | FirmAccountsRequest
    | KeysRequest
    | CloseDay
    | NoticesRequest
    | MeterReadings
)
"""A request that the venue itself answers: of an operator, or of a supplier about deliveries."""

QUERY_COST = 100
DUPLICATE_COST = 10
"""Cost of a query, and of a duplicate or a meter reading, in commands of the session's rate."""

_TEXTS = {
    RefusalReason.MALFORMED_FRAME: "head, size, count and records do not agree",
    RefusalReason.NOT_ENTITLED: "the key may not do this",
    RefusalReason.STALE: "valid until a time that has passed",
    RefusalReason.RATE: "more commands than the session may send",
    RefusalReason.REF_NOT_NEW: "user_ref must be above all that were used; it never had an answer",
    RefusalReason.REF_WINDOW: "user_ref is too far above the last one",
    RefusalReason.BLOCKED: BLOCKED_TEXT,
}


class Duplicate(NamedTuple):
    """A record whose user_ref was used before, to be answered with the first answer."""

    sequence: int  # of the last command before it: its reports are to be durable first
    session: Session
    user_ref: int
    place: int  # in its frame


class SessionMessages:
    """Answers irregular frames and refused or repeated orders; keeps requests for the venue."""

    def __init__(self, state: GatewayState, sessions: Sessions, reports: ReportSender) -> None:
        self.requests: list[tuple[Peer, Request]] = []
        """Requests that the venue has not answered yet."""
        self.ending: LogoutReason | None = None  # why logons are refused: the venue is to end
        self._duplicates: deque[Duplicate] = deque()
        self._state = state
        self._sessions = sessions
        self._reports = reports

    # Frames

    def handle(self, peer: Peer, content: bytes) -> None:
        """Handle a frame that is not an order frame of a session that is logged on."""
        if peer.session is not None:
            peer.session.has_sent = True
        if len(content) < FRAME.itemsize or content[0] not in tuple(FrameKind):
            self.refuse(peer, RefusalReason.MALFORMED_FRAME, f"{len(content)} bytes, no frame")
        elif content[0] == FrameKind.MESSAGE:
            self._handle_message(peer, content)
        elif peer.session is None:
            self.refuse(peer, RefusalReason.NOT_LOGGED_ON, "log on first")
        elif content[0] != FrameKind.HEARTBEAT:
            text = f"{len(content)} bytes of kind {content[0]}"
            self.refuse(peer, RefusalReason.MALFORMED_FRAME, text)

    def answer_verdict(self, peer: Peer, content: bytes, verdict: np.void) -> None:
        """Answer an order frame that was refused or has duplicates; `verdict`: a VERDICT."""
        session = peer.session
        if session is None:  # it ended after the frame was read
            return
        session.has_sent = True
        repeated = int(verdict["repeated"])
        if repeated:
            self._enqueue_duplicates(session, content, repeated)
        if verdict["reason"]:
            reason = RefusalReason(int(verdict["reason"]))
            count = (len(content) - FRAME.itemsize) // RECORD_BYTES - repeated
            index, ref = int(verdict["index"]), int(verdict["ref"])
            if reason == RefusalReason.ORDER_TO_TRADE:
                text = self._state.rules.explain_limit(session.number)
            else:
                text = _TEXTS[reason]
            text += "; nothing of the frame was taken"
            self.refuse(peer, reason, text, user_ref=ref, index=index, count=count)

    def refuse(
        self,
        peer: Peer,
        reason: RefusalReason,
        text: str,
        *,
        user_ref: int = 0,
        index: int = 0,
        count: int = 0,
    ) -> None:
        """Send a refusal, count it and log it."""
        own = None if peer.session is None else peer.session.refusals
        log_refusal(self._state.counters, LOG, reason.name, f"{peer.name}: {text}", own)
        self.send(
            peer,
            Refusal(reason=reason, text=text, user_ref=user_ref, index=index, count=count),
        )

    def send(self, peer: Peer, message: Message) -> None:
        """Send a session message; one that the peer does not take is dropped."""
        next_report = peer.session.stream.count + 1 if peer.session else 0
        peer.send(pack(message, next_report))

    def answer_duplicates(self, durable_sequence: int) -> None:
        """Answer the duplicates for which all earlier commands are durable.

        Each gets its first answer again, or a refusal if it never had one.
        """
        duplicates = self._duplicates
        while duplicates and duplicates[0].sequence <= durable_sequence:
            _, session, ref, index = duplicates.popleft()
            peer = session.peer
            if peer is None:
                continue
            number, report = session.stream.first_answer(ref)
            if number:
                self._state.counters["duplicates answered"] += 1
                head = FRAME_HEAD.pack(FrameKind.REPORTS, FrameFlag.POSS_DUP, 1, 0, number)
                peer.send(head + report.tobytes())
            else:
                reason = RefusalReason.REF_NOT_NEW
                self.refuse(peer, reason, _TEXTS[reason], user_ref=ref, index=index, count=1)

    def _enqueue_duplicates(self, session: Session, content: bytes, count: int) -> None:
        """Enqueue the first records of a frame for `answer_duplicates`."""
        if session.peer is None:
            return
        if not self._charge(session, DUPLICATE_COST * count):
            text = "too many repeated user_refs"
            self.refuse(session.peer, RefusalReason.RATE, text, count=count)
            return
        records = np.frombuffer(content[FRAME.itemsize :], COMMAND)[:count]
        for index, ref in enumerate(records["user_ref"].tolist()):
            self._duplicates.append(Duplicate(self._state.sequence, session, ref, index))

    # Messages

    def _handle_message(self, peer: Peer, content: bytes) -> None:
        try:
            message = to_venue.decode(content[FRAME.itemsize :])
        except msgspec.DecodeError as error:
            self.refuse(peer, RefusalReason.BAD_MESSAGE, str(error)[:200])
            return
        session = peer.session
        if isinstance(message, Logon):
            self._log_on(peer, message)
        elif session is None:
            self.refuse(peer, RefusalReason.NOT_LOGGED_ON, "log on first")
        elif isinstance(message, Logout):
            self._sessions.end(session, LogoutReason(RefusalReason.REQUESTED, "goodbye"))
        elif isinstance(message, ResendRequest):
            self._resend(peer, session, message.from_report)
        elif isinstance(message, OrderStatusRequest):
            self._send_status(peer, session, message.user_ref)
        elif isinstance(message, NoticesRequest | MeterReadings):
            self._enqueue_delivery_request(peer, session, message)
        elif session.entitlement.role != "operator":
            self.refuse(peer, RefusalReason.NOT_ENTITLED, "only an operator may ask for this")
        elif isinstance(message, KillSwitch):
            self._set_blocked(peer, message)
        elif isinstance(message, VenueStatusRequest):
            self._send_venue_status(peer)
        else:
            self.requests.append((peer, message))

    def _log_on(self, peer: Peer, message: Logon) -> None:
        session = self._state.sessions.get(peer.name)
        why = self._logon_refusal(session, peer, message)
        if session is None or why is not None:
            why = why or LogoutReason(RefusalReason.NOT_ENTITLED, "this key has no session")
            log_refusal(self._state.counters, LOG, why.reason.name, f"logon of {peer.name}")
            self.send(peer, Logout(reason=why.reason, text=why.text))
            return
        self._sessions.begin(session, peer, message)
        self.send(peer, self._acknowledgement(session))
        self._reports.send(session)

    def _logon_refusal(
        self, session: Session | None, peer: Peer, message: Logon
    ) -> LogoutReason | None:
        """The reason to refuse a logon; None if it is accepted."""
        if self.ending is not None:
            return self.ending
        if message.version != PROTOCOL_VERSION:
            text = f"version must be {PROTOCOL_VERSION}, got {message.version}"
            return LogoutReason(RefusalReason.VERSION, text)
        if session is None or session.entitlement.key != peer.key:
            return LogoutReason(RefusalReason.NOT_ENTITLED, "this key has no session")
        if self._sessions.is_blocked(session):
            return LogoutReason(RefusalReason.BLOCKED, BLOCKED_TEXT)
        next_report = session.stream.count + 1
        if message.next_report > next_report:
            text = f"next_report must be at most {next_report}, got {message.next_report}"
            return LogoutReason(RefusalReason.NEXT_REPORT, text)
        return None

    def _acknowledgement(self, session: Session) -> LogonAck:
        state = self._state
        return LogonAck(
            version=PROTOCOL_VERSION,
            venue=state.config.venue,
            trading_day=state.config.trading_day,
            session=session.number,
            name=session.entitlement.name,
            role=session.entitlement.role,
            next_report=session.stream.count + 1,
            last_ref=int(state.rules.sessions["last_ref"][session.number]),
            ref_max=state.rules.ref_max,
            orders_per_s=session.entitlement.orders_per_s,
            frame_records_max=FRAME_RECORDS_MAX,
            heartbeat_ms=HEARTBEAT_MS,
            silence_ms_max=SILENCE_MS_MAX if session.cancel_on_disconnect else 0,
            commands_left=state.rules.commands_left(session.number),
            commands_per_trade=0 if state.rules.limit is None else state.rules.limit.per_trade,
            time_ns=state.now_ns,
        )

    def _resend(self, peer: Peer, session: Session, from_report: int) -> None:
        stream = session.stream
        if from_report > stream.count + 1:
            text = f"from_report must be at most {stream.count + 1}, got {from_report}"
            self.refuse(peer, RefusalReason.NEXT_REPORT, text)
        elif not self._charge(session, QUERY_COST):
            self.refuse(peer, RefusalReason.RATE, "too many requests")
        else:
            stream.resent_until = max(stream.resent_until, stream.sent)
            stream.send_from(from_report)
            self._reports.send(session)

    def _send_status(self, peer: Peer, session: Session, user_ref: int) -> None:
        """Send the last report of an order again."""
        if not self._charge(session, QUERY_COST):
            self.refuse(peer, RefusalReason.RATE, "too many requests", user_ref=user_ref)
            return
        number, report = session.stream.last_report(user_ref)
        if not number:
            text = "no report of this session names such an order"
            self.refuse(peer, RefusalReason.UNKNOWN_ORDER, text, user_ref=user_ref)
            return
        head = FRAME_HEAD.pack(FrameKind.REPORTS, FrameFlag.STATUS, 1, 0, number)
        peer.send(head + report.tobytes())

    def _enqueue_delivery_request(
        self, peer: Peer, session: Session, message: NoticesRequest | MeterReadings
    ) -> None:
        """Enqueue a request about deliveries for the venue."""
        readings = len(message.readings) if isinstance(message, MeterReadings) else 0
        role = session.entitlement.role
        if role == "operator" or (readings and role != "trading"):
            self.refuse(peer, RefusalReason.NOT_ENTITLED, "not for a key of this role")
        elif not self._charge(session, QUERY_COST + DUPLICATE_COST * readings):
            self.refuse(peer, RefusalReason.RATE, "too many requests")
        else:
            self.requests.append((peer, message))

    def _set_blocked(self, peer: Peer, message: KillSwitch) -> None:
        session = self._state.sessions.get(message.session)
        if session is None:
            self.refuse(peer, RefusalReason.UNKNOWN, f"there is no session {message.session}")
            return
        self._sessions.set_blocked(session, blocked=message.stopped)
        self.send(peer, Done())

    def _send_venue_status(self, peer: Peer) -> None:
        state = self._state
        names = [name for name, session in state.sessions.items() if session.peer is not None]
        counters = dict(state.counters)
        self.send(peer, VenueStatus(sequence=state.sequence, sessions=names, counters=counters))

    def _charge(self, session: Session, commands: int) -> bool:
        """Take the cost of a query from a session's rate; False if it has not enough."""
        return self._state.rules.charge(session.number, commands, self._state.now_ns)

"""Answers to session messages (logon, logout, queries) and to refused or repeated orders."""

import logging
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from feeds.gateway.connections import Peer, Session
from feeds.gateway.order_gate import HEAD_WORDS, WORDS
from feeds.gateway.sessions import BLOCKED, HEARTBEAT_MS, SILENCE_MS_MAX, LogoutReason
from feeds.protocol.delivery_messages import MeterReadings, NoticesRequest
from feeds.protocol.messages import (
    BustTrade,
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
    FrameFlag,
    FrameKind,
)
from feeds.transport.reject_log import refused
from matching.records import COMMAND

if TYPE_CHECKING:
    from feeds.gateway.gateway import Gateway

LOG = logging.getLogger("suanshi.gateway")

Records = NDArray[np.void]
Request: TypeAlias = (
    ListInstrument
    | ListBasket
    | BustTrade
    | FirmAccountsRequest
    | KeysRequest
    | NoticesRequest
    | MeterReadings
)
"""What operators, and suppliers, ask of the venue itself."""

_QUERY_COST = 100  # a query costs as many commands
_REPEAT_COST = 10


class SessionMessages:
    """Answers session messages and refusals."""

    def __init__(self, gateway: "Gateway") -> None:
        self.requests: list[tuple[Peer, Request]] = []
        self.repeats: deque[tuple[int, Session, int, int]] = deque()
        """Refs used before that wait for what came before them: sequence, session, ref, place."""
        self.closing = False
        self._gateway = gateway

    # Frames

    def take(self, peer: Peer, content: bytes) -> None:
        """A frame that is no order of an open session."""
        if peer.session is not None:
            peer.session.heard = True
        if len(content) < FRAME.itemsize or content[0] not in tuple(FrameKind):
            self.refuse(peer, RefusalReason.MALFORMED_FRAME, f"{len(content)} bytes, no frame")
        elif content[0] == FrameKind.MESSAGE:
            self._message(peer, content)
        elif peer.session is None:
            self.refuse(peer, RefusalReason.NOT_LOGGED_ON, "log on first")
        elif content[0] != FrameKind.HEARTBEAT:
            text = f"{len(content)} bytes of kind {content[0]}"
            self.refuse(peer, RefusalReason.MALFORMED_FRAME, text)

    def answer(self, peer: Peer, content: bytes, verdict: np.void) -> None:
        """Answer an order frame with duplicates in it, or one that is refused."""
        session = peer.session
        if session is None:  # it ended after the frame was read
            return
        session.heard = True
        if verdict["repeated"]:
            self._repeat(session, content, int(verdict["repeated"]))
        if verdict["reason"]:
            reason = RefusalReason(int(verdict["reason"]))
            count = (len(content) // 8 - HEAD_WORDS) // WORDS - int(verdict["repeated"])
            index, ref = int(verdict["index"]), int(verdict["ref"])
            text = f"{_TEXTS[reason]}; nothing of the frame was taken"
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
        """Say no, and count it."""
        own = None if peer.session is None else peer.session.refusals
        refused(self._gateway.counters, LOG, reason.name, f"{peer.name}: {text}", own)
        self.send(
            peer,
            Refusal(reason=reason, text=text, user_ref=user_ref, index=index, count=count),
        )

    def send(self, peer: Peer, message: Message) -> None:
        """Send a session message; one that a peer does not take is not kept for it."""
        following = peer.session.stream.count + 1 if peer.session else 0
        peer.port.send(peer, pack(message, following))

    def _repeat(self, session: Session, content: bytes, count: int) -> None:
        """Have the first answers come again to records whose refs were used before."""
        if session.peer is None:
            return
        if not self._charge(session, _REPEAT_COST * count):
            text = "too many repeated user_refs"
            self.refuse(session.peer, RefusalReason.RATE, text, count=count)
            return
        records = np.frombuffer(content[FRAME.itemsize :], COMMAND)[:count]
        for index, ref in enumerate(records["user_ref"].tolist()):
            self.repeats.append((self._gateway.sequence, session, ref, index))

    def answer_repeats(self, durable_sequence: int) -> None:
        """Answer those whose first answers are not still on their way."""
        while self.repeats and self.repeats[0][0] <= durable_sequence:
            _, session, ref, index = self.repeats.popleft()
            peer = session.peer
            if peer is None:
                continue
            number, report = session.stream.answer_to(ref)
            if number:
                self._gateway.counters["duplicates answered"] += 1
                head = FRAME_HEAD.pack(FrameKind.REPORTS, FrameFlag.POSS_DUP, 1, 0, number)
                peer.port.send(peer, head + report.tobytes())
            else:
                reason = RefusalReason.REF_NOT_NEW
                self.refuse(peer, reason, _TEXTS[reason], user_ref=ref, index=index, count=1)

    # Messages

    def _message(self, peer: Peer, content: bytes) -> None:
        try:
            message = to_venue.decode(content[FRAME.itemsize :])
        except msgspec.DecodeError as error:
            self.refuse(peer, RefusalReason.BAD_MESSAGE, str(error)[:200])
            return
        if isinstance(message, Logon):
            self._logon(peer, message)
        elif peer.session is None:
            self.refuse(peer, RefusalReason.NOT_LOGGED_ON, "log on first")
        elif isinstance(message, Logout):
            self._gateway.sessions.end(peer.session, RefusalReason.REQUESTED, "goodbye")
        elif isinstance(message, ResendRequest):
            self._resend(peer, peer.session, message.from_report)
        elif isinstance(message, OrderStatusRequest):
            self._status(peer, peer.session, message.user_ref)
        elif isinstance(message, NoticesRequest | MeterReadings):
            self._deliveries(peer, peer.session, message)
        elif peer.session.entitlement.role != "operator":
            self.refuse(peer, RefusalReason.NOT_ENTITLED, "only an operator may ask for this")
        elif isinstance(message, KillSwitch):
            self._kill(peer, message)
        elif isinstance(message, VenueStatusRequest):
            self._venue_status(peer)
        else:
            self.requests.append((peer, message))

    def _logon(self, peer: Peer, message: Logon) -> None:
        session = self._gateway.registry.sessions.get(peer.name)
        why = self._logon_refusal(session, peer, message)
        if session is None or why is not None:
            told = why or LogoutReason(RefusalReason.NOT_ENTITLED, "this key has no session")
            refused(self._gateway.counters, LOG, told.reason.name, f"logon of {peer.name}")
            self.send(peer, Logout(reason=told.reason, text=told.text))
            return
        self._gateway.sessions.begin(session, peer, message)
        self.send(peer, self._acknowledgement(session))
        self._gateway.tell(session)

    def _logon_refusal(
        self, session: Session | None, peer: Peer, message: Logon
    ) -> LogoutReason | None:
        """Why a logon is refused, if it is."""
        if self.closing:
            return LogoutReason(RefusalReason.DAY_OVER, "the trading day is over")
        if message.version != PROTOCOL_VERSION:
            text = f"version must be {PROTOCOL_VERSION}, got {message.version}"
            return LogoutReason(RefusalReason.VERSION, text)
        if session is None or session.entitlement.key != peer.key:
            return LogoutReason(RefusalReason.NOT_ENTITLED, "this key has no session")
        if self._gateway.sessions.is_stopped(session):
            return LogoutReason(RefusalReason.BLOCKED, BLOCKED)
        following = session.stream.count + 1
        if message.next_report > following:
            text = f"next_report must be at most {following}, got {message.next_report}"
            return LogoutReason(RefusalReason.NEXT_REPORT, text)
        return None

    def _acknowledgement(self, session: Session) -> LogonAck:
        gateway = self._gateway
        return LogonAck(
            version=PROTOCOL_VERSION,
            venue=gateway.config.venue,
            trading_day=gateway.config.trading_day,
            session=session.number,
            name=session.entitlement.name,
            role=session.entitlement.role,
            next_report=session.stream.count + 1,
            last_ref=int(gateway.rules.sessions["last_ref"][session.number]),
            ref_max=gateway.rules.ref_max,
            orders_per_s=session.entitlement.orders_per_s,
            frame_records_max=FRAME_RECORDS_MAX,
            heartbeat_ms=HEARTBEAT_MS,
            silence_ms_max=SILENCE_MS_MAX if session.cancel_on_disconnect else 0,
            time_ns=gateway.now_ns,
        )

    def _resend(self, peer: Peer, session: Session, from_report: int) -> None:
        stream = session.stream
        if from_report > stream.count + 1:
            text = f"from_report must be at most {stream.count + 1}, got {from_report}"
            self.refuse(peer, RefusalReason.NEXT_REPORT, text)
        elif not self._charge(session, _QUERY_COST):
            self.refuse(peer, RefusalReason.RATE, "too many requests")
        else:
            stream.resent_until = max(stream.resent_until, stream.sent)
            stream.tell_from(from_report)
            self._gateway.tell(session)

    def _status(self, peer: Peer, session: Session, user_ref: int) -> None:
        if not self._charge(session, _QUERY_COST):
            self.refuse(peer, RefusalReason.RATE, "too many requests", user_ref=user_ref)
            return
        number, report = session.stream.last_of(user_ref)
        if not number:
            text = "no report of this session names such an order"
            self.refuse(peer, RefusalReason.UNKNOWN_ORDER, text, user_ref=user_ref)
            return
        head = FRAME_HEAD.pack(FrameKind.REPORTS, FrameFlag.STATUS, 1, 0, number)
        peer.port.send(peer, head + report.tobytes())

    def _deliveries(
        self, peer: Peer, session: Session, message: NoticesRequest | MeterReadings
    ) -> None:
        """Have the venue answer what a firm's session asks about deliveries."""
        readings = len(message.readings) if isinstance(message, MeterReadings) else 0
        role = session.entitlement.role
        if role == "operator" or (readings and role != "trading"):
            self.refuse(peer, RefusalReason.NOT_ENTITLED, "not for a key of this role")
        elif not self._charge(session, _QUERY_COST + _REPEAT_COST * readings):
            self.refuse(peer, RefusalReason.RATE, "too many requests")
        else:
            self.requests.append((peer, message))

    def _kill(self, peer: Peer, message: KillSwitch) -> None:
        session = self._gateway.registry.sessions.get(message.session)
        if session is None:
            self.refuse(peer, RefusalReason.UNKNOWN, f"there is no session {message.session}")
            return
        self._gateway.sessions.stop(session, stopped=message.stopped)
        self.send(peer, Done())

    def _venue_status(self, peer: Peer) -> None:
        gateway = self._gateway
        names = [
            name for name, session in gateway.registry.sessions.items() if session.peer is not None
        ]
        status = VenueStatus(
            sequence=gateway.sequence, sessions=names, counters=dict(gateway.counters)
        )
        self.send(peer, status)

    def _charge(self, session: Session, commands: int) -> bool:
        """Take the price of a query from a session's rate; False where it cannot pay."""
        rule = self._gateway.rules.sessions[session.number]
        now_ns = self._gateway.now_ns
        due_ns = max(int(rule["due_ns"]), now_ns - int(rule["burst_ns"]))
        due_ns += commands * int(rule["cost_ns"])
        if due_ns > now_ns:
            return False
        rule["due_ns"] = due_ns
        return True


_TEXTS = {
    RefusalReason.MALFORMED_FRAME: "head, size, count and records do not agree",
    RefusalReason.NOT_ENTITLED: "the key may not do this",
    RefusalReason.STALE: "valid until a time that has passed",
    RefusalReason.RATE: "more commands than the session may send",
    RefusalReason.REF_NOT_NEW: "user_ref must be above all that were used; it never had an answer",
    RefusalReason.REF_WINDOW: "user_ref is too far above the last one",
    RefusalReason.BLOCKED: BLOCKED,
}

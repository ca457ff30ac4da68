"""Who is here: sessions begin and end, and what a crash must not forget of that."""

import json
import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.connections import Peer, Session
from feeds.protocol.messages import Logon, Logout, RefusalReason, pack
from matching.records import COMMAND, CommandKind, MassCancelScope

if TYPE_CHECKING:
    from feeds.gateway.gateway import Gateway

LOG = logging.getLogger("suanshi.gateway")

Records = NDArray[np.void]

STATE = "sessions.json"
HEARTBEAT_MS = 1_000
SILENCE_MS_MAX = 10_000
"""A session that asked for cancel_on_disconnect is ended when nothing came from it for so long."""

BLOCKED = "an operator has stopped this session"


class LogoutReason(NamedTuple):
    """Why a session ends."""

    reason: RefusalReason
    text: str


class Sessions:
    """Begins and ends sessions, and has the orders cancelled of those who asked for that."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._cancels: list[int] = []
        self._path = gateway.config.folder / STATE
        self._stopped: set[str] = set()
        self._written = ""
        self._restore()

    def begin(self, session: Session, peer: Peer, logon: Logon) -> None:
        """A session is logged on at a connection; the one that it had before ends."""
        if session.peer is not None:
            self.end(session, RefusalReason.REPLACED, "the same key logged on from elsewhere")
        session.peer, peer.session, peer.number = peer, session, session.number
        peer.port.changed = True
        session.cancel_on_disconnect = logon.cancel_on_disconnect
        session.stuck_since_ns = session.silent_beats = 0
        stream = session.stream
        stream.resent_until = stream.count
        stream.tell_from(logon.next_report or stream.count + 1)
        self.save()
        LOG.info("%s logged on, from report %d", peer.name, stream.sent + 1)

    def is_stopped(self, session: Session) -> bool:
        """Whether an operator has stopped a session."""
        return session.entitlement.name in self._stopped

    def stop(self, session: Session, *, stopped: bool) -> None:
        """Stop a session and cancel its orders, or let it log on again."""
        name = session.entitlement.name
        self._gateway.rules.sessions["blocked"][session.number] = stopped
        (self._stopped.add if stopped else self._stopped.discard)(name)
        self.save()
        LOG.warning("%s was %s by an operator", name, "stopped" if stopped else "let go on")
        if stopped:
            self._cancels.append(session.number)
            self.end(session, RefusalReason.BLOCKED, BLOCKED)

    def revoke(self, session: Session) -> None:
        """End a session whose key was taken back, and cancel its orders."""
        self._cancels.append(session.number)
        self.end(session, RefusalReason.REVOKED, "the key was taken back")

    def end(self, session: Session, reason: RefusalReason, text: str) -> None:
        """End a session; its connection may stay, and log on again."""
        peer = session.peer
        if peer is None:
            return
        level = logging.INFO if reason in _EXPECTED else logging.WARNING
        LOG.log(level, "%s ends: %s: %s", session.entitlement.name, reason.name, text)
        self._gateway.counters[f"ended: {reason.name}"] += 1
        self._left(session, peer)
        following = session.stream.count + 1
        peer.port.send(peer, pack(Logout(reason=reason, text=text), following))

    def lost(self, peer: Peer) -> None:
        """A connection has ended."""
        if peer.session is not None:
            LOG.info("%s has gone", peer.name)
            self._gateway.counters["connections lost"] += 1
            self._left(peer.session, peer)

    def beat(self, session: Session) -> None:
        """Once in HEARTBEAT_MS: end a session that has been silent, if it asked for that."""
        paid_ns = int(self._gateway.rules.sessions["due_ns"][session.number])
        if session.heard or paid_ns != session.paid_ns:
            session.heard, session.paid_ns, session.silent_beats = False, paid_ns, 0
            return
        session.silent_beats += 1
        if session.cancel_on_disconnect and session.silent_beats * HEARTBEAT_MS > SILENCE_MS_MAX:
            text = f"nothing came for {SILENCE_MS_MAX:,} ms"
            self.end(session, RefusalReason.SILENT, text)

    @property
    def has_cancels(self) -> bool:
        """Whether orders of sessions that ended are to be cancelled."""
        return bool(self._cancels)

    def with_cancels(self, own: Records, now_ns: int) -> Records:
        """The venue's own commands, and those that cancel the orders of sessions that ended."""
        if not self._cancels:
            return own
        cancels = np.zeros(len(self._cancels), COMMAND)
        cancels["kind"] = CommandKind.MASS_CANCEL
        cancels["type"] = MassCancelScope.SESSION
        cancels["target_ref"] = self._cancels
        cancels["time_ns"] = now_ns
        self._cancels.clear()
        joined = np.empty(len(own) + len(cancels), COMMAND)
        joined[: len(own)], joined[len(own) :] = own, cancels
        return joined

    def save(self) -> None:
        """Write down whose orders go if the venue stops now, and who is stopped.

        Where that cannot be written (no descriptor is left, the disk is full) the next call
        tries again; the gateway calls once a second.
        """
        sessions = self._gateway.registry.sessions
        state = {
            "cancel_on_disconnect": sorted(
                n for n, s in sessions.items() if s.cancel_on_disconnect
            ),
            "stopped": sorted(self._stopped),
        }
        text = json.dumps(state)
        if text == self._written:
            return
        new = self._path.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._gateway.counters["state not written"] += 1
            LOG.error("%s: cannot be written: %s", self._path, error.strerror)
        else:
            self._written = text

    def _left(self, session: Session, peer: Peer) -> None:
        peer.session, peer.number = None, 0
        peer.port.changed = True
        if session.peer is not peer:
            return
        session.peer = None
        session.stream.away()
        session.stuck_since_ns = 0
        if session.cancel_on_disconnect:
            session.cancel_on_disconnect = False
            self._cancels.append(session.number)
        self.save()

    def _restore(self) -> None:
        if not self._path.exists():
            return
        self._written = self._path.read_text(encoding="utf-8")
        state = json.loads(self._written)
        for name in state["stopped"]:
            session = self._gateway.registry.sessions.get(name)
            self._stopped.add(name)
            if session is not None:
                self._gateway.rules.sessions["blocked"][session.number] = 1
        for name in state["cancel_on_disconnect"]:
            if name in self._gateway.registry.sessions:
                self._cancels.append(self._gateway.registry.sessions[name].number)


_EXPECTED = (RefusalReason.REQUESTED, RefusalReason.DAY_OVER, RefusalReason.REPLACED)

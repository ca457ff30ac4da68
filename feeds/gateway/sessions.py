"""Logon and logout of sessions, and the part of it that must survive a crash.

The orders of a session are cancelled when it ends if it asked for cancel_on_disconnect, if an
operator blocked it, or if its key was revoked.
"""

import json
import logging
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from feeds.gateway.peers import Peer, Session
from feeds.gateway.state import GatewayState
from feeds.protocol.messages import Logon, Logout, RefusalReason, pack
from matching.records import COMMAND, CommandKind, MassCancelScope

LOG = logging.getLogger("suanshi.gateway")

Records = NDArray[np.void]

STATE_FILE = "sessions.json"

HEARTBEAT_MS = 1_000

SILENCE_MS_MAX = 10_000
"""A session with cancel_on_disconnect is ended if nothing came from it for so long."""

BLOCKED_TEXT = "an operator has stopped this session"

_EXPECTED = (
    RefusalReason.REQUESTED,
    RefusalReason.DAY_OVER,
    RefusalReason.STOPPING,
    RefusalReason.REPLACED,
)


class LogoutReason(NamedTuple):
    """Reason and text of a logout, or of a refused logon."""

    reason: RefusalReason
    text: str


class Sessions:
    """Begins and ends sessions, and gives the commands that cancel the orders of some."""

    def __init__(self, state: GatewayState) -> None:
        self._state = state
        self._to_cancel: list[int] = []  # sessions
        self._path = state.config.folder / STATE_FILE
        self._blocked: set[str] = set()
        self._saved = ""
        self._restore()

    def begin(self, session: Session, peer: Peer, logon: Logon) -> None:
        """Log a session on at a connection; an earlier connection of the session is logged out."""
        if session.peer is not None:
            reason = RefusalReason.REPLACED
            self.end(session, LogoutReason(reason, "the same key logged on from elsewhere"))
        peer.log_on(session)
        session.cancel_on_disconnect = logon.cancel_on_disconnect
        session.stalled_since_ns = session.silent_heartbeats = 0
        stream = session.stream
        stream.resent_until = stream.count
        stream.send_from(logon.next_report or stream.count + 1)
        self.save()
        LOG.info("%s logged on, from report %d", peer.name, stream.sent + 1)

    def is_blocked(self, session: Session) -> bool:
        """Whether an operator has blocked a session."""
        return session.entitlement.name in self._blocked

    def set_blocked(self, session: Session, *, blocked: bool) -> None:
        """Block a session and cancel its orders, or let it log on again."""
        name = session.entitlement.name
        self._state.rules.sessions["blocked"][session.number] = blocked
        (self._blocked.add if blocked else self._blocked.discard)(name)
        if blocked:
            self._to_cancel.append(session.number)
        self.save()
        LOG.warning("%s was %s by an operator", name, "stopped" if blocked else "let go on")
        if blocked:
            self.end(session, LogoutReason(RefusalReason.BLOCKED, BLOCKED_TEXT))

    def revoke(self, session: Session) -> None:
        """End a session whose key was revoked, and cancel its orders."""
        self._to_cancel.append(session.number)
        self.save()
        self.end(session, LogoutReason(RefusalReason.REVOKED, "the key was taken back"))

    def end(self, session: Session, why: LogoutReason) -> None:
        """Log a session out, if it is logged on; its connection may stay, and log on again."""
        peer = session.peer
        if peer is None:
            return
        level = logging.INFO if why.reason in _EXPECTED else logging.WARNING
        LOG.log(level, "%s ends: %s: %s", session.entitlement.name, why.reason.name, why.text)
        self._state.counters[f"ended: {why.reason.name}"] += 1
        self._unbind(session, peer)
        next_report = session.stream.count + 1
        peer.send(pack(Logout(reason=why.reason, text=why.text), next_report))

    def end_disconnected(self, peer: Peer) -> None:
        """End the session that was logged on at a connection that has ended."""
        if peer.session is not None:
            LOG.info("%s has gone", peer.name)
            self._state.counters["connections lost"] += 1
            self._unbind(peer.session, peer)

    def check_silence(self, session: Session) -> None:
        """End a session with cancel_on_disconnect that was silent too long.

        To be called once in HEARTBEAT_MS.
        """
        due_ns = int(self._state.rules.sessions["due_ns"][session.number])
        if session.has_sent or due_ns != session.due_at_heartbeat_ns:
            session.has_sent, session.due_at_heartbeat_ns = False, due_ns
            session.silent_heartbeats = 0
            return
        session.silent_heartbeats += 1
        silence_ms = session.silent_heartbeats * HEARTBEAT_MS
        if session.cancel_on_disconnect and silence_ms > SILENCE_MS_MAX:
            text = f"nothing came for {SILENCE_MS_MAX:,} ms"
            self.end(session, LogoutReason(RefusalReason.SILENT, text))

    @property
    def has_cancels(self) -> bool:
        """Whether orders of sessions that ended are to be cancelled."""
        return bool(self._to_cancel)

    def with_cancels(self, own: Records, now_ns: int) -> Records:
        """The venue's own commands, and MASS_CANCELs for sessions that ended."""
        if not self._to_cancel:
            return own
        cancels = np.zeros(len(self._to_cancel), COMMAND)
        cancels["kind"] = CommandKind.MASS_CANCEL
        cancels["type"] = MassCancelScope.SESSION
        cancels["target_ref"] = self._to_cancel
        cancels["time_ns"] = now_ns
        self._to_cancel.clear()
        joined = np.empty(len(own) + len(cancels), COMMAND)
        joined[: len(own)], joined[len(own) :] = own, cancels
        return joined

    def save(self) -> None:
        """Write which sessions are blocked, and whose orders a restart must cancel.

        If it cannot be written (no descriptor is left, the disk is full), the next call tries
        again; the gateway calls once a second.
        """
        state = {
            "cancel_on_disconnect": sorted(
                name
                for name, session in self._state.sessions.items()
                if session.cancel_on_disconnect or session.number in self._to_cancel
            ),
            "stopped": sorted(self._blocked),
        }
        text = json.dumps(state)
        if text == self._saved:
            return
        new = self._path.with_suffix(".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            self._state.counters["state not written"] += 1
            LOG.error("%s: cannot be written: %s", self._path, error.strerror)
        else:
            self._saved = text

    def _unbind(self, session: Session, peer: Peer) -> None:
        """Take a session off a connection; have its orders cancelled if it asked for that."""
        peer.log_off()
        if session.peer is not peer:
            return
        session.peer = None
        session.stream.set_behind()
        session.stalled_since_ns = 0
        if session.cancel_on_disconnect:
            session.cancel_on_disconnect = False
            self._to_cancel.append(session.number)
        self.save()

    def _restore(self) -> None:
        """Restore the state that the last `save` of the day wrote."""
        if not self._path.exists():
            return
        self._saved = self._path.read_text(encoding="utf-8")
        state = json.loads(self._saved)
        sessions = self._state.sessions
        for name in state["stopped"]:
            self._blocked.add(name)
            if name in sessions:
                self._state.rules.sessions["blocked"][sessions[name].number] = 1
        for name in state["cancel_on_disconnect"]:
            if name in sessions:
                self._to_cancel.append(sessions[name].number)

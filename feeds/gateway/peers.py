"""Sessions and the peers (connections) on which they are logged on."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from feeds.gateway.report_stream import ReportStream
from feeds.protocol.keys import Entitlement


class PeerPort(Protocol):
    """The part of a port that its peers use."""

    address: int
    has_changed: bool

    def send(self, peer: "Peer", frame: bytes | bytearray) -> bool:
        """Send a frame to a peer; False if it takes no more for now, or is gone."""


@dataclass(eq=False, slots=True)
class Session:
    """The session of one key: its number, its rights, its report stream and its connection."""

    number: int
    entitlement: Entitlement
    stream: ReportStream
    peer: "Peer | None" = None  # None: not logged on
    cancel_on_disconnect: bool = False
    sent_at_heartbeat: int = 0  # last report sent, as of the last heartbeat
    has_sent: bool = False  # whether a frame came from it since that heartbeat
    silent_heartbeats: int = 0
    due_at_heartbeat_ns: int = 0  # its bucket in GateRules, as of that heartbeat
    stalled_since_ns: int = 0  # by the monotonic clock: since when it takes no reports; 0: it does
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False, slots=True)
class Peer:
    """A connection that has sent at least one frame."""

    route: bytes
    descriptor: int
    name: str
    key: str
    port: PeerPort
    session_number: int = 0  # of the session that is logged on here; 0: none
    session: Session | None = None

    @property
    def route_number(self) -> int:
        """The route as an int64, as kernels use it."""
        return int.from_bytes(self.route, "little")

    def send(self, frame: bytes | bytearray) -> bool:
        """Send a frame; False if the peer takes no more for now, or is gone."""
        return self.port.send(self, frame)

    def log_on(self, session: Session) -> None:
        """Bind a session to this connection."""
        session.peer, self.session, self.session_number = self, session, session.number
        self.port.has_changed = True

    def log_off(self) -> None:
        """Unbind the session from this connection."""
        self.session, self.session_number = None, 0
        self.port.has_changed = True

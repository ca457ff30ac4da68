"""A ROUTER and who is connected to it: peers by the id that the venue gave them, and their ends.

A peer's name is that of its key, read from its first frame (User-Id); after that the connection's
id stands for it, because the venue chose the id and nobody else gets it. The monitor tells when a
connection has ended.
"""

import errno
import logging
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import zmq
from numpy.typing import NDArray

from feeds.gateway.report_streams import ReportStream
from feeds.protocol.keys import Entitlement
from feeds.transport.reject_log import refused
from feeds.transport.sockets import FAREWELL_MS, Socket

LOG = logging.getLogger("suanshi.gateway")

_MONITOR = struct.Struct("=HI")
_ENDS = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_NAMES = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake broken off",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "not the protocol",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "handshake without a known key",
}
_MORE, _LAST = int(zmq.SNDMORE | zmq.NOBLOCK), int(zmq.NOBLOCK)
EVENTS_MAX = 1_000
"""Ends of connections looked at in a turn, so that a flood of them leaves time for the others."""

PEERS_MAX = 4_096
"""Connections that have said something, on one port."""


@dataclass(eq=False, slots=True)
class Session:
    """A key's session: its number, what it may do, what it is told, and where it is now."""

    number: int
    entitlement: Entitlement
    stream: ReportStream
    peer: "Peer | None" = None
    cancel_on_disconnect: bool = False
    told: int = 0  # how far it had been told at the last heartbeat
    heard: bool = False  # since then
    silent_beats: int = 0
    paid_ns: int = 0  # what its commands had cost then
    stuck_since_ns: int = 0  # by the real clock, since when it takes nothing; 0: it does
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False, slots=True)
class Peer:
    """A connection that has sent something."""

    route: bytes
    descriptor: int
    name: str
    key: str
    port: "Port"
    number: int = 0  # of the session that is logged on here
    session: Session | None = None

    @property
    def number_of_route(self) -> int:
        """The route as a number, as compiled code has it."""
        return int.from_bytes(self.route, "little")


@dataclass(eq=False)
class Port:
    """One ROUTER with its monitor."""

    socket: Socket
    endpoint: str
    counters: Counter[str]
    lost: Callable[[Peer], None]  # told of each connection that has ended
    peers: dict[bytes, Peer] = field(default_factory=dict)
    _by_descriptor: dict[int, Peer] = field(default_factory=dict)

    has_disconnects: bool = False  # whether connections may have ended that nobody took note of

    def __post_init__(self) -> None:
        self._unreachable: set[int] = set()  # descriptors of peers that went before their end came
        self._ended: list[tuple[int, int]] = []  # what the monitor told that nobody looked at
        self._counted = False  # whether the connection that ends next was counted as refused
        self.changed = True  # who is connected, or logged on
        self._routes = self._numbers = np.zeros(0, np.int64)
        self.monitor = self.socket.get_monitor_socket(_ENDS)
        self.address = int(self.socket.underlying)
        self._send = super(zmq.Socket, self.socket).send  # what it does around this is not needed

    def routes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids of all peers as sorted numbers, and the sessions logged on there (0: none)."""
        if self.changed:
            pairs = sorted((p.number_of_route, p.number) for p in self.peers.values())
            table = np.array(pairs, np.int64).reshape(-1, 2)
            self._routes, self._numbers = table[:, 0].copy(), table[:, 1].copy()
            self.changed = False
        return self._routes, self._numbers

    def note_disconnects(self) -> None:
        """Connections may have ended; `watch` is to look."""
        self.has_disconnects = True

    def watch(self) -> None:
        """Take note of connections that have ended."""
        self._hear()
        ended, self._ended = self._ended, []
        for what, descriptor in ended:
            self._note(what, descriptor)

    def _hear(self) -> None:
        """Read the monitor."""
        self.has_disconnects = True
        for _ in range(EVENTS_MAX):
            try:
                event, _ = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                self.has_disconnects = False
                return
            self._ended.append(_MONITOR.unpack(event))

    def _note(self, what: int, descriptor: int) -> None:
        if what == zmq.EVENT_DISCONNECTED:
            known = self._gone(descriptor) or descriptor in self._unreachable
            self._unreachable.discard(descriptor)
            if not known and not self._counted:
                refused(self.counters, LOG, "ended without a frame", self.endpoint)
            self._counted = False
        elif what in _NAMES:
            self._counted = True  # its end follows
            refused(self.counters, LOG, _NAMES[zmq.Event(what)], self.endpoint)

    def _end_earlier(self, descriptor: int) -> None:
        """Take note of the end of whoever had this descriptor before.

        The others' ends wait until what they sent before was read: `watch` takes them.
        """
        self._hear()
        ended, self._ended = self._ended, []
        for what, each in ended:
            if what == zmq.EVENT_DISCONNECTED and each == descriptor:
                self._note(what, each)
            else:
                self._ended.append((what, each))
        self.has_disconnects = self.has_disconnects or bool(self._ended)

    def meet(self, route: bytes, frame: zmq.Frame) -> Peer | None:
        """The peer behind a first frame; None for one that chose its own id, or is one too many."""
        if len(route) != 5 or route[0] != 0:
            refused(self.counters, LOG, "a routing id of its own", str(frame.get("User-Id")))
            return None
        if len(self.peers) >= PEERS_MAX:
            refused(self.counters, LOG, "too many connections", str(frame.get("User-Id")))
            return None
        descriptor = int(frame.get(zmq.SRCFD))
        self._end_earlier(descriptor)
        self._gone(descriptor)
        self._unreachable.discard(descriptor)
        name, _, key = str(frame.get("User-Id")).partition(" ")
        peer = Peer(route, descriptor, name, key, self)
        self.peers[route] = peer
        self.changed = True
        self._by_descriptor[descriptor] = peer
        return peer

    def send(self, peer: Peer, frame: bytes | bytearray) -> bool:
        """Send a frame; False where the peer takes no more for now, or is gone."""
        try:
            self._send(peer.route, _MORE)
            self._send(frame, _LAST)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self._unreachable.add(peer.descriptor)
            self.forget(peer)
            return False
        return True

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        self.peers.pop(peer.route, None)
        self.changed = True
        if self._by_descriptor.get(peer.descriptor) is peer:
            del self._by_descriptor[peer.descriptor]
        self.lost(peer)

    def close(self) -> None:
        """Close both sockets."""
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(FAREWELL_MS)

    def _gone(self, descriptor: int) -> bool:
        """Whether it was a connection that had said something."""
        peer = self._by_descriptor.get(descriptor)
        if peer is not None:
            self.forget(peer)
        return peer is not None

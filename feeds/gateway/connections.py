"""A ROUTER and its connections: peers by routing id, and the monitor that reports disconnects.

A peer's name is that of its key, read from its first frame (User-Id). After that the routing id
identifies it, because the venue chose the id and gives it to one connection only.
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

from feeds.gateway.gate_layout import PEER_ROW
from feeds.gateway.peers import Peer
from feeds.transport.reject_log import log_refusal
from feeds.transport.sockets import LINGER_MS, ROUTE_BYTES, Socket

LOG = logging.getLogger("suanshi.gateway")

_MONITOR = struct.Struct("=HI")
_MONITORED = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
_FAILURES = {
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshake broken off",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "not the protocol",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "handshake without a known key",
}
_MORE, _LAST = int(zmq.SNDMORE | zmq.NOBLOCK), int(zmq.NOBLOCK)

EVENTS_MAX = 1_000
"""Monitor events read in a turn, so that a flood of disconnects leaves time for other peers."""

PEERS_MAX = 4_096
"""Peers of one port."""


@dataclass(eq=False)
class Port:
    """One ROUTER with its monitor."""

    socket: Socket
    endpoint: str
    counters: Counter[str]
    on_disconnect: Callable[[Peer], None]
    peers: dict[bytes, Peer] = field(default_factory=dict)
    _by_descriptor: dict[int, Peer] = field(default_factory=dict)

    has_disconnects: bool = False  # whether the monitor may have events that were not handled

    def __post_init__(self) -> None:
        # Descriptors of peers that were removed before the monitor reported their disconnect.
        self._unreachable: set[int] = set()
        self._events: list[tuple[int, int]] = []  # read from the monitor and not yet handled
        self._failure_counted = False  # of the connection whose disconnect comes next
        self.has_changed = True  # whether peers or logons changed since the last `peer_table`
        self._table = np.zeros(0, PEER_ROW)
        self.monitor = self.socket.get_monitor_socket(_MONITORED)
        self.address = int(self.socket.underlying)
        self._send = super(zmq.Socket, self.socket).send  # without pyzmq's options, which cost time

    def peer_table(self) -> NDArray[np.void]:
        """PEER_ROW of every peer, sorted by route."""
        if self.has_changed:
            rows = sorted((p.route_number, p.session_number) for p in self.peers.values())
            self._table = np.array(rows, PEER_ROW)
            self.has_changed = False
        return self._table

    def note_disconnects(self) -> None:
        """Note that the monitor has events; `handle_disconnects` reads them."""
        self.has_disconnects = True

    def handle_disconnects(self) -> None:
        """Remove the peers whose disconnect the monitor reports."""
        self._read_monitor()
        events, self._events = self._events, []
        for event, descriptor in events:
            self._handle(event, descriptor)

    def _read_monitor(self) -> None:
        self.has_disconnects = True
        for _ in range(EVENTS_MAX):
            try:
                event, _ = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                self.has_disconnects = False
                return
            self._events.append(_MONITOR.unpack(event))

    def _handle(self, event: int, descriptor: int) -> None:
        if event == zmq.EVENT_DISCONNECTED:
            is_peer = self._remove_descriptor(descriptor) or descriptor in self._unreachable
            self._unreachable.discard(descriptor)
            if not is_peer and not self._failure_counted:
                log_refusal(self.counters, LOG, "ended without a frame", self.endpoint)
            self._failure_counted = False
        elif event in _FAILURES:
            self._failure_counted = True
            log_refusal(self.counters, LOG, _FAILURES[zmq.Event(event)], self.endpoint)

    def _handle_disconnect_of(self, descriptor: int) -> None:
        """Handle the disconnect of the previous connection with this descriptor.

        Other disconnects stay for `handle_disconnects`: the frames sent before them are read first.
        """
        self._read_monitor()
        events, self._events = self._events, []
        for event, each in events:
            if event == zmq.EVENT_DISCONNECTED and each == descriptor:
                self._handle(event, each)
            else:
                self._events.append((event, each))
        self.has_disconnects = self.has_disconnects or bool(self._events)

    def add_peer(self, route: bytes, frame: zmq.Frame) -> Peer | None:
        """Add the peer that sent a first frame.

        None if it chose its own routing id, or the port has PEERS_MAX peers already.
        """
        if len(route) != ROUTE_BYTES or route[0] != 0:
            log_refusal(self.counters, LOG, "a routing id of its own", str(frame.get("User-Id")))
            return None
        if len(self.peers) >= PEERS_MAX:
            log_refusal(self.counters, LOG, "too many connections", str(frame.get("User-Id")))
            return None
        descriptor = int(frame.get(zmq.SRCFD))
        self._handle_disconnect_of(descriptor)
        self._remove_descriptor(descriptor)
        self._unreachable.discard(descriptor)
        name, _, key = str(frame.get("User-Id")).partition(" ")
        peer = Peer(route, descriptor, name, key, self)
        self.peers[route] = peer
        self.has_changed = True
        self._by_descriptor[descriptor] = peer
        return peer

    def send(self, peer: Peer, frame: bytes | bytearray) -> bool:
        """Send a frame to a peer; False if it takes no more for now, or is gone."""
        try:
            self._send(peer.route, _MORE)
            self._send(frame, _LAST)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self._unreachable.add(peer.descriptor)
            self._remove(peer)
            return False
        return True

    def close(self) -> None:
        """Close both sockets."""
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(LINGER_MS)

    def _remove(self, peer: Peer) -> None:
        self.peers.pop(peer.route, None)
        self.has_changed = True
        if self._by_descriptor.get(peer.descriptor) is peer:
            del self._by_descriptor[peer.descriptor]
        self.on_disconnect(peer)

    def _remove_descriptor(self, descriptor: int) -> bool:
        """Remove the peer with this descriptor; False if there is none."""
        peer = self._by_descriptor.get(descriptor)
        if peer is not None:
            self._remove(peer)
        return peer is not None

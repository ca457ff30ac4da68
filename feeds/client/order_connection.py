"""A broker's connection: a DEALER, its monitor and the dialogue over it.

Never blocks, but for the moment in which a connection has just ended.
"""

import struct
import time

import zmq

from feeds.client.order_session import Dialogue
from feeds.protocol.errors import NotAllowed, NotConnected
from feeds.protocol.messages import Logout, pack
from feeds.transport.sockets import Context, Security, broker_dealer

_MONITOR = struct.Struct("=HI")
_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)

LOGOUT_MS = 200
"""For the answer to a logout."""

LAST_WORDS_MS = 20
"""For what came just before a connection ended."""


class Link:
    """Keeps a session open: connects, logs on, and does so again whenever the venue went away."""

    def __init__(
        self, context: Context, security: Security, endpoint: str, dialogue: Dialogue
    ) -> None:
        self.dialogue = dialogue
        self.connections = 0
        self.generation = 0  # grows whenever the sockets are new ones
        self._context = context
        self._security = security
        self._endpoint = endpoint
        self._failure: NotAllowed | None = None
        self._open()

    def pump(self) -> bool:
        """Take in and send out whatever can be now; whether anything was taken in."""
        took = self._watch()
        while True:
            try:
                frame = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            took = True
            self.dialogue.feed(frame)
        self.flush()
        return took

    def flush(self) -> None:
        """Send what is queued, as far as the venue takes it; a heartbeat where nothing was."""
        now_ns = time.monotonic_ns()
        self.dialogue.beat(now_ns)
        outgoing = self.dialogue.outgoing
        if outgoing:
            self.dialogue.spoke_ns = now_ns
        while outgoing:
            try:
                self.socket.send(outgoing[0], zmq.NOBLOCK)
            except zmq.Again:
                return
            outgoing.popleft()

    def check(self) -> None:
        """Raise what stands in the way of ever being logged on."""
        if self._failure is not None:
            raise self._failure
        if self.dialogue.ended is not None:
            raise self.dialogue.ended

    def require(self) -> None:
        """Raise NotConnected, or why the session ended, unless logged on."""
        self.check()
        if self.dialogue.ack is None:
            raise NotConnected("not logged on; nothing was sent")

    def close(self) -> None:
        """Log out and close.

        Waits a moment for the venue's answer: libzmq drops what it has not read when a connection
        ends, so whoever hangs up at once may be taken for lost.
        """
        if self.dialogue.ack is not None:
            try:
                self.socket.setsockopt(zmq.LINGER, LOGOUT_MS)
                self.socket.send(pack(Logout()), zmq.NOBLOCK)
                while self.dialogue.ended is None and self.socket.poll(LOGOUT_MS):
                    self.dialogue.feed(self.socket.recv(zmq.NOBLOCK))
            except zmq.ZMQError:
                self.socket.setsockopt(zmq.LINGER, 0)
        self._shut()

    def _open(self) -> None:
        self.generation += 1
        self.socket, self.monitor = monitored(self._context, self._security, self._endpoint)

    def _shut(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close()

    def _watch(self) -> bool:
        """Follow the connection's life."""
        took = False
        while True:
            try:
                event, _ = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return took
            took = True
            what, _ = _MONITOR.unpack(event)
            if what == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.connections += 1
                self.dialogue.connected()
            elif what == zmq.EVENT_DISCONNECTED:
                self._drain()
                self.dialogue.disconnected()
                self.socket.setsockopt(zmq.LINGER, 0)
                self._shut()
                self._open()
            else:
                self._failure = NotAllowed(f"{self._endpoint}: the venue does not know this key")

    def _drain(self) -> None:
        """What arrived before the connection ended: libzmq tells of the end a moment earlier."""
        while self.socket.poll(LAST_WORDS_MS):
            self.dialogue.feed(self.socket.recv(zmq.NOBLOCK))


def monitored(
    context: Context, security: Security, endpoint: str
) -> tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]:
    """A broker's DEALER and its monitor."""
    socket = broker_dealer(context, security)
    monitor = socket.get_monitor_socket(_EVENTS)
    socket.connect(endpoint)
    return socket, monitor

"""Connection of an order entry session: a DEALER socket, its monitor, and the session over it.

It never blocks, except for `LAST_FRAMES_MS` when a connection has just ended, and in `close`.
"""

import struct
import time

import zmq

from feeds.client.order_session import OrderSession
from feeds.protocol.errors import NotAllowed, NotConnected
from feeds.protocol.messages import Logout, pack
from feeds.transport.sockets import Context, Security, Socket, broker_dealer

_MONITOR = struct.Struct("=HI")
_EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)

LOGOUT_MS = 200
"""Longest wait for the answer to a logout."""

LAST_FRAMES_MS = 20
"""Longest wait for each frame that arrived before a connection ended."""


class OrderConnection:
    """Keeps a session open: connects, logs on, and repeats both when the connection was lost."""

    def __init__(
        self, context: Context, security: Security, endpoint: str, session: OrderSession
    ) -> None:
        self.session = session
        self.connections = 0
        self.generation = 0  # grows whenever the sockets are opened anew
        self._context = context
        self._security = security
        self._endpoint = endpoint
        self._failure: NotAllowed | None = None
        self._open()

    def pump(self) -> bool:
        """Receive and send all that is possible now; whether anything was received."""
        received = self._read_monitor()
        while True:
            try:
                frame = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            received = True
            self.session.receive(frame)
        self.flush()
        return received

    def flush(self) -> None:
        """Send what is queued, as far as the socket accepts it, or a heartbeat if one is due."""
        now_ns = time.monotonic_ns()
        self.session.queue_heartbeat(now_ns)
        outgoing = self.session.outgoing
        if outgoing:
            self.session.last_sent_ns = now_ns
        while outgoing:
            try:
                self.socket.send(outgoing[0], zmq.NOBLOCK)
            except zmq.Again:
                return
            outgoing.popleft()

    def check(self) -> None:
        """Raise the error after which no logon can succeed, if there was one."""
        if self._failure is not None:
            raise self._failure
        if self.session.ended is not None:
            raise self.session.ended

    def require_logon(self) -> None:
        """Raise NotConnected, or the error that ended the session, unless logged on."""
        self.check()
        if self.session.ack is None:
            raise NotConnected("not logged on; nothing was sent")

    def close(self) -> None:
        """Log out and close.

        Waits up to `LOGOUT_MS` for the venue's answer. When a connection ends, libzmq drops what
        the venue has not read: without the wait, the logout could be lost.
        """
        if self.session.ack is not None:
            try:
                self.socket.setsockopt(zmq.LINGER, LOGOUT_MS)
                self.socket.send(pack(Logout()), zmq.NOBLOCK)
                while self.session.ended is None and self.socket.poll(LOGOUT_MS):
                    self.session.receive(self.socket.recv(zmq.NOBLOCK))
            except zmq.ZMQError:
                self.socket.setsockopt(zmq.LINGER, 0)
        self._close_sockets()

    def _open(self) -> None:
        self.generation += 1
        self.socket, self.monitor = _monitored_dealer(self._context, self._security, self._endpoint)

    def _close_sockets(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close()

    def _read_monitor(self) -> bool:
        """Process the events of the connection; whether there were any."""
        received = False
        while True:
            try:
                content, _ = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return received
            received = True
            event, _ = _MONITOR.unpack(content)
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.connections += 1
                self.session.on_connected()
            elif event == zmq.EVENT_DISCONNECTED:
                self._read_last_frames()
                self.session.on_disconnected()
                self.socket.setsockopt(zmq.LINGER, 0)
                self._close_sockets()
                self._open()
            else:
                self._failure = NotAllowed(f"{self._endpoint}: the venue does not know this key")

    def _read_last_frames(self) -> None:
        """Receive what arrived before the connection ended: libzmq reports the end before it."""
        while self.socket.poll(LAST_FRAMES_MS):
            self.session.receive(self.socket.recv(zmq.NOBLOCK))


def _monitored_dealer(context: Context, security: Security, endpoint: str) -> tuple[Socket, Socket]:
    """A broker's DEALER, connecting, and its monitor."""
    socket = broker_dealer(context, security)
    monitor = socket.get_monitor_socket(_EVENTS)
    socket.connect(endpoint)
    return socket, monitor

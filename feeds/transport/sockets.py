"""Sockets and their limits: the options that keep a peer from using more than its share."""

from dataclasses import dataclass
from typing import TypeAlias

import zmq

from feeds.protocol.keys import Secret
from feeds.protocol.records import FRAME_BYTES_MAX

Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"
Socket: TypeAlias = "zmq.Socket[bytes]"

HANDSHAKE_MS = 3_000
HEARTBEAT_MS = 2_000
HEARTBEAT_TIMEOUT_MS = 6_000
QUEUE_FRAMES = 10_000  # from one broker, not yet read
REPLY_FRAMES = 128  # to one broker, not yet sent; further reports wait in its stream
SEND_BYTES = 1 << 20  # of the system's buffer for one peer
MARKET_FRAMES = 50_000  # to one subscriber, not yet sent
BACKLOG = 1_024
ROUTE_BYTES = 5  # of a routing id that libzmq chose
CURVE_BYTES = 64  # what encryption adds to a frame, and a little more
LINGER_MS = 1_000  # for the last frames to peers, when the venue closes
REQUEST_BYTES_MAX = 4_096


@dataclass(frozen=True)
class Security:
    """Credentials of a socket: a CURVE key pair, or (on loopback only) name and password."""

    secret: Secret
    plain: bool = False
    venue_key: str = ""  # public key of the venue; only a client's socket needs it


def bounded(socket: Socket, bytes_max: int) -> None:
    """Set the options that every socket has: frame size, handshake, heartbeats, backlog."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, bytes_max + CURVE_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
    socket.setsockopt(zmq.BACKLOG, BACKLOG)


def serve_as(socket: Socket, security: Security, domain: str) -> None:
    """Make a socket the server side of its security, in a ZAP domain."""
    socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode())
    if security.plain:
        socket.setsockopt(zmq.PLAIN_SERVER, 1)
        return
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, security.secret.secret_key.encode())


def connect_as(socket: Socket, security: Security) -> None:
    """Make a socket the client side of its security."""
    if security.plain:
        socket.setsockopt(zmq.PLAIN_USERNAME, security.secret.name.encode())
        socket.setsockopt(zmq.PLAIN_PASSWORD, security.secret.password.encode())
        return
    socket.setsockopt(zmq.CURVE_SERVERKEY, security.venue_key.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, security.secret.public_key.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, security.secret.secret_key.encode())


def router(context: Context, bytes_max: int) -> Socket:
    """A ROUTER that refuses duplicate routing ids, and reports a peer that cannot be reached."""
    socket = context.socket(zmq.ROUTER)
    bounded(socket, bytes_max)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 0)
    socket.setsockopt(zmq.RCVHWM, QUEUE_FRAMES)
    socket.setsockopt(zmq.SNDHWM, REPLY_FRAMES)
    socket.setsockopt(zmq.SNDBUF, SEND_BYTES)
    return socket


def venue_router(context: Context, security: Security, domain: str, bytes_max: int) -> Socket:
    """A ROUTER with the venue's security."""
    socket = router(context, bytes_max)
    serve_as(socket, security, domain)
    return socket


def venue_publisher(context: Context, security: Security, domain: str) -> Socket:
    """An XPUB with the venue's security; it drops frames for a slow subscriber.

    Reading it gives the first subscription and the last unsubscription of every topic.
    """
    socket = context.socket(zmq.XPUB)
    bounded(socket, REQUEST_BYTES_MAX)
    socket.setsockopt(zmq.SNDHWM, MARKET_FRAMES)
    socket.setsockopt(zmq.RCVHWM, QUEUE_FRAMES)
    serve_as(socket, security, domain)
    return socket


def bind(socket: Socket, endpoint: str) -> str:
    """Bind a socket; returns the endpoint, with the port that the system chose for `*`."""
    socket.bind(endpoint)
    return socket.getsockopt_string(zmq.LAST_ENDPOINT)


def broker_dealer(context: Context, security: Security) -> Socket:
    """A DEALER, not connected yet.

    It does not set IMMEDIATE: with that option, libzmq drops unread frames when the connection
    ends, the venue's logout among them. So a sender must know that the venue is connected.
    """
    socket = context.socket(zmq.DEALER)
    bounded(socket, FRAME_BYTES_MAX)
    socket.setsockopt(zmq.RCVHWM, QUEUE_FRAMES)
    socket.setsockopt(zmq.SNDHWM, QUEUE_FRAMES)
    socket.setsockopt(zmq.RECONNECT_IVL, 20)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
    connect_as(socket, security)
    return socket


def subscriber(context: Context, security: Security, endpoint: str, queue_frames: int) -> Socket:
    """A SUB, connected; frames that do not fit in its queue are lost, which shows as a gap."""
    socket = context.socket(zmq.SUB)
    bounded(socket, 1 << 20)
    socket.setsockopt(zmq.RCVHWM, queue_frames)
    connect_as(socket, security)
    socket.connect(endpoint)
    return socket

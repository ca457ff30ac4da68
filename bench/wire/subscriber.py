"""Subscribers to all price levels and trades of a venue, as sockets of one process.

Argument: FOLDER. A number on stdin sets the number of sockets. `frames` on stdin makes the process
print how many frames all sockets got since the last time, without heartbeats. It answers when no
more frames come and each socket has got a heartbeat after that. The venue sends heartbeats after
everything that it has derived, so no frame is still under way then.
"""

import json
import sys
from pathlib import Path
from select import select

import zmq

from feeds.client.connection_file import read_connection, security_of
from feeds.protocol.records import Channel
from feeds.transport.sockets import subscriber

QUEUE_FRAMES = 1_000_000
QUIET_MS = 300


def main() -> None:
    """Count the frames that come."""
    folder = Path(sys.argv[1])
    connection = read_connection(folder / "venue" / "connection.toml")
    security = security_of(connection, folder / "venue" / "keys" / "inland-1.secret")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets: list[zmq.Socket[bytes]] = []
    poller = zmq.Poller()
    print(json.dumps({"ready": 0}), flush=True)
    frames = 0
    while True:
        if sockets and poller.poll(QUIET_MS):
            frames += sum(_drain(socket) for socket in sockets)
            continue
        if not select([sys.stdin], [], [], 0 if sockets else None)[0]:
            continue
        line = sys.stdin.readline().strip()
        if line == "frames":
            frames += sum(_read_to_heartbeat(socket) for socket in sockets)
            print(json.dumps({"frames": frames}), flush=True)
            frames = 0
            continue
        fresh = [
            subscriber(context, security, connection.market, QUEUE_FRAMES)
            for _ in range(int(line) - len(sockets))
        ]
        for socket in fresh:
            for prefix in (b"L", b"T", b"H"):
                socket.setsockopt(zmq.SUBSCRIBE, prefix)
            poller.register(socket, zmq.POLLIN)
        for socket in fresh:
            socket.recv()  # a heartbeat: the subscription has reached the venue
        sockets += fresh
        print(json.dumps({"ready": len(sockets)}), flush=True)


def _drain(socket: "zmq.Socket[bytes]") -> int:
    """Read all frames that have come; returns their number without heartbeats."""
    count = 0
    try:
        while True:
            count += not _is_heartbeat(socket.recv(zmq.NOBLOCK))
    except zmq.Again:
        return count


def _read_to_heartbeat(socket: "zmq.Socket[bytes]") -> int:
    """Read the frames before the next heartbeat; returns their number."""
    count = 0
    while not _is_heartbeat(socket.recv()):
        count += 1
    return count


def _is_heartbeat(frame: bytes) -> bool:
    return frame[0] == Channel.HEARTBEAT


if __name__ == "__main__":
    main()

"""Subscribers to every level and trade of a venue: FOLDER.

A number on stdin: so many sockets from now on. `frames`: how many frames all of them got since the
last time, told when none comes any more.
"""

import json
import sys
from pathlib import Path
from select import select

import zmq

from feeds.client_setting import read_connection, security_of
from feeds.sockets import subscriber

QUEUE_FRAMES = 1_000_000
QUIET_MS = 300


def main() -> None:
    """Count what comes."""
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
            frames += _drain(sockets)
            continue
        if not select([sys.stdin], [], [], 0 if sockets else None)[0]:
            continue
        line = sys.stdin.readline().strip()
        if line == "frames":
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
            socket.recv()  # a heartbeat: it is subscribed
        sockets += fresh
        print(json.dumps({"ready": len(sockets)}), flush=True)


def _drain(sockets: "list[zmq.Socket[bytes]]") -> int:
    """Take what has come; how many frames."""
    count = 0
    for socket in sockets:
        try:
            while True:
                socket.recv(zmq.NOBLOCK)
                count += 1
        except zmq.Again:
            pass
    return count


if __name__ == "__main__":
    main()

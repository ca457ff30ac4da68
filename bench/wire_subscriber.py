"""A subscriber to every level and trade: FOLDER; counts what it gets until a line on stdin."""

import json
import sys
from pathlib import Path
from select import select

import zmq

from feeds.client_setting import read_connection, security_of
from feeds.sockets import subscriber


def main() -> None:
    """Subscribe, count, say how many."""
    folder = Path(sys.argv[1])
    connection = read_connection(folder / "venue" / "connection.toml")
    security = security_of(connection, folder / "venue" / "keys" / "inland-1.secret")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = subscriber(context, security, connection.market, 1_000_000)
    for prefix in (b"L", b"T", b"H"):
        socket.setsockopt(zmq.SUBSCRIBE, prefix)
    socket.recv()
    print("ready", flush=True)
    count = 0
    while not select([sys.stdin], [], [], 0)[0]:
        if socket.poll(20):
            try:
                while True:
                    socket.recv(zmq.NOBLOCK)
                    count += 1
            except zmq.Again:
                pass
    print(json.dumps({"frames": count}))
    context.destroy(0)


if __name__ == "__main__":
    main()

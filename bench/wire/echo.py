"""The shortest echo server in pyzmq: recv, recv, send, send. It prints its endpoint.

Its socket has the venue's options: queues, buffers, sizes, heartbeats, and one I/O thread.
"""

import json

import zmq

from feeds.protocol.records import FRAME_BYTES_MAX
from feeds.transport.sockets import bind, router


def main() -> None:
    """Return every frame to its sender, until SIGTERM."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = router(context, FRAME_BYTES_MAX)
    print(json.dumps({"endpoint": bind(socket, "tcp://127.0.0.1:*")}), flush=True)
    recv, send = socket.recv, socket.send
    while True:
        route = recv()
        body = recv()
        send(route, zmq.SNDMORE)
        send(body)


if __name__ == "__main__":
    main()

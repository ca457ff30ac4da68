"""The tightest echo that pyzmq gives: recv, recv, send, send. Prints its endpoint."""

import json
import signal
import sys

import zmq


def main() -> None:
    """Echo until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.RCVHWM, 10_000)
    socket.setsockopt(zmq.SNDHWM, 1_000)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(json.dumps({"endpoint": f"tcp://127.0.0.1:{port}"}), flush=True)
    recv, send = socket.recv, socket.send
    while True:
        route = recv()
        body = recv()
        send(route, zmq.SNDMORE)
        send(body)


if __name__ == "__main__":
    main()

"""A load generator: it keeps a window of frames in flight until all are answered.

Arguments: NAME FOLDER KIND, where NAME is a session and KIND is `echo` or a kind of venue. For each
line `[size, frames, window]` on stdin it generates its frames, prints that it is ready, waits for
another line, sends the frames, and prints its row. The same loop loads an echo and a venue.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import zmq
from numpy.typing import NDArray

from bench.wire.processes import TARGET, now_ns
from exchange.definition.members import read_members
from feeds.client.connection_file import read_connection, security_of
from feeds.protocol.messages import Logon, LogonAck, from_venue, pack
from feeds.protocol.records import FRAME, FRAME_HEAD, FrameKind
from feeds.transport.sockets import broker_dealer
from matching.records import COMMAND, CommandKind, EventKind, MassCancelScope, OrderType, Side

Commands = NDArray[np.void]

CROSSING = 0.2
"""Share of the new orders that are priced to trade."""


class Peer(Protocol):
    """Generates frames for a server, and counts the answers."""

    socket: "zmq.Socket[bytes]"
    rejected: int
    fills: int

    def frames(self, size: int, count: int) -> list[bytes]:
        """Return `count` frames of `size` orders each."""
        ...

    def answered(self, frame: bytes) -> int:
        """Take a received frame; returns how many of the frames are answered by now."""
        ...


class EchoPeer:
    """A client of the echo, with frames of 64 bytes."""

    rejected = fills = 0

    def __init__(self, folder: Path) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = context.socket(zmq.DEALER)
        self.socket.connect(json.loads((folder / "echo.json").read_text())["endpoint"])
        self._got = 0

    def frames(self, size: int, count: int) -> list[bytes]:
        """Return frames of 64 bytes; the echo has only this size."""
        self._got = 0
        return [bytes(64)] * count

    def answered(self, frame: bytes) -> int:
        """Count a frame that came back."""
        self._got += 1
        return self._got


class BrokerPeer:
    """A session at a venue."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket, self._last_ref = venue_socket(context, folder, name)
        self.rejected = self.fills = 0
        self._size, self._first, self._asked = 1, 0, 0

    def frames(self, size: int, count: int) -> list[bytes]:
        """Return frames of orders, two thirds of them new and one third cancels.

        Cancels all orders of the session before, so that every measurement begins with empty books.
        """
        self._cancel_all()
        orders = orders_of(self.name, self.folder, size * count, self._last_ref + 1)
        cancel_some(orders, size)
        self._size, self._first, self._asked = size, self._last_ref + 1, self._last_ref
        self._last_ref = int(orders["user_ref"][-1])
        self.rejected = self.fills = 0
        head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, size, 0, 0)
        content, step = orders.tobytes(), 64 * size
        return [head + content[at : at + step] for at in range(0, len(content), step)]

    def answered(self, frame: bytes) -> int:
        """Take a received frame; an order is answered by its first report, in order of the refs."""
        if frame[0] == FrameKind.MESSAGE:
            raise SystemExit(str(from_venue.decode(frame[16:])))
        if frame[0] == FrameKind.REPORTS:
            words = np.frombuffer(frame, "<u4", -1, 16).reshape(-1, 16)
            kinds = words[:, 14] & 0xFF
            filled = kinds == EventKind.FILLED
            self.fills += int(filled.sum())
            self.rejected += int((kinds == EventKind.REJECTED).sum())
            answered = np.where(kinds == EventKind.CANCELLED, words[:, 4], words[:, 11])
            self._asked = max(self._asked, int(answered[~filled].max(initial=0)))
        return (self._asked - self._first + 1) // self._size

    def _cancel_all(self) -> None:
        """Cancel all orders of the session, and wait for the report."""
        self._last_ref += 1
        order = np.zeros(1, COMMAND)
        order["kind"], order["type"] = CommandKind.MASS_CANCEL, MassCancelScope.SESSION
        order["user_ref"] = self._last_ref
        self.socket.send(FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1, 0, 0) + order.tobytes())
        while True:
            frame = self.socket.recv()
            kinds = np.frombuffer(frame, np.uint8, -1, 16)[56::64]
            if frame[0] == FrameKind.REPORTS and (kinds == EventKind.MASS_CANCELLED).any():
                return


def main() -> None:
    """Run the measurements that are requested on stdin, until it ends."""
    name, folder, kind = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    peer: Peer = EchoPeer(folder) if kind == "echo" else BrokerPeer(name, folder)
    print(json.dumps({"ready": name}), flush=True)
    for line in sys.stdin:
        size, count, window = json.loads(line)
        frames = peer.frames(size, count)
        print(json.dumps({"ready": count}), flush=True)
        sys.stdin.readline()
        start_ns, end_ns = run(peer.socket, frames, window, peer.answered)
        row = {"start_ns": start_ns, "end_ns": end_ns, "sent": count * size}
        row |= {"rejected": peer.rejected, "fills": peer.fills}
        print(json.dumps(row), flush=True)


def run(
    socket: "zmq.Socket[bytes]", frames: list[bytes], window: int, answered: Callable[[bytes], int]
) -> tuple[int, int]:
    """Send frames with at most `window` in flight, until all are answered.

    Returns the times in ns when the first was sent and when the last answer came.
    """
    send, recv, count = socket.send, socket.recv, len(frames)
    sent = got = 0
    start_ns = now_ns()
    while got < count:
        until = min(count, got + window)
        while sent < until:
            send(frames[sent])
            sent += 1
        got = answered(recv())
        try:
            while True:
                got = answered(recv(zmq.NOBLOCK))
        except zmq.Again:
            pass
    return start_ns, now_ns()


def orders_of(name: str, folder: Path, count: int, first_ref: int) -> Commands:
    """Draw limit orders of one lot around the reference price, half of them sell orders."""
    target = json.loads((folder / TARGET).read_text())
    members = read_members()
    firm = next(s.firm for s in members.sessions if s.name == name)
    account = next(a.id for a in members.accounts if a.member == firm)
    rng = np.random.default_rng(first_ref)
    orders = np.zeros(count, COMMAND)
    orders["kind"] = CommandKind.NEW
    orders["type"] = OrderType.LIMIT
    orders["user_ref"] = np.arange(first_ref, first_ref + count)
    sells = rng.random(count) < 0.5
    orders["side"] = np.where(sells, Side.SELL, Side.BUY)
    orders["account"] = account
    orders["instrument"] = rng.choice(target["instruments"], count)
    distance = np.where(rng.random(count) < CROSSING, -5, rng.geometric(0.1, count))
    orders["price"] = target["price"] + distance * np.where(sells, 1, -1)
    orders["quantity"] = 1
    return orders


def cancel_some(orders: Commands, size: int) -> None:
    """Turn every third frame of `size` orders into cancels of the frame two before it."""
    frames = orders[: len(orders) // size * size].reshape(-1, size)
    for number in range(2, len(frames), 3):
        refs = frames[number]["user_ref"].copy()
        frames[number] = np.zeros(size, COMMAND)
        frames[number]["user_ref"] = refs
        frames[number]["kind"] = CommandKind.CANCEL
        frames[number]["target_ref"] = frames[number - 2]["user_ref"]


def venue_socket(
    context: "zmq.Context[zmq.Socket[bytes]]", folder: Path, name: str
) -> tuple["zmq.Socket[bytes]", int]:
    """Return a DEALER socket that is logged on, and the last user_ref of its session."""
    connection = read_connection(folder / "venue" / "connection.toml")
    security = security_of(connection, folder / "venue" / "keys" / f"{name}.secret")
    socket = broker_dealer(context, security)
    socket.connect(connection.orders)
    socket.send(pack(Logon()))
    ack = from_venue.decode(socket.recv()[FRAME.itemsize :])
    assert isinstance(ack, LogonAck)
    return socket, ack.last_ref


if __name__ == "__main__":
    main()

"""One load generator: keeps a window of frames in flight until all are answered.

NAME FOLDER SIZE FRAMES WINDOW WHAT; says `ready`, waits for a line, ends with one of JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
import zmq

from exchange.members import read_members
from feeds.client_setting import read_connection, security_of
from feeds.messages import Logon, LogonAck, from_venue, pack
from feeds.records import FRAME, FRAME_HEAD, FrameKind
from feeds.sockets import broker_dealer
from ledger.daylog import read_day_log
from matching.records import COMMAND, CommandKind, EventKind, OrderType, Side


def main() -> None:
    """Send, and count what comes back."""
    name, folder, size, frames, window, what = sys.argv[1:]
    runner = _echo if what == "echo" else _venue
    print(json.dumps(runner(name, Path(folder), int(size), int(frames), int(window))))


def _echo(name: str, folder: Path, size: int, frames: int, window: int) -> dict[str, int]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.connect(json.loads((folder / "echo.json").read_text())["endpoint"])
    body = bytes(64)
    _ready()
    sent = got = 0
    while got < frames:
        while sent < frames and sent - got < window:
            socket.send(body)
            sent += 1
        socket.recv()
        got += 1
        while True:
            try:
                socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            got += 1
    context.destroy(0)
    return {"rejects": 0}


def orders_of(name: str, folder: Path, count: int, first_ref: int) -> np.ndarray:
    """Limit orders around the reference price that trade now and then, and cancels of a third."""
    log = read_day_log(next((folder / "venue").glob("*.log")), unsealed=True)
    members = read_members()
    firm = next(s.firm for s in members.sessions if s.name == name)
    accounts = [a for a in members.accounts if a.member == firm]
    dice = np.random.default_rng(first_ref)
    open_ = [i for i in log.registry.instruments if i.contract == "H800.QD"][-8:]
    contract = next(c for c in log.registry.contracts if c.code == "H800.QD")
    orders = np.zeros(count, COMMAND)
    orders["kind"] = CommandKind.NEW
    orders["type"] = OrderType.LIMIT
    orders["user_ref"] = np.arange(first_ref, first_ref + count)
    seller = [a.id for a in accounts if a.role == "supplier"]
    buyer = [a.id for a in accounts if a.role == "buyer"]
    sells = dice.random(count) < 0.5 if seller and buyer else np.full(count, bool(seller))
    orders["side"] = np.where(sells, Side.SELL, Side.BUY)
    orders["account"] = np.where(sells, (seller or [0])[0], (buyer or [0])[0])
    orders["instrument"] = dice.choice([i.id for i in open_], count)
    distance = dice.geometric(0.1, count) * np.where(sells, 1, -1)
    orders["price"] = contract.reference_ticks + distance
    orders["quantity"] = 1
    return orders


def venue_socket(
    context: "zmq.Context[zmq.Socket[bytes]]", folder: Path, name: str
) -> tuple["zmq.Socket[bytes]", int]:
    """A DEALER that is logged on, and the last user_ref that the venue took from it."""
    connection = read_connection(folder / "venue" / "connection.toml")
    security = security_of(connection, folder / "venue" / "keys" / f"{name}.secret")
    socket = broker_dealer(context, security)
    socket.connect(connection.orders)
    socket.send(pack(Logon()))
    ack = from_venue.decode(socket.recv()[FRAME.itemsize :])
    assert isinstance(ack, LogonAck)
    return socket, ack.last_ref


def _venue(name: str, folder: Path, size: int, frames: int, window: int) -> dict[str, int]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket, last_ref = venue_socket(context, folder, name)
    orders = orders_of(name, folder, size * frames, last_ref + 1)
    _cancel_some(orders, size)
    head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, size, 0, 0)
    content = orders.tobytes()
    bodies = [head + content[at : at + 64 * size] for at in range(0, len(content), 64 * size)]
    _ready()
    rejects = sent = got = 0
    last = int(orders["user_ref"][-1])
    asked = 0
    while asked < last:
        while sent < frames and sent - got < window:
            socket.send(bodies[sent])
            sent += 1
        frame = socket.recv()
        while True:
            if frame[0] == FrameKind.REPORTS:
                events = np.frombuffer(frame, "<u4", -1, 16).reshape(-1, 16)
                kinds = frame[16 + 56 :: 64]
                refs = events[:, 11]
                own = np.frombuffer(kinds, np.uint8)
                rejects += int((own == EventKind.REJECTED).sum())
                answered = np.where(own == EventKind.CANCELLED, events[:, 4], refs)
                asked = max(asked, int(answered[own != EventKind.FILLED].max(initial=0)))
                got = max(got, (asked - (last - size * frames)) // size)
            elif frame[0] == FrameKind.MESSAGE:
                raise SystemExit(str(from_venue.decode(frame[16:])))
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
    context.destroy(0)
    return {"rejects": rejects}


def _cancel_some(orders: np.ndarray, size: int) -> None:
    """Every third frame cancels the orders of the frame two before it."""
    frames = orders[: len(orders) // size * size].reshape(-1, size)
    for number in range(2, len(frames), 3):
        refs = frames[number]["user_ref"].copy()
        frames[number] = np.zeros(size, COMMAND)
        frames[number]["user_ref"] = refs
        frames[number]["kind"] = CommandKind.CANCEL
        frames[number]["target_ref"] = frames[number - 2]["user_ref"]


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()

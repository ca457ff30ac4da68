"""A broker under test: sends orders by a seed over the wire, and writes down all that it is told.

NAME FOLDER SEED SECONDS; every report goes to a file before anything follows from it. Ends at a
line on stdin, logged on, with nothing unanswered and everything heard.
"""

import contextlib
import json
import sys
import time
from pathlib import Path
from random import Random
from select import select

import numpy as np
from msgspec.structs import astuple

from feeds.client import Client
from feeds.protocol.errors import NotConnected, TimedOut, WireError
from matching.records import COMMAND, CommandKind, EventKind, OrderType, Side, TimeInForce


class Storm:
    """Keeps some orders on their way at all times."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        key = folder / "venue" / "keys" / f"{name}.secret"
        self.client = Client(folder / "venue" / "connection.toml", key, next_report=1)
        self.folder = folder
        self.key = key
        self.dice = Random(seed)
        self.target = json.loads((folder / f"{name}.json").read_text())
        self.refs: list[int] = []
        self.told = (folder / f"{name}.reports").open("wb")
        self.sent = (folder / f"{name}.sent").open("wb")
        self.next = 1

    def turn(self) -> None:
        """Take in what came, send a little."""
        self.client.pump(0.005)
        for events, first, _ in self.client.arrays():
            assert first == self.next, (first, self.next)
            self.next = first + len(events)
            self.told.write(events.tobytes())
            self.told.flush()
            kinds = events["kind"]
            self.refs += events["user_ref"][kinds == EventKind.ACCEPTED].tolist()
        while self.client.session.refusals:
            self.client.session.refusals.popleft()
        if self.client.session.unanswered < 64:
            with contextlib.suppress(NotConnected):
                self.send(self.dice.randrange(1, 17))

    def send(self, count: int) -> None:
        orders = np.zeros(count, COMMAND)
        cancel = self.dice.random() < 0.3 and len(self.refs) > count
        for order in orders:
            if cancel:
                order["kind"] = CommandKind.CANCEL
                order["target_ref"] = self.refs.pop(self.dice.randrange(len(self.refs)))
                continue
            order["kind"], order["type"] = CommandKind.NEW, OrderType.LIMIT
            order["account"], order["side"] = self.dice.choice(self.target["accounts"])
            order["instrument"] = self.dice.choice(self.target["instruments"])
            away = self.dice.randrange(-3, 12)
            order["price"] = self.target["price"] + (-away if order["side"] == Side.BUY else away)
            order["quantity"] = self.dice.randrange(1, 4)
            if self.dice.random() < 0.2:
                order["instrument"] = self.target["instruments"][-1]
                order["hours"] = self.dice.randrange(2, len(self.target["instruments"]) + 1)
                order["tif"] = self.dice.choice((TimeInForce.DAY, TimeInForce.IOC))
        first = self.client.send(orders)
        orders["user_ref"] = np.arange(first, first + count)
        self.sent.write(orders.tobytes())
        self.sent.flush()


def main() -> None:
    name, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    storm = Storm(name, folder, seed)
    print("ready", flush=True)
    while not select([sys.stdin], [], [], 0)[0]:
        storm.turn()
    finish(storm)


def finish(storm: Storm) -> None:
    """Wait for every answer and everything that may still be told; say what the books are."""
    client = storm.client
    end_s = time.monotonic() + 20
    while client.session.unanswered or not client.is_connected:
        assert time.monotonic() < end_s, client.session.unanswered
        client.pump(0.02)
        for events, first, _ in client.arrays():
            assert first == storm.next
            storm.next = first + len(events)
            storm.told.write(events.tobytes())
    print(json.dumps({"connections": client.order_connection.connections}), flush=True)
    sys.stdin.readline()
    expected = int(sys.stdin.readline())
    while storm.next <= expected:
        assert time.monotonic() < end_s, (storm.next, expected)
        client.pump(0.02)
        for events, first, _ in client.arrays():
            assert first == storm.next
            storm.next = first + len(events)
            storm.told.write(events.tobytes())
    storm.told.close()
    books = {}
    for number in storm.target["instruments"]:
        book = client.book(number)
        books[number] = [[s, x.price, x.quantity, x.orders] for s, x in book]
    blocks = client.blocks(storm.target["instruments"][-1])
    standing = [list(astuple(each)) for each in blocks.bids() + blocks.asks()]
    ending = {"books": books, "blocks": standing, "gaps": client.session.gaps}
    print(json.dumps(ending), flush=True)
    with contextlib.suppress(WireError, TimedOut):
        client.close()


if __name__ == "__main__":
    main()

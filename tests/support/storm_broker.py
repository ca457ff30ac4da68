"""A broker process under load: sends random orders and writes every report to a file.

Arguments: NAME FOLDER SEED. A report is written before the broker acts on it. A line on stdin ends
the sending; the process ends logged on, with every command answered and every report read.
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
    """Keeps some orders unanswered at all times."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        key = folder / "venue" / "keys" / f"{name}.secret"
        self.client = Client(folder / "venue" / "connection.toml", key, next_report=1)
        self.folder = folder
        self.key = key
        self.random = Random(seed)
        self.target = json.loads((folder / f"{name}.json").read_text())
        self.refs: list[int] = []
        self.reports = (folder / f"{name}.reports").open("wb")
        self.sent = (folder / f"{name}.sent").open("wb")
        self.next = 1

    def step(self) -> None:
        """Read what arrived, then send a few orders."""
        self.client.pump(0.005)
        for events, first, _ in self.client.arrays():
            assert first == self.next, (first, self.next)
            self.next = first + len(events)
            self.reports.write(events.tobytes())
            self.reports.flush()
            kinds = events["kind"]
            self.refs += events["user_ref"][kinds == EventKind.ACCEPTED].tolist()
        while self.client.session.refusals:
            self.client.session.refusals.popleft()
        if self.client.session.unanswered < 64:
            with contextlib.suppress(NotConnected):
                self.send(self.random.randrange(1, 17))

    def send(self, count: int) -> None:
        orders = np.zeros(count, COMMAND)
        cancel = self.random.random() < 0.3 and len(self.refs) > count
        for order in orders:
            if cancel:
                order["kind"] = CommandKind.CANCEL
                order["target_ref"] = self.refs.pop(self.random.randrange(len(self.refs)))
                continue
            order["kind"], order["type"] = CommandKind.NEW, OrderType.LIMIT
            order["account"], order["side"] = self.random.choice(self.target["accounts"])
            order["instrument"] = self.random.choice(self.target["instruments"])
            offset = self.random.randrange(-3, 12)
            order["price"] = self.target["price"] + (
                -offset if order["side"] == Side.BUY else offset
            )
            order["quantity"] = self.random.randrange(1, 4)
            if self.random.random() < 0.2:
                order["instrument"] = self.target["instruments"][-1]
                order["hours"] = self.random.randrange(2, len(self.target["instruments"]) + 1)
                order["tif"] = self.random.choice((TimeInForce.DAY, TimeInForce.IOC))
        first = self.client.send(orders)
        orders["user_ref"] = np.arange(first, first + count)
        self.sent.write(orders.tobytes())
        self.sent.flush()


def main() -> None:
    name, folder, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    storm = Storm(name, folder, seed)
    print("ready", flush=True)
    while not select([sys.stdin], [], [], 0)[0]:
        storm.step()
    finish(storm)


def finish(storm: Storm) -> None:
    """Wait for every answer and report, then print the books."""
    client = storm.client
    end_s = time.monotonic() + 20
    while client.session.unanswered or not client.is_connected:
        assert time.monotonic() < end_s, client.session.unanswered
        client.pump(0.02)
        for events, first, _ in client.arrays():
            assert first == storm.next
            storm.next = first + len(events)
            storm.reports.write(events.tobytes())
    print(json.dumps({"connections": client.order_connection.connections}), flush=True)
    sys.stdin.readline()
    expected = int(sys.stdin.readline())
    while storm.next <= expected:
        assert time.monotonic() < end_s, (storm.next, expected)
        client.pump(0.02)
        for events, first, _ in client.arrays():
            assert first == storm.next
            storm.next = first + len(events)
            storm.reports.write(events.tobytes())
    storm.reports.close()
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

"""Processes of a measurement: the venue or the echo, load generators, and subscribers.

Load generators and subscribers get their next step as a line on stdin, and answer with a line.
Neither their start nor their end is part of a measurement.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from select import select
from typing import Any, Self

from bench.child_process import child_environment

ANSWER_TIMEOUT_S = 60
"""Time in s after which a process without an answer has failed."""

COMPILING_TIMEOUT_S = 600
"""Time in s for a venue to start, which may have to compile its kernels."""

BROKERS = ("east-1", "west-1", "south-1", "coast-1")
LATENCY_SESSION = "east-2"
"""The session that measures latency."""

CONTRACT, HOURS = "H800.QD", 8
"""The last hours of this contract are traded."""

TARGET = "target.json"
"""File with instruments and reference price, for the load generators."""

CONFIG = """
folder = "venue"
members = "members.toml"
trading_day = "2026-11-22"
days = 1
buyer_fen = 100000000000000
supplier_fen = 100000000000000
plain = {plain}
durable = {durable}

[limits]
orders = 1048576
session_orders = 1048576
session_ref_pages = 16384
"""
Row = dict[str, Any]


class ProcessFailed(Exception):
    """A process of a measurement has ended, or does not answer."""


class Process:
    """A Python process that answers each line on stdin with a line of JSON."""

    def __init__(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        self.name = " ".join(arguments[1:3])
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=child_environment(),
        )

    def send(self, line: str) -> None:
        """Send a line to the process."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def receive(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Row:
        """Return the next line of the process. Raises ProcessFailed where none comes."""
        stdout = self.process.stdout
        assert stdout is not None
        if not select([stdout], [], [], timeout_s)[0]:
            raise ProcessFailed(f"{self.name}: no answer for {timeout_s:g} s")
        line = stdout.readline()
        if not line:
            raise ProcessFailed(f"{self.name}: has ended")
        row: Row = json.loads(line)
        return row

    def cpu_ns(self) -> int:
        """Return the processor time used so far, user and system, of all threads."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Send SIGTERM, and SIGKILL if the process has not ended after 10 s."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def echo(folder: Path) -> Process:
    """Start an echo, and write its endpoint to a file in this folder for its clients."""
    server = Process(["-m", "bench.wire.echo"])
    folder.mkdir(parents=True)
    (folder / "echo.json").write_text(json.dumps(server.receive()))
    return server


def venue(folder: Path, kind: str) -> Process:
    """Start a venue in this folder; `kind` is plain or curve, and durable or not.

    Every broker has money and capacity for all orders of a measurement, and an order rate limit
    that is out of reach.
    """
    from exchange.definition.members import read_members
    from feeds.protocol.keys import new_pair

    folder.mkdir(parents=True)
    plain, durable = ("true" if word in kind else "false" for word in ("plain", "durable"))
    (folder / "venue.toml").write_text(CONFIG.format(plain=plain, durable=durable))
    (folder / "members.toml").write_text(_members())
    keys, fast = folder / "venue" / "keys", 10_000_000
    for session in read_members().sessions:
        role = "operator" if session.operator else "trading"
        new_pair(keys, session.name, role=role, firm=session.firm, orders_per_s=fast, burst=fast)
    serve = "from exchange.cli import main; main()"
    clock = ["--clock", "2026-11-22T09:00*1"]
    server = Process(["-c", serve, "serve", "--config", "venue.toml", "--json", *clock], folder)
    server.receive(COMPILING_TIMEOUT_S)
    _open_market(folder)
    return server


def _members() -> str:
    """Return the demonstration's members, of whom each has GPUs for every order it may sell."""
    from exchange.definition.members import DEMO_PATH, read_members

    hub, chip = CONTRACT.split(".")[::-1]
    people = DEMO_PATH.read_text(encoding="utf-8").partition("[[inventory]]")[0]
    people = people.replace('role = "buyer"', 'role = "supplier"')
    entries = (
        f'[[inventory]]\nhub = "{hub}"\nchip = "{chip}"\naccount = {account.id}\ngpus = {1 << 30}\n'
        for account in read_members().accounts
    )
    return people + "\n".join(entries)


def _open_market(folder: Path) -> None:
    """Choose the instruments, write them to TARGET, and give every account capacity in them."""
    from exchange.definition.members import read_members
    from feeds.client import connect
    from feeds.protocol.messages import RegisterCapacity
    from ledger.daylog import read_day_log

    venue_folder = folder / "venue"
    registry = read_day_log(next(venue_folder.glob("*.log")), unsealed=True).registry
    instruments = [i.id for i in registry.instruments if i.contract == CONTRACT][-HOURS:]
    price = next(c.reference_ticks for c in registry.contracts if c.code == CONTRACT)
    (folder / TARGET).write_text(json.dumps({"instruments": instruments, "price": price}))
    key = venue_folder / "keys" / "operations.secret"
    with connect(venue_folder / "connection.toml", key, admin=True) as operator:
        for account in read_members().accounts:
            for instrument in instruments:
                wanted = {"account": account.id, "instrument": instrument, "quantity": 1 << 30}
                operator.request(RegisterCapacity(**wanted))


class Load:
    """Load generators for a server, for any number of measurements."""

    def __init__(self, server: Process, folder: Path, kind: str, brokers: int) -> None:
        self.server = server
        self.running = [
            Process(["-m", "bench.wire.load_generator", name, str(folder), kind])
            for name in BROKERS[:brokers]
        ]
        for each in self.running:
            each.receive()

    def saturate(self, size: int, orders: int, window: int) -> Row:
        """Send orders, `size` a frame, with `window` frames in flight from each generator.

        Returns orders a second, and the server's CPU in microseconds an order (for an echo:
        messages).
        """
        for each in self.running:
            each.send(json.dumps([size, max(1, orders // size // len(self.running)), window]))
        for each in self.running:
            each.receive()
        before_ns = self.server.cpu_ns()
        for each in self.running:
            each.send("go")
        rows = [each.receive() for each in self.running]
        used_ns = self.server.cpu_ns() - before_ns
        done = sum(row["sent"] for row in rows)
        took_ns = max(row["end_ns"] for row in rows) - min(row["start_ns"] for row in rows)
        return {
            "per_s": round(done / took_ns * 1e9),
            "cpu_us": round(used_ns / done / 1e3, 4),
            "orders": done,
            "rejected": sum(row["rejected"] for row in rows),
            "trades": sum(row["fills"] for row in rows) // 2,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self.running:
            each.__exit__()


class Subscribers:
    """Subscribers to all price levels and trades of a venue: sockets of one process."""

    def __init__(self, folder: Path) -> None:
        self.process = Process(["-m", "bench.wire.subscriber", str(folder)])
        self.process.receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.__exit__()

    def set_count(self, count: int) -> None:
        """Add subscribers until there are `count`."""
        self.process.send(str(count))
        self.process.receive()

    def take_frames(self) -> int:
        """Wait until no more frames come; returns how many all of them got since the last call."""
        self.process.send("frames")
        return int(self.process.receive()["frames"])


def latency(server_folder: Path, rate: int, kind: str, seconds: float) -> Row:
    """Run an open loop at `rate` orders a second; returns percentiles in microseconds."""
    count = int(rate * seconds)
    arguments = ["-m", "bench.wire.open_loop", str(server_folder), str(rate), str(count), kind]
    with Process(arguments) as process:
        return process.receive()


def now_ns() -> int:
    """Return the time in ns of a clock that all processes share."""
    return time.monotonic_ns()

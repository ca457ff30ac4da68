"""What is measured: a served venue or an echo, each a process of its own, with its peers.

Peers are processes that are told by lines on stdin what to do next, and answer by lines: their
start-up is never measured, nor their end.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from select import select
from typing import Any, Self

PATIENCE_S = 60
"""A process that says nothing for so long has failed."""

COMPILING_S = 600
"""So long a venue may take that finds no compiled kernels."""

BROKERS = ("east-1", "west-1", "south-1", "coast-1")
TIMER = "east-2"
"""Who measures latency."""

CONTRACT, OPEN = "H800.QD", 8
"""What is traded: the last hours of one contract."""

TARGET = "target.json"
"""Instruments and reference price, for the load generators."""

CONFIG = """
folder = "venue"
trading_day = "2026-11-22"
days = 1
buyer_fen = 100000000000000
supplier_fen = 100000000000000
plain = {plain}
durable = {durable}

[limits]
orders = 1048576
"""
Row = dict[str, Any]


class Failed(Exception):
    """A process of a measurement has ended, or is stuck."""


class Process:
    """A process that answers each line with a line."""

    def __init__(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        self.name = " ".join(arguments[1:3])
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=env,
        )

    def say(self, line: str) -> None:
        """Tell it what to do."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, patience_s: float = PATIENCE_S) -> Row:
        """Its next line. Raises Failed where none comes."""
        stdout = self.process.stdout
        assert stdout is not None
        if not select([stdout], [], [], patience_s)[0]:
            raise Failed(f"{self.name}: said nothing for {patience_s:g} s")
        line = stdout.readline()
        if not line:
            raise Failed(f"{self.name}: has ended")
        told: Row = json.loads(line)
        return told

    def cpu_ns(self) -> int:
        """Processor time used so far, user and system, by all of its threads."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """SIGTERM, and SIGKILL to one that does not mind it."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


def echo(folder: Path) -> Process:
    """An echo that is ready; its peers find it by a file in this folder."""
    server = Process(["-m", "bench.wire.echo"])
    folder.mkdir(parents=True)
    (folder / "echo.json").write_text(json.dumps(server.hear()))
    return server


def venue(folder: Path, what: str) -> Process:
    """A venue of its own in this folder: `what` says plain or curve, and durable or not.

    Every broker has money and capacity for all that it will ask, and no rate that it could reach.
    """
    from exchange.definition.members import read_members
    from feeds.protocol.keys import new_pair

    folder.mkdir(parents=True)
    plain, durable = ("true" if word in what else "false" for word in ("plain", "durable"))
    (folder / "venue.toml").write_text(CONFIG.format(plain=plain, durable=durable))
    keys, fast = folder / "venue" / "keys", 10_000_000
    for session in read_members().sessions:
        role = "operator" if session.operator else "trading"
        new_pair(keys, session.name, role=role, firm=session.firm, orders_per_s=fast, burst=fast)
    serve = "from exchange.cli import main; main()"
    clock = ["--clock", "2026-11-22T09:00*1"]
    server = Process(["-c", serve, "serve", "--config", "venue.toml", "--json", *clock], folder)
    server.hear(COMPILING_S)
    _open(folder)
    return server


def _open(folder: Path) -> None:
    """Choose what is traded, write it down, and let every account sell as much as it likes."""
    from exchange.definition.members import read_members
    from feeds.client import connect
    from feeds.protocol.commands import command
    from ledger.daylog import read_day_log
    from matching.records import CommandKind

    place = folder / "venue"
    registry = read_day_log(next(place.glob("*.log")), unsealed=True).registry
    instruments = [i.id for i in registry.instruments if i.contract == CONTRACT][-OPEN:]
    price = next(c.reference_ticks for c in registry.contracts if c.code == CONTRACT)
    (folder / TARGET).write_text(json.dumps({"instruments": instruments, "price": price}))
    key = place / "keys" / "operations.secret"
    with connect(place / "connection.toml", key, admin=True) as operator:
        for account in read_members().accounts:
            for instrument in instruments:
                wanted = {"account": account.id, "instrument": instrument, "quantity": 1 << 30}
                operator.ask(command(CommandKind.REGISTER, **wanted))


class Load:
    """Load generators for a server, ready to be used again and again."""

    def __init__(self, server: Process, folder: Path, what: str, brokers: int) -> None:
        self.server = server
        self.running = [
            Process(["-m", "bench.wire.load_generator", name, str(folder), what])
            for name in BROKERS[:brokers]
        ]
        for each in self.running:
            each.hear()

    def saturate(self, size: int, orders: int, window: int) -> Row:
        """Orders a second and the server's microseconds an order (of an echo: messages)."""
        for each in self.running:
            each.say(json.dumps([size, max(1, orders // size // len(self.running)), window]))
        for each in self.running:
            each.hear()
        before_ns = self.server.cpu_ns()
        for each in self.running:
            each.say("go")
        told = [each.hear() for each in self.running]
        used_ns = self.server.cpu_ns() - before_ns
        done = sum(each["sent"] for each in told)
        took_ns = max(each["end_ns"] for each in told) - min(each["start_ns"] for each in told)
        return {
            "per_s": round(done / took_ns * 1e9),
            "cpu_us": round(used_ns / done / 1e3, 4),
            "orders": done,
            "rejected": sum(each["rejected"] for each in told),
            "trades": sum(each["fills"] for each in told) // 2,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for each in self.running:
            each.__exit__()


class Subscribers:
    """Subscribers to every level and trade of a venue: sockets of one process."""

    def __init__(self, folder: Path) -> None:
        self.process = Process(["-m", "bench.wire.subscriber", str(folder)])
        self.process.hear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.__exit__()

    def be(self, count: int) -> None:
        """So many of them from now on."""
        self.process.say(str(count))
        self.process.hear()

    def frames(self) -> int:
        """What all of them got since they were asked last, when nothing comes any more."""
        self.process.say("frames")
        return int(self.process.hear()["frames"])


def latency(server_folder: Path, rate: int, what: str, seconds: float) -> Row:
    """Percentiles of an open loop at so many orders a second, in microseconds."""
    count = int(rate * seconds)
    arguments = ["-m", "bench.wire.open_loop", str(server_folder), str(rate), str(count), what]
    with Process(arguments) as process:
        return process.hear()


def now_ns() -> int:
    """A clock that all processes share."""
    return time.monotonic_ns()

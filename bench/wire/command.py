"""The wire: a served venue against a tight echo, in interleaved rounds. `python -m bench wire`.

Every process is a real one: the venue (`suanshi serve`), the echo, and load generators that keep a
window of frames in flight. CPU is that of the server's process, all of its threads.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import click

from bench.machine import machine
from bench.wire.bars import judged, told
from bench.wire.processes import Load, Process, Row, Subscribers, echo, latency, venue

SIZES = {1: 240_000, 16: 640_000, 128: 640_000}
"""Orders a frame, and orders of a measurement."""

SUBSCRIBED_ORDERS = 40_000
RATES = (2_000, 10_000, 50_000)
KINDS = ("plain durable", "plain", "curve durable", "curve")
SUBSCRIBERS = (1, 10)


class Run:
    """One run: says on stderr what it does, and how long that took."""

    def __init__(self, window: int, brokers: int, seconds: float) -> None:
        self.window, self.brokers, self.seconds = window, brokers, seconds
        self.everything = False
        self.number = 0
        self._start_s = time.monotonic()

    def round(self, folder: Path, *, everything: bool) -> Row:
        """Every measurement once, or those that the bars need."""
        self.number, self.everything = self.number + 1, everything
        row: Row = {"fdatasync_us": fdatasync_us(folder)}
        with echo(folder / "echo") as server:
            self._tell("fdatasync of 4 KB", f"{row['fdatasync_us']} us")
            with self._load(server, folder / "echo", "echo") as echoed:
                for what in KINDS if self.everything else KINDS[:2]:
                    row |= self._venue(folder, what, server, echoed)
        return row

    def _venue(self, folder: Path, what: str, echo_server: Process, echoed: Load) -> Row:
        """All measurements of a venue, an echo right before each that is compared with one."""
        place = folder / what.replace(" ", "-")
        row: Row = {}
        with venue(place, what) as server, self._load(server, place, what) as load:
            for each in (echoed, load):  # untimed: memory that nobody has touched yet is slow
                each.saturate(1, SIZES[1], self.window)
            own: Row = {"echo": self._saturate(echoed, 1, "echo")}
            for size in SIZES:
                if self.everything or size < 128:
                    own[f"{size} a frame"] = self._saturate(load, size, what)
            row[what] = own
            if what == "plain" or (what == "plain durable" and self.everything):
                own["latency"] = self._latencies(folder / "echo", place)
            if what == "plain durable" or self.everything:
                own["subscribers"] = self._subscribed(place, load, what)
                row.setdefault("subscribers", own["subscribers"]["1 a frame"])
        return row

    def _load(self, server: Process, folder: Path, what: str) -> Load:
        return Load(server, folder, what, self.brokers)

    def _saturate(self, load: Load, size: int, what: str) -> Row:
        found = load.saturate(size, SIZES[size], self.window)
        text = f"{found['per_s']:,}/s, CPU {found['cpu_us']:.2f} us"
        self._tell(f"{what}, {size} a frame", text)
        return found

    def _latencies(self, echo_folder: Path, place: Path) -> Row:
        """Open loops of the echo and of a venue, in turn."""
        row: Row = {}
        rates = RATES if self.everything else (10_000,)
        for rate in rates:
            row[str(rate)] = at = {}
            for what, folder in (("echo", echo_folder), ("plain", place)):
                at[what] = latency(folder, rate, what, self.seconds)
                self._tell(f"{what}, {rate:,} a second", _percentiles(at[what]))
        return row

    def _subscribed(self, place: Path, load: Load, what: str) -> Row:
        """The venue's CPU with nobody who subscribes, with one and with ten."""
        row: Row = {}
        with Subscribers(place) as subscribers:
            for size in SIZES if self.everything else (1,):
                row[f"{size} a frame"] = {}
            for count in (0, *SUBSCRIBERS):
                subscribers.be(count)
                for size in SIZES if self.everything else (1,):
                    found = load.saturate(size, SUBSCRIBED_ORDERS, self.window)
                    before_ns = load.server.cpu_ns()
                    frames = subscribers.frames()
                    later_us = (load.server.cpu_ns() - before_ns) / 1e3 / found["orders"]
                    found["cpu_us"] = round(found["cpu_us"] + later_us, 4)
                    found["frames"] = round(frames / found["orders"], 3)
                    row[f"{size} a frame"][str(count)] = found
                    text = f"{found['per_s']:,}/s, CPU {found['cpu_us']:.2f} us, "
                    text += f"{found['frames']:.1f} frames delivered an order"
                    self._tell(f"{what}, {size} a frame, {count} subscribers", text)
        return row

    def _tell(self, what: str, text: str) -> None:
        passed_s = time.monotonic() - self._start_s
        click.echo(f"[{passed_s:5.0f} s] round {self.number}: {what}: {text}", err=True)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Interleaved rounds.")
@click.option("--matrix", default=1, show_default=True, help="Rounds that measure all of it.")
@click.option("--window", default=512, show_default=True, help="Frames in flight a broker.")
@click.option("--brokers", default=4, show_default=True, help="Load generators.")
@click.option("--seconds", default=2.0, show_default=True, help="Of an open loop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def wire(
    rounds: int, matrix: int, window: int, brokers: int, seconds: float, as_json: bool
) -> None:
    """Measure the wire against an echo, and fdatasync beside it; says on stderr where it is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process is left behind
    run = Run(window, brokers, seconds)
    rows: list[Row] = []
    for number in range(rounds):
        with _scratch() as folder:
            rows.append(run.round(folder, everything=number < matrix))
    bars = judged(rows)
    click.echo(told(bars), err=as_json)
    result = {"machine": machine(), "window": window, "brokers": brokers, "seconds": seconds}
    if as_json:
        click.echo(json.dumps({**result, "bars": bars, "rounds": rows}, indent=1))


@contextmanager
def _scratch() -> Iterator[Path]:
    with ExitStack() as stack:
        place = tempfile.TemporaryDirectory(prefix="suanshi-bench-", dir=Path.cwd())
        yield Path(stack.enter_context(place))


def _percentiles(found: Row) -> str:
    return ", ".join(f"{name.removesuffix('_us')} {value:g}" for name, value in found.items())


def fdatasync_us(folder: Path, times: int = 200) -> float:
    """Median of fdatasync after overwriting 4 KB in a file of zeros."""
    path = folder / "sync"
    path.write_bytes(bytes(1 << 20))
    descriptor = os.open(path, os.O_WRONLY)
    os.fsync(descriptor)
    took = []
    for number in range(times):
        os.pwrite(descriptor, b"x" * 4_096, number % 256 * 4_096)
        start_ns = time.perf_counter_ns()
        os.fdatasync(descriptor)
        took.append((time.perf_counter_ns() - start_ns) / 1_000)
    os.close(descriptor)
    return round(median(took), 1)

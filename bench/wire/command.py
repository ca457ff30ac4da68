"""`python -m bench wire`: a served venue beside an echo server, in interleaved rounds.

Server and load run in processes of their own: the venue (`suanshi serve`), the echo, and load
generators that keep a window of frames in flight. CPU is that of the server's process, with all of
its threads.
"""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click

from bench.machine import machine
from bench.wire.bars import evaluate_bars, format_bars
from bench.wire.processes import Load, Process, Row, Subscribers, echo, latency, venue

SIZES = {1: 240_000, 16: 640_000, 128: 640_000}
"""Orders of a measurement, by the number of orders a frame."""

SUBSCRIBED_ORDERS = 40_000
RATES = (2_000, 10_000, 50_000)
KINDS = ("plain durable", "plain", "curve durable", "curve")
SUBSCRIBERS = (1, 10)


class Run:
    """A run of several rounds, which reports each measurement on stderr when it ends."""

    def __init__(self, window: int, brokers: int, seconds: float) -> None:
        self.window, self.brokers, self.seconds = window, brokers, seconds
        self.everything = False
        self.number = 0
        self._start_s = time.monotonic()

    def round(self, folder: Path, *, everything: bool) -> Row:
        """Make every measurement once, or with `everything` false those that the bars need."""
        self.number, self.everything = self.number + 1, everything
        row: Row = {"fdatasync_us": fdatasync_us(folder)}
        with echo(folder / "echo") as server:
            self._report("fdatasync of 4 KB", f"{row['fdatasync_us']} us")
            with self._load(server, folder / "echo", "echo") as echoed:
                for kind in KINDS if self.everything else KINDS[:2]:
                    row |= self._measure_venue(folder, kind, echoed)
        return row

    def _measure_venue(self, folder: Path, kind: str, echoed: Load) -> Row:
        """Make all measurements of a venue; the echo is measured just before its counterpart."""
        own_folder = folder / kind.replace(" ", "-")
        row: Row = {}
        with venue(own_folder, kind) as server, self._load(server, own_folder, kind) as load:
            for each in (echoed, load):  # untimed: the first use of memory is slow
                each.saturate(1, SIZES[1], self.window)
            own: Row = {"echo": self._saturate(echoed, 1, "echo")}
            for size in SIZES:
                if self.everything or size < 128:
                    own[f"{size} a frame"] = self._saturate(load, size, kind)
            row[kind] = own
            if kind == "plain" or (kind == "plain durable" and self.everything):
                own["latency"] = self._measure_latency(folder / "echo", own_folder)
            if kind == "plain durable" or self.everything:
                own["subscribers"] = self._measure_subscribers(own_folder, load, kind)
                row.setdefault("subscribers", own["subscribers"]["1 a frame"])
        return row

    def _load(self, server: Process, folder: Path, kind: str) -> Load:
        return Load(server, folder, kind, self.brokers)

    def _saturate(self, load: Load, size: int, kind: str) -> Row:
        found = load.saturate(size, SIZES[size], self.window)
        text = f"{found['per_s']:,}/s, CPU {found['cpu_us']:.2f} us"
        self._report(f"{kind}, {size} a frame", text)
        return found

    def _measure_latency(self, echo_folder: Path, venue_folder: Path) -> Row:
        """Run open loops of the echo and of a venue; returns percentiles by rate and server."""
        row: Row = {}
        rates = RATES if self.everything else (10_000,)
        for rate in rates:
            row[str(rate)] = by_server = {}
            for kind, folder in (("echo", echo_folder), ("plain", venue_folder)):
                by_server[kind] = latency(folder, rate, kind, self.seconds)
                self._report(f"{kind}, {rate:,} a second", _percentiles(by_server[kind]))
        return row

    def _measure_subscribers(self, folder: Path, load: Load, kind: str) -> Row:
        """Measure the venue's CPU without subscribers, with one and with ten."""
        row: Row = {}
        with Subscribers(folder) as subscribers:
            for size in SIZES if self.everything else (1,):
                row[f"{size} a frame"] = {}
            for count in (0, *SUBSCRIBERS):
                subscribers.set_count(count)
                for size in SIZES if self.everything else (1,):
                    found = load.saturate(size, SUBSCRIBED_ORDERS, self.window)
                    before_ns = load.server.cpu_ns()
                    frames = subscribers.take_frames()
                    later_us = (load.server.cpu_ns() - before_ns) / 1e3 / found["orders"]
                    found["cpu_us"] = round(found["cpu_us"] + later_us, 4)
                    found["frames"] = round(frames / found["orders"], 3)
                    row[f"{size} a frame"][str(count)] = found
                    text = f"{found['per_s']:,}/s, CPU {found['cpu_us']:.2f} us, "
                    text += f"{found['frames']:.1f} frames delivered an order"
                    self._report(f"{kind}, {size} a frame, {count} subscribers", text)
        return row

    def _report(self, subject: str, text: str) -> None:
        passed_s = time.monotonic() - self._start_s
        click.echo(f"[{passed_s:5.0f} s] round {self.number}: {subject}: {text}", err=True)


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Interleaved rounds.")
@click.option("--matrix", default=1, show_default=True, help="Rounds that measure everything.")
@click.option("--window", default=512, show_default=True, help="Frames in flight a broker.")
@click.option("--brokers", default=4, show_default=True, help="Load generators.")
@click.option("--seconds", default=2.0, show_default=True, help="Length of an open loop.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def wire(
    rounds: int, matrix: int, window: int, brokers: int, seconds: float, as_json: bool
) -> None:
    """Measure the wire beside an echo server, and fdatasync. Progress goes to stderr."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends the child processes too
    run = Run(window, brokers, seconds)
    rows: list[Row] = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="suanshi-bench-", dir=Path.cwd()) as folder:
            rows.append(run.round(Path(folder), everything=number < matrix))
    bars = evaluate_bars(rows)
    click.echo(format_bars(bars), err=as_json)
    result = {"machine": machine(), "window": window, "brokers": brokers, "seconds": seconds}
    if as_json:
        click.echo(json.dumps({**result, "bars": bars, "rounds": rows}, indent=1))


def _percentiles(found: Row) -> str:
    return ", ".join(f"{name.removesuffix('_us')} {value:g}" for name, value in found.items())


def fdatasync_us(folder: Path, times: int = 200) -> float:
    """Return the median time in us of fdatasync after overwriting 4 KB in a file of zeros."""
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

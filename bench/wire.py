"""The wire: a served venue against a tight echo, in interleaved rounds. `python -m bench wire`.

Every process is a real one: the venue (`suanshi serve`), the echo, and load generators that keep a
window of frames in flight. CPU is that of the server's process, all of its threads.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

from bench.report import machine

SIZES = (1, 16, 128)
RATES = (2_000, 10_000, 50_000)
BROKERS = ("east-1", "west-1", "south-1", "coast-1")
CONFIG = """
folder = "venue"
trading_day = "2026-11-22"
days = 1
buyer_fen = 1000000000000
supplier_fen = 1000000000000
register_inventory = true
plain = {plain}
durable = {durable}
"""
Row = dict[str, Any]


class Server:
    """A process that serves, and what it has used of the processor."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, cwd=folder, env=env
        )
        assert self.process.stdout is not None
        self.said = json.loads(self.process.stdout.readline())

    def cpu_s(self) -> float:
        """Seconds of processor used so far, user and system, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.communicate()


def venue(folder: Path, *, plain: bool, durable: bool) -> Server:
    """A venue of its own in this folder."""
    from exchange.members import read_members
    from feeds.keys import new_pair

    folder.mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(plain=str(plain).lower(), durable=str(durable).lower())
    (folder / "venue.toml").write_text(text)
    for session in read_members().sessions:
        role = "operator" if session.operator else "trading"
        keys, fast = folder / "venue" / "keys", 10_000_000
        new_pair(keys, session.name, role=role, firm=session.firm, orders_per_s=fast, burst=fast)
    serve = "from exchange.cli import main; main()"
    clock = ["--clock", "2026-11-22T09:00*1"]
    return Server(["-c", serve, "serve", "--config", "venue.toml", "--json", *clock], folder)


def load(folder: Path, size: int, frames: int, window: int, brokers: int, what: str) -> Row:
    """Run load generators at once; the slowest one's seconds."""
    arguments = [str(folder), str(size), str(frames), str(window), what]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.wire_load", name, *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in BROKERS[:brokers]
    ]
    for each in running:
        assert each.stdout is not None
        each.stdout.readline()
    start_s = time.perf_counter()
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    lines = [each.communicate()[0] for each in running]
    took_s = time.perf_counter() - start_s
    return {"took_s": took_s, "rejects": sum(json.loads(line)["rejects"] for line in lines)}


def serve(folder: Path, what: str) -> Server:
    """An echo, or a venue: `what` is "echo", or says plain or curve, and durable or not."""
    if what != "echo":
        return venue(folder, plain="plain" in what, durable="durable" in what)
    server = Server(["-m", "bench.wire_echo"], Path.cwd())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "echo.json").write_text(json.dumps(server.said))
    return server


def latency(folder: Path, rate: int, what: str, seconds: float = 2.0) -> Row:
    """Percentiles of an open loop at so many orders a second, in microseconds."""
    server = serve(folder, what)
    arguments = ["-m", "bench.wire_latency", str(folder), str(rate), str(int(rate * seconds)), what]
    try:
        done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        found: Row = json.loads(done.stdout)
        return found
    finally:
        server.stop()


def subscribed(folder: Path, subscribers: int, orders: int, window: int) -> Row:
    """The venue's CPU with so many subscribers, an order and a delivered frame."""
    server = serve(folder, "plain durable")
    arguments = [sys.executable, "-m", "bench.wire_subscriber", str(folder)]
    running = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(subscribers)
    ]
    try:
        for each in running:
            assert each.stdout is not None
            each.stdout.readline()
        before_s = server.cpu_s()
        load(folder, 1, orders // 4, window, 4, "plain durable")
        frames = sum(json.loads(each.communicate("end\n")[0])["frames"] for each in running)
        used_s = server.cpu_s() - before_s
        return {
            "frames": frames,
            "cpu_us_an_order": round(used_s / orders * 1e6, 3),
            "cpu_us_a_delivery": round(used_s / max(1, frames) * 1e6, 3),
        }
    finally:
        server.stop()


def saturate(folder: Path, size: int, orders: int, window: int, brokers: int, what: str) -> Row:
    """Orders a second and microseconds of CPU an order (of an echo: messages)."""
    count = max(1, orders // size // brokers)
    server = serve(folder, what)
    try:
        load(folder, size, max(1, count // 10), window, brokers, what)
        before_s = server.cpu_s()
        row = load(folder, size, count, window, brokers, what)
        done = count * brokers * (1 if what == "echo" else size)
        used_s = server.cpu_s() - before_s
        return {
            "per_s": round(done / row["took_s"]),
            "cpu_us": round(used_s / done * 1e6, 3),
            "rejects": row["rejects"],
        }
    finally:
        server.stop()


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Interleaved rounds.")
@click.option("--orders", default=200_000, show_default=True, help="Of each measurement.")
@click.option("--window", default=512, show_default=True, help="Frames in flight a broker.")
@click.option("--brokers", default=4, show_default=True, help="Load generators.")
@click.option("--curve", is_flag=True, help="Measure CURVE too.")
@click.option("--latency", "open_loop", is_flag=True, help="Measure open-loop latency too.")
@click.option("--subscribers", "with_subscribers", is_flag=True, help="Measure 1 and 10 of them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def wire(
    rounds: int,
    orders: int,
    window: int,
    brokers: int,
    curve: bool,
    open_loop: bool,
    with_subscribers: bool,
    as_json: bool,
) -> None:
    """Measure the wire against an echo, and fdatasync beside it."""
    kinds = ["plain durable", "plain"] + (["curve durable"] if curve else [])
    rows: list[Row] = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="suanshi-bench-", dir=Path.cwd()) as place:
            folder = Path(place)
            row: Row = {"echo": saturate(folder / "echo", 1, orders, window, brokers, "echo")}
            row["fdatasync_us"] = fdatasync_us(folder)
            for kind in kinds:
                for size in SIZES:
                    name = f"{kind} {size}"
                    own = folder / name.replace(" ", "-")
                    row[name] = saturate(own, size, orders * min(size, 4), window, brokers, kind)
            if open_loop:
                row["latency"] = _latencies(folder)
            if with_subscribers:
                row["subscribers"] = {
                    str(n): subscribed(folder / f"subscribers-{n}", n, orders, window)
                    for n in (1, 10)
                }
            rows.append(row)
            click.echo(f"round {number + 1}: {_short(row)}", err=True)
    result = {"machine": machine(), "window": window, "brokers": brokers, "rounds": rows}
    click.echo(json.dumps(result, indent=2) if as_json else _table(rows))


def _latencies(folder: Path) -> Row:
    return {
        f"{what} {rate}": latency(folder / f"latency-{what}-{rate}".replace(" ", "-"), rate, what)
        for rate in RATES
        for what in ("echo", "plain", "plain durable")
    }


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


def _short(row: Row) -> str:
    echo = row["echo"]
    parts = [f"echo {echo['per_s']:,}/s {echo['cpu_us']} us"]
    for name, one in row.items():
        if isinstance(one, dict) and "per_s" in one and name != "echo":
            ratio, cpu = one["per_s"] / echo["per_s"], one["cpu_us"] / max(echo["cpu_us"], 1e-9)
            parts.append(
                f"{name}: {one['per_s']:,}/s ({ratio:.2f}x), CPU {one['cpu_us']} us ({cpu:.2f}x)"
            )
    for name in ("latency", "subscribers"):
        parts += [f"{name} {key}: {value}" for key, value in row.get(name, {}).items()]
    return "\n  ".join(parts)


def _table(rows: list[Row]) -> str:
    return "\n".join(_short(row) for row in rows)

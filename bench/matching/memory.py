"""Resident memory of a machine with many instruments: 5,000 bands of 4,096 ticks, 1,000,000 orders.

`python -m bench.matching.memory near|anywhere` fills a machine in its own process and prints the
memory of that process. `near`: prices as the workloads draw them. `anywhere`: prices over the whole
band, so that nearly every page of the tables of price levels is used.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.child_process import ROOT, child_environment
from bench.workloads.definitions import PLAIN, Size, Workload
from bench.workloads.opening import band_of, limits_of, opening
from bench.workloads.order_writer import OrderWriter
from bench.workloads.refs import Refs
from matching import COMMAND, Engine
from matching.records import CommandKind

INSTRUMENTS, RESTING = 5_000, 1_000_000
CHUNK = 4_096
MEGABYTE = 1_000_000
SPREADS = ("near", "anywhere")


def memory() -> dict[str, Any]:
    """Return resident megabytes (10^6) for each spread of prices, measured in child processes."""
    found: dict[str, Any] = {"instruments": INSTRUMENTS, "resting": RESTING}
    for spread in SPREADS:
        command = [sys.executable, "-m", "bench.matching.memory", spread]
        done = subprocess.run(
            command, cwd=ROOT, env=child_environment(), check=True, stdout=subprocess.PIPE
        )
        found[spread] = json.loads(done.stdout)
    return found


def fill(spread: str, instruments: int, resting: int) -> dict[str, Any]:
    """Build a machine, rest orders in it, and return resident megabytes.

    `python_mb` is before the machine is built, `resident_mb` after, `highest_mb` the maximum.
    """
    workload = Workload(PLAIN, Size("memory", instruments, -(-resting // instruments)))
    before_mb = resident_mb("VmRSS")
    engine = Engine(limits_of(workload, resting))
    for commands in opening(workload):
        engine.process(commands)
    accepted = 0
    for orders in resting_orders(workload, spread, resting):
        accepted += len(engine.process(orders))
    if accepted != resting:
        raise RuntimeError(f"memory: {resting} orders should rest, {accepted} do")
    return {
        "python_mb": before_mb,
        "resident_mb": resident_mb("VmRSS"),
        "highest_mb": resident_mb("VmHWM"),
    }


def resting_orders(workload: Workload, spread: str, resting: int) -> Iterator[NDArray[np.void]]:
    """Yield orders that rest, in chunks, with prices near the mid or anywhere in the band."""
    rng, refs = np.random.default_rng(1), Refs(workload.sessions)
    mid = workload.mid_start_ticks
    writer = OrderWriter(workload, rng, np.full(workload.size.instruments + 1, mid))
    low, high = band_of(workload)
    for at in range(0, resting, CHUNK):
        never = np.zeros(min(CHUNK, resting - at), bool)
        rows = np.zeros(len(never), COMMAND)
        rows["kind"] = CommandKind.NEW
        writer.write_new(rows, never, never)
        if spread == "anywhere":
            buys = rng.integers(low, mid, len(rows))
            sells = rng.integers(mid + 1, high + 1, len(rows))
            rows["price"] = np.where(rows["side"] == 0, buys, sells)
        rows["user_ref"] = refs.take(rows["session"])
        yield rows


def resident_mb(name: str) -> float:
    """Return a figure of this process from /proc in MB: VmRSS, or VmHWM for the maximum."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return round(int(line.split()[1]) * 1_024 / MEGABYTE, 1)
    raise OSError(f"/proc/self/status: no line `{name}`")


if __name__ == "__main__":
    print(json.dumps(fill(sys.argv[1], INSTRUMENTS, RESTING)))

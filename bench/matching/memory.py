"""Resident memory of a machine with many instruments: 5,000 bands of 4,096 ticks, 1,000,000 orders.

`python -m bench.memory near|anywhere` fills a machine in its own process and prints what that
process holds. `near`: prices as the workloads draw them; `anywhere`: all over the band, so that
next to no page of the ladders is spared.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.opening import band_of, limits_of, opening
from bench.orders import OrderWriter
from bench.refs import Refs
from bench.startup import ROOT, with_path
from bench.workloads import PLAIN, Size, Workload
from matching import COMMAND, Engine
from matching.records import CommandKind

INSTRUMENTS, RESTING = 5_000, 1_000_000
CHUNK = 4_096
MEGABYTE = 1_000_000
SPREADS = ("near", "anywhere")


def memory() -> dict[str, Any]:
    """Resident megabytes (10^6) with either spread of prices, and before the machine was made."""
    found: dict[str, Any] = {"instruments": INSTRUMENTS, "resting": RESTING}
    for spread in SPREADS:
        command = [sys.executable, "-m", "bench.memory", spread]
        done = subprocess.run(
            command, cwd=ROOT, env=with_path({}), check=True, stdout=subprocess.PIPE
        )
        found[spread] = json.loads(done.stdout)
    return found


def fill(spread: str, instruments: int, resting: int) -> dict[str, Any]:
    """Build a machine and rest orders in it: megabytes resident before, after and at the most."""
    workload = Workload(PLAIN, Size("memory", instruments, -(-resting // instruments)))
    before_mb = resident_mb("VmRSS")
    engine = Engine(limits_of(workload, resting))
    for commands in opening(workload):
        engine.process(commands)
    accepted = 0
    for orders in _orders(workload, spread, resting):
        accepted += len(engine.process(orders))
    if accepted != resting:
        raise RuntimeError(f"memory: {resting} orders should rest, {accepted} do")
    return {
        "python_mb": before_mb,
        "resident_mb": resident_mb("VmRSS"),
        "highest_mb": resident_mb("VmHWM"),
    }


def _orders(workload: Workload, spread: str, resting: int) -> Iterator[NDArray[np.void]]:
    """Orders that rest, a few at a time, with prices near the worth or anywhere."""
    dice, refs = np.random.default_rng(1), Refs(workload.sessions)
    worth = workload.worth_ticks
    writer = OrderWriter(workload, dice, np.full(workload.size.instruments + 1, worth))
    low, high = band_of(workload)
    for at in range(0, resting, CHUNK):
        never = np.zeros(min(CHUNK, resting - at), bool)
        rows = np.zeros(len(never), COMMAND)
        rows["kind"] = CommandKind.NEW
        writer.write_new(rows, never, never)
        if spread == "anywhere":
            buys = dice.integers(low, worth, len(rows))
            sells = dice.integers(worth + 1, high + 1, len(rows))
            rows["price"] = np.where(rows["side"] == 0, buys, sells)
        rows["user_ref"] = refs.give(rows["session"])
        yield rows


def resident_mb(name: str) -> float:
    """A figure of this process from /proc: VmRSS, or VmHWM for its highest."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return round(int(line.split()[1]) * 1_024 / MEGABYTE, 1)
    raise OSError(f"/proc/self/status: no line `{name}`")


if __name__ == "__main__":
    print(json.dumps(fill(sys.argv[1], INSTRUMENTS, RESTING)))

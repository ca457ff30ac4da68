"""Seconds of a snapshot and of a restore, with and without the checks of what is restored.

`python -m bench.matching.snapshots [ORDERS]` prints medians for a machine with so many resting
orders, 1,000,000 unless given, in 1,000 books.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.matching.memory import resting_orders
from bench.workloads.definitions import PLAIN, Size, Workload
from bench.workloads.opening import limits_of, opening
from matching import Engine
from matching.invariants.memory.violations import first_violation

BOOKS, ORDERS, REPEATS = 1_000, 1_000_000, 7


def snapshots(orders: int, books: int = BOOKS, repeats: int = REPEATS) -> dict[str, Any]:
    """Return the bytes of a snapshot, and the median seconds to take it, to restore it, and of the
    restore's checks."""
    workload = Workload(PLAIN, Size("snapshots", books, -(-orders // books)))
    engine = Engine(limits_of(workload, orders))
    for commands in opening(workload):
        engine.process(commands)
    for commands in resting_orders(workload, "near", orders):
        engine.process(commands)
    blob = engine.snapshot()
    restored = Engine.restore(blob)
    return {
        "orders": orders,
        "bytes": len(blob),
        "snapshot_s": _median_s(engine.snapshot, repeats),
        "restore_s": _median_s(lambda: Engine.restore(blob), repeats),
        "checks_s": _median_s(lambda: _check(restored), repeats),
    }


def _check(engine: Engine) -> None:
    assert first_violation(engine._arrays, engine.limits) is None


def _median_s(action: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return round(median(seconds), 4)


if __name__ == "__main__":
    print(json.dumps(snapshots(int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS), indent=2))

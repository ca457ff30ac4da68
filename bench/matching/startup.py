"""Seconds from starting Python to one matched order: compiling, and from the cache."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.child_process import ROOT, child_environment

CACHED_STARTS = 5


def startup() -> dict[str, Any]:
    """Return wall and CPU seconds of the first start with an empty cache, and of later starts."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"SUANSHI_CACHE_DIR": folder}
        compiling = start("bench.matching.one_order", environment)
        cached = [start("bench.matching.one_order", environment) for _ in range(CACHED_STARTS)]
    return {
        "compiling_wall_s": round(compiling[0], 2),
        "compiling_cpu_s": round(compiling[1], 2),
        "cached_wall_s": round(median(wall for wall, _ in cached), 3),
        "cached_cpu_s": round(median(cpu for _, cpu in cached), 3),
        "cached_starts": CACHED_STARTS,
    }


def start(module: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Run a module of this repository in a process; return its wall and CPU seconds.

    Raises subprocess.CalledProcessError where it fails.
    """
    cpu, wall = _children_cpu_s(), time.perf_counter()
    command = [sys.executable, "-m", module]
    subprocess.run(command, cwd=ROOT, env=child_environment(environment), check=True)
    return time.perf_counter() - wall, _children_cpu_s() - cpu


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

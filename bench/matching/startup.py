"""Seconds from starting Python to one matched order: compiling, and from the cache."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
CACHED_STARTS = 5


def startup() -> dict[str, Any]:
    """Wall and CPU seconds of the first start in an empty cache folder, and of later ones."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"SUANSHI_CACHE_DIR": folder}
        compiling = start("bench.one_order", environment)
        cached = [start("bench.one_order", environment) for _ in range(CACHED_STARTS)]
    return {
        "compiling_wall_s": round(compiling[0], 2),
        "compiling_cpu_s": round(compiling[1], 2),
        "cached_wall_s": round(median(wall for wall, _ in cached), 3),
        "cached_cpu_s": round(median(cpu for _, cpu in cached), 3),
        "cached_starts": CACHED_STARTS,
    }


def start(module: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process that runs a module of this repository.

    Raises subprocess.CalledProcessError where it fails.
    """
    cpu, wall = _children_cpu_s(), time.perf_counter()
    subprocess.run([sys.executable, "-m", module], cwd=ROOT, env=with_path(environment), check=True)
    return time.perf_counter() - wall, _children_cpu_s() - cpu


def with_path(environment: Mapping[str, str]) -> dict[str, str]:
    """The present environment and some more, with this repository importable."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **environment}


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

"""What is printed of a run: one JSON object, or a table for people."""

import os
import platform
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.flow import Recording
from bench.measure import Rates

METHOD = (
    "medians over repeats in turn (engine, floor, copyto) of process CPU time; batches of 4,096 of "
    "one recorded stream on a machine warmed up afresh; ratio: median of engine / floor per repeat"
)


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "numpy": version("numpy"),
        "system": f"{platform.system()} {platform.machine()}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _cpu_model() -> str:
    """The CPU's name where the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def workload_row(recording: Recording, rates: Rates) -> dict[str, Any]:
    """One element of `workloads`."""
    return {
        "workload": recording.workload.name,
        "commands": len(recording.stream),
        "resting": recording.resting,
        "resting_least": recording.resting_least,
        "resting_most": recording.resting_most,
        "instruments": recording.workload.size.instruments,
        "accounts": recording.workload.accounts,
        "seed": recording.seed,
        "trades": recording.trades,
        "rejects": sum(recording.rejects.values()),
        "reject_reasons": recording.rejects,
        "events": recording.events,
        "events_sha256": recording.events_sha256,
        **{name: _rounded(value) for name, value in asdict(rates).items()},
    }


def second_row(recording: Recording, rates: Rates) -> dict[str, Any]:
    """The same workload from another seed, in short."""
    return {
        "seed": recording.seed,
        "commands_per_s": _rounded(rates.commands_per_s),
        "ratio": _rounded(rates.ratio),
        "events_sha256": recording.events_sha256,
    }


def _rounded(value: float) -> float:
    return round(value) if value > 1_000 else round(value, 4)


HEAD = (
    f"{'workload':<14} {'resting':>9} {'M cmd/s':>8} {'ratio':>6} {'(low-high)':>13} "
    f"{'floor':>6} {'copyto':>6} {'trades':>7} {'rejects':>7} {'2nd seed':>14}"
)


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    count = row["commands"]
    second = row.get("second_seed")
    other = f"{second['commands_per_s'] / 1e6:.2f} / {second['ratio']:.3f}" if second else "-"
    span = f"({row['ratio_least']:.3f}-{row['ratio_most']:.3f})"
    return (
        f"{row['workload']:<14} {row['resting']:>9,} {row['commands_per_s'] / 1e6:>8.2f} "
        f"{row['ratio']:>6.3f} {span:>13} {row['floor_per_s'] / 1e6:>6.1f} "
        f"{row['copyto_per_s'] / 1e6:>6.1f} {row['trades'] / count:>7.1%} "
        f"{row['rejects'] / count:>7.2%} {other:>14}"
    )

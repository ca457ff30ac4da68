"""Forged snapshots: a restore refuses them, or gives a machine that is sound and goes on.

They run in processes of their own, which they may crash; tests/support/hostile_snapshots.py makes
and tries them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from matching.memory.compiler import JIT_DISABLED
from matching.records import OrderType
from tests.support.hostile_snapshots import origins
from tests.support.snapshot_editor import SnapshotEditor

ROOT = Path(__file__).parents[2]
MINUTES = 60


def outcomes(first: int, count: int, **environment: str) -> list[str]:
    """What became of each forgery. Fails with the last one's number where the process crashed or
    did not end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hostile_snapshots", str(first), str(count)],
        env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=20 * MINUTES,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"exit code {done.returncode} at {lines[-1:]}: {done.stderr}"
    tried, became = lines[::2], lines[1::2]
    assert len(tried) == len(became) == count
    wrong = [pair for pair in zip(tried, became, strict=True) if "wrong" in pair[1]]
    assert wrong == []
    return became


@pytest.mark.skipif(JIT_DISABLED, reason="too many for uncompiled kernels")
def test_forgeries_are_refused_or_sound():
    became = outcomes(0, 300)
    refused = sum("refused" in line for line in became)
    assert 150 < refused < 300


def test_forgeries_that_pass_read_nothing_beyond_their_tables():
    """Without compilation, numpy checks every index."""
    outcomes(10_000, 60, NUMBA_DISABLE_JIT="1")


@pytest.mark.long
def test_many_forgeries_are_refused_or_sound():
    outcomes(100_000, 20_000)


def test_what_is_forged_has_all_that_a_machine_can_hold():
    seen: set[str] = set()
    for origin in origins():
        arrays = SnapshotEditor(origin.blob).arrays
        orders, state = arrays["orders"], arrays["state"][0]
        live = orders[orders["instrument"] != 0]
        seen |= {f"{OrderType(kind).name}" for kind in set(live["type"].tolist())}
        seen |= {
            name
            for name, found in (
                ("iceberg", ((live["display"] != 0) & (live["mode"] & 64 == 0)).any()),
                ("block", (live["mode"] & 64 != 0).any()),
                ("basket", arrays["members"].any()),
                ("GTD", (live["timer"] != 0).any()),
                ("sessions", len(set(live["session"].tolist())) > 2),
                ("free slots", state["free_slot"] != 0),
                ("free pages", state["free_page"] != 0),
                ("free blocks", state["free_block"] != 0),
                ("collar", (arrays["own_timers"]["collar_end"] != 0).any()),
                ("gate", (arrays["own_timers"]["gate"] != 0).any()),
                ("pending", state["phases_pending"] != 0),
            )
            if found
        }
    assert seen >= {
        "LIMIT", "STOP", "STOP_LIMIT", "iceberg", "block", "basket", "GTD", "sessions",
        "free slots", "free pages", "free blocks", "collar", "gate", "pending",
    }  # fmt: skip

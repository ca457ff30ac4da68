"""Mutation test: apply each deliberate fault to a copy of the tree; a test must fail.

    python -m tests.tools.mutation [--workers 2] [--only TEXT]

Kernels run uncompiled, so a fault takes seconds. A fault that makes the machine hang counts as
found. Ends with exit code 1 where a fault was not found.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click

from tests.tools.fault import Fault
from tests.tools.faults import FAULTS

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/matching/test_kernel.py::test_kernel_and_reference_agree_event_by_event_and_stay_sound",
    "tests/matching/test_bust.py",
    "tests/matching/test_edges.py",
    "tests/matching/test_carried_positions.py",
    "tests/matching/test_bounds.py",
    "tests/matching/test_auctions.py",
    "tests/matching/test_quotes.py",
    "tests/matching/test_baskets.py",
    "tests/matching/test_blocks.py",
    "tests/matching/test_cases.py",
    "tests/matching/test_fuzz_finds.py",  # one long stream: last
)
WAIT_S_MAX = 300


class Verdict(NamedTuple):
    """The result of one fault."""

    found_by: str  # a test's name; empty where no test failed
    seconds: float


def apply(fault: Fault, folder: Path) -> None:
    """Apply a fault to a copy of the tree. Raises ValueError unless its old text occurs once."""
    path = folder / "matching" / fault.file
    text = path.read_text(encoding="utf-8")
    times = text.count(fault.old)
    if times != 1:
        raise ValueError(f"matching/{fault.file}: occurs {times} times: {fault.old!r}")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")


def judge(fault: Fault | None) -> Verdict:
    """Run the tests on a copy of the tree with a fault (None: without a fault)."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(ROOT / "matching", folder / "matching", ignore=_ignored)
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=_ignored)
        shutil.copy(ROOT / "setup.cfg", folder)
        if fault:
            apply(fault, folder)
        found_by = _first_failure(folder)
    return Verdict(found_by, time.monotonic() - began)


_ignored = shutil.ignore_patterns("__pycache__", "conformance")


def _first_failure(folder: Path) -> str:
    """The first test that fails in a folder; empty if all pass."""
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            [*pytest, *TESTS],
            cwd=folder,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=WAIT_S_MAX,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {WAIT_S_MAX} s"
    if done.returncode == 0:
        return ""
    named = re.search(
        r"^(?:FAILED|ERROR) \S*?(\w+(?:\[.*?\])?)(?: - |$)", done.stdout, re.MULTILINE
    )
    return named[1] if named else done.stdout[-500:] + done.stderr[-500:]


@click.command()
@click.option("--workers", default=1, show_default=True, help="Faults to try at a time.")
@click.option("--only", default="", help="Only faults whose file or reason contains this text.")
def main(workers: int, only: str) -> None:
    """Try all deliberate faults; exit code 1 where one is not found."""
    faults = [fault for fault in FAULTS if only in fault.file or only in fault.why]
    sound = judge(None)
    if sound.found_by:
        raise click.ClickException(f"without any fault, a test fails: {sound.found_by}")
    click.echo(f"no fault: all tests pass in {sound.seconds:.0f} s", err=True)
    missed = 0
    with ThreadPoolExecutor(workers) as pool:
        for fault, verdict in zip(faults, pool.map(judge, faults), strict=True):
            missed += not verdict.found_by
            found_by = verdict.found_by or "NOT FOUND"
            click.echo(f"{fault.file:30} {fault.why:68} {verdict.seconds:4.0f} s  {found_by}")
    click.echo(f"{len(faults)} faults, {missed} not found")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

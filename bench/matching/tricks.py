"""`python -m bench tricks`: what each trick of the core is worth, by taking it out again.

A trick is taken out by changing a line of matching/ in a copy of the tree, as the deliberate faults
of the tests do; the events stay the same, which the benchmark checks. Whole and changed copies are
measured in turn, and of each the best repeat counts, because a busy machine only ever slows.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import click

from bench.startup import ROOT
from bench.workloads import WORKLOADS

FOLDERS = ("matching", "bench")
WORKLOADS_MEASURED = ("plain-10k", "rich-100x1k")


class Trick(NamedTuple):
    """A trick, and the change of text that takes it out. The old text stands once in its file."""

    name: str
    file: str
    old: str
    new: str


TRICKS = (
    Trick(
        "express lane",
        "fast_path/dispatch.py",
        "        if codes & ENTRY_MASK == ENTRY:\n",
        "        if at >= 0:\n            break\n        if codes & ENTRY_MASK == ENTRY:\n",
    ),
    Trick(
        "express trades",
        "fast_path/trade.py",
        '    special = i64(instrument["collar"]) != 0\n',
        "    special = True\n",
    ),
    Trick(
        "no branch on the side",
        "fast_path/record_words.py",
        "return of_buy ^ ((of_buy ^ of_sell) & -side)",
        "return of_buy if side == 0 else of_sell",
    ),
    Trick(
        "look-ahead",
        "fast_path/prefetch.py",
        "    if count < LEAST:\n",
        "    if count >= 0:\n",
    ),
    Trick(
        "look-ahead beyond the order itself",
        "fast_path/prefetch.py",
        "CACHED = 1 << 14\n",
        "CACHED = 1 << 60\n",
    ),
    Trick(
        "records on cache lines",
        "memory/allocation.py",
        "ctypes.data % HUGE\n",
        "ctypes.data % HUGE + 16\n",
    ),
    Trick(
        "huge pages",
        "memory/allocation.py",
        '"MADV_HUGEPAGE"',
        '"MADV_NOHUGEPAGE"',
    ),
    Trick(
        "small kernels inlined",
        "memory/compiler.py",
        "    return _internal(function, forceinline=True)",
        "    return _internal(function, forceinline=False)",
    ),
    Trick(
        "division without signs",
        "book/risk.py",
        "return i64(u64(millionths) // u64(RATE_UNIT))",
        "return millionths // RATE_UNIT",
    ),
)


@click.command()
@click.option(
    "--workload",
    "names",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    default=WORKLOADS_MEASURED,
    show_default=True,
)
@click.option("--only", default="", help="Only tricks whose name contains this.")
@click.option("--rounds", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def tricks(*, names: tuple[str, ...], only: str, rounds: int, as_json: bool) -> None:
    """Measure the core without each of its tricks: about two minutes a trick and workload."""
    chosen = [trick for trick in TRICKS if only in trick.name]
    with tempfile.TemporaryDirectory() as scratch:
        copies = {"": copy_without(None, Path(scratch) / "whole")}
        for number, trick in enumerate(chosen):
            copies[trick.name] = copy_without(trick, Path(scratch) / str(number))
        found: dict[str, dict[str, list[float]]] = {
            name: {workload: [] for workload in names} for name in copies
        }
        hashes: dict[str, str] = {}
        for number in range(rounds):
            for name, folder in copies.items():
                click.echo(f"round {number + 1}: {name or 'whole'}", err=True)
                for workload in names:
                    row = row_of(folder, workload)
                    found[name][workload].append(row["ratio_most"])
                    if hashes.setdefault(workload, row["events_sha256"]) != row["events_sha256"]:
                        raise click.ClickException(f"without {name}: other events on {workload}")
    result = {
        workload: {name or "whole": median(found[name][workload]) for name in copies}
        for workload in names
    }
    click.echo(json.dumps(result, indent=2) if as_json else _table(result))


def copy_without(trick: Trick | None, folder: Path) -> Path:
    """A copy of the engine and its benchmark, without a trick. Raises ValueError unless the old
    text stands there once."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if trick is not None:
        path = folder / "matching" / trick.file
        text = path.read_text(encoding="utf-8")
        if text.count(trick.old) != 1:
            raise ValueError(
                f"matching/{trick.file}: stands there {text.count(trick.old)} times: {trick.old!r}"
            )
        path.write_text(text.replace(trick.old, trick.new), encoding="utf-8")
    return folder


def row_of(folder: Path, workload: str) -> dict[str, Any]:
    """What the benchmark says of a copy."""
    command = [sys.executable, "-m", "bench", "matching", "--workload", workload, "--json"]
    options = ["--no-second", "--no-extras", "--repeats", "5"]
    done = subprocess.run([*command, *options], cwd=folder, check=True, stdout=subprocess.PIPE)
    row: dict[str, Any] = json.loads(done.stdout)["workloads"][0]
    return row


def _table(result: dict[str, dict[str, float]]) -> str:
    lines = []
    for workload, ratios in result.items():
        lines.append(f"{workload:<40} ratio {ratios['whole']:.3f} with all")
        for name, ratio in ratios.items():
            if name != "whole":
                gained = ratios["whole"] / ratio
                lines.append(f"  without {name:<30} ratio {ratio:.3f}, {gained:.2f}x slower")
    return "\n".join(lines)

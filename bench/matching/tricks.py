"""`python -m bench tricks`: the gain from each trick of the core, by removing it.

A trick is removed by changing a line of matching/ in a copy of the tree, as the deliberate faults
of the tests do. The benchmark checks that the events stay the same. The unchanged copy and the
changed ones are measured in turn. The best repeat of each counts, because other load on the
machine can only make a repeat slower.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import click

from bench.child_process import ROOT
from bench.workloads.definitions import WORKLOADS

FOLDERS = ("matching", "bench")
WORKLOADS_MEASURED = ("plain-10k", "rich-100x1k")


class Trick(NamedTuple):
    """A trick, and the change of text that removes it.

    `file` is a path below matching/, in which `old` must occur exactly once.
    """

    name: str
    file: str
    old: str
    new: str


TRICKS = (
    Trick(
        "fast path",
        "fast_path/dispatch.py",
        "        if codes & PLAIN_LIMIT_MASK == PLAIN_LIMIT:\n",
        "        if at >= 0:\n            break\n"
        "        if codes & PLAIN_LIMIT_MASK == PLAIN_LIMIT:\n",
    ),
    Trick(
        "fast-path trades",
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
        "prefetch",
        "fast_path/prefetch.py",
        "    if count < BATCH_MIN:\n",
        "    if count >= 0:\n",
    ),
    Trick(
        "prefetch beyond the order itself",
        "fast_path/prefetch.py",
        "CACHED_ORDERS_MAX = 1 << 14\n",
        "CACHED_ORDERS_MAX = 1 << 60\n",
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
    """Measure the core without each of its tricks.

    A trick takes about two minutes a workload, most of them to compile the changed copy.
    """
    chosen = [trick for trick in TRICKS if only in trick.name]
    with tempfile.TemporaryDirectory() as scratch:
        copies = {"whole": copy_without(None, Path(scratch) / "whole")}
        for number, trick in enumerate(chosen):
            copies[trick.name] = copy_without(trick, Path(scratch) / str(number))
        result = measure_copies(copies, names, rounds)
    click.echo(json.dumps(result, indent=2) if as_json else _table(result))


def measure_copies(
    copies: Mapping[str, Path], workloads: Sequence[str], rounds: int
) -> dict[str, dict[str, float]]:
    """Measure copies in turn; returns by workload and copy the median of the rounds' best ratios.

    Raises ClickException where a copy gives other events than the first one.
    """
    ratios: dict[str, dict[str, list[float]]] = {
        workload: {name: [] for name in copies} for workload in workloads
    }
    hashes: dict[str, str] = {}
    for number in range(rounds):
        for name, folder in copies.items():
            click.echo(f"round {number + 1}: {name}", err=True)
            for workload in workloads:
                row = row_of(folder, workload)
                ratios[workload][name].append(row["ratio_most"])
                if hashes.setdefault(workload, row["events_sha256"]) != row["events_sha256"]:
                    raise click.ClickException(f"without {name}: other events on {workload}")
    return {
        workload: {name: median(found) for name, found in by_name.items()}
        for workload, by_name in ratios.items()
    }


def copy_without(trick: Trick | None, folder: Path) -> Path:
    """Copy the engine and its benchmark to a folder, and remove a trick from the copy.

    Raises ValueError unless the trick's old text occurs exactly once in its file.
    """
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if trick is not None:
        path = folder / "matching" / trick.file
        text = path.read_text(encoding="utf-8")
        if text.count(trick.old) != 1:
            raise ValueError(
                f"matching/{trick.file}: {text.count(trick.old)} times, not once: {trick.old!r}"
            )
        path.write_text(text.replace(trick.old, trick.new), encoding="utf-8")
    return folder


def row_of(folder: Path, workload: str) -> dict[str, Any]:
    """Run the benchmark of a copy on one workload, and return its row."""
    command = [sys.executable, "-m", "bench", "matching", "--workload", workload, "--json"]
    options = ["--no-second", "--no-extras", "--repeats", "5"]
    done = subprocess.run([*command, *options], cwd=folder, check=True, stdout=subprocess.PIPE)
    row: dict[str, Any] = json.loads(done.stdout)["workloads"][0]
    return row


def _table(result: dict[str, dict[str, float]]) -> str:
    """Return the result as lines of a table."""
    lines = []
    for workload, ratios in result.items():
        lines.append(f"{workload:<40} ratio {ratios['whole']:.3f} with all")
        for name, ratio in ratios.items():
            if name != "whole":
                gained = ratios["whole"] / ratio
                lines.append(f"  without {name:<30} ratio {ratio:.3f}, {gained:.2f}x slower")
    return "\n".join(lines)

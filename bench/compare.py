"""`python -m bench compare`: this checkout beside another one, measured in turn.

Rates on a shared machine differ by a tenth from minute to minute, so runs one after the other tell
little. Here both checkouts hold their machine or venue ready in processes of their own, and each
round measures all within seconds. This checkout takes part twice: the ratio of its two halves is
what the machine's noise alone makes of two equal trees.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Self

import click

from bench.child_process import ROOT, child_environment
from bench.machine import machine
from bench.matching.measure import warmed_engine
from bench.matching.timing import cold_seconds, progress_on_stderr, split
from bench.wire.command import SIZES
from bench.wire.processes import Load, venue
from bench.workloads.definitions import WORKLOADS
from bench.workloads.recording import record

COMMANDS = 1 << 17
WIRE = {f"wire, {size} a frame": size for size in (1, 16)}
"""Subjects that measure a served venue: durable, without encryption, four brokers."""

SIDES = ("this", "other", "this again")
Measure = Callable[[], float]


@click.command()
@click.argument("other", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Python of the other checkout. Default: its .venv, else this one's.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    type=click.Choice([*WORKLOADS, *WIRE]),
    default=("plain-10k", "rich-10k", *WIRE),
    show_default=True,
)
@click.option("--rounds", default=18, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(
    other: Path, python: Path | None, subjects: tuple[str, ...], rounds: int, as_json: bool
) -> None:
    """Compare this checkout with OTHER, a checkout that has this command. Progress goes to stderr.

    A ratio is OTHER's time by this one's, median of the rounds: above 1, this one is faster.
    """
    own = other / ".venv" / "bin" / "python"
    python = python or (own if own.exists() else Path(sys.executable))
    rows = [compare_subject(subject, other, python, rounds) for subject in subjects]
    result = {"machine": machine(), "rounds": rounds, "subjects": rows}
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(rows)))


@click.command("measure-side", hidden=True)
@click.argument("subject", type=click.Choice([*WORKLOADS, *WIRE]))
def measure_side(subject: str) -> None:
    """Hold SUBJECT ready; for each line on stdin, print the nanoseconds a command."""
    with ready(subject) as measure:
        click.echo("ready")
        for _ in sys.stdin:
            click.echo(measure())


@contextmanager
def ready(subject: str) -> Iterator[Measure]:
    """Set up a subject; yields a function that measures it once, in nanoseconds a command.

    For a workload that is CPU time of the engine, of a venue CPU time of its process.
    """
    if subject in WORKLOADS:
        recording = record(WORKLOADS[subject], COMMANDS, 1)
        batches = split(recording.stream)

        def once() -> float:
            """Play the stream on a new machine; the better of two passes."""
            passes = (cold_seconds(warmed_engine(recording).process, batches) for _ in range(2))
            return min(passes) / len(recording.stream) * 1e9

        yield once
        return
    size, kind = WIRE[subject], "plain durable"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "venue"
        with venue(folder, kind) as server, Load(server, folder, kind, 4) as load:
            load.saturate(1, SIZES[1], 512)  # untimed: the first use of memory is slow
            yield lambda: float(load.saturate(size, SIZES[size] // 2, 512)["cpu_us"]) * 1e3


class Side:
    """A process of one checkout that measures a subject when it is asked."""

    def __init__(self, subject: str, tree: Path, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), "-m", "bench", "measure-side", subject],
            cwd=tree,
            env=child_environment({"PYTHONPATH": str(tree.resolve())}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._line() != "ready":
            raise click.ClickException(f"{tree}: cannot measure {subject}; its message is above")

    def measure(self) -> float:
        """Measure once; returns nanoseconds a command."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """End the process, which ends with its input."""
        self._process.communicate()


def compare_subject(subject: str, other: Path, python: Path, rounds: int) -> dict[str, Any]:
    """Measure a subject in all sides, in turn, and return medians and ratios."""
    here = Path(sys.executable)
    progress = progress_on_stderr(subject)
    with (
        Side(subject, ROOT, here) as this,
        Side(subject, other, python) as that,
        Side(subject, ROOT, here) as again,
    ):
        sides = dict(zip(SIDES, (this, that, again), strict=True))
        found: dict[str, list[float]] = {name: [] for name in SIDES}
        for number in range(rounds):
            first = number % len(SIDES)
            for name in SIDES[first:] + SIDES[:first]:
                found[name].append(sides[name].measure())
            times = ", ".join(f"{name} {took[-1]:.1f} ns" for name, took in found.items())
            progress(f"{number + 1}/{rounds}: {times}")
    return {
        "subject": subject,
        "ns": {name: round(median(took), 1) for name, took in found.items()},
        "ratio": round(_ratio(found, "other", "this"), 4),
        "ratio_again": round(_ratio(found, "other", "this again"), 4),
        "noise": round(_ratio(found, "this again", "this"), 4),
    }


def _ratio(found: dict[str, list[float]], above: str, below: str) -> float:
    return median(a / b for a, b in zip(found[above], found[below], strict=True))


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the subjects as lines of a table."""
    return [
        f"{row['subject']:<20} this {row['ns']['this']:9.1f} ns  other {row['ns']['other']:9.1f} ns"
        f"  ratio {row['ratio']:.3f} and {row['ratio_again']:.3f}  (noise {row['noise']:.3f})"
        for row in rows
    ]

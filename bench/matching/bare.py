"""`python -m bench bare`: a core without rules between the engine and the floor, all in one run.

It shows how near to the floor matching can come at all on a machine, and what part of the engine's
time its rules take. What it leaves out: bare_core.py.
"""

import json
from statistics import median
from typing import Any

import click
import numpy as np

from bench.bare_core import Core
from bench.floor import WORDS, Floor
from bench.flow import Recording, record
from bench.measure import cold_seconds, split, warmed
from bench.workloads import WORKLOADS
from matching.records import EventKind

Result = dict[str, Any]

WORKLOAD = "plain-10k"  # one book; no order is refused but cancels that come too late
CORES = ("engine", "without rules", "floor", "copyto")


@click.command()
@click.option("--commands", default=1 << 19, show_default=True, type=click.IntRange(min=4_096))
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bare(commands: int, repeats: int, seed: int, as_json: bool) -> None:
    """Measure a core without rules beside the engine and the floor. Progress goes to stderr."""
    from bench import report

    recording = record(WORKLOADS[WORKLOAD], commands, seed)
    check(recording)
    result = {
        "machine": report.machine(), "workload": WORKLOAD, "commands": commands,
        "repeats": repeats, "seed": seed, "cores": measure(recording, repeats),
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(result)))


def check(recording: Recording) -> None:
    """Raise RuntimeError unless the core without rules has the engine's events, but for fees."""
    engine, core = warmed(recording), Core(recording)
    for batch in split(recording.stream):
        events, own = engine.process(batch).copy(), core.process(batch).copy()
        for each in (events, own):
            each["fee_fen"][each["kind"] == EventKind.FILLED] = 0
        if events.tobytes() != own.tobytes():
            raise RuntimeError(f"{recording.workload.name}: not the events of the engine")


def measure(recording: Recording, repeats: int) -> list[Result]:
    """Run the stream through each in turn; medians over the repeats."""
    batches = split(recording.stream)
    words: list[Any] = [batch.view(np.int64).reshape(-1, WORDS) for batch in batches]
    floor = Floor(recording.limits.events)
    floor.run(words[0])  # compiles
    times: dict[str, list[float]] = {name: [] for name in CORES}
    for repeat in range(repeats):
        plays: tuple[tuple[Any, list[Any]], ...] = (
            (warmed(recording).process, batches), (Core(recording).process, batches),
            (floor.run, words), (floor.copyto, words),
        )  # fmt: skip
        for found, (call, calls) in zip(times.values(), plays, strict=True):
            found.append(cold_seconds(call, calls) / len(recording.stream))
        text = ", ".join(f"{name} {1e9 * found[-1]:.1f} ns" for name, found in times.items())
        click.echo(f"{repeat + 1}/{repeats}: {text}", err=True)
    return [
        {
            "core": name,
            "commands_per_s": round(median(1 / each for each in found)),
            "ratio": round(
                median(base / each for base, each in zip(times["floor"], found, strict=True)), 4
            ),
        }
        for name, found in times.items()
    ]


def lines(result: Result) -> list[str]:
    """What people read."""
    return [f"{result['workload']}, {result['commands']:,} commands"] + [
        f"  {row['core']:<14} {row['commands_per_s'] / 1e6:7.2f} M/s  {row['ratio']:.3f} of floor"
        for row in result["cores"]
    ]

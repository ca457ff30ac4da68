"""`python -m bench bare`: a core without rules, beside the engine and the floor, in one run.

The result shows how close to the floor any matching can come on a machine, and which part of the
engine's time its rules take. bare_core.py lists what the core leaves out.
"""

import json
from statistics import median
from typing import Any

import click
import numpy as np

from bench.machine import machine
from bench.matching.bare_core import Core
from bench.matching.floor import WORDS, Floor
from bench.matching.measure import warmed_engine
from bench.matching.timing import cold_seconds, progress_on_stderr, split, time_in_turn
from bench.workloads.definitions import WORKLOADS
from bench.workloads.recording import Recording, record
from matching.records import EventKind

Result = dict[str, Any]

WORKLOAD = "plain-10k"  # one book; only cancels that come too late are rejected


@click.command()
@click.option("--commands", default=1 << 19, show_default=True, type=click.IntRange(min=4_096))
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bare(commands: int, repeats: int, seed: int, as_json: bool) -> None:
    """Measure a core without rules beside the engine and the floor. Progress goes to stderr."""
    recording = record(WORKLOADS[WORKLOAD], commands, seed)
    check(recording)
    result = {
        "machine": machine(), "workload": WORKLOAD, "commands": commands,
        "repeats": repeats, "seed": seed, "cores": measure(recording, repeats),
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(result)))


def check(recording: Recording) -> None:
    """Raise RuntimeError unless the core without rules gives the engine's events, except fees."""
    engine, core = warmed_engine(recording), Core(recording)
    for batch in split(recording.stream):
        events, own = engine.process(batch).copy(), core.process(batch).copy()
        for each in (events, own):
            each["fee_fen"][each["kind"] == EventKind.FILLED] = 0
        if events.tobytes() != own.tobytes():
            raise RuntimeError(f"{recording.workload.name}: not the events of the engine")


def measure(recording: Recording, repeats: int) -> list[Result]:
    """Play the stream on each core in turn; returns medians over the repeats, one row a core."""
    count = len(recording.stream)
    batches = split(recording.stream)
    words: list[Any] = [batch.view(np.int64).reshape(-1, WORDS) for batch in batches]
    floor = Floor(recording.limits.events)
    floor.run(words[0])  # compiles
    times = time_in_turn(
        {
            "engine": lambda: cold_seconds(warmed_engine(recording).process, batches) / count,
            "without rules": lambda: cold_seconds(Core(recording).process, batches) / count,
            "floor": lambda: cold_seconds(floor.run, words) / count,
            "copyto": lambda: cold_seconds(floor.copyto, words) / count,
        },
        repeats,
        progress_on_stderr(WORKLOAD),
    )
    return [
        {
            "core": name,
            "commands_per_s": round(times.commands_per_s(name)),
            "ratio": round(median(times.ratios(name, "floor")), 4),
        }
        for name in times.seconds
    ]


def lines(result: Result) -> list[str]:
    """Return the result as lines of a table."""
    return [f"{result['workload']}, {result['commands']:,} commands"] + [
        f"  {row['core']:<14} {row['commands_per_s'] / 1e6:7.2f} M/s  {row['ratio']:.3f} of floor"
        for row in result["cores"]
    ]

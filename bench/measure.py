"""Commands a second of the engine, the floor and `np.copyto`, in turn, by process CPU time.

Each repeat of the engine is a new machine that is warmed up again, untimed, by the recorded
commands: so its memory looks as a day would have left it, not as a snapshot would.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.floor import WORDS, Floor
from bench.flow import Recording
from matching import Engine

BATCH = 4_096
FLOOR_PASSES = 4  # over the stream, in a repeat: the floor is fast

Commands = NDArray[np.void]


@dataclass(frozen=True)
class Rates:
    """Medians over the repeats, in commands a second; `ratio` is the median of the repeats' own."""

    commands_per_s: float
    floor_per_s: float
    copyto_per_s: float
    ratio: float
    ratio_least: float
    ratio_most: float


def split(commands: Commands, batch: int = BATCH) -> list[Commands]:
    """Views of the commands, `batch` in each."""
    return [commands[at : at + batch] for at in range(0, len(commands), batch)]


def warmed(recording: Recording) -> Engine:
    """A machine at the start of the recorded stream."""
    engine = Engine(recording.limits)
    for batch in split(recording.warm):
        engine.process(batch)
    return engine


def check_events(recording: Recording) -> None:
    """Raise RuntimeError unless batches of 4,096 give the events of the recording."""
    engine, digest = warmed(recording), hashlib.sha256()
    for batch in split(recording.stream):
        digest.update(engine.process(batch).tobytes())
    if digest.hexdigest() != recording.tally.sha256:
        raise RuntimeError(f"{recording.workload.name}: events depend on the size of batches")


def measure(recording: Recording, repeats: int, progress: Callable[[str], None]) -> Rates:
    """Run the stream through engine, floor and copyto in turn, `repeats` times."""
    check_events(recording)
    batches = split(recording.stream)
    words: list[Any] = [b.view(np.int64).reshape(-1, WORDS) for b in batches]
    floor = Floor(recording.limits.events)
    floor.run(words[0])  # compiles
    rows = []
    for repeat in range(repeats):
        process = warmed(recording).process
        count = len(recording.stream)
        engine_s = seconds(process, batches, 1)
        seconds(floor.run, words, 1)  # so that floor and copyto find the same caches
        floor_s = seconds(floor.run, words, FLOOR_PASSES)
        copyto_s = seconds(floor.copyto, words, FLOOR_PASSES)
        rows.append((count / engine_s, count / floor_s, count / copyto_s))
        ratio = floor_s / engine_s
        progress(f"{repeat + 1}/{repeats}: {count / engine_s / 1e6:.2f} M/s, ratio {ratio:.3f}")
    engine_rates, floor_rates, copyto_rates = zip(*rows, strict=True)
    ratios = [row[0] / row[1] for row in rows]
    return Rates(
        commands_per_s=median(engine_rates),
        floor_per_s=median(floor_rates),
        copyto_per_s=median(copyto_rates),
        ratio=median(ratios),
        ratio_least=min(ratios),
        ratio_most=max(ratios),
    )


def seconds(call: Callable[[Any], Any], batches: Sequence[Any], passes: int) -> float:
    """Process CPU time of calling with every batch, a pass."""
    start = time.process_time_ns()
    for _ in range(passes):
        for batch in batches:
            call(batch)
    return (time.process_time_ns() - start) / 1e9 / passes

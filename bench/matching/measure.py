"""Commands a second of the engine, the floor and `np.copyto`, in turn, by process CPU time.

Each repeat of the engine is a new machine that is warmed up again, untimed, by the recorded
commands: so its memory looks as a day would have left it, not as a snapshot would.

Before each of them a large array is written, so that all find the stream in memory and not in a
cache: a stream of 64 MB may lie in a large cache or not, as other programs leave room, and the
floor is three times as fast where it does. The floor over a stream in the cache is measured too.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.floor import WORDS, Floor
from bench.flow import Recording
from matching import Engine

BATCH = 4_096
EVICTING_BYTES = 1 << 29  # written to bring everything else out of the caches
CACHED_BATCHES = 4  # 1 MB of commands, which stays in the cache
CACHED_PASSES = 100

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
    floor_cached_per_s: float
    ratio_cached: float


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
    cached = words[:CACHED_BATCHES]
    floor = Floor(recording.limits.events)
    floor.run(words[0])  # compiles
    rows = []
    for repeat in range(repeats):
        process = warmed(recording).process
        times = []
        for call, calls in ((process, batches), (floor.run, words), (floor.copyto, words)):
            times.append(cold_seconds(call, calls) / len(recording.stream))
        seconds(floor.run, cached, 1)
        times.append(seconds(floor.run, cached, CACHED_PASSES) / sum(map(len, cached)))
        rows.append(times)
        text = f"{1e-6 / times[0]:.2f} M/s, ratio {times[1] / times[0]:.3f}"
        progress(f"{repeat + 1}/{repeats}: {text}")
    ratios = [floor_s / engine_s for engine_s, floor_s, _, _ in rows]
    rates = [median(1 / row[at] for row in rows) for at in range(4)]
    return Rates(
        commands_per_s=rates[0],
        floor_per_s=rates[1],
        copyto_per_s=rates[2],
        ratio=median(ratios),
        ratio_least=min(ratios),
        ratio_most=max(ratios),
        floor_cached_per_s=rates[3],
        ratio_cached=rates[0] / rates[3],
    )


def cold_seconds(call: Callable[[Any], Any], batches: Sequence[Any]) -> float:
    """Process CPU time of calling with every batch, none of which is in a cache before."""
    evict()
    return seconds(call, batches, 1)


def evict() -> None:
    """Bring everything out of the caches, by writing over an array that is larger."""
    _evicting()[:] += 1


@cache
def _evicting() -> NDArray[np.int64]:
    return np.zeros(EVICTING_BYTES // 8, np.int64)


def seconds(call: Callable[[Any], Any], batches: Sequence[Any], passes: int) -> float:
    """Process CPU time of calling with every batch, a pass."""
    start = time.process_time_ns()
    for _ in range(passes):
        for batch in batches:
            call(batch)
    return (time.process_time_ns() - start) / 1e9 / passes

"""Commands a second of the engine, the floor and `np.copyto`, in turn, by process CPU time.

For each repeat of the engine a new machine plays the recorded commands up to the start of the
stream, untimed. Its memory is then arranged as a trading day leaves it, not as a snapshot would.
"""

import hashlib
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from bench.matching.floor import WORDS, Floor
from bench.matching.timing import Progress, cold_seconds, split, time_in_turn, warm_seconds
from bench.workloads.recording import Recording
from matching import Engine

CACHED_BATCHES = 4  # 1 MB of commands, which stays in the cache
CACHED_PASSES = 100


@dataclass(frozen=True)
class Rates:
    """Medians over the repeats, in commands a second; `ratio` is the median of engine / floor."""

    commands_per_s: float
    floor_per_s: float
    copyto_per_s: float
    ratio: float
    ratio_least: float
    ratio_most: float
    floor_cached_per_s: float
    ratio_cached: float


def warmed_engine(recording: Recording) -> Engine:
    """Return a new machine that has played the recorded commands up to the start of the stream."""
    engine = Engine(recording.limits)
    for batch in split(recording.warm):
        engine.process(batch)
    return engine


def check_events(recording: Recording) -> None:
    """Raise RuntimeError unless batches of 4,096 give the events of the recording."""
    engine, digest = warmed_engine(recording), hashlib.sha256()
    for batch in split(recording.stream):
        digest.update(engine.process(batch).tobytes())
    if digest.hexdigest() != recording.tally.sha256:
        raise RuntimeError(f"{recording.workload.name}: events depend on the size of batches")


def measure(recording: Recording, repeats: int, progress: Progress) -> Rates:
    """Play the stream on engine, floor and copyto in turn, `repeats` times."""
    check_events(recording)
    count = len(recording.stream)
    batches = split(recording.stream)
    words: list[Any] = [batch.view(np.int64).reshape(-1, WORDS) for batch in batches]
    cached = words[:CACHED_BATCHES]
    floor = Floor(recording.limits.events)
    floor.run(words[0])  # compiles

    def cached_floor() -> float:
        warm_seconds(floor.run, cached)
        return warm_seconds(floor.run, cached, CACHED_PASSES) / sum(map(len, cached))

    times = time_in_turn(
        {
            "engine": lambda: cold_seconds(warmed_engine(recording).process, batches) / count,
            "floor": lambda: cold_seconds(floor.run, words) / count,
            "copyto": lambda: cold_seconds(floor.copyto, words) / count,
            "floor cached": cached_floor,
        },
        repeats,
        progress,
    )
    ratios = times.ratios("engine", "floor")
    engine_per_s, cached_per_s = (times.commands_per_s(name) for name in ("engine", "floor cached"))
    return Rates(
        commands_per_s=engine_per_s,
        floor_per_s=times.commands_per_s("floor"),
        copyto_per_s=times.commands_per_s("copyto"),
        ratio=median(ratios),
        ratio_least=min(ratios),
        ratio_most=max(ratios),
        floor_cached_per_s=cached_per_s,
        ratio_cached=engine_per_s / cached_per_s,
    )

"""Process CPU time of engines that play the same commands in turn, all with cold caches.

Before each timed pass a large array is written, so that every engine finds the commands in memory
and not in a cache. A stream of 64 MB may or may not stay in a large shared cache, as other programs
leave room, and a kernel that only copies is three times as fast where it does.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

BATCH_COMMANDS = 4_096
EVICTING_BYTES = 1 << 29  # more than any cache holds

Commands = NDArray[np.void]
Progress = Callable[[str], None]
Run = Callable[[], float]
"""Sets up a new engine, untimed; returns the seconds a command of one timed pass."""


@dataclass(frozen=True)
class Times:
    """Seconds a command of each engine by name, one for each repeat."""

    seconds: dict[str, list[float]]

    def commands_per_s(self, name: str) -> float:
        """Return the median rate over the repeats."""
        return median(1 / each for each in self.seconds[name])

    def ratios(self, name: str, base: str) -> list[float]:
        """Return the rate of `name` relative to the rate of `base`, for each repeat.

        Both rates of a ratio were measured within seconds, so a slow phase of the machine affects
        both.
        """
        pairs = zip(self.seconds[base], self.seconds[name], strict=True)
        return [base_s / own_s for base_s, own_s in pairs]


def time_in_turn(runs: Mapping[str, Run], repeats: int, progress: Progress) -> Times:
    """Time all engines once in each repeat, in the order of `runs`."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name, run in runs.items():
            seconds[name].append(run())
        rates = (f"{name} {1e-6 / took[-1]:.2f} M/s" for name, took in seconds.items())
        progress(f"{repeat + 1}/{repeats}: {', '.join(rates)}")
    return Times(seconds)


def split(commands: Commands, batch: int = BATCH_COMMANDS) -> list[Commands]:
    """Return views of the commands, `batch` in each."""
    return [commands[at : at + batch] for at in range(0, len(commands), batch)]


def cold_seconds(call: Callable[[Any], Any], batches: Sequence[Any]) -> float:
    """Return the process CPU time of calling with every batch, none of which is in a cache."""
    evict()
    return warm_seconds(call, batches)


def warm_seconds(call: Callable[[Any], Any], batches: Sequence[Any], passes: int = 1) -> float:
    """Return the process CPU time of a pass that calls with every batch."""
    start = time.process_time_ns()
    for _ in range(passes):
        for batch in batches:
            call(batch)
    return (time.process_time_ns() - start) / 1e9 / passes


def evict() -> None:
    """Remove everything else from the caches, by writing an array that is larger than they are."""
    _evicting_array()[:] += 1


@cache
def _evicting_array() -> NDArray[np.int64]:
    return np.zeros(EVICTING_BYTES // 8, np.int64)


def progress_on_stderr(subject: str) -> Progress:
    """Return a function that prints lines about one subject on stderr."""
    return lambda text: click.echo(f"{subject}: {text}", err=True)

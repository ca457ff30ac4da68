"""Percentiles of the time of one `Engine.process` call with few commands.

The wall clock is used, and reading it is included, because a broker waits for both. Times are
collected in an array and enter the histogram after the run: entering them one by one would disturb
the measurement.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.matching.measure import warmed_engine
from bench.matching.timing import Commands, split
from bench.workloads.recording import Recording

BATCHES = (1, 16, 256)
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
HIGHEST_NS, DIGITS = 10**10, 3


def latency(recording: Recording, calls_max: int = 100_000) -> list[dict[str, Any]]:
    """Return a row for each size of batch: the number of calls, and nanoseconds by percentile."""
    rows = []
    for batch in BATCHES:
        stream = recording.stream[: calls_max * batch]
        took = _times_ns(recording, split(stream, batch))
        rows.append({"batch": batch, "calls": len(took), **percentiles_ns(took)})
    return rows


def _times_ns(recording: Recording, batches: list[Commands]) -> NDArray[np.int64]:
    process, clock = warmed_engine(recording).process, time.perf_counter_ns
    took = np.zeros(len(batches), np.int64)
    for at, commands in enumerate(batches):
        start = clock()
        process(commands)
        took[at] = clock() - start
    return took


def percentiles_ns(took: NDArray[np.int64]) -> dict[str, int]:
    """Return percentiles and the maximum by HdrHistogram, to three digits.

    Raises ImportError where hdrhistogram is not installed.
    """
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, HIGHEST_NS, DIGITS)
    for value, count in zip(*np.unique(took, return_counts=True), strict=True):
        histogram.record_value(int(value), int(count))
    found = {f"p{p:g}_ns": int(histogram.get_value_at_percentile(p)) for p in PERCENTILES}
    return {**found, "max_ns": int(histogram.get_max_value())}

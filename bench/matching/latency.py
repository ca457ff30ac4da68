"""Time of one `Engine.process` call with few commands, as percentiles.

By the wall clock, reading it included, because that is what a broker waits for. Times are collected
in an array and enter the histogram afterwards, by distinct value: recording them one by one would
disturb what is measured.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.flow import Recording
from bench.measure import split, warmed

BATCHES = (1, 16, 256)
PERCENTILES = (50.0, 90.0, 99.0, 99.9)
HIGHEST_NS, DIGITS = 10**10, 3


def latency(recording: Recording, calls_max: int = 100_000) -> list[dict[str, Any]]:
    """One row for each size of batch: calls, and nanoseconds by percentile."""
    rows = []
    for batch in BATCHES:
        stream = recording.stream[: calls_max * batch]
        took = _times_ns(recording, split(stream, batch))
        rows.append({"batch": batch, "calls": len(took), **percentiles_ns(took)})
    return rows


def _times_ns(recording: Recording, batches: list[NDArray[np.void]]) -> NDArray[np.int64]:
    process, clock = warmed(recording).process, time.perf_counter_ns
    took = np.zeros(len(batches), np.int64)
    for at, commands in enumerate(batches):
        start = clock()
        process(commands)
        took[at] = clock() - start
    return took


def percentiles_ns(took: NDArray[np.int64]) -> dict[str, int]:
    """Percentiles by HdrHistogram, to three digits."""
    from hdrh.histogram import HdrHistogram

    histogram = HdrHistogram(1, HIGHEST_NS, DIGITS)
    for value, count in zip(*np.unique(took, return_counts=True), strict=True):
        histogram.record_value(int(value), int(count))
    found = {f"p{p:g}_ns": int(histogram.get_value_at_percentile(p)) for p in PERCENTILES}
    return {**found, "max_ns": int(histogram.get_max_value())}

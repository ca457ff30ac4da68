"""Prefetching changes no event, whatever the commands that are read ahead."""

from dataclasses import replace

import pytest

from matching import Engine
from matching.fast_path.prefetch import BATCH_MIN, CACHED_ORDERS_MAX
from matching.reference.engine import ReferenceEngine
from tests.support.stream_generator import ALL, garbage, stream

COMMANDS = 700


def engine_that_prefetches(limits):
    """An engine that prefetches from the start: its first slots count as used."""
    engine = Engine(replace(limits, orders=limits.orders + CACHED_ORDERS_MAX))
    engine._arrays["state"]["slots_used"] = CACHED_ORDERS_MAX
    return engine


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("write", [stream, garbage])
def test_an_engine_that_prefetches_gives_the_events_of_the_reference(write, seed):
    limits, commands = write(seed, COMMANDS, ALL) if write is stream else write(seed, COMMANDS)
    expected = ReferenceEngine(limits).process(commands)
    assert engine_that_prefetches(limits).process(commands).tobytes() == expected.tobytes()


@pytest.mark.parametrize("batch", [BATCH_MIN - 1, BATCH_MIN, BATCH_MIN + 1, 100])
def test_batches_around_the_smallest_that_is_prefetched_agree(batch):
    limits, commands = stream(11, COMMANDS, ALL)
    engines = ReferenceEngine(limits), Engine(limits), engine_that_prefetches(limits)
    for at in range(0, COMMANDS, batch):
        expected, *others = (engine.process(commands[at : at + batch]) for engine in engines)
        assert all(events.tobytes() == expected.tobytes() for events in others)

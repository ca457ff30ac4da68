"""Blocks trade in all hours or none, across snapshots, replays, crashes and mass cancels."""

from itertools import pairwise

import numpy as np
import pytest

from matching import COMMAND, Engine
from matching.records import CommandKind, EventFlag, EventKind, MassCancelScope
from tests.support.block_reader import BlockReader
from tests.support.stream_generator import WITH_BLOCKS, Stream, stream

SEEDS = (5, 6, 9, 10, 14)  # of streams in which blocks trade
COUNT = 1_200


def read(reader: BlockReader, events: np.ndarray) -> None:  # type: ignore[type-arg]
    """Read the events of some commands; afterwards no block may have traded in part."""
    for event in events[(events["flags"] & EventFlag.BLOCK) != 0]:
        if event["kind"] < EventKind.LISTED:
            reader.read(event)
    reader.assert_none_is_half_done()


def machine_blocks(engine: Engine) -> int:
    """Number of standing blocks of an engine."""
    return len(engine.state_tables()["blocks"])


def stream_with_blocks(seed: int) -> Stream:
    """The stream of a seed, in which blocks trade."""
    found = stream(seed, COUNT, WITH_BLOCKS)
    events = Engine(found.limits).process(found.commands)
    assert (events["trade_group"][events["kind"] == EventKind.FILLED] > 0).any(), "blocks trade"
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_trade_whole_after_any_snapshot(seed: int) -> None:
    limits, commands = stream_with_blocks(seed)
    engine, reader = Engine(limits), BlockReader()
    restored = 0
    for index in range(len(commands)):
        read(reader, engine.process(commands[index : index + 1]))
        assert len(reader.blocks) == machine_blocks(engine)
        if index % 7 == 0 and reader.blocks:
            engine = Engine.restore(engine.snapshot())
            restored += 1
            assert len(reader.blocks) == machine_blocks(engine)
    assert restored > 0


@pytest.mark.parametrize("batch", [1, 7, 4_096])
@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_trade_whole_in_replays_of_any_batch_size(seed: int, batch: int) -> None:
    limits, commands = stream_with_blocks(seed)
    engine, reader, digest = Engine(limits), BlockReader(), b""
    for start in range(0, len(commands), batch):
        events = engine.process(commands[start : start + batch])
        read(reader, events)
        digest += events.tobytes()
    assert digest == Engine(limits).process(commands).tobytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_trade_whole_after_a_crash_at_any_command(seed: int) -> None:
    limits, commands = stream_with_blocks(seed)
    random = np.random.default_rng(seed)
    ends = sorted({0, len(commands), *random.integers(1, len(commands), 12).tolist()})
    for end, _ in pairwise(ends):  # a log that was cut is a day's first commands
        engine, reader = Engine(limits), BlockReader()
        read(reader, engine.process(commands[:end]))
        assert len(reader.blocks) == machine_blocks(engine)
        read(reader, engine.process(commands[end:]))  # and the day goes on


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mass_cancel_of_all_instruments_ends_all_blocks(seed: int) -> None:
    limits, commands = stream_with_blocks(seed)
    cancels = np.zeros(limits.instruments, COMMAND)  # of the venue, which reach all orders
    cancels["kind"], cancels["type"] = CommandKind.MASS_CANCEL, MassCancelScope.INSTRUMENT
    cancels["instrument"], cancels["user_ref"] = np.arange(limits.instruments) + 1, 1
    tried = 0
    for end in range(len(commands) // 3, len(commands), 60):
        engine, reader = Engine(limits), BlockReader()
        read(reader, engine.process(commands[:end]))
        cancels["time_ns"] = commands["time_ns"][end - 1]
        standing = dict(reader.blocks)
        events = engine.process(cancels).copy()
        read(reader, events)
        tried += len(standing)
        assert not reader.blocks
        assert machine_blocks(engine) == 0
        ended = events[(events["flags"] & EventFlag.BLOCK) != 0]
        assert set(ended["kind"].tolist()) <= {EventKind.CANCELLED}
        assert len(ended) == len(standing)
    assert tried > 0

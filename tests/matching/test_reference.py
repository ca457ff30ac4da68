"""The reference on random streams: invariants hold after every command."""

import numpy as np
import pytest

from matching.invariants.state_invariants import violations
from matching.limits import Limits
from matching.records import COMMAND, EVENT, CommandKind, Reason
from matching.reference.engine import ReferenceEngine
from matching.state_tables import COLUMNS, state_hash
from tests.support.engines import assert_rejections_change_nothing
from tests.support.event_reader import EventReader
from tests.support.stream_generator import ALL, BASIC, WITH_BASKETS, WITH_BLOCKS, garbage, stream


def assert_reader_knows_the_state(reader: EventReader, engine: ReferenceEngine) -> None:
    """The reader, which saw only events, has the same state as the machine."""
    tables = engine.state_tables()
    columns = {name: tables[name].T for name in tables}
    orders = dict(zip(COLUMNS["orders"], columns["orders"], strict=True))
    keys = list(zip(orders["session"].tolist(), orders["user_ref"].tolist(), strict=True))
    held = ("price", "leaves", "shown", "cumulative")
    cells = zip(*(orders[name].tolist() for name in held), strict=True)
    assert dict(zip(keys, cells, strict=True)) == {
        key: (order.price, order.leaves, order.shown, order.cumulative)
        for key, order in reader.orders.items()
    }
    blocks = dict(zip(COLUMNS["blocks"], columns["blocks"], strict=True))
    keys = list(zip(blocks["session"].tolist(), blocks["user_ref"].tolist(), strict=True))
    cells = zip(*(blocks[name].tolist() for name in ("hours", "price", "quantity")), strict=True)
    assert dict(zip(keys, cells, strict=True)) == {
        key: (block.hours, block.price, block.quantity)
        for key, block in reader.blocks.blocks.items()
    }
    for row in tables["accounts"].tolist():
        account = dict(zip(COLUMNS["accounts"], row, strict=True))
        number = account["account"]
        assert account["funded_fen"] == reader.funded[number]
        assert account["paid_fen"] == reader.paid[number]
        assert account["earned_fen"] == reader.earned[number]
    assert sum(reader.paid.values()) == sum(reader.earned.values()) + reader.fees_fen
    net = {(row[0], row[1]): row[3] for row in tables["positions"].tolist() if row[3]}
    assert net == {key: lots for key, lots in reader.net.items() if lots}
    for instrument in reader.tick_fen:
        assert engine.depth(instrument, 1 << 30) == reader.depth(instrument)


FEATURES = {"basic": BASIC, "all": ALL, "blocks": WITH_BLOCKS, "baskets": WITH_BASKETS}


@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
@pytest.mark.parametrize("seed", range(10))
def test_invariants_hold_after_every_command(seed, features):
    limits, commands = stream(seed, 400, features)
    engine, reader = ReferenceEngine(limits), EventReader()
    for index in range(len(commands)):
        reader.read(engine.process(commands[index : index + 1]))
        assert violations(engine.state_tables()) == []
        assert reader.refresh_due is None
        if index % 10 == 0:
            assert_reader_knows_the_state(reader, engine)
    assert_reader_knows_the_state(reader, engine)


@pytest.mark.parametrize("seed", range(6))
def test_garbage_is_rejected_and_leaves_a_sound_state(seed):
    limits, commands = garbage(seed, 600)
    engine, reader = ReferenceEngine(limits), EventReader()
    for start in range(0, len(commands), 20):
        reader.read(engine.process(commands[start : start + 20]))
        assert violations(engine.state_tables()) == []
    assert_reader_knows_the_state(reader, engine)


def test_a_rejected_command_changes_nothing():
    for seed in range(4):
        limits, commands = stream(seed, 400)
        assert_rejections_change_nothing(ReferenceEngine(limits), commands)


def test_a_seed_gives_one_stream_and_streams_reach_every_reason():
    again = stream(3, 400)
    assert stream(3, 400).commands.tobytes() == again.commands.tobytes()
    assert stream(4, 400).commands.tobytes() != again.commands.tobytes()
    reasons: set[int] = set()
    for seed in range(25):
        limits, commands = stream(seed, 600)
        reasons |= set(ReferenceEngine(limits).process(commands)["reason"].tolist())
    assert reasons == set(Reason)


def test_batches_of_any_size_give_the_same_events_and_state():
    limits, commands = stream(5, 800)
    whole = ReferenceEngine(limits)
    expected = whole.process(commands)
    for size in (1, 7, 100):
        engine = ReferenceEngine(limits)
        parts = [engine.process(commands[i : i + size]) for i in range(0, len(commands), size)]
        assert b"".join(part.tobytes() for part in parts) == expected.tobytes()
        assert engine.state_hash() == whole.state_hash()


def test_an_empty_batch_has_no_events():
    engine = ReferenceEngine(Limits())
    events = engine.process(np.zeros(0, COMMAND))
    assert events.dtype == EVENT
    assert len(events) == 0


def test_every_change_of_the_clock_changes_the_state_hash():
    engine = ReferenceEngine(Limits())
    hashes = {engine.state_hash()}
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.CLOCK
    for time_ns in (1, 2, 3):
        command["time_ns"] = time_ns
        engine.process(command)
        hashes.add(engine.state_hash())
    assert len(hashes) == 4


def test_a_table_of_another_shape_has_no_hash():
    tables = dict(ReferenceEngine(Limits()).state_tables())
    tables["orders"] = tables["orders"][:, 1:]
    with pytest.raises(ValueError, match="table `orders` has 21 columns"):
        state_hash(tables)


def test_violations_name_the_account_and_the_rule():
    limits, commands = stream(6, 500)
    engine = ReferenceEngine(limits)
    engine.process(commands)
    tables = dict(engine.state_tables())
    tables["accounts"] = tables["accounts"].copy()
    tables["accounts"][0, COLUMNS["accounts"].index("free_fen")] += 1
    lines = violations(tables)
    assert len(lines) == 1
    assert lines[0].startswith("account 1: funded ")

"""Snapshots: a restored engine continues as if it had never stopped."""

import numpy as np
import pytest

from matching import COMMAND, Engine, Limits
from matching.records import TIME_MAX_NS, CommandKind, Phase
from matching.snapshot import VERSION
from matching.state_tables import COLUMNS
from tests.support.stream_generator import ALL, BASIC, WITH_BLOCKS, stream

SMALL = Limits(
    sessions=1,
    accounts=2,
    instruments=1,
    orders=4,
    blocks=1,
    refs=8,
    ref_pages=2,
    ticks=8,
    events=16,
)
CUT = [(0, BASIC), (6, ALL), (13, ALL), (15, ALL), (23, ALL), (2, WITH_BLOCKS), (9, WITH_BLOCKS)]
"""Seeds and features of streams that are cut after every command."""

LENGTH = 160


def some_machine() -> Engine:
    """An engine in the middle of a stream."""
    limits, commands = stream(6, LENGTH)
    engine = Engine(limits)
    engine.process(commands)
    return engine


@pytest.mark.parametrize(("seed", "features"), CUT)
def test_a_restored_engine_gives_the_same_events_and_state_from_any_command_on(seed, features):
    limits, commands = stream(seed, LENGTH, features)
    whole = Engine(limits)
    parts = [whole.process(commands[i : i + 1]).tobytes() for i in range(len(commands))]
    expected_hash = whole.state_hash()
    engine = Engine(limits)
    for cut in range(len(commands)):
        again = Engine.restore(engine.snapshot())
        assert again.process(commands[cut:]).tobytes() == b"".join(parts[cut:])
        assert again.state_hash() == expected_hash
        engine.process(commands[cut : cut + 1])


def test_the_cuts_cover_phases_timers_and_fractions_of_fees():
    covered = set()
    for seed, features in CUT:
        limits, commands = stream(seed, LENGTH, features)
        engine = Engine(limits)
        for index in range(len(commands)):
            engine.process(commands[index : index + 1])
            tables = engine.state_tables()
            orders = dict(zip(COLUMNS["orders"], tables["orders"].T, strict=True))
            phases = tables["instruments"][:, COLUMNS["instruments"].index("phase")]
            covered |= {Phase(phase).name for phase in phases.tolist()}
            covered |= {f"cause {cause}" for cause in tables["schedule"][:, 3].tolist()}
            covered |= {name for name in ("waiting", "expiry_s", "fraction") if orders[name].any()}
    assert covered >= {"PRE_OPEN", "AUCTION", "CONTINUOUS", "HALTED", "waiting", "expiry_s"}
    assert covered >= {"cause 1", "cause 2", "cause 3", "fraction"}


def test_a_snapshot_changes_nothing_and_repeats_to_the_byte():
    engine = some_machine()
    before = engine.state_hash()
    blob = engine.snapshot()
    assert engine.state_hash() == before
    assert engine.snapshot() == blob
    assert Engine.restore(blob).snapshot() == blob


def test_a_restored_engine_shares_no_memory_with_its_origin():
    engine = some_machine()
    blob = engine.snapshot()
    again, before = Engine.restore(blob), engine.state_hash()
    clock = np.zeros(1, COMMAND)
    clock["kind"], clock["time_ns"] = CommandKind.CLOCK, TIME_MAX_NS
    again.process(clock)
    assert again.state_hash() != before
    assert engine.state_hash() == before


def test_an_empty_machine_has_a_small_snapshot():
    assert len(Engine(Limits()).snapshot()) < 2048


def test_limits_come_back_with_the_snapshot():
    limits, _ = stream(6, LENGTH)
    assert Engine.restore(some_machine().snapshot()).limits == limits


def test_any_changed_byte_is_detected_with_its_place():
    blob = Engine(SMALL).snapshot()
    for at in range(len(blob)):
        damaged = bytearray(blob)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(ValueError, match=r"^snapshot: .* at byte \d+|needs \d+ bytes from"):
            Engine.restore(bytes(damaged))


def test_a_cut_is_detected_with_its_place():
    blob = some_machine().snapshot()
    for size in [*range(200), *range(200, len(blob), 97), len(blob) - 1]:
        with pytest.raises(ValueError, match=r"cut off in .* needs \d+ bytes from byte \d+ on"):
            Engine.restore(blob[:size])


def test_damage_names_the_array():
    blob = bytearray(some_machine().snapshot())
    blob[-1] ^= 1  # in the last block of the last array
    with pytest.raises(ValueError, match="`timers` is damaged, its checksum differs at byte"):
        Engine.restore(bytes(blob))


def test_foreign_bytes_are_rejected():
    blob = Engine(SMALL).snapshot()
    newer = blob[:8] + (VERSION + 1).to_bytes(4, "little") + blob[12:]
    for foreign, error in (
        (b"PK\x03\x04 a zip file", "no snapshot begins like this, at byte 0"),
        (newer, f"version {VERSION + 1} at byte 8, this program reads {VERSION}"),
        (blob + b"xyz", f"3 bytes after its end, at byte {len(blob)}"),
    ):
        with pytest.raises(ValueError, match=f"^snapshot: {error}$"):
            Engine.restore(foreign)


def test_a_snapshot_of_another_layout_is_rejected(monkeypatch):
    blob = Engine(SMALL).snapshot()
    monkeypatch.setattr("matching.snapshot._layout_hash", lambda _: b"another layout..")
    with pytest.raises(ValueError, match="taken with another layout of memory, at byte 120"):
        Engine.restore(blob)

"""Snapshots: a restored engine continues as if it had never stopped."""

import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from matching import COMMAND, Engine, Limits
from matching import engine as engine_module
from matching.memory.layout import memory_bytes
from matching.records import TIME_MAX_NS, CommandKind, Phase
from matching.snapshot import BOUNDS, HEAD, VERSION
from matching.state_tables import COLUMNS
from tests.support.snapshot_editor import SnapshotEditor
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
    with pytest.raises(
        ValueError, match=f"taken with another layout of memory, at byte {HEAD.size - 16}"
    ):
        Engine.restore(blob)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer])
def test_any_bytes_are_taken(kind):
    engine = some_machine()
    given = kind(engine.snapshot(), *([np.int32] if kind is np.frombuffer else []))
    assert Engine.restore(given).state_hash() == engine.state_hash()


def test_bytes_that_lie_apart_are_taken():
    blob = some_machine().snapshot()
    apart = bytearray(2 * len(blob))
    apart[::2] = blob
    assert Engine.restore(memoryview(apart)[::2]).snapshot() == blob


def test_what_is_not_bytes_is_a_type_error():
    for given in ("text", 7, None):
        with pytest.raises(TypeError, match="bytes-like"):
            Engine.restore(given)  # type: ignore[arg-type]


def test_nothing_is_no_snapshot():
    with pytest.raises(ValueError, match="cut off in the head, which needs"):
        Engine.restore(b"")


def with_head(blob: bytes, at: int, number: int, size: int = 8) -> bytes:
    """A snapshot with another number in its head, and the head's checksum mended."""
    head = bytearray(blob[: HEAD.size])
    head[at : at + size] = number.to_bytes(size, "little")
    return bytes(head) + struct.pack("<I", crc32(head)) + blob[HEAD.size + 4 :]


def test_another_number_of_arrays_is_rejected():
    with pytest.raises(ValueError, match="99 arrays at byte 12, a machine has"):
        Engine.restore(with_head(Engine(SMALL).snapshot(), 12, 99, size=4))


def test_limits_outside_their_bounds_are_rejected():
    blob = with_head(Engine(SMALL).snapshot(), 16, 0)
    with pytest.raises(ValueError, match="snapshot: limits: `sessions` must be between 1 and"):
        Engine.restore(blob)


def test_limits_that_need_more_memory_than_allowed_are_refused_before_any_is_allocated(monkeypatch):
    def refuse(shapes):
        raise AssertionError("allocates")

    limits = replace(SMALL, accounts=1 << 20, instruments=1 << 12)
    blob = Engine(SMALL).snapshot()
    for at, name in enumerate(BOUNDS):
        blob = with_head(blob, 16 + 8 * at, getattr(limits, name))
    monkeypatch.setattr(
        "matching.snapshot._layout_hash", lambda _: blob[HEAD.size - 16 : HEAD.size]
    )
    monkeypatch.setattr(engine_module, "allocate", refuse)
    needed = sum(memory_bytes(limits).values())
    assert needed > 64 << 30
    message = f"need {needed:,} bytes of memory, most of it for `positions`; 17,179,869,184 are"
    with pytest.raises(ValueError, match=message):
        Engine.restore(blob)


def test_a_caller_sets_how_much_memory_is_allowed():
    engine = some_machine()
    needed = sum(memory_bytes(engine.limits).values())
    assert Engine.restore(engine.snapshot(), needed).state_hash() == engine.state_hash()
    with pytest.raises(ValueError, match=f"{needed - 1:,} are allowed, see `memory_max_bytes`"):
        Engine.restore(engine.snapshot(), memory_max_bytes=needed - 1)


@pytest.mark.parametrize("error", [MemoryError, OSError(12, "Cannot allocate memory")])
def test_memory_that_the_system_does_not_give_is_named(monkeypatch, error):
    def fail(shapes):
        raise error

    blob = some_machine().snapshot()
    monkeypatch.setattr(engine_module, "allocate", fail)
    with pytest.raises(ValueError, match="snapshot: no memory for a machine with its limits"):
        Engine.restore(blob)


@pytest.mark.parametrize("count", [2**60, 2**63, 2**64 - 1, 10**6])
def test_a_count_beyond_the_bytes_is_a_cut(count):
    blob = bytearray(Engine(SMALL).snapshot())
    blob[HEAD.size + 8 : HEAD.size + 16] = count.to_bytes(8, "little")
    with pytest.raises(ValueError, match=f"cut off in `state`, which needs {20 + 516 * count - 8}"):
        Engine.restore(blob)


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        ([0, 0], "the blocks of `orders` must have rising numbers, at byte"),
        ([1, 0], "the blocks of `orders` must have rising numbers, at byte"),
        ([0, 5], "`orders` has 5 blocks, got number 5, at byte"),
        ([0, 2**32 - 1], "`orders` has 5 blocks, got number 4294967295, at byte"),
    ],
)
def test_blocks_that_repeat_fall_or_lie_outside_are_rejected(numbers, error):
    editor = SnapshotEditor(Engine(replace(SMALL, orders=39)).snapshot())
    sections = editor.sections()
    empty = np.zeros((len(numbers), 512), np.uint8)
    sections[list(editor.arrays).index("orders")] = (np.array(numbers, np.uint32), empty)
    with pytest.raises(ValueError, match=f"^snapshot: {error}"):
        Engine.restore(editor.join(sections))


def test_empty_blocks_are_taken_and_left_out_of_the_next_snapshot():
    blob = Engine(SMALL).snapshot()
    editor = SnapshotEditor(blob)
    sections = editor.sections()
    empty = np.zeros((1, 512), np.uint8)
    sections[list(editor.arrays).index("orders")] = (np.zeros(1, np.uint32), empty)
    assert Engine.restore(editor.join(sections)).snapshot() == blob


def test_bytes_behind_the_end_of_an_array_are_rejected():
    editor = SnapshotEditor(Engine(SMALL).snapshot())
    sections = editor.sections()
    block = np.zeros((1, 512), np.uint8)
    block[0, 5 * 64] = 1
    sections[list(editor.arrays).index("orders")] = (np.zeros(1, np.uint32), block)
    with pytest.raises(ValueError, match="snapshot: `orders` goes on behind its end, in block 0"):
        Engine.restore(editor.join(sections))


def test_an_exception_while_a_snapshot_is_taken_leaves_the_engine_as_it_was(monkeypatch):
    engine = some_machine()
    blob = engine.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr("matching.snapshot.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.snapshot()
    assert engine.snapshot() == blob


def test_an_engine_that_stopped_inside_a_command_gives_no_snapshot(monkeypatch):
    engine = some_machine()
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.process(np.zeros(1, COMMAND))
    with pytest.raises(RuntimeError, match="build the engine again from a snapshot"):
        engine.snapshot()

"""The compiled engine against the reference, and against itself: uncompiled, in other batches."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matching import COMMAND, Engine, Limits
from matching.memory.compiler import JIT_DISABLED
from matching.memory.layout import BOOKS, TOPS, WAITING
from matching.records import EventKind
from matching.reference.engine import ReferenceEngine
from matching.state_tables import differences
from tests.support.engines import assert_rejections_change_nothing
from tests.support.soundness import Soundness
from tests.support.stream_generator import ALL, BASIC, garbage, stream
from tests.tools import fuzz

ROOT = Path(__file__).parents[2]
CHECK_EVERY = 25 if JIT_DISABLED else 1


def hash_in_another_process(**environment: str) -> str:
    """The output of `python -m tests.support.event_hash` under these environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "tests.support.event_hash"],
        env=os.environ | environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("seed", range(24))
def test_kernel_and_reference_agree_event_by_event_and_stay_sound(seed):
    """Seeds 7, 15 and 23 are garbage, 6, 14 and 22 plain; see fuzz.stream_of."""
    limits, commands = fuzz.stream_of(seed, 500)
    batch = fuzz.BATCHES[seed % len(fuzz.BATCHES)]
    assert fuzz.first_failure(limits, commands, batch, CHECK_EVERY) is None


@pytest.mark.parametrize("seed", [3, 11])
def test_any_split_into_batches_and_a_small_buffer_give_the_same_events(seed):
    limits, commands = stream(seed, 1500)
    whole = Engine(replace(limits, events=1 << 16))
    expected = whole.process(commands).tobytes()
    for size in (1, 7, 64, 65, 4096):
        engine = Engine(replace(limits, events=16))
        parts = [
            engine.process(commands[i : i + size]).tobytes() for i in range(0, len(commands), size)
        ]
        assert b"".join(parts) == expected
        assert engine.state_hash() == whole.state_hash()


def test_garbage_is_rejected_and_changes_nothing():
    for seed in range(3):
        limits, commands = garbage(seed, 300)
        assert_rejections_change_nothing(Engine(limits), commands)


def test_noise_into_an_empty_machine_is_rejected_command_by_command():
    noise = np.random.default_rng(1).integers(0, 256, (5000, COMMAND.itemsize), dtype=np.uint8)
    commands = noise.view(COMMAND).ravel()
    engine = Engine(Limits())
    before = engine.state_tables()
    events = engine.process(commands)
    assert set(events["kind"].tolist()) == {EventKind.REJECTED}
    assert len(events) == len(commands)
    after = engine.state_tables()
    assert differences(before, after) == [f"machine[0].now_ns: 0 against {after['machine'][0, 0]}"]


def test_a_strided_or_read_only_view_is_accepted():
    limits, commands = stream(3, 400)
    expected = ReferenceEngine(limits).process(commands).tobytes()
    spread = np.zeros(2 * len(commands), COMMAND)[::2]
    spread[:] = commands
    for given in (spread, np.frombuffer(commands.tobytes(), COMMAND)):
        assert Engine(limits).process(given).tobytes() == expected


def test_an_array_of_another_dtype_is_rejected():
    with pytest.raises(TypeError, match="commands: expected the COMMAND dtype, got uint8"):
        Engine(Limits()).process(np.zeros(64, np.uint8))


def test_an_empty_batch_has_no_events():
    assert len(Engine(Limits()).process(np.zeros(0, COMMAND))) == 0


FORK = """
import os
from matching import Engine, Limits
engine = Engine(Limits(orders=16, instruments=1, accounts=1, ticks=64))
if os.fork() == 0:
    for array in engine._arrays.values():
        array.view("u1")[:] = 1
    os._exit(0)
os.wait()
print(any(array.view("u1")[2000:].any() for array in engine._arrays.values()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_a_machine_of_its_own():
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("features", [BASIC, ALL], ids=["basic", "all"])
def test_a_full_pool_rejects_and_recovers(features):
    limits, commands = stream(2, 600, features)
    limits = replace(limits, orders=3, ref_pages=1)
    assert fuzz.first_failure(limits, commands, 7, CHECK_EVERY) is None


def test_uncompiled_kernels_give_the_same_events():
    other = {"NUMBA_DISABLE_JIT": "0" if JIT_DISABLED else "1"}
    assert hash_in_another_process(**other) == hash_in_another_process()


@pytest.mark.long
def test_kernels_with_bounds_checks_give_the_same_events(tmp_path):
    checked = {"NUMBA_BOUNDSCHECK": "1", "SUANSHI_CACHE_DIR": str(tmp_path)}
    assert hash_in_another_process(**checked) == hash_in_another_process()


@pytest.mark.long
def test_a_hundred_thousand_commands_agree():
    result = CliRunner().invoke(fuzz.main, ["--commands", "100000", "--seed", "1000"])
    assert result.exit_code == 0, result.output


def test_a_failure_names_the_command_and_both_answers(monkeypatch):
    limits, commands = stream(3, 120)
    process = Engine.process

    def wrong(self, given):
        events = process(self, given)
        events["leaves"][events["kind"] == EventKind.ACCEPTED] += 1
        return events

    monkeypatch.setattr(Engine, "process", wrong)
    failure = fuzz.first_failure(limits, commands, 7, CHECK_EVERY)
    assert failure is not None
    assert failure.startswith("events differ\ncommand ")
    assert "  reference: ACCEPTED" in failure
    assert "  kernel:    ACCEPTED" in failure


DAMAGE = {
    "orders": ("held", "price", "leaves", "user_ref", "account", "instrument", "side"),
    "links": ("next", "prev"),
    "words": (None,),
    "tops": (None,),
    "pages": (None,),
    "page_live": (None,),
    "timers": ("slot",),
    "positions": ("net", "open_buy", "open_sell"),
    "accounts": ("free", "reserved", "deposit", "paid", "funded", "order_cap", "trader"),
}
"""Fields by table (None: its elements). Where one is in use, a change of it alone is an error."""


@pytest.mark.parametrize("name", DAMAGE)
def test_the_memory_check_finds_any_single_change(name):
    limits, commands = stream(6, 400)
    engine = Engine(limits)
    engine.process(commands)
    soundness = Soundness(engine)
    assert soundness.broken() is None
    orders = engine._arrays["orders"]
    for field in DAMAGE[name]:
        array = engine._arrays["instruments" if name == "tops" else name]
        cells = (
            array.view(np.uint32) if name == "tops" else array if field is None else array[field]
        )
        used = cells != 0
        if name == "tops":
            used.reshape(-1, TOPS)[:, BOOKS:] = False
        if name == "orders":
            used &= (array["instrument"] != 0) & ((array["mode"] & WAITING) == 0)
        if name == "links":
            used[: len(orders)] &= orders["instrument"] != 0
        if name == "timers":
            used[int(engine._arrays["state"]["timers"][0]) + 1 :] = False
        assert used.any(), field
        for place in np.flatnonzero(used)[:40]:
            cells[place] ^= 1
            assert soundness.broken() is not None, (field, place)
            cells[place] ^= 1
    assert soundness.broken() is None

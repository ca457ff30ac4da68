"""The adapter for the public benchmark, played by a stand-in, and the results of its runs."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.harness import command
from bench.harness.conformance import (
    ARRAYS,
    MessageType,
    build_engine,
    commands_of,
    expected_sha256,
    read_flow,
)
from matching.memory.compiler import JIT_DISABLED
from matching.native.__main__ import write

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="object code is compiled code")

HERE = Path(__file__).parent
ADAPTER = HERE.parents[1] / "bench" / "harness" / "adapter.c"
FLOWS = sorted((HERE.parent / "conformance").glob("*.npz"))
EMPTY = (-(2**63), 2**63 - 1)
"""Best bid and best ask of a side without orders."""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in and the adapter, as one program."""
    folder = tmp_path_factory.mktemp("harness")
    write(folder, any_cpu=True)
    include = [f"-I{HERE / 'harness'}", f"-I{folder}"]
    parts = [
        HERE / "harness" / "driver.c",
        ADAPTER,
        folder / "suanshi.c",
        folder / "suanshi_core.o",
    ]
    strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    subprocess.run(["cc", *strict, *include, "-o", folder / "driver", *parts], check=True)
    return folder / "driver"


def play(driver: Path, rows: Any, *arguments: str, **settings: str) -> tuple[list[str], list[int]]:
    """The lines of the reports; best bid and its depth, best ask and its depth."""
    found = subprocess.run(
        [driver, *arguments],
        input=np.ascontiguousarray(rows, np.int64).tobytes(),
        env=os.environ | settings,
        check=True,
        capture_output=True,
        timeout=100,
    )
    return found.stdout.decode().splitlines(), [int(n) for n in found.stderr.split()]


@pytest.mark.needs("cc")
@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    ("batch", "capacity", "settings"),
    [
        ("0", "4096", {}),
        ("0", "64", {"SUANSHI_QUEUE": "harness"}),
        ("300", "4096", {}),
        ("1000", "64", {"SUANSHI_QUEUE": "harness"}),
        ("1000", "1000000", {"SUANSHI_LOOKAHEAD": "1"}),
    ],
    ids=["messages", "messages-queue", "batches", "batches-queue", "looking-ahead"],
)
def test_every_way_gives_the_reports_of_independent_engines(
    driver, flow, batch, capacity, settings
):
    arrays = read_flow(flow)
    rows = np.stack([arrays[name] for name in ARRAYS], axis=1)
    lines, book = play(driver, rows, batch, capacity, **settings)
    numbered = sorted((int(line.split(",", 2)[1]), line[0], at) for at, line in enumerate(lines))
    text = "\n".join(lines[at] for _, _, at in numbered)
    assert sha256(text.encode()).hexdigest() == expected_sha256(flow)
    engine = build_engine(arrays)
    engine.process(commands_of(arrays))
    best = zip(engine.depth(1, 1), EMPTY, strict=True)
    assert book == [number for rows, empty in best for number in (rows or [(empty, 0)])[0]]


NEW, CANCEL, MODIFY = MessageType


@pytest.mark.needs("cc")
def test_a_book_that_empties_and_ids_that_nobody_has(driver):
    rows = [
        (NEW, 0, 0, 5, 7, 100),
        (NEW, 1, 1, 9, 8, 100),  # fills the bid, and the rest is cancelled
        (CANCEL, 0, 0, 0, 2_000_000, 0),
        (MODIFY, 0, 0, 5, 2**32 - 1, 100),
        (CANCEL, 0, 0, 0, 7, 0),
        (NEW, 1, 0, 1, 7, 262_144),  # a name may be used again
        (MODIFY, 1, 0, 3, 7, 262_143),
        (CANCEL, 0, 0, 0, 7, 0),
    ]
    lines, book = play(driver, rows, "0")
    assert lines == [
        "0,0,0,7,100,5",
        "0,1,1,8,100,9",
        "1,1,100,5,7,8",
        "2,1,1,8,100",
        "4,2,2000000",
        "5,3,4294967295",
        "4,4,7",
        "0,5,1,7,262144,1",
        "3,6,1,7,262143,3",
        "2,7,1,7,262143",
    ]
    assert book == [EMPTY[0], 0, EMPTY[1], 0]


@pytest.mark.needs("cc")
@pytest.mark.parametrize(
    ("row", "what"),
    [
        ((NEW, 0, 0, 5, 2**22, 100), "order ids go from 1 to 4194302, got: 4194304"),
        ((NEW, 0, 0, 5, 1, 2**18 + 1), "prices go from 1 to 262144 ticks, got: 262145"),
        (
            (CANCEL, 0, 0, 0, 2**32, 0),
            "cancels and modifies target ids up to 4294967295, got: 4294967296",
        ),
        ((NEW, 0, 0, 0, 1, 1), "quantities go from 1 to 2^30, got: 0"),
    ],
)
def test_what_does_not_fit_ends_the_run_with_a_reason(driver, row, what):
    found = subprocess.run(
        [driver], input=np.array(row, np.int64).tobytes(), check=False, capture_output=True
    )
    assert found.returncode != 0
    assert found.stderr.decode().splitlines() == [f"suanshi adapter: {what}"]


FAKE = """\
#!{python}
import json, os, sys
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
name = os.path.basename(given["--engine"])
batch = "batch" if os.environ.get("ME_NO_BATCH") is None else "message"
os.makedirs("results", exist_ok=True)
open("results/one.json", "w").write(json.dumps({{
    "throughput_msgs_per_s": {rates}[name if name in {rates} else batch],
    "wall_time_s": 0.1,
    "correctness": {{"status": "PASS", "computed_hash": {hashes}.get(name, "aa")}},
    "verdict": {verdicts}.get(name, "VALID"),
    "audit": {{"ran": given["--mode"] == "audit", "passed": {audit}}},
}}))
print("Result file: results/one.json")
"""
RATES = {"cpptrader_adapter.so": 5e6, "message": 11e6, "batch": 15e6}


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes a folder that looks like a built harness whose program says what a test wants."""
    monkeypatch.setattr(command, "build", lambda harness, library: library.write_bytes(b"ours"))

    def make(**said: Any) -> Path:
        words = {"rates": RATES, "hashes": {}, "verdicts": {}, "audit": True} | said
        program = tmp_path / "harness"
        program.write_text(FAKE.format(python=sys.executable, **words))
        program.chmod(0o755)
        (tmp_path / "cpptrader_adapter.so").write_bytes(b"\0GCC: (Some) 1.2.3\0")
        script = tmp_path / "additional_references" / "cpptrader_adapter" / "build.sh"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("g++ -std=c++20 -O3 -march=native -fPIC -shared \\\n    -Iapi\n")
        return tmp_path

    return make


def run_harness(at: Path, *arguments: str) -> Any:
    given = ["harness", "--at", str(at), "--rounds", "2", "--scenario", "normal", *arguments]
    return CliRunner().invoke(main, given)


def test_the_loop_gives_medians_ratios_and_what_they_depend_on(fake):
    at = fake()
    result = run_harness(at, "--audit", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    ratios = {
        row["engine"]: (row["messages_per_s"], row["ratio"], row["runs"]) for row in said["rows"]
    }
    assert ratios["CppTrader"] == (5_000_000, 1.0, 2)
    assert ratios["Suanshi"] == (11_000_000, 2.2, 2)
    assert ratios["Suanshi, batches"] == (15_000_000, 3.0, 2)
    assert said["audits"] == [{"scenario": "normal", "seed": 23, "passed": True}]
    peer = said["engines"][0]
    assert peer["compiler"] == "GCC: (Some) 1.2.3"
    assert peer["flags"] == "-std=c++20 -O3 -march=native -fPIC -shared"
    assert peer["version"] == "unknown"
    assert not list((at / "results").iterdir())


def test_the_picture_shows_each_scenario(fake, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "harness.json"
    said = json.loads(run_harness(fake(), "--scenario", "static", "--json").stdout)
    left_out = next(row for row in said["rows"] if row["engine"] == "Suanshi, batches")
    said["rows"].remove(left_out)  # too slow for one of the scenarios, say
    path.write_text(json.dumps(said))
    result = CliRunner().invoke(main, ["plot", str(path)])
    assert result.exit_code == 0, result.output
    picture = path.with_suffix(".svg").read_text()
    assert "normal" in picture
    assert "static" in picture


@pytest.mark.parametrize(
    ("said", "arguments", "expected"),
    [
        (
            {"hashes": {"cpptrader_adapter.so": "bb"}},
            (),
            "normal, seed 23: Suanshi and CppTrader have different reports",
        ),
        (
            {"verdicts": {"suanshi_adapter.so": "INVALID"}},
            (),
            "normal, seed 23: Suanshi is INVALID according to the harness",
        ),
        ({"audit": False}, ("--audit",), "normal: the audit of Suanshi did not pass"),
    ],
)
def test_engines_that_disagree_end_the_loop(fake, said, arguments, expected):
    result = run_harness(fake(**said), *arguments)
    assert result.exit_code == 1
    assert expected in result.stderr


def test_a_folder_that_is_no_harness_is_refused(tmp_path):
    result = run_harness(tmp_path)
    assert result.exit_code == 2
    assert "it has no api/matching_engine_api.h" in result.stderr


def test_a_harness_without_its_yardstick_or_its_program_is_refused(fake):
    at = fake()
    assert "no engine 'Nobody' there" in run_harness(at, "--only", "Nobody").stderr
    (at / "harness").unlink()
    assert "build the harness first" in run_harness(at).stderr
    (at / "cpptrader_adapter.so").unlink()
    assert "no engine 'CppTrader' there" in run_harness(at).stderr

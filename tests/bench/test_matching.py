"""The benchmark: its workloads are what they say, and its output is what programs read."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from bench.__main__ import main
from bench.child_process import ROOT
from bench.compare import compare_subject
from bench.compare import lines as lines_of_comparison
from bench.matching import memory, one_order, peers
from bench.matching.bare import check, lines
from bench.matching.bare import measure as measure_bare
from bench.matching.blocks import HOURS, compare, list_hours, resting_blocks
from bench.matching.by_kind import KINDS, by_kind
from bench.matching.floor import Floor
from bench.matching.measure import check_events, warmed_engine
from bench.matching.snapshots import snapshots
from bench.matching.startup import start
from bench.matching.timing import split
from bench.matching.tricks import TRICKS, Trick
from bench.matching.worst import CASES, time_case
from bench.matching.worst import lines as lines_of_worst
from bench.workloads.definitions import PLAIN, RICH, WORKLOADS, Mix, Size, Workload
from bench.workloads.live_orders import LiveOrders
from bench.workloads.opening import rows_of
from bench.workloads.recording import Flow, Recording, record
from bench.workloads.refs import Refs
from matching import COMMAND, EVENT
from matching.memory.compiler import JIT_DISABLED
from matching.records import CommandKind, EventKind, OrderType, TimeInForce
from matching.state_tables import COLUMNS

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="the benchmark is about compiled code")

ONE_BOOK, BOOKS = Size("one", 1, 1_200), Size("books", 6, 200)
COUNT = 4_096


def tiny(mix: Mix, size: Size) -> Workload:
    return Workload(mix, size, accounts=128, sessions=4, group_accounts=8)


@pytest.fixture(scope="module")
def recordings() -> dict[tuple[str, str], Recording]:
    return {
        (mix.name, size.name): record(tiny(mix, size), COUNT, seed=1)
        for mix in (PLAIN, RICH)
        for size in (ONE_BOOK, BOOKS)
    }


@pytest.fixture(params=[("plain", "one"), ("plain", "books"), ("rich", "one"), ("rich", "books")])
def recording(
    request: pytest.FixtureRequest, recordings: dict[tuple[str, str], Recording]
) -> Recording:
    return recordings[request.param]


def test_a_workload_with_blocks_keeps_them_standing() -> None:
    workload = replace(tiny(PLAIN, BOOKS), linked=True, blocks=30, distance_mean_ticks=3)
    recording = record(workload, COUNT, seed=1)
    check_events(recording)
    engine = warmed_engine(recording)
    assert len(engine.state_tables()["blocks"]) == 30
    spans = engine.state_tables()["blocks"][:, COLUMNS["blocks"].index("hours")]
    assert (spans.min(), spans.max()) == (2, 6)
    for batch in split(recording.stream):
        engine.process(batch)
    assert 0 <= 30 - len(engine.state_tables()["blocks"]) < 5
    assert (recording.stream["hours"] > 0).sum() > 0


def test_blocks_elsewhere_and_links_change_no_event_of_a_stream() -> None:
    recording = record(tiny(PLAIN, BOOKS), COUNT, seed=1)
    limits = replace(recording.limits, instruments=6 + HOURS, ticks=(6 + HOURS) * 4_096, blocks=64)
    more = list_hours(recording.workload, 7, HOURS)
    before = {
        "none": more[:0],
        "blocks": np.concatenate(
            [more, resting_blocks(recording.workload, limits, 7, 50)], dtype=COMMAND
        ),
    }
    rows = compare(recording, limits, before, 1, lambda text: None)
    assert [(row["before"], row["ratio"] > 0) for row in rows] == [("none", True), ("blocks", True)]
    first = {"blocks": rows_of(CommandKind.LIMITS, account=np.array([1]), quantity=1)}
    with pytest.raises(RuntimeError, match="blocks: changes the events"):
        compare(recording, limits, first, 1, lambda text: None)


def test_a_core_without_rules_has_the_engines_events(
    recordings: dict[tuple[str, str], Recording],
) -> None:
    check(recordings["plain", "one"])
    with pytest.raises(RuntimeError, match="rich-one: not the events of the engine"):
        check(recordings["rich", "one"])
    cores = measure_bare(recordings["plain", "one"], 1)
    assert [row["core"] for row in cores] == ["engine", "without rules", "floor", "copyto"]
    assert cores[2]["ratio"] == 1
    assert all(row["ratio"] > 0 and row["commands_per_s"] > 0 for row in cores)
    assert "without rules" in lines({"workload": "x", "commands": COUNT, "cores": cores})[2]


def share(rows: np.ndarray[Any, Any]) -> float:
    return float(np.count_nonzero(rows)) / len(rows)


def orders_of(recording: Recording) -> dict[str, np.ndarray[Any, Any]]:
    table = warmed_engine(recording).state_tables()["orders"]
    return dict(zip(COLUMNS["orders"], table.T, strict=True))


def test_workloads_are_two_mixes_on_four_sizes() -> None:
    assert {(w.name, w.size.instruments, w.resting) for w in WORKLOADS.values()} == {
        ("plain-10k", 1, 10_000),
        ("rich-10k", 1, 10_000),
        ("plain-100x1k", 100, 100_000),
        ("rich-100x1k", 100, 100_000),
        ("plain-1000x100", 1_000, 100_000),
        ("rich-1000x100", 1_000, 100_000),
        ("plain-1M", 1, 1_000_000),
        ("rich-1M", 1, 1_000_000),
    }
    assert all(name == w.name and w.accounts >= 1_000 for name, w in WORKLOADS.items())


def test_kinds_of_command_have_their_shares(recording: Recording) -> None:
    stream, mix = recording.stream, recording.workload.mix
    new = stream["kind"] == CommandKind.NEW
    ioc = new & (stream["tif"] == TimeInForce.IOC)
    assert len(stream) == COUNT
    assert share(new & ~ioc) == pytest.approx(mix.new, abs=0.03)
    assert share(stream["kind"] == CommandKind.CANCEL) == pytest.approx(mix.cancel, abs=0.03)
    assert share(ioc) == pytest.approx(mix.ioc, abs=0.015)
    assert share(stream["kind"] == CommandKind.REPLACE) == pytest.approx(mix.replace, abs=0.015)


def test_one_command_in_ten_trades_and_few_are_refused(recording: Recording) -> None:
    tally = recording.tally
    assert tally.trades >= COUNT / 10
    rejects = sum(tally.rejects.values())
    if recording.workload.mix is PLAIN:
        assert set(tally.rejects) <= {"UNKNOWN_ORDER"}
        assert rejects <= COUNT * 0.005
    else:
        assert COUNT * 0.002 <= rejects <= COUNT * 0.05


def test_so_many_orders_rest_all_the_time(recording: Recording) -> None:
    resting = recording.workload.resting
    assert recording.resting == pytest.approx(resting, rel=0.1)
    assert min(recording.tally.resting) >= 0.9 * resting
    assert max(recording.tally.resting) <= 1.1 * resting
    assert len(orders_of(recording)["price"]) == recording.resting


def test_rich_has_every_extra(recordings: dict[tuple[str, str], Recording]) -> None:
    recording = recordings["rich", "one"]
    new = recording.stream[recording.stream["kind"] == CommandKind.NEW]
    assert {"REPLACED", "REFRESHED", "TRIGGERED"} <= set(recording.tally.kinds)
    assert {"FOK", "FUNDS", "SIZE_LIMIT"} <= set(recording.tally.rejects)
    assert set(new["stp"]) == {0, 1, 2, 3, 4}
    assert {OrderType.STOP, OrderType.STOP_LIMIT} <= set(new["type"])
    for extra in ("display", "flags", "stop"):
        assert 0.01 < share(new[extra] != 0) < 0.2


def test_prices_span_two_hundred_levels(recordings: dict[tuple[str, str], Recording]) -> None:
    recording = recordings["plain", "one"]
    assert len(np.unique(orders_of(recording)["price"])) >= 200
    new = recording.stream["kind"] == CommandKind.NEW
    assert len(np.unique(recording.stream["price"][new])) >= 200


def test_the_mid_moves() -> None:
    workload = tiny(PLAIN, ONE_BOOK)
    flow = Flow(workload, 0, seed=1)
    mids = []
    for _ in range(200):
        flow.move_mids(64)
        mids.append(int(flow.mids[1]))
    assert len(set(mids)) > 10


def test_the_same_seed_gives_the_same_commands_and_events() -> None:
    workload = tiny(RICH, BOOKS)
    first, again, other = (record(workload, 512, seed) for seed in (3, 3, 4))
    assert first.warm.tobytes() + first.stream.tobytes() == (
        again.warm.tobytes() + again.stream.tobytes()
    )
    assert first.tally.sha256 == again.tally.sha256 != other.tally.sha256
    assert (first.seed, other.seed) == (3, 4)


def test_live_orders_are_those_of_the_engine() -> None:
    workload = tiny(RICH, BOOKS)
    flow = Flow(workload, workload.resting + 1_000, seed=2)
    flow.fill(workload.resting)
    flow.run(1_000)
    orders = dict(zip(COLUMNS["orders"], flow.engine.state_tables()["orders"].T, strict=True))
    session, ref = flow.live.split(flow.live.keys)
    assert sorted(zip(session, ref, strict=True)) == sorted(
        zip(orders["session"], orders["user_ref"], strict=True)
    )


def test_a_sample_of_live_orders_is_uniform_and_never_twice_the_same() -> None:
    live = LiveOrders(sessions=2, refs=64, orders=64)
    events = np.zeros(40, EVENT)
    events["kind"], events["leaves"] = EventKind.ACCEPTED, 1
    events["session"], events["user_ref"] = 2, np.arange(1, 41)
    live.update(events)
    gone = events[:10].copy()
    gone["kind"], gone["leaves"] = EventKind.CANCELLED, 0
    live.update(gone)
    rng = np.random.default_rng(1)
    drawn = np.concatenate([live.sample(rng, 10) for _ in range(600)])
    assert len(np.unique(live.sample(rng, 30))) == 30
    keys, counts = np.unique(drawn, return_counts=True)
    assert set(live.split(keys)[1]) == set(range(11, 41))
    assert counts.min() > 140
    assert counts.max() < 260


def test_refs_count_each_sessions_commands() -> None:
    refs = Refs(3, first=5)
    assert refs.take(np.array([1, 2, 1, 3, 1], np.uint32)).tolist() == [5, 5, 6, 5, 7]
    assert refs.take(np.array([3, 1], np.uint32)).tolist() == [6, 8]


def test_events_do_not_depend_on_the_batches(recording: Recording) -> None:
    check_events(recording)


def test_other_events_than_recorded_are_an_error(recording: Recording) -> None:
    wrong = replace(recording, tally=replace(recording.tally, sha256="00"))
    with pytest.raises(RuntimeError, match="events"):
        check_events(wrong)


def test_the_floor_copies_eight_words_of_each_command() -> None:
    words = np.arange(24, dtype=np.int64).reshape(3, 8)
    floor, copyto = Floor(4), Floor(4)
    floor.run(words)
    copyto.copyto(words)
    assert floor.events[:3].tolist() == copyto.events[:3].tolist() == words.tolist()


def test_every_kind_is_timed_alone_and_none_refused(recording: Recording) -> None:
    figures = by_kind(recording, 1)
    assert set(figures) == set(KINDS)
    assert figures["trade"]["events"] == 3
    assert all(figure["ns"] > 0 for figure in figures.values())


@pytest.fixture
def tiny_bench(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line with tiny workloads under two of the names."""
    for name, mix in (("plain-10k", PLAIN), ("rich-10k", RICH)):
        monkeypatch.setitem(WORKLOADS, name, tiny(mix, ONE_BOOK))
    monkeypatch.setattr(peers, "PEERS", {})
    return CliRunner()


OPTIONS = ["--workload", "plain-10k", "--workload", "rich-10k", "--commands", "4096"]


def test_json_is_one_object_on_stdout(tiny_bench: CliRunner) -> None:
    done = tiny_bench.invoke(
        main, ["matching", *OPTIONS, "--repeats", "2", "--seed", "5", "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert {"cpu", "cores", "python", "numba", "numpy", "date"} <= set(result["machine"])
    assert [row["workload"] for row in result["workloads"]] == ["plain-one", "rich-one"]
    for row in result["workloads"]:
        assert row["commands"] == 4_096
        assert row["resting"] == pytest.approx(1_200, rel=0.1)
        assert row["seed"] == 5
        assert 0 < row["rejects"] + row["trades"] < row["events"]
        assert len(bytes.fromhex(row["events_sha256"])) == 32
        assert min(row[f"{name}_per_s"] for name in ("commands", "floor", "copyto")) > 0
        assert row["ratio_least"] <= row["ratio"] <= row["ratio_most"]
        assert row["second_seed"]["seed"] == 6
        assert {"commands_per_s", "ratio"} <= set(row["second_seed"])
    assert "startup" not in result


def test_people_get_a_table_and_progress_apart(tiny_bench: CliRunner) -> None:
    done = tiny_bench.invoke(main, ["matching", *OPTIONS, "--repeats", "1", "--no-second"])
    assert done.exit_code == 0, done.output
    head, plain, rich, *_ = done.stdout.splitlines()
    assert head.split()[:3] == ["workload", "resting", "M"]
    assert plain.startswith("plain-one")
    assert rich.startswith("rich-one")
    assert "generating" in done.stderr
    assert "generating" not in done.stdout


def test_latency_is_in_percentiles() -> None:
    pytest.importorskip("hdrh.histogram")
    from bench.matching.latency import percentiles_ns

    took = np.concatenate([np.full(980, 1_000), np.full(20, 50_000)])
    found = percentiles_ns(took)
    assert list(found) == ["p50_ns", "p90_ns", "p99_ns", "p99.9_ns", "max_ns"]
    assert found["p50_ns"] == pytest.approx(1_000, rel=0.001)
    assert found["p99_ns"] == pytest.approx(50_000, rel=0.001)


def test_one_order_trades() -> None:
    one_order.main()


def test_a_start_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        start("bench.nothing_of_that_name", {})


@pytest.mark.parametrize("spread", memory.SPREADS)
def test_memory_is_that_of_a_machine_whose_orders_rest(spread: str) -> None:
    found = memory.fill(spread, instruments=3, resting=500)
    assert 0 < found["resident_mb"] <= found["highest_mb"]


class Book:
    """A peer as simple as can be; `slips` loses every seventh hit."""

    def __init__(self, slips: bool) -> None:
        self.rows: list[list[Any]] = []  # side, price, key, leaves, in order of arrival
        self.slips = slips
        self.hits = 0

    def ioc(self, key: peers.Key, side: int, price: int, quantity: int) -> int:
        """Sweep; what is left is in `left`."""
        sign = 1 - 2 * side
        matching = [r for r in self.rows if r[0] != side and sign * r[1] <= sign * price]
        hit = 0
        for row in sorted(matching, key=lambda r: sign * r[1]):
            if quantity:
                taken = min(quantity, row[3])
                row[3] -= taken
                quantity -= taken
                self.hits += 1
                hit += not (self.slips and self.hits % 7 == 0)
        self.rows = [row for row in self.rows if row[3]]
        self.left = quantity
        return hit

    def limit(self, key: peers.Key, side: int, price: int, quantity: int) -> int:
        hit = self.ioc(key, side, price, quantity)
        if self.left:
            self.rows.append([side, price, key, self.left])
        return hit

    def cancel(self, key: peers.Key) -> None:
        self.rows = [row for row in self.rows if row[2] != key]


@pytest.fixture
def short(recordings: dict[tuple[str, str], Recording]) -> Recording:
    recording = recordings["plain", "one"]
    return replace(recording, stream=recording.stream[:256])


def test_a_restore_is_timed_with_its_checks() -> None:
    found = snapshots(2_000, books=4, repeats=1)
    assert found["orders"] == 2_000
    assert 2_000 * 64 < found["bytes"] < 2_000 * 640
    assert all(found[f"{what}_s"] > 0 for what in ("snapshot", "restore", "checks"))


def test_a_peer_runs_the_same_commands(short: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "version", lambda name: "1")
    row = peers.compare("book", Book(slips=False), short)
    assert (row["peer"], row["commands"]) == ("book", 256)
    assert row["trades"] > 20
    assert row["commands_per_s"] > 0


def test_a_peer_with_other_trades_is_an_error(short: Recording) -> None:
    with pytest.raises(RuntimeError, match="trades"):
        peers.compare("book", Book(slips=True), short)


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
def test_the_text_of_a_trick_occurs_once(trick: Trick) -> None:
    text = (ROOT / "matching" / trick.file).read_text(encoding="utf-8")
    assert text.count(trick.old) == 1
    assert trick.old != trick.new


def test_an_absent_peer_is_left_out_with_a_line(
    short: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Book:
        raise ImportError("No module named 'absent'")

    monkeypatch.setattr(peers, "PEERS", {"absent": absent})
    said: list[str] = []
    assert peers.peers(short, said.append) == []
    assert said == ["peer absent left out (No module named 'absent'): pip install 'absent'"]


def test_lightmatchingengine_agrees(short: Recording) -> None:
    pytest.importorskip("lightmatchingengine")
    assert peers.compare("lightmatchingengine", peers.LightMatchingEngine(), short)["trades"]


def test_order_matching_agrees(short: Recording) -> None:
    pytest.importorskip("order_matching.matching_engine")
    few = replace(short, stream=short.stream[:64])
    assert peers.compare("order-matching", peers.OrderMatching(), few)["trades"]


def test_a_result_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        {"workload": name, "commands_per_s": 10**7, "ratio": 0.3}
        for name in ("plain-10k", "rich-10k")
    ]
    machine = {"cpu": "a CPU", "python": "3", "numba": "0", "date": "2026-11-22"}
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"machine": machine, "workloads": rows}))
    for _ in range(2):
        done = CliRunner().invoke(main, ["plot", str(result)])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "result.svg").read_text().startswith("<?xml")


def test_what_is_no_result_is_not_drawn(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("[]")
    done = CliRunner().invoke(main, ["plot", str(wrong)])
    assert done.exit_code == click.UsageError.exit_code
    assert "wrong.json: not the JSON of" in done.stderr


def test_every_worst_case_reaches_its_state():
    rows = [time_case(case, 2_048, 1) for case in CASES]
    assert len(rows) == len(CASES)
    assert all(row["events"] >= 1 for row in rows)
    assert len(lines_of_worst(rows)) == len(rows)


def test_a_checkout_is_compared_with_itself():
    row = compare_subject("plain-10k", ROOT, Path(sys.executable), 1)
    assert set(row["ns"]) == {"this", "other", "this again"}
    assert all(ns > 1 for ns in row["ns"].values())
    assert 0.1 < row["ratio"] < 10
    assert len(lines_of_comparison([row])) == 1

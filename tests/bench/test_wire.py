"""The measurement of the wire: its load trades and is delivered, and its bars can fail."""

from pathlib import Path
from typing import Any

import pytest

from bench.wire.bars import BARS, evaluate_bars
from bench.wire.processes import Load, Process, ProcessFailed, Subscribers, echo, latency, venue


def row(**changes: float) -> dict[str, Any]:
    """A round that meets every bar and goal, but for these changes."""
    at = {"rate_1": 300, "rate_16": 800, "cpu": 0.6, "p50": 1.5, "ten": 1.4} | changes
    frames = {"0": 0.0, "1": 1.0, "10": 10.0}
    costs = {"0": 1.0, "1": 2.0, "10": 1 + 10 * at["ten"]}
    return {
        "plain durable": {
            "echo": {"per_s": 100, "cpu_us": 1.0},
            "1 a frame": {"per_s": at["rate_1"], "cpu_us": at["cpu"]},
            "16 a frame": {"per_s": at["rate_16"]},
        },
        "plain": {"latency": {"10000": {"plain": {"p50_us": at["p50"]}, "echo": {"p50_us": 1.0}}}},
        "subscribers": {n: {"cpu_us": costs[n], "frames": frames[n]} for n in costs},
    }


MISSES = [{"cpu": 0.71}, {"rate_1": 119}, {"rate_16": 399}, {"p50": 1.61}, {"ten": 1.6}]


@pytest.mark.parametrize("place", range(len(MISSES)))
def test_a_bar_holds_when_five_rounds_of_seven_meet_it(place: int) -> None:
    good, bad = row(), row(**MISSES[place])
    assert all(bar["holds"] for bar in evaluate_bars([good] * 7))
    for misses, holds in ((2, True), (3, False)):
        bar = evaluate_bars([good] * (7 - misses) + [bad] * misses)[place]
        assert (bar["met"], bar["holds"], len(bar["rounds"])) == (7 - misses, holds, 7)


def test_every_bar_has_one_limit() -> None:
    assert all((bar.least is None) != (bar.most is None) for bar in BARS)


def test_the_load_is_accepted_trades_and_is_delivered(tmp_path: Path) -> None:
    place = tmp_path / "venue"
    with venue(place, "plain") as server, Load(server, place, "plain", 2) as load:
        with Subscribers(place) as subscribers:
            subscribers.set_count(2)
            found = load.saturate(16, 6_400, 32)
            frames = subscribers.take_frames()
        assert found["orders"] == 6_400
        assert found["rejected"] < 0.15 * found["orders"]  # cancels that come too late
        assert 0.05 < found["trades"] / found["orders"] < 0.3
        assert found["cpu_us"] > 0
        assert frames > found["orders"]
        again = load.saturate(1, 640, 32)
        assert (again["orders"], again["trades"] > 0) == (640, True)


def test_an_echo_answers_every_frame(tmp_path: Path) -> None:
    with echo(tmp_path / "echo") as server, Load(server, tmp_path / "echo", "echo", 2) as load:
        assert load.saturate(1, 4_000, 512)["orders"] == 4_000


@pytest.mark.parametrize("kind", ["plain", "echo"])
def test_orders_sent_when_they_are_due_are_all_answered(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("hdrh.histogram")
    place = tmp_path / kind
    with echo(place) if kind == "echo" else venue(place, kind):
        row = latency(place, 2_000, kind, 0.2)
    assert row["unanswered"] == 0
    assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]


def test_a_process_that_ends_is_named() -> None:
    with (
        Process(["-c", "pass", "unknown"]) as process,
        pytest.raises(ProcessFailed, match="unknown"),
    ):
        process.receive()

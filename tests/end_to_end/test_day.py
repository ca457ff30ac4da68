"""A whole day over the wire: four brokers send the demonstration's orders, and the day settles."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.cli import run
from tests.support.venue_process import MEMBERS, World

DAY = """
durable = true
"""
BROKERS = ("east-1,east-2", "west-1,west-2,south-1,south-2", "coast-1,coast-2", "inland-1")


@pytest.mark.parametrize("speed", [pytest.param(600, marks=pytest.mark.long), 4_000])
def test_the_demonstration_day_goes_over_the_wire_and_settles(
    speed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, config=DAY, days=3, clock=f"2026-11-22T00:00*{speed}")
    brokers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.day_broker", names, str(tmp_path), str(speed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for names in BROKERS
    ]
    try:
        for broker in brokers:
            assert broker.stdout is not None
            assert broker.stdout.readline() == "ready\n"
        world.start()
        for broker in brokers:
            assert broker.stdin is not None
            broker.stdin.write("go\n")
            broker.stdin.flush()
        sent = sum(int(broker.communicate(timeout=300)[0]) for broker in brokers)
        assert [broker.returncode for broker in brokers] == [0] * len(BROKERS)
        ended = world.close_day()
    finally:
        for broker in brokers:
            broker.kill()
            broker.wait()
        world.end()
    log = world.log()
    assert log.sealed
    traders = [s.id for s in MEMBERS.sessions if not s.operator]
    commands = log.commands()
    counts = {s: int((commands["session"] == s).sum()) for s in traders}
    assert min(counts.values()) > 0
    assert sum(counts.values()) == sent > 50_000
    assert run(["replay", ended["sealed"], "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["events_sha256"] == ended["events_sha256"]
    assert replayed["trades"] > 100  # 4,400 if no order comes too late
    ledger = str(tmp_path / "ledger.duckdb")
    assert run(["settle", ended["sealed"], "--ledger", ledger, "--assume-delivered"]) == 0
    assert run(["verify", ended["sealed"], "--ledger", ledger]) == 0

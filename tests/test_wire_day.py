"""A whole day over the wire: four brokers send the demonstration's day, and it settles."""

import subprocess
import sys
from pathlib import Path

import pytest
from wire_world import BROKERS, World

from exchange.cli import run

DAY = """
durable = true
"""


@pytest.mark.parametrize("share", [pytest.param(1_000, marks=pytest.mark.long), 60])
def test_the_demonstration_s_day_goes_over_the_wire_and_settles(share: int, tmp_path: Path) -> None:
    world = World(tmp_path, config=DAY, clock="2026-11-22T00:00*2000").start()
    brokers = [
        subprocess.Popen([sys.executable, "-m", "tests.wire_day", name, str(tmp_path), str(share)])
        for name in BROKERS
    ]
    try:
        for broker in brokers:
            assert broker.wait(timeout=300) == 0
        ended = world.close_day()
    finally:
        for broker in brokers:
            broker.kill()
            broker.wait()
        world.end()
    log = world.log()
    assert log.sealed
    sessions = {s.name: s.id for s in log.registry.sessions}
    senders = set(log.commands()["session"].tolist())
    assert {sessions[name] for name in BROKERS} <= senders
    assert run(["replay", ended["sealed"]]) == 0
    ledger = str(tmp_path / "ledger.duckdb")
    assert run(["settle", ended["sealed"], "--ledger", ledger]) == 0
    assert run(["verify", ended["sealed"], "--ledger", ledger]) == 0

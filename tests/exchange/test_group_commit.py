"""Group commit: a command counts as durable when it is, and nothing is sent before that."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.venue.builder import build_venue
from exchange.venue.clock import parse_clock
from exchange.venue.config import read_config
from exchange.venue.group_commit import GroupCommit
from feeds.client import Client
from feeds.protocol.commands import new_order
from feeds.protocol.errors import TimedOut
from ledger.daylog import DayLogUnwritable, DayLogWriter
from matching.records import Side
from tests.ledger.test_daylog import DAY, REGISTRY, commands
from tests.support.venue_process import START, World


@pytest.fixture(params=["compiled", "in Python"])
def log(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GroupCommit]:
    if request.param == "in Python":
        monkeypatch.setattr("exchange.venue.sync_thread.is_compiled", lambda cells: False)
    writer = DayLogWriter.create(tmp_path / "day.log", venue="算市", trading_day=DAY)
    writer.append_registry(REGISTRY)
    log = GroupCommit(writer)
    yield log
    log.close()


def test_appended_commands_become_durable_without_a_wait(log: GroupCommit) -> None:
    assert log.durable_sequence() == 0
    for turn in range(100):
        log.append(commands(3, first=1 + 3 * turn))
        assert log.durable_sequence() <= 3 * (turn + 1)
    assert log.wait_durable() == log.durable_sequence() == 300
    assert 1 <= log._cells.syncs[0] <= 100


def test_after_a_disk_failure_nothing_becomes_durable(log: GroupCommit) -> None:
    log.append(commands(1))
    assert log.wait_durable() == 1
    reading, writing = os.pipe()
    log._cells.file[0] = writing  # a pipe cannot be made durable
    log.append(commands(1, first=2))
    for _ in range(2):
        with pytest.raises(DayLogUnwritable, match="cannot be made durable: Invalid argument"):
            log.wait_durable()
    os.close(reading)
    os.close(writing)


def test_no_report_is_sent_of_an_order_that_is_not_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world = World(tmp_path)
    with build_venue(read_config(tmp_path / "venue.toml"), parse_clock(f"{START}*0.001")) as venue:
        client = Client(tmp_path / "venue" / "connection.toml", world.secret("east-1"))
        while not client.is_connected:
            venue.step()
            client.pump()
        reading, writing = os.pipe()
        venue.day_log._cells.file[0] = writing
        order = new_order(world.account(), world.instrument().id, Side.BUY, 1, world.price())
        client.send(order)
        client.pump()
        with pytest.raises(DayLogUnwritable):
            venue.run()
        assert world.log().commands()["user_ref"][-1] == 1  # written, but not durable
        with pytest.raises(TimedOut):
            client.wait_for(lambda: client.next_report > 1 or None, timeout_s=0.5)
        client.close()
        os.close(reading)
        os.close(writing)

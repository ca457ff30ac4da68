"""A venue that runs by itself: days follow one another, whatever kills it in between."""

import json
import os
import resource
import signal
import threading
import time
from pathlib import Path
from random import Random

import pytest

from exchange.cli import run
from exchange.days.day_events import day_events
from feeds.client import connect
from feeds.protocol.errors import NotConnected, TimedOut, WireError
from ledger.books.database import open_books
from ledger.daylog import read_day_log
from ledger.proof.audit import audit
from matching.records import CommandKind, EventKind, Side
from tests.end_to_end.test_days import config
from tests.support.venue_process import World

SPEED = 12_000
"""A day takes 7 s."""


class RunningVenue(World):
    """A venue under `suanshi run`."""

    def __init__(self, folder: Path, days: int) -> None:
        super().__init__(folder, clock=f"2026-11-22T00:00*{SPEED}")
        config(self)
        self.days = days
        self.command = ["run", "--days", str(days)]
        self.steps: list[str] = []

    def read_line(self) -> str:
        """The next line that the venue printed; empty at its end."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line and "step" in (told := json.loads(line)):
            self.steps.append(told["step"])
        return line

    def logs(self) -> list[Path]:
        return sorted((self.folder / "venue").glob("????-??-??.log"))


class Trader(threading.Thread):
    """A buyer and a supplier that trade as long as a venue is there, and connect again."""

    def __init__(self, world: RunningVenue) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.accepted: list[tuple[str, int, int]] = []  # day, session, user_ref
        self.is_done = False

    def run(self) -> None:
        while not self.is_done:
            try:
                self._trade_a_day()
            except (WireError, OSError, KeyError):
                time.sleep(0.05)

    def _trade_a_day(self) -> None:
        world = self.world
        options = {"timeout_s": 2.0}
        with (
            connect(world.connection, world.secret("east-1"), **options) as buyer,
            connect(world.connection, world.secret("coast-1"), **options) as seller,
        ):
            listed = buyer.definitions()
            now_s = buyer.session.ack.time_ns // 10**9 if buyer.session.ack else 0
            number = min(
                (n for n, each in listed.items()
                 if each.contract == "H800.QD" and each.gate_s > now_s + 3 * SPEED),
            )  # fmt: skip
            for _ in range(20):
                price = listed[number].band_low
                for client, account, side in (
                    (seller, world.account("coast-1", "supplier"), Side.SELL),
                    (buyer, world.account(), Side.BUY),
                ):
                    report = client.orders.new(account, number, side, 1, price)
                    ack = client.session.ack
                    if report.kind == EventKind.ACCEPTED and ack is not None:
                        self.accepted.append((ack.trading_day, ack.session, report.cl_ord_id))
                    if self.is_done:
                        return
                time.sleep(0.02)


def check_days(world: RunningVenue, trader: Trader) -> None:
    """Every day is sealed and verifies, and has every order that was acknowledged; the books add
    up."""
    logs = world.logs()
    assert len(logs) == world.days
    placed = set()
    for path in logs:
        log = read_day_log(path)
        commands = log.commands()
        new = commands[commands["kind"] == CommandKind.NEW]
        placed |= {(log.trading_day, *row) for row in new[["session", "user_ref"]].tolist()}
        for _ in day_events(log):
            pass
    assert set(trader.accepted) <= placed
    assert run(["verify", str(logs[-1])]) == 0
    with open_books(world.folder / "venue" / "ledger.duckdb", read_only=True) as books:
        assert audit(books) == []
        kinds = books.rows(
            "SELECT kind::VARCHAR, day::VARCHAR, count(*) FROM batches GROUP BY ALL ORDER BY ALL"
        )
        settled = [day for kind, day, count in kinds if kind == "settlement" and count == 1]
        assert settled == [path.stem for path in logs]
        assert all(count == 1 for kind, _, count in kinds if kind == "opening")


def test_days_follow_one_another_and_what_was_sold_is_nominated_and_paid(tmp_path: Path) -> None:
    world = RunningVenue(tmp_path, days=3)
    world.start()
    trader = Trader(world)
    trader.start()
    try:
        while world.read_line():
            pass
        assert world.process is not None
        assert world.process.wait(timeout=30) == 0
    finally:
        trader.is_done = True
        trader.join(5)
        world.end()
    assert [step for step in world.steps if step.startswith("settled")] == [
        step for step in world.steps if step.startswith("settled 2026-11-2")
    ]
    assert any(step.startswith("nominated 2026-11-22: 1 ") for step in world.steps)
    assert any(step.startswith("paid the deliveries of 2026-11-22") for step in world.steps)
    assert len({day for day, _, _ in trader.accepted}) == 3
    check_days(world, trader)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_venue_that_is_killed_at_any_step_goes_on(
    tmp_path: Path, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    """In the middle of a day, at each line that it prints about a close, and between them."""
    kills = 100 if request.config.getoption("--long") else 2
    world = RunningVenue(tmp_path, days=1 + kills // 4)
    world.command[-1] = "1000"
    world.start()
    trader = Trader(world)
    trader.start()
    dice = Random(7)
    try:
        for kill in range(kills):
            wanted = dice.choice(("settled", "nominated", "paid", "connection"))
            until_s = time.monotonic() + 15
            while time.monotonic() < until_s:
                line = world.read_line()
                if not line or wanted in line:
                    break
            time.sleep(dice.choice((0, dice.random() / 4, dice.random() * 4)))
            assert world.process is not None
            if world.process.poll() is None:
                os.kill(world.process.pid, number)
            world.process.wait(timeout=30)
            assert number == signal.SIGKILL or world.process.returncode == 0, kill
            world._reap()
            world.start()
        while len(world.logs()) <= world.days or not world.read_line().count('"settled'):
            pass
        os.kill(world.process.pid, signal.SIGTERM)
        assert world.process.wait(timeout=30) == 0
        world._reap()
    finally:
        trader.is_done = True
        trader.join(5)
        world.end()
    world.days = len(world.logs())
    if not read_day_log(world.logs()[-1], unsealed=True).sealed:
        assert run(["day", "close", str(world.logs()[-1]), "--yes"]) == 0
    check_days(world, trader)


def test_a_venue_whose_disk_is_full_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    """Its files may not grow: the write of the day log fails, as on a full disk."""
    world = RunningVenue(tmp_path, days=1)
    world.clock = "2026-11-22T09:00*1"
    world.start()
    assert world.process is not None
    try:
        broker = world.client("east-1")
        number, price = broker.instrument(world.instrument().symbol), world.price()
        order = (world.account(), number, Side.BUY, 1, price)
        first = broker.orders.new(*order)
        size = world.logs()[0].stat().st_size
        resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE, (size, -1))
        broker.timeout_s = 1
        with pytest.raises((TimedOut, NotConnected)):
            broker.orders.new(*order)
        while not any("ALARM" in step for step in world.steps):
            assert world.read_line()
        assert "cannot be written at offset" in world.steps[-1]
        resource.prlimit(world.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        while "connection" not in world.read_line():
            pass
        broker.timeout_s = 10
        broker.wait_for(lambda: broker.is_connected or None)
        assert broker.orders.status(first.cl_ord_id).leaves_qty == 1
        accepted = broker.orders.new(*order)  # the one that had no answer was sent again
        assert accepted.cl_ord_id == first.cl_ord_id + 2
        assert len(broker.orders_book(number).bids()) == 3
        assert world.stop() == {"ended": str(world.folder / "venue")}
    finally:
        world.end()

"""Consecutive days of a served venue: each carries forward the day before."""

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exchange.cli import run
from exchange.definition.contracts import DEFAULT_PATH
from exchange.venue.clock import VenueClock
from exchange.venue.config import read_config
from exchange.venue.day import start_day
from feeds.protocol.errors import FrameRefused, LogonRefused, TimedOut
from feeds.protocol.messages import CloseDay
from feeds.protocol.records import Channel
from ledger.books.database import open_books
from ledger.daylog import read_day_log
from ledger.statements.account import closing_cash_fen
from matching import Engine, Limits
from matching.records import NANOSECONDS, CommandKind, EventKind, Side, TimeInForce
from tests.support.venue_process import World

SYMBOL = "H800.QD.2026112418"  # delivered on the third day: it trades on all three days
DAYS = ("2026-11-22", "2026-11-23")
WINDOW = "\ndays = 3\n"


def config(world: World, more: str = "") -> None:
    """Remove the trading day from the configuration: folder and clock decide it."""
    path = world.folder / "venue.toml"
    lines = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith(("trading_day", "days"))
    ]
    path.write_text("\n".join(lines) + WINDOW + more, encoding="utf-8")


def log_of(world: World, day: str) -> Path:
    return world.folder / "venue" / f"{day}.log"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    config(world)
    return world


class SlowClock(VenueClock):
    """A real clock that is a minute behind a time."""

    def __init__(self, of_ns: int) -> None:
        super().__init__()
        self._of_ns = of_ns

    def now_ns(self) -> int:
        return max(self.last_ns, self._of_ns - 60 * NANOSECONDS)


def start_error(world: World) -> str:
    """Run `serve`, which must not start; returns its error text."""
    code = "from exchange.cli import main; main()"
    arguments = ["serve", "--config", str(world.folder / "venue.toml"), "--clock", world.clock]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def close_and_settle(world: World) -> str:
    while world.clients:
        world.clients.pop().close()
    sealed = str(world.close_day()["sealed"])
    assert run(["replay", sealed]) == 0
    assert run(["day", "close", sealed]) == 0
    return sealed


def test_a_folder_is_served_by_one_venue_at_a_time(world: World) -> None:
    """Two would both acknowledge orders into one log; the lock ends with its holder, killed or
    not."""
    try:
        world.start()
        broker = world.client("east-1")
        connection = (world.folder / "venue" / "connection.toml").read_bytes()
        error = start_error(world)
        assert f"held by process {world.process.pid}, which started at" in error
        assert "one venue at a time serves a folder" in error
        assert (world.folder / "venue" / "connection.toml").read_bytes() == connection
        number = broker.instrument(SYMBOL)
        broker.orders.new(world.account(), number, Side.BUY, 1, world.price())
        world.kill()
        world.start()
        close_and_settle(world)
    finally:
        world.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_venue_that_is_stopped_goes_on_with_its_day(world: World, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM ended the day for good."""
    try:
        world.start()
        broker, careful = world.client("east-1"), world.client("coast-1", cancel_on_disconnect=True)
        order = {"instrument": broker.instrument(SYMBOL), "quantity": 1, "price": world.price()}
        lasting = broker.orders.new(world.account(), side=Side.BUY, **order)
        supplier = world.account("coast-1", "supplier")
        careful.orders.new(supplier, side=Side.SELL, **order | {"price": world.price() + 1})
        stopped = world.stop(number)
        assert stopped["stopped"] == str(log_of(world, DAYS[0]))
        assert not read_day_log(log_of(world, DAYS[0]), unsealed=True).sealed
        with pytest.raises(TimedOut):
            broker.wait_for(lambda: None, timeout_s=0.5)  # told, and waiting for its return
        assert not broker.is_connected

        world.start()
        assert world.started["trading_day"] == DAYS[0]
        broker.wait_for(lambda: broker.is_connected or None)  # on the ports that it knows
        assert broker.orders.status(lasting.cl_ord_id).leaves_qty == 1
        assert [level.quantity for level in broker.book(SYMBOL).bids()] == [1]
        careful.wait_for(lambda: careful.is_connected or None)
        cancelled = next(r for r in careful.reports(5) if r.kind == EventKind.CANCELLED)
        assert cancelled.cl_ord_id == 1
        broker.orders.cancel(lasting.cl_ord_id)
        world.stop(number)
        log = log_of(world, DAYS[0])
        assert run(["replay", str(log)]) == 3  # not sealed
        assert run(["day", "close", str(log), "--yes"]) == 0
        assert run(["replay", str(log)]) == 0
        assert read_day_log(log).sealed
        world.start()
        assert world.started["trading_day"] == DAYS[1]
    finally:
        world.end()


def test_day_close_ends_the_day_of_a_running_venue(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(log_of(world, DAYS[0]))
    try:
        world.start()
        broker = world.client("east-1")
        number = broker.instrument(SYMBOL)
        broker.orders.new(world.account(), number, Side.BUY, 1, world.price())
        with pytest.raises(FrameRefused, match=f"the trading day is {DAYS[0]}, not {DAYS[1]}"):
            world.operator().request(CloseDay(trading_day=DAYS[1]))
        with pytest.raises(FrameRefused, match="NOT_ENTITLED"):
            broker.request(CloseDay(trading_day=DAYS[0]))
        assert run(["day", "close", log, "--dry-run"]) == 3
        assert run(["day", "close", log, "--key", str(world.folder / "nowhere.secret")]) == 4
        error = capsys.readouterr().err
        assert f"held by process {world.process.pid}" in error
        assert f"no file {world.folder / 'nowhere.secret'}" in error
        broker.orders.new(world.account(), number, Side.BUY, 1, world.price())
        assert run(["day", "close", log, "--yes"]) == 0
        assert world.process.wait(timeout=10) == 0
        with pytest.raises(LogonRefused, match="DAY_OVER"):
            broker.wait_for(lambda: None)
        assert run(["day", "close", log]) == 0
        assert "is settled already" in capsys.readouterr().out
    finally:
        world.end()


def test_a_day_that_the_books_have_settled_is_not_served_again(world: World) -> None:
    """A log that was cut, or put back from before its seal, would be served for nothing."""
    try:
        world.start()
        sealed = Path(close_and_settle(world))
        whole = sealed.read_bytes()
        sealed.write_bytes(whole[:-128])
        error = start_error(world)
        assert f"ledger.duckdb is settled to {DAYS[0]}; put the sealed log back" in error
        sealed.write_bytes(whole)
        world.start()
        assert world.started["trading_day"] == DAYS[1]
    finally:
        world.end()


def test_a_venue_says_that_its_day_is_over(world: World) -> None:
    """All was closed past midnight, and nothing said so."""
    world.clock = f"{DAYS[0]}T23:59:50*10"
    said = f"{DAYS[0]} is over, and everything is closed; `suanshi day close` ends it"
    try:
        world.start()
        until_s = time.monotonic() + 20
        while said not in (world.folder / "stderr").read_text():
            assert time.monotonic() < until_s
            time.sleep(0.05)
    finally:
        world.end()


def test_a_gtc_order_is_carried_to_the_second_day_and_trades_there(world: World) -> None:
    try:
        world.start()
        assert world.started["trading_day"] == DAYS[0]
        buyer, seller = world.client("east-1"), world.client("coast-1")
        number, supplier = buyer.instrument(SYMBOL), world.account("coast-1", "supplier")
        price = world.price()
        bid = {"account": world.account(), "instrument": number, "side": Side.BUY}
        lasting = buyer.orders.new(**bid, quantity=5, price=price, tif=TimeInForce.GTC)
        buyer.orders.new(**bid, quantity=3, price=price - 1)
        seller.orders.new(supplier, number, Side.SELL, 2, price)
        close_and_settle(world)
        with open_books(world.folder / "venue" / "ledger.duckdb", read_only=True) as books:
            closed = closing_cash_fen(books)
            guaranteed = books.rows(
                "SELECT substr(n.name, 6), sum(o.guaranteed_fen) FROM open_positions AS o "
                "JOIN names AS n ON n.id = o.account WHERE o.guaranteed_fen > 0 GROUP BY ALL"
            )
        # The machine itself holds the deposits of instruments that still trade.
        for name, fen in guaranteed:
            closed[name] += int(fen)
        assert [fen for _, fen in guaranteed] == [224]

        world.start()
        assert world.started["trading_day"] == DAYS[1]
        log = read_day_log(log_of(world, DAYS[1]), unsealed=True)
        names = {each.id: each.name for each in log.registry.accounts}
        funded = log.commands()[log.commands()["kind"] == CommandKind.FUND]
        opened = {names[int(row["account"])]: int(row["amount_fen"]) for row in funded}
        assert opened == {name: fen for name, fen in closed.items() if fen}
        buyer, seller = world.client("east-1", next_report=1), world.client("coast-1")
        carried = next(r for r in buyer.reports(5) if r.kind == EventKind.ACCEPTED)
        assert (carried.cl_ord_id, carried.leaves_qty) == (lasting.cl_ord_id, 3)
        assert buyer.session.last_ref >= lasting.cl_ord_id
        today = buyer.instrument(SYMBOL)
        book = buyer.book(today)
        assert [(x.price, x.quantity) for x in book.bids()] == [(price, 3)]
        assert buyer.instrument("H800.QD.2026112512") > 0  # listed for the first time
        seller.orders.new(supplier, today, Side.SELL, 3, price)
        fill = next(r for r in buyer.reports(5) if r.kind == EventKind.FILLED)
        assert (fill.cl_ord_id, fill.leaves_qty) == (lasting.cl_ord_id, 0)
        fresh = buyer.orders.new(
            world.account(), today, Side.BUY, 1, price, tif=TimeInForce.GTC
        ).cl_ord_id
        assert fresh > lasting.cl_ord_id
        anywhere = buyer.orders.new(
            world.account(), today, Side.BUY, 1, price, tif=TimeInForce.IOC, basket="H800.WUHAN"
        )
        assert anywhere.basket == 2

        world.kill()  # the second day is continued from its own log
        while world.clients:
            world.clients.pop().close()
        world.start()
        assert world.started["trading_day"] == DAYS[1]
        again = world.client("east-1", next_report=1)
        assert any(r.cl_ord_id == fresh for r in again.reports(5))
        sealed = close_and_settle(world)
        assert run(["verify", sealed]) == 0
        with open_books(world.folder / "venue" / "ledger.duckdb", read_only=True) as books:
            assert books.rows("SELECT count(*) FROM trades") == [(2,)]
    finally:
        world.end()


def test_day_open_lists_the_baskets_of_the_instruments_that_still_trade(
    world: World,
) -> None:
    try:
        world.start()
        sealed = close_and_settle(world)
        path = world.folder / "next.log"
        ledger = str(world.folder / "venue" / "ledger.duckdb")
        assert run(["day", "open", sealed, str(path), "--ledger", ledger]) == 0
        log = read_day_log(path, unsealed=True)
        commands = log.commands()
        listed = commands[commands["kind"] == CommandKind.BASKET]
        members = {
            (basket.id, code) for basket in log.registry.baskets for code in basket.contracts
        }
        contracts = {each.id: each.contract for each in log.registry.instruments}
        pairs = zip(listed["target_ref"].tolist(), listed["instrument"].tolist(), strict=True)
        assert {(number, contracts[instrument]) for number, instrument in pairs} == members
        events = Engine(Limits(**log.registry.limits)).process(commands)
        assert not (events["kind"] == EventKind.REJECTED).any()
    finally:
        world.end()


def test_a_venue_without_its_key_or_with_a_slow_clock_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        world.start()
        secret = next(world.folder.rglob("venue.secret"))
        world.kill()
        kept = secret.read_bytes()
        secret.unlink()
        error = start_error(world)
        assert "venue.secret: missing, and brokers know the venue by this key" in error
        assert not secret.exists()
        secret.write_bytes(kept)
        log = world.log()
        assert not caplog.records
        day = start_day(
            read_config(world.folder / "venue.toml"), SlowClock(log.last_time_ns), make_keys=False
        )
        day.writer.close()
        day.folder_lock.close()
        assert "was stamped until 60 s after the system's clock" in caplog.text
        world.start()
    finally:
        world.end()


def test_serve_names_the_command_that_settles_the_day_before(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        world.start()
        sealed = str(world.close_day()["sealed"])
        assert run(["settle", sealed]) == 4
        assert (
            f"`suanshi day close {sealed}` settles it and carries them" in capsys.readouterr().err
        )
        assert not (world.folder / "venue" / "ledger.duckdb").exists()
        assert f"day close {log_of(world, DAYS[0])}" in start_error(world)
        config(world, f'trading_day = "{DAYS[0]}"\n')
        assert "is over and sealed" in start_error(world)
    finally:
        world.end()


def test_an_unsealed_day_is_continued_at_any_time_of_the_clock(world: World) -> None:
    try:
        world.start()
        world.client("east-1")
        world.client("west-1").market.follow(Channel.TOP)
        world.kill()
        while world.clients:
            world.clients.pop().close()
        world.clock = "2026-11-24T09:00*1"
        world.start()
        assert world.started["trading_day"] == DAYS[0]
        world.kill()
        config(world, 'trading_day = "2026-11-24"\n')
        assert "is not sealed" in start_error(world)
    finally:
        world.end()


def test_an_incomplete_opening_is_written_again(world: World) -> None:
    try:
        world.start()
        close_and_settle(world)
        world.start()
        world.kill()
        path = log_of(world, DAYS[1])
        whole = read_day_log(path, unsealed=True)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) - 64 * whole.command_count + 64])
        world.start()
        assert world.started["trading_day"] == DAYS[1]
        assert path.with_suffix(".headless").exists()
        assert world.started["sequence"] >= whole.registry.opening_commands
    finally:
        world.end()


def test_a_hub_and_chips_that_the_definition_drops_stay_for_the_contracts_that_trade(
    world: World,
) -> None:
    """The registry keeps the contracts of the day before, so it keeps what they name."""
    folder = world.folder / "definition"
    shutil.copytree(DEFAULT_PATH, folder)
    try:
        config(world, 'definition = "definition"\n')
        world.start()
        close_and_settle(world)
        shutil.rmtree(folder / "programmes")  # one names the hub
        for path in folder.rglob("*.toml"):
            drop_entries(path, ('hub = "SG"', 'code = "SG"', 'code = "RTX4090"', '"RTX4090"]'))
        world.start()
        registry = read_day_log(log_of(world, DAYS[1]), unsealed=True).registry
        assert {"RTX4090.SG", "RTX4090.QD"} <= {each.code for each in registry.contracts}
        close_and_settle(world)
    finally:
        world.end()


def drop_entries(path: Path, marks: tuple[str, ...]) -> None:
    """Remove the tables of a TOML file that have a line that ends so."""
    head, *tables = re.split(r"(?=^\[\[)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = [each for each in tables if not any(line.endswith(marks) for line in each.splitlines())]
    path.write_text(head + "".join(kept), encoding="utf-8")

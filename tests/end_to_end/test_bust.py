"""Busts over the wire: the reports of both sides and their firms, market data, and the day log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.cli import run
from feeds.client import Client
from feeds.protocol import commands
from feeds.protocol.errors import FrameRefused
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import BustTrade, RefusalReason, TradeBusted
from feeds.protocol.records import Channel
from ledger.books.database import open_books
from ledger.daylog import DayLog
from ledger.statements.account import closing_cash_fen
from matching import Engine
from matching.records import CommandKind, EventKind, Side
from tests.support.venue_process import MEMBERS, World

LOTS = 4
BUYER, SELLER = "east-1", "coast-1"


def firm_of(name: str) -> int:
    return next(s.firm for s in MEMBERS.sessions if s.name == name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.key("buyer-copy", role="drop-copy", firm=firm_of(BUYER))
    world.key("seller-copy", role="drop-copy", firm=firm_of(SELLER))
    world.start()
    yield world
    world.end()


def reports_of(client: Client, kind: EventKind, count: int = 1) -> list[Report]:
    """The next `count` reports of a kind; others are skipped."""
    found = []
    for report in client.reports(5):
        if report.kind == kind:
            found.append(report)
        if len(found) == count:
            return found
    raise AssertionError(f"{len(found)} of {count} reports {kind.name} came")


def trade(world: World, buyer: Client, seller: Client) -> tuple[Report, Report]:
    """Trade with the buyer as maker; returns the buyer's fill and the seller's."""
    number, price = world.instrument().id, world.price()
    buyer.orders.new(world.account(BUYER), number, Side.BUY, LOTS, price)
    seller.orders.new(world.account(SELLER, "supplier"), number, Side.SELL, LOTS, price)
    return reports_of(buyer, EventKind.FILLED)[0], reports_of(seller, EventKind.FILLED)[0]


def watch(watcher: Client, instrument: int, buyer: Client, world: World) -> None:
    """Follow an instrument's trades; returns when all later trades are certain to be received."""
    watcher.instrument(instrument)
    watcher.market.follow(Channel.TRADES, instrument)
    book = watcher.book(instrument)
    bid = buyer.orders.new(world.account(BUYER), instrument, Side.BUY, 1, world.price())
    watcher.wait_for(lambda: book.bids() or None)
    buyer.orders.cancel(bid.cl_ord_id)


def bust(operator: Client, instrument: int, trade_id: int) -> TradeBusted:
    answer = operator.request(BustTrade(instrument=instrument, trade_id=trade_id))
    assert isinstance(answer, TradeBusted)
    return answer


def refusal(operator: Client, instrument: int, trade_id: int) -> tuple[RefusalReason, str]:
    with pytest.raises(FrameRefused) as caught:
        operator.request(BustTrade(instrument=instrument, trade_id=trade_id))
    return caught.value.reason, str(caught.value)


def state_at(log: DayLog, count: int) -> tuple[list[object], list[object]]:
    """Accounts and positions after the first `count` commands of the day."""
    engine = Engine(log.limits)
    for start in range(0, count, 1_000):
        engine.process(log.commands()[start : min(count, start + 1_000)])
    tables = engine.state_tables()
    return tables["accounts"].tolist(), tables["positions"].tolist()


def test_both_sides_their_firms_the_operator_and_the_market_receive_a_bust(world: World) -> None:
    number = world.instrument().id
    buyer, seller, operator = world.client(BUYER), world.client(SELLER), world.operator()
    copies = [world.client(f"{side}-copy") for side in ("buyer", "seller")]
    watcher = world.client("west-1")
    watch(watcher, number, buyer, world)
    bought, sold = trade(world, buyer, seller)
    done = bust(operator, number, bought.trade_id)
    assert (done.price, done.quantity) == (world.price(), LOTS)
    assert (done.buyer, done.buyer_fee_fen) == (bought.account, bought.fee_fen)
    assert (done.seller, done.seller_fee_fen) == (sold.account, sold.fee_fen)
    assert done.seller_fee_fen > 0
    for client, copy, fill in ((buyer, copies[0], bought), (seller, copies[1], sold)):
        own, copied = reports_of(client, EventKind.BUSTED)[0], reports_of(copy, EventKind.BUSTED)[0]
        for name in (
            "trade_id", "account", "instrument", "side", "price", "last_qty", "fee_fen",
            "last_liquidity_ind", "cl_ord_id",
        ):  # fmt: skip
            assert getattr(own, name) == getattr(copied, name) == getattr(fill, name), name
        assert (own.exec_type, own.sequence) == ("H", done.sequence)
        assert client.orders.status(fill.cl_ord_id).kind == EventKind.FILLED
    both = reports_of(operator, EventKind.BUSTED, 2)
    assert [report.account for report in both] == [bought.account, sold.account]
    assert [report.cl_ord_id for report in both] == [0, 0]
    trades = watcher.trades(number, 5)
    seen = [next(trades) for _ in range(2)]
    assert [(t.trade_id, t.quantity, t.busted) for t in seen] == [
        (bought.trade_id, LOTS, False),
        (bought.trade_id, LOTS, True),
    ]
    for client in (buyer, seller, *copies):
        assert [r for r in client.reports(0.2) if r.kind == EventKind.BUSTED] == []


def test_only_a_trade_of_the_day_can_be_busted_and_only_once(world: World) -> None:
    number = world.instrument().id
    buyer, seller, operator = world.client(BUYER), world.client(SELLER), world.operator()
    trade_id = trade(world, buyer, seller)[0].trade_id
    reason, text = refusal(operator, number, trade_id + 1)
    assert (reason, f"no trade {trade_id + 1}" in text) == (RefusalReason.UNKNOWN, True)
    reason, text = refusal(operator, number + 1, trade_id)
    assert (reason, f"not of {number + 1}" in text) == (RefusalReason.UNKNOWN, True)
    bust(operator, number, trade_id)
    assert refusal(operator, number, trade_id)[0] == RefusalReason.BUSTED_ALREADY
    with pytest.raises(FrameRefused) as caught:
        buyer.request(BustTrade(instrument=number, trade_id=trade_id))
    assert caught.value.reason == RefusalReason.NOT_ENTITLED
    raw = commands.command(CommandKind.BUST, instrument=number, target_ref=trade_id)
    with pytest.raises(FrameRefused) as caught:
        operator.ask(raw)
    assert caught.value.reason == RefusalReason.NOT_ENTITLED
    assert int((world.log().commands()["kind"] == CommandKind.BUST).sum()) == 1


def test_a_bust_that_the_machine_rejects_may_succeed_later(world: World) -> None:
    """The machine rejects the bust while the buyer offers what it bought."""
    number, price = world.instrument().id, world.price()
    buyer, seller, operator = world.client(BUYER), world.client(SELLER), world.operator()
    trade_id = trade(world, buyer, seller)[0].trade_id
    offer = buyer.orders.new(world.account(BUYER), number, Side.SELL, LOTS, price + 1)
    reason, text = refusal(operator, number, trade_id)
    assert (reason, "CAPACITY" in text) == (RefusalReason.REJECTED, True)
    buyer.orders.cancel(offer.cl_ord_id)
    assert bust(operator, number, trade_id).trade_id == trade_id


def test_a_bust_survives_kill_9_and_the_sealed_day_is_as_if_there_was_no_trade(
    world: World, tmp_path: Path
) -> None:
    number = world.instrument().id
    buyer, seller = world.client(BUYER), world.client(SELLER)
    before = world.log().command_count
    trade_id = trade(world, buyer, seller)[0].trade_id
    kept = trade(world, buyer, seller)[0].trade_id
    bust(world.operator(), number, trade_id)
    reports_of(buyer, EventKind.BUSTED)
    first = reports_of(world.client(BUYER, next_report=1), EventKind.BUSTED)[0]
    world.kill()
    while world.clients:
        world.clients.pop().close()
    world.start()
    operator = world.operator()
    assert refusal(operator, number, trade_id)[0] == RefusalReason.BUSTED_ALREADY
    again = reports_of(world.client(BUYER, next_report=1), EventKind.BUSTED)[0]
    assert again == first
    assert bust(operator, number, kept).trade_id == kept
    while world.clients:
        world.clients.pop().close()
    ended = world.close_day()
    log = world.log()
    assert log.sealed
    assert state_at(log, log.command_count) == state_at(log, before)
    assert run(["replay", ended["sealed"]]) == 0
    ledger = str(tmp_path / "ledger.duckdb")
    assert run(["settle", ended["sealed"], "--ledger", ledger, "--assume-delivered"]) == 0
    assert run(["verify", ended["sealed"], "--ledger", ledger]) == 0
    with open_books(Path(ledger), read_only=True) as books:
        same = "trade_id, price_ticks, quantity, buyer, seller, buyer_fee_fen, seller_fee_fen"
        trades = books.rows(f"SELECT {same} FROM trades ORDER BY trade_id")
        assert [row[0] for row in trades] == [trade_id, kept]
        assert books.rows(f"SELECT {same} FROM busts ORDER BY trade_id") == trades
        closing = closing_cash_fen(books)
    funded = log.commands()[log.commands()["kind"] == CommandKind.FUND]
    names = {each.id: each.name for each in log.registry.accounts}
    for account, fen in zip(funded["account"].tolist(), funded["amount_fen"].tolist(), strict=True):
        assert closing[names[account]] == fen

"""Basket orders over the wire, with market data, an operator's listing, and the books."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.cli import run
from feeds.client import Client, connect_async
from feeds.protocol.errors import FrameRefused, OrderRejected
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import Done, ListBasket, RefusalReason, RegisterCapacity
from ledger.books.database import open_books
from ledger.daylog import read_day_log
from matching.records import EventKind, Reason, Side, TimeInForce
from tests.support.venue_process import World

BASKET, LISTED = "H800.WUHAN", 2
MEMBERS = ("H800.SG", "H800.QD", "H800.CD")
HOURS = ("2026112222", "2026112223")
SUPPLIERS = {"SG": ("coast-1", 7), "QD": ("coast-1", 1), "CD": ("inland-1", 4)}
"""Session and account of a supplier at each hub."""
PRICE = 1_200
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path).start()
    yield world
    world.end()


def open_sellers(world: World) -> dict[str, Client]:
    """A client for each session of SUPPLIERS, and the operator's."""
    names = {name for name, _ in SUPPLIERS.values()}
    return {name: world.client(name) for name in names} | {"operator": world.operator()}


def offer(clients: dict[str, Client], symbol: str, lots: int, price: int) -> int:
    """Register capacity and place a sell order for it; returns the instrument's number."""
    session, account = SUPPLIERS[symbol.split(".")[1]]
    seller = clients[session]
    number = seller.instrument(symbol)
    asked = RegisterCapacity(account=account, instrument=number, quantity=lots)
    clients["operator"].request(asked)
    seller.orders.new(account, number, Side.SELL, lots, price)
    return number


def fills(client: Client, count: int) -> list[Report]:
    """The next `count` fills; other reports are skipped."""
    found = []
    for report in client.reports(5):
        found += [report] if report.kind == EventKind.FILLED else []
        if len(found) == count:
            return found
    raise AssertionError(f"{len(found)} of {count} fills came")


def test_any_member_fills_a_basket_order_and_the_books_settle_it(world: World) -> None:
    buyer, watcher = world.client("east-1"), world.client("west-1")
    clients = open_sellers(world)
    early = [offer(clients, f"{code}.{HOURS[0]}", 3, PRICE + at)
             for at, code in enumerate(MEMBERS)]  # fmt: skip
    late = [offer(clients, f"{code}.{HOURS[1]}", 3, PRICE + at)
            for at, code in enumerate(MEMBERS)]  # fmt: skip
    watcher.instrument(early[0])
    account = world.account("east-1")
    order = {"account": account, "instrument": early[2], "side": Side.BUY}
    accepted = buyer.orders.new(
        **order, quantity=5, price=PRICE + 1, tif=IOC, basket=BASKET, how="split"
    )
    assert (accepted.basket, accepted.instrument, accepted.hours) == (LISTED, early[2], 0)
    found = fills(buyer, 2)
    assert [(f.instrument, f.price, f.last_qty) for f in found] == [
        (early[0], PRICE, 3), (early[1], PRICE + 1, 2),
    ]  # fmt: skip
    assert [(f.leaves_qty, f.cum_qty) for f in found] == [(2, 3), (0, 5)]
    assert {(f.trade_group, f.multi_leg) for f in found} == {(1, 1)}
    with pytest.raises(OrderRejected) as refused:
        buyer.orders.new(**order, quantity=4, price=PRICE + 9, tif=FOK, basket=BASKET, how="whole")
    assert refused.value.reason == Reason.FOK
    with pytest.raises(OrderRejected) as refused:
        buyer.orders.new(**order, quantity=4, price=PRICE + 9, basket=BASKET)
    assert refused.value.reason == Reason.MALFORMED
    block = {"account": account, "instrument": early[2], "hours": 2, "side": Side.BUY}
    accepted = buyer.orders.new_block(
        **block, quantity=1, price=PRICE + 2, tif=IOC, basket=LISTED, how="whole"
    )
    assert (accepted.basket, accepted.hours) == (LISTED, 2)
    found = fills(buyer, 2)
    assert [f.instrument for f in found] == [early[1], late[1]]
    assert {(f.trade_group, f.multi_leg) for f in found} == {(2, 2)}
    buyer.orders.new_block(**block, quantity=2, price=PRICE + 1, tif=FOK, basket=BASKET)
    found = fills(buyer, 2)
    assert [(f.instrument, f.trade_group, f.multi_leg) for f in found] == [
        (early[2], 3, 1), (late[0], 3, 1),
    ]  # fmt: skip
    for number, left in zip((*early, *late), (0, 0, 1, 1, 2, 3), strict=True):
        book = watcher.book(number)
        assert sum(level.quantity for level in book.asks()) == left
    while world.clients:
        world.clients.pop().close()
    ended = world.close_day()
    ledger = str(world.folder / "ledger.duckdb")
    settle = ["settle", "--assume-delivered", "--ledger", ledger]
    for command in (["replay"], settle, ["verify", "--ledger", ledger]):
        assert run([*command, ended["sealed"]]) == 0
    with open_books(Path(ledger), read_only=True) as books:
        assert books.scalar("SELECT count(*) FROM trades") == 6
        assert books.rows("SELECT DISTINCT trade_group FROM block_trades") == [(2,)]
    log = read_day_log(ended["sealed"])
    assert [basket.code for basket in log.registry.baskets][1] == BASKET


def test_the_asynchronous_client_accepts_basket_codes(world: World) -> None:
    clients = open_sellers(world)
    seller, number = clients["coast-1"], offer(clients, f"{MEMBERS[1]}.{HOURS[0]}", 3, PRICE)

    async def buy() -> Report:
        client = await connect_async(world.connection, world.secret("east-1"))
        try:
            with pytest.raises(KeyError, match="there is no basket Z80"):
                await client.basket("Z80")
            return await client.orders.new(
                world.account("east-1"), number, Side.BUY, 3, PRICE, tif=FOK, basket=BASKET
            )
        finally:
            client.close()

    assert asyncio.run(buy()).basket == LISTED
    with pytest.raises(ValueError, match="`how` must be split or whole, got 'any'"):
        seller.orders.new(1, number, Side.BUY, 3, PRICE, tif=FOK, basket=BASKET, how="any")


def test_an_operator_lists_a_basket_and_clients_receive_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    buyer, clients = world.client("east-1"), open_sellers(world)
    operator = clients["operator"]
    number = offer(clients, f"A100.QD.{HOURS[0]}", 3, PRICE - 200)
    buyer.instrument(number)
    assert "MINE" not in buyer.market.baskets
    done = operator.request(ListBasket(code="MINE", contracts=["H800.QD", "A100.QD"]))
    assert isinstance(done, Done)
    assert (done.basket, done.instrument) == (4, 0)
    buyer.wait_for(lambda: "MINE" in buyer.market.baskets or None)
    named = buyer.instrument(f"H800.QD.{HOURS[0]}")
    buyer.orders.new(world.account(), named, Side.BUY, 2, PRICE, tif=IOC, basket="MINE")
    assert [f.instrument for f in fills(buyer, 1)] == [number]
    for code, contracts, text in (
        ("MINE", ["H800.QD"], "MINE is listed already"),
        (
            "OTHER",
            ["H800.QD", "PF16.QD"],
            "`product` of PF16.QD is pflops-day, of H800.QD",
        ),
        ("OTHER", ["Z80.QD"], "`contracts` names Z80.QD"),
        ("not a code", ["H800.QD"], "regex"),
    ):
        with pytest.raises(FrameRefused, match=text) as refused:
            operator.request(ListBasket(code=code, contracts=contracts))
        assert refused.value.reason == RefusalReason.UNKNOWN
    with pytest.raises(FrameRefused) as refused:
        buyer.request(ListBasket(code="OTHER", contracts=["H800.QD"]))
    assert refused.value.reason == RefusalReason.NOT_ENTITLED
    world.kill()
    while world.clients:
        world.clients.pop().close()
    world.start()
    again = world.client("east-1")
    assert again.basket("MINE") == 4
    connection = ["--connection", str(world.folder / "venue" / "connection.toml")]
    keys = {name: ["--key", str(world.secret(name))] for name in ("east-1", "operations")}
    arguments = ["admin", "basket", "THIRD", "H800.CD", "--json"]
    assert run([*arguments, *connection, *keys["operations"]]) == 0
    assert json.loads(capsys.readouterr().out)["basket"] == 5
    place = ["trade", "place", "buy", "1", str(named), "--account", str(world.account())]
    place += ["--price", str(PRICE), "--basket", "MINE", *connection, *keys["east-1"]]
    assert run([*place, "--tif", "fok", "--how", "whole", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["basket"] == 4
    assert run(place) == 2
    assert "--basket needs --tif ioc or fok" in capsys.readouterr().err
    assert run([*place, "--basket", "NONE", "--tif", "ioc"]) == 2
    assert "there is no basket NONE" in capsys.readouterr().err

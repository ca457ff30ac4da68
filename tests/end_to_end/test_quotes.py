"""Quotes, their protection, indicative prices and long commands, on a served venue."""

from collections.abc import Iterator

import pytest

from exchange.cli import run
from feeds.client import Client
from feeds.client.base_client import Records
from feeds.protocol import commands
from feeds.protocol.errors import OrderRejected
from feeds.protocol.execution_reports import Report
from feeds.protocol.records import Channel
from matching.records import CommandKind, EventKind, Phase, Reason, Side, TimeInForce
from tests.support.venue_process import World

NAME = 1_000_001
"""Of a quote; refs that no command of a test has."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A venue whose engine hands its events over sixteen at a time."""
    world = World(tmp_path_factory.mktemp("quotes"), config="[limits]\nevents = 16\n")
    world.start()
    yield world
    world.end()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    yield shared
    while shared.clients:
        shared.clients.pop().close()


def send(client: Client, record: Records, count: int) -> list[Report]:
    """Send a command, and return so many reports that answer it."""
    answer = client.send(record)
    found: list[Report] = []
    for report in client.reports(5):
        if report.request_ref == answer:
            found.append(report)
        if len(found) == count:
            break
    return found


def test_a_quote_is_set_and_replaced_as_one(world: World) -> None:
    client, instrument, price = world.client("coast-1"), world.instrument().id, world.price()
    account = world.account("coast-1", "supplier")
    first = commands.quote(account, instrument, NAME, (price - 2, 5), (price + 2, 5))
    accepted = send(client, first, 2)
    assert [r.kind for r in accepted] == [EventKind.ACCEPTED] * 2
    assert [r.cl_ord_id for r in accepted] == [NAME, NAME + 1]
    moved = commands.quote(account, instrument, NAME, (price + 3, 5), (price + 5, 4))
    assert [r.kind for r in send(client, moved, 2)] == [EventKind.REPLACED] * 2
    assert client.orders.status(NAME).price == price + 3
    gone = send(client, commands.quote(account, instrument, NAME), 2)
    assert [r.kind for r in gone] == [EventKind.CANCELLED] * 2
    with pytest.raises(OrderRejected) as caught:
        client.orders.quote(account, instrument, NAME)
    assert caught.value.reason == Reason.UNKNOWN_ORDER


def test_a_protection_withdraws_quotes_until_it_is_set_again(world: World) -> None:
    maker, taker = world.client("coast-1"), world.client("east-1")
    instrument, price = world.instrument(1).id, world.price(1)
    account = world.account("coast-1", "supplier")
    answer = maker.orders.protect(account, lots=3, seconds=60)
    assert answer.kind == EventKind.PROTECTED
    maker.orders.quote(account, instrument, NAME, (price - 2, 5), (price + 2, 5))
    taker.orders.new(world.account(), instrument, Side.BUY, 3, price + 2)
    gone = [r for r in maker.reports(2) if r.kind == EventKind.CANCELLED]
    assert {r.reason for r in gone} == {Reason.PROTECTION}
    assert sorted(r.cl_ord_id for r in gone) == [NAME, NAME + 1]
    with pytest.raises(OrderRejected) as caught:
        maker.orders.quote(account, instrument, NAME, (price - 2, 5))
    assert caught.value.reason == Reason.ACCOUNT_HALTED
    maker.orders.protect(account)
    assert maker.orders.quote(account, instrument, NAME, (price - 2, 5)).kind == EventKind.ACCEPTED


def test_an_ioc_with_a_minimum(world: World) -> None:
    seller, buyer = world.client("coast-1"), world.client("east-1")
    instrument, price = world.instrument(2).id, world.price(2)
    seller.orders.new(world.account("coast-1", "supplier"), instrument, Side.SELL, 4, price)
    with pytest.raises(OrderRejected) as caught:
        buyer.orders.new(
            world.account(), instrument, Side.BUY, 9, price, tif=TimeInForce.IOC, minimum=5
        )
    assert caught.value.reason == Reason.FOK
    buyer.orders.new(
        world.account(), instrument, Side.BUY, 9, price, tif=TimeInForce.IOC, minimum=4
    )


def test_a_repeated_quote_gets_its_first_answer_again(world: World) -> None:
    client, instrument, price = world.client("coast-1"), world.instrument(3).id, world.price(3)
    account = world.account("coast-1", "supplier")
    record = commands.quote(account, instrument, NAME + 10, (price - 2, 5), (price + 2, 5))
    first = send(client, record, 1)[0]
    client.session.last_ref = int(record["user_ref"][0]) - 1  # as if it had never been sent
    duplicates = client.session.duplicates
    client.send(record)
    client.wait_for(lambda: client.session.duplicates > duplicates or None)
    assert client.orders.status(NAME + 10).exec_id == first.exec_id


def test_an_auction_shows_its_indicative_price(world: World) -> None:
    operator, buyer, seller = world.operator(), world.client("east-1"), world.client("coast-1")
    instrument, price = world.instrument(4).id, world.price(4)
    operator.ask(commands.command(CommandKind.PHASE, instrument=instrument, type=Phase.AUCTION))
    watcher = world.client("south-1")
    watcher.instrument(instrument)  # its definition has come
    watcher.market.follow(Channel.STATUS, instrument)
    buyer.orders.new(world.account(), instrument, Side.BUY, 7, price + 3)
    seller.orders.new(world.account("coast-1", "supplier"), instrument, Side.SELL, 5, price + 1)

    def shown() -> dict[str, int] | None:
        """The indicative price, once there is one."""
        found = watcher.market.auctions.get(instrument, {})
        return found if found.get("price") else None

    expected = {"price": price + 3, "volume": 5, "surplus": 2}
    assert watcher.wait_for(shown, timeout_s=5) == expected
    operator.ask(commands.command(CommandKind.PHASE, instrument=instrument, type=Phase.CONTINUOUS))
    watcher.wait_for(lambda: instrument not in watcher.market.auctions or None, timeout_s=5)


def test_others_go_on_while_the_engine_works_on_one_command(world: World) -> None:
    """A sweep of many orders takes many slices; what came meanwhile is answered, in its order, and
    a replay of the log gives the events that the venue sealed."""
    seller, buyer, other = (world.client(name) for name in ("coast-1", "east-1", "south-1"))
    instrument, price = world.instrument(5).id, world.price(5)
    account = world.account("coast-1", "supplier")
    for _ in range(40):
        seller.send(commands.new_order(account, instrument, Side.SELL, 1, price))
    seller.orders.new(account, instrument, Side.SELL, 1, price + 1)
    buyer.send(commands.new_order(world.account(), instrument, Side.BUY, 40, price))
    for _ in range(50):
        other.orders.new(
            world.account("south-1"), world.instrument(6).id, Side.BUY, 1, world.price(6)
        )
    fills = [r for r in buyer.reports(2) if r.kind == EventKind.FILLED]
    assert sum(r.last_qty for r in fills) == 40
    ended = world.close_day()
    log = str(world.folder / "venue" / "2026-11-22.log")
    assert run(["replay", log]) == 0
    assert ended

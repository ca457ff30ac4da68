"""Blocks over real sockets: placed, filled, cancelled and ended, with the market data of each."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from feeds.client import Client, CombinedBlockBook
from feeds.protocol import commands
from feeds.protocol.errors import OrderRejected
from feeds.protocol.execution_reports import Report
from feeds.protocol.records import Channel
from matching.records import CommandKind, EventKind, Reason, Side, TimeInForce
from tests.support.venue_process import World

Shown = tuple[Side, int, int, int, int]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("blocks")).start()
    yield world
    world.end()


class Parties:
    """A buyer, a seller and an observer at three consecutive hours of their own."""

    def __init__(self, world: World, last: int) -> None:
        self.world = world
        self.hours = [world.instrument(last + place).id for place in (2, 1, 0)]
        self.price = world.price()
        self.buyer, self.seller = world.client("east-1"), world.client("coast-1")
        self.observer = world.client("west-1")
        self.blocks = self.observer.blocks(self.hours[0])
        for hour in self.hours:
            self.observer.market.follow(Channel.TRADES, hour)
        self.observer.wait_for(lambda: not self.observer.market.missing_images() or None)

    def block(self, client: Client, side: Side, quantity: int, away: int, **more: object) -> Report:
        """Place a block of all three hours."""
        account = self.account(client)
        price = self.price + away
        return client.orders.new_block(
            account, self.hours[0], 3, side, quantity, price, **more
        )  # fmt: skip

    def order(self, client: Client, place: int, side: Side, quantity: int, away: int) -> Report:
        """Place an order for one hour."""
        account = self.account(client)
        return client.orders.new(account, self.hours[place], side, quantity, self.price + away)

    def account(self, client: Client) -> int:
        if client is self.seller:
            return self.world.account("coast-1", "supplier")
        return self.world.account()

    def shows(self, *expected: Shown) -> None:
        """Wait until market data shows exactly these blocks."""
        wait_for_blocks(self.observer, self.blocks, list(expected))

    def trades(self, count: int) -> list[tuple[int, int, int, bool, bool, int]]:
        """The next `count` trades in the market data."""
        found = []
        for trade in self.observer.trades(self.hours[0], timeout_s=5):
            found.append(
                (trade.instrument, trade.price, trade.quantity, trade.block, trade.off_book,
                 trade.trade_group)
            )  # fmt: skip
            if len(found) == count:
                break
        return found

    def close(self) -> None:
        for client in (self.buyer, self.seller, self.observer):
            client.orders.cancel_all()
            client.close()
            self.world.clients.remove(client)


def wait_for_blocks(client: Client, blocks: CombinedBlockBook, expected: list[Shown]) -> None:
    def found() -> bool | None:
        shown = [
            (each.side, each.instrument, each.hours, each.quantity, each.price)
            for each in blocks.bids() + blocks.asks()
        ]
        return (blocks.is_complete and shown == expected) or None

    client.wait_for(found)


def fills(client: Client, ref: int, count: int) -> list[Report]:
    """The next `count` fills of an order."""
    found = []
    for report in client.reports(5):
        if report.kind == EventKind.FILLED and report.cl_ord_id == ref:
            found.append(report)
            if len(found) == count:
                break
    return found


@pytest.fixture
def parties(world: World, request: pytest.FixtureRequest) -> Iterator[Parties]:
    parties = Parties(world, getattr(request, "param", 0))
    yield parties
    parties.close()


def test_a_block_trades_in_all_hours_or_in_none(parties: Parties) -> None:
    offers = [
        parties.order(parties.seller, place, Side.SELL, 3, place).cl_ord_id for place in range(2)
    ]
    unfilled = parties.block(parties.buyer, Side.BUY, 2, 9, tif=TimeInForce.IOC)
    assert (unfilled.kind, unfilled.hours, unfilled.multi_leg) == (EventKind.ACCEPTED, 3, 1)
    ended = next(r for r in parties.buyer.reports(5) if r.kind != EventKind.ACCEPTED)
    assert (ended.kind, ended.reason, ended.hours) == (EventKind.CANCELLED, Reason.REMAINDER, 3)
    with pytest.raises(OrderRejected, match="FOK"):
        parties.block(parties.buyer, Side.BUY, 2, 9, tif=TimeInForce.FOK)
    offers.append(parties.order(parties.seller, 2, Side.SELL, 3, 2).cl_ord_id)
    swept = parties.block(parties.buyer, Side.BUY, 2, 1, tif=TimeInForce.IOC)
    legs = fills(parties.buyer, swept.cl_ord_id, 3)
    assert [(r.instrument, r.price - parties.price, r.last_qty, r.multi_leg) for r in legs] == [
        (hour, place, 2, 2) for place, hour in enumerate(parties.hours)
    ]
    group = legs[0].trade_group
    assert group > 0
    assert {r.trade_group for r in legs} == {group}
    for ref in offers:
        (fill,) = fills(parties.seller, ref, 1)
        assert (fill.trade_group, fill.multi_leg, fill.leaves_qty) == (group, 1, 1)
    assert sorted(parties.trades(3)) == sorted(
        (hour, parties.price + place, 2, True, False, group)
        for place, hour in enumerate(parties.hours)
    )
    parties.shows()


def test_hourly_orders_fill_a_standing_block(parties: Parties) -> None:
    first = parties.hours[0]
    block = parties.block(parties.buyer, Side.BUY, 2, 0)
    parties.shows((Side.BUY, first, 3, 2, parties.price))
    parties.buyer.orders.replace(block.cl_ord_id, 1, parties.price + 1)
    parties.shows((Side.BUY, first, 3, 1, parties.price + 1))
    for place in range(3):
        assert not parties.observer.market.trades
        parties.order(parties.seller, place, Side.SELL, 1, 1)
    legs = fills(parties.buyer, block.cl_ord_id, 3)
    assert [(r.instrument, r.last_qty, r.leaves_qty) for r in legs] == [
        (hour, 1, 0) for hour in parties.hours
    ]
    group = legs[0].trade_group
    assert [t[-1] for t in parties.trades(3)] == [group] * 3
    parties.shows()


def test_blocks_of_the_same_hours_trade_with_each_other(parties: Parties) -> None:
    first, price = parties.hours[0], parties.price
    larger = parties.block(parties.seller, Side.SELL, 3, 0)
    seller = parties.block(parties.seller, Side.SELL, 2, 1)
    shown = [(Side.SELL, first, 3, 3, price), (Side.SELL, first, 3, 2, price + 1)]
    parties.shows(*shown)
    buyer = parties.block(parties.buyer, Side.BUY, 2, 4)
    for client, block in ((parties.buyer, buyer), (parties.seller, seller)):
        legs = fills(client, block.cl_ord_id, 3)
        assert [(r.instrument, r.price, r.last_qty) for r in legs] == [
            (hour, price + 1, 2) for hour in parties.hours
        ]
    group = legs[0].trade_group
    assert sorted(parties.trades(3)) == [
        (hour, price + 1, 2, True, True, group) for hour in sorted(parties.hours)
    ]
    parties.shows(shown[0])
    cancelled = parties.seller.orders.cancel(larger.cl_ord_id)
    assert (cancelled.kind, cancelled.hours, cancelled.leaves_qty) == (EventKind.CANCELLED, 3, 0)
    parties.shows()


def test_cancel_on_disconnect_cancels_blocks(parties: Parties) -> None:
    first = parties.hours[0]
    leaver = parties.world.client("south-1", cancel_on_disconnect=True)
    account = parties.world.account("south-1")
    for away in (1, 2):
        leaver.orders.new_block(account, first, 3, Side.BUY, away, parties.price - away)
    parties.shows(
        (Side.BUY, first, 3, 1, parties.price - 1), (Side.BUY, first, 3, 2, parties.price - 2)
    )
    leaver.close()
    parties.world.clients.remove(leaver)
    parties.shows()
    back = parties.world.client("south-1", next_report=1)
    kinds = [r.kind for r in back.reports(0.5) if r.hours]
    assert kinds == [EventKind.ACCEPTED] * 2 + [EventKind.CANCELLED] * 2


@pytest.mark.parametrize("parties", [3], indirect=True)
def test_the_gate_closure_of_any_hour_ends_a_block(parties: Parties) -> None:
    block = parties.block(parties.buyer, Side.BUY, 1, -1)
    parties.shows((Side.BUY, parties.hours[0], 3, 1, parties.price - 1))
    ack = parties.buyer.session.ack
    assert ack is not None
    now_s = (ack.time_ns + time.monotonic_ns() - parties.buyer.session.acked_ns) // 1_000_000_000
    times = commands.command(
        CommandKind.TIMES, instrument=parties.hours[1], expiry_s=now_s + 2, target_ref=now_s + 2
    )
    parties.world.operator().ask(times)
    ended = next(r for r in parties.buyer.reports(10) if r.kind == EventKind.EXPIRED)
    assert (ended.cl_ord_id, ended.hours, ended.instrument, ended.leaves_qty) == (
        block.cl_ord_id, 3, parties.hours[0], 0,
    )  # fmt: skip
    parties.shows()
    with pytest.raises(OrderRejected, match="PHASE"):
        parties.block(parties.buyer, Side.BUY, 1, -1)


def test_standing_blocks_survive_a_kill_of_the_venue(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        parties = Parties(world, 0)
        standing = parties.block(parties.buyer, Side.BUY, 2, -1)
        trades = parties.block(parties.buyer, Side.BUY, 1, 0)
        for place in range(2):
            parties.order(parties.seller, place, Side.SELL, 1, 0)
        world.kill()
        world.start()
        parties = Parties(world, 0)
        first, price = parties.hours[0], parties.price
        parties.shows((Side.BUY, first, 3, 1, price), (Side.BUY, first, 3, 2, price - 1))
        parties.order(parties.seller, 2, Side.SELL, 1, 0)
        legs = fills(parties.buyer, trades.cl_ord_id, 3)
        assert [(r.instrument, r.leaves_qty) for r in legs] == [(hour, 0) for hour in parties.hours]
        parties.shows((Side.BUY, first, 3, 2, price - 1))
        parties.buyer.orders.cancel(standing.cl_ord_id)
        parties.shows()
    finally:
        world.end()

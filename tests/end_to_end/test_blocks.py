"""Blocks over real sockets: placed, made whole, taken back and ended, the market told of each."""

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


class Floor:
    """A buyer, a seller and somebody who only looks, at three hours of their own in a row."""

    def __init__(self, world: World, last: int) -> None:
        self.world = world
        self.hours = [world.instrument(last + place).id for place in (2, 1, 0)]
        self.price = world.price()
        self.buyer, self.seller = world.client("east-1"), world.client("coast-1")
        self.looker = world.client("west-1")
        self.blocks = self.looker.blocks(self.hours[0])
        for hour in self.hours:
            self.looker.market.follow(Channel.TRADES, hour)
        self.looker.wait_for(lambda: not self.looker.market.missing_images() or None)

    def block(self, client: Client, side: Side, quantity: int, away: int, **more: object) -> Report:
        """A block of all three hours."""
        account = self.account(client)
        price = self.price + away
        return client.orders.new_block(
            account, self.hours[0], 3, side, quantity, price, **more
        )  # fmt: skip

    def order(self, client: Client, place: int, side: Side, quantity: int, away: int) -> Report:
        """An hourly order."""
        account = self.account(client)
        return client.orders.new(account, self.hours[place], side, quantity, self.price + away)

    def account(self, client: Client) -> int:
        if client is self.seller:
            return self.world.account("coast-1", "supplier")
        return self.world.account()

    def shows(self, *expected: Shown) -> None:
        """Wait until the market shows these blocks, and no others."""
        wait_for_blocks(self.looker, self.blocks, list(expected))

    def trades(self, count: int) -> list[tuple[int, int, int, bool, bool, int]]:
        """The next trades that the market is told of."""
        found = []
        for trade in self.looker.trades(self.hours[0], timeout_s=5):
            found.append(
                (trade.instrument, trade.price, trade.quantity, trade.block, trade.off_book,
                 trade.trade_group)
            )  # fmt: skip
            if len(found) == count:
                break
        return found

    def close(self) -> None:
        for client in (self.buyer, self.seller, self.looker):
            client.orders.cancel_all()
            client.close()
            self.world.clients.remove(client)


def wait_for_blocks(client: Client, blocks: CombinedBlockBook, expected: list[Shown]) -> None:
    def found() -> bool | None:
        told = [
            (each.side, each.instrument, each.hours, each.quantity, each.price)
            for each in blocks.bids() + blocks.asks()
        ]
        return (blocks.is_complete and told == expected) or None

    client.wait_for(found)


def fills(client: Client, ref: int, count: int) -> list[Report]:
    """So many fills of an order."""
    found = []
    for report in client.reports(5):
        if report.kind == EventKind.FILLED and report.cl_ord_id == ref:
            found.append(report)
            if len(found) == count:
                break
    return found


@pytest.fixture
def floor(world: World, request: pytest.FixtureRequest) -> Iterator[Floor]:
    floor = Floor(world, getattr(request, "param", 0))
    yield floor
    floor.close()


def test_a_sweep_takes_all_hours_or_nothing(floor: Floor) -> None:
    offers = [floor.order(floor.seller, place, Side.SELL, 3, place).cl_ord_id for place in range(2)]
    killed = floor.block(floor.buyer, Side.BUY, 2, 9, tif=TimeInForce.IOC)
    assert (killed.kind, killed.hours, killed.multi_leg) == (EventKind.ACCEPTED, 3, 1)
    ended = next(r for r in floor.buyer.reports(5) if r.kind != EventKind.ACCEPTED)
    assert (ended.kind, ended.reason, ended.hours) == (EventKind.CANCELLED, Reason.REMAINDER, 3)
    with pytest.raises(OrderRejected, match="FOK"):
        floor.block(floor.buyer, Side.BUY, 2, 9, tif=TimeInForce.FOK)
    offers.append(floor.order(floor.seller, 2, Side.SELL, 3, 2).cl_ord_id)
    swept = floor.block(floor.buyer, Side.BUY, 2, 1, tif=TimeInForce.IOC)
    legs = fills(floor.buyer, swept.cl_ord_id, 3)
    assert [(r.instrument, r.price - floor.price, r.last_qty, r.multi_leg) for r in legs] == [
        (hour, place, 2, 2) for place, hour in enumerate(floor.hours)
    ]
    group = legs[0].trade_group
    assert group > 0
    assert {r.trade_group for r in legs} == {group}
    for ref in offers:
        (fill,) = fills(floor.seller, ref, 1)
        assert (fill.trade_group, fill.multi_leg, fill.leaves_qty) == (group, 1, 1)
    assert sorted(floor.trades(3)) == sorted(
        (hour, floor.price + place, 2, True, False, group) for place, hour in enumerate(floor.hours)
    )
    floor.shows()


def test_a_standing_block_is_made_whole_by_hourly_orders(floor: Floor) -> None:
    first = floor.hours[0]
    block = floor.block(floor.buyer, Side.BUY, 2, 0)
    floor.shows((Side.BUY, first, 3, 2, floor.price))
    floor.buyer.orders.replace(block.cl_ord_id, 1, floor.price + 1)
    floor.shows((Side.BUY, first, 3, 1, floor.price + 1))
    for place in range(3):
        assert not floor.looker.market.trades
        floor.order(floor.seller, place, Side.SELL, 1, 1)
    legs = fills(floor.buyer, block.cl_ord_id, 3)
    assert [(r.instrument, r.last_qty, r.leaves_qty) for r in legs] == [
        (hour, 1, 0) for hour in floor.hours
    ]
    group = legs[0].trade_group
    assert [t[-1] for t in floor.trades(3)] == [group] * 3
    floor.shows()


def test_blocks_of_the_same_hours_trade_with_each_other(floor: Floor) -> None:
    first, price = floor.hours[0], floor.price
    larger = floor.block(floor.seller, Side.SELL, 3, 0)
    seller = floor.block(floor.seller, Side.SELL, 2, 1)
    shown = [(Side.SELL, first, 3, 3, price), (Side.SELL, first, 3, 2, price + 1)]
    floor.shows(*shown)
    buyer = floor.block(floor.buyer, Side.BUY, 2, 4)
    for client, block in ((floor.buyer, buyer), (floor.seller, seller)):
        legs = fills(client, block.cl_ord_id, 3)
        assert [(r.instrument, r.price, r.last_qty) for r in legs] == [
            (hour, price + 1, 2) for hour in floor.hours
        ]
    group = legs[0].trade_group
    assert sorted(floor.trades(3)) == [
        (hour, price + 1, 2, True, True, group) for hour in sorted(floor.hours)
    ]
    floor.shows(shown[0])
    cancelled = floor.seller.orders.cancel(larger.cl_ord_id)
    assert (cancelled.kind, cancelled.hours, cancelled.leaves_qty) == (EventKind.CANCELLED, 3, 0)
    floor.shows()


def test_the_end_of_a_connection_takes_blocks_along(floor: Floor) -> None:
    first = floor.hours[0]
    leaver = floor.world.client("south-1", cancel_on_disconnect=True)
    account = floor.world.account("south-1")
    for away in (1, 2):
        leaver.orders.new_block(account, first, 3, Side.BUY, away, floor.price - away)
    floor.shows((Side.BUY, first, 3, 1, floor.price - 1), (Side.BUY, first, 3, 2, floor.price - 2))
    leaver.close()
    floor.world.clients.remove(leaver)
    floor.shows()
    back = floor.world.client("south-1", next_report=1)
    kinds = [r.kind for r in back.reports(0.5) if r.hours]
    assert kinds == [EventKind.ACCEPTED] * 2 + [EventKind.CANCELLED] * 2


@pytest.mark.parametrize("floor", [3], indirect=True)
def test_the_gate_closure_of_any_hour_ends_a_block(floor: Floor) -> None:
    block = floor.block(floor.buyer, Side.BUY, 1, -1)
    floor.shows((Side.BUY, floor.hours[0], 3, 1, floor.price - 1))
    ack = floor.buyer.session.ack
    assert ack is not None
    now_s = (ack.time_ns + time.monotonic_ns() - floor.buyer.session.acked_ns) // 1_000_000_000
    times = commands.command(
        CommandKind.TIMES, instrument=floor.hours[1], expiry_s=now_s + 2, target_ref=now_s + 2
    )
    floor.world.operator().ask(times)
    ended = next(r for r in floor.buyer.reports(10) if r.kind == EventKind.EXPIRED)
    assert (ended.cl_ord_id, ended.hours, ended.instrument, ended.leaves_qty) == (
        block.cl_ord_id, 3, floor.hours[0], 0,
    )  # fmt: skip
    floor.shows()
    with pytest.raises(OrderRejected, match="PHASE"):
        floor.block(floor.buyer, Side.BUY, 1, -1)


def test_blocks_stand_again_after_the_venue_was_killed(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        floor = Floor(world, 0)
        stands = floor.block(floor.buyer, Side.BUY, 2, -1)
        trades = floor.block(floor.buyer, Side.BUY, 1, 0)
        for place in range(2):
            floor.order(floor.seller, place, Side.SELL, 1, 0)
        world.kill()
        world.start()
        floor = Floor(world, 0)
        first, price = floor.hours[0], floor.price
        floor.shows((Side.BUY, first, 3, 1, price), (Side.BUY, first, 3, 2, price - 1))
        floor.order(floor.seller, 2, Side.SELL, 1, 0)
        legs = fills(floor.buyer, trades.cl_ord_id, 3)
        assert [(r.instrument, r.leaves_qty) for r in legs] == [(hour, 0) for hour in floor.hours]
        floor.shows((Side.BUY, first, 3, 2, price - 1))
        floor.buyer.orders.cancel(stands.cl_ord_id)
        floor.shows()
    finally:
        world.end()

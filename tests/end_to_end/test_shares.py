"""Shares of a served venue: a member that uses up its own leaves all others undisturbed.

The configuration sets sessions and pools, and no shares. So each of 128 sessions has 5 live orders,
and 2 pages of 1,024 refs with a live order.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.cli import run
from feeds.client import Client
from feeds.protocol.errors import OrderRejected
from feeds.protocol.execution_reports import Report
from matching.limits import Limits
from matching.records import EventKind, Reason, SelfTradePrevention, Side
from tests.end_to_end.test_days import close_and_settle
from tests.support.venue_process import World

ORDERS, PAGES, PAGE_REFS = 5, 2, 1_024
SESSIONS = 128
POOLS = f"""
[limits]
sessions = {SESSIONS}
orders = {ORDERS * SESSIONS}
ref_pages = {PAGES * SESSIONS}
"""
OTHERS = ("east-2", "west-1", "south-1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, config=POOLS).start()
    yield world
    world.end()


class Member:
    """A member's session that places orders of one lot, far from each other in price."""

    def __init__(self, world: World, name: str) -> None:
        self.client: Client = world.client(name)
        self.account, self.number = world.account(name), world.instrument().id
        self.price = world.price() - 100

    def bid(self, *, step: int = 1) -> Report:
        """Place a bid under a ref that is this much above the last one."""
        session = self.client.session
        self.client.wait_for(lambda: self.client.is_connected or None)
        session.last_ref += step - 1
        return self.client.orders.new(self.account, self.number, Side.BUY, 1, self.price)

    def refusal(self, *, step: int = 1) -> Reason:
        with pytest.raises(OrderRejected) as caught:
            self.bid(step=step)
        return caught.value.reason


def trade(world: World, buyer: Member) -> None:
    """Let a member buy one lot of a supplier, above all bids."""
    seller, price = world.client("coast-1"), world.price()
    seller.orders.new(world.account("coast-1", "supplier"), buyer.number, Side.SELL, 1, price)
    buyer.client.orders.new(
        buyer.account, buyer.number, Side.BUY, 1, price, stp=SelfTradePrevention.NONE
    )
    assert any(each.kind == EventKind.FILLED for each in buyer.client.reports(5))


def test_the_shares_of_all_sessions_fit_the_pools(world: World) -> None:
    limits = Limits(**world.registry.limits)
    assert (limits.sessions, limits.session_orders, limits.session_ref_pages) == (
        SESSIONS, ORDERS, PAGES,
    )  # fmt: skip


def test_a_member_that_uses_up_its_orders_is_refused_and_the_others_trade_on(
    world: World,
) -> None:
    greedy = Member(world, "east-1")
    bids = [greedy.bid() for _ in range(ORDERS)]
    assert [greedy.refusal() for _ in range(50)] == [Reason.SESSION_LIMIT] * 50
    for name in OTHERS:
        other = Member(world, name)
        trade(world, other)
        assert [other.bid().kind for _ in range(ORDERS)] == [EventKind.ACCEPTED] * ORDERS
        assert other.refusal() == Reason.SESSION_LIMIT
    greedy.client.orders.cancel(bids[2].cl_ord_id)
    assert greedy.bid().kind == EventKind.ACCEPTED
    assert greedy.refusal() == Reason.SESSION_LIMIT
    greedy.client.orders.cancel_all()
    trade(world, greedy)
    assert [greedy.bid().kind for _ in range(ORDERS)] == [EventKind.ACCEPTED] * ORDERS
    assert run(["verify", close_and_settle(world)]) == 0


def test_refs_1024_apart_use_up_the_members_own_pages_alone(world: World) -> None:
    greedy = Member(world, "east-1")
    bids = [greedy.bid(step=PAGE_REFS) for _ in range(PAGES)]
    assert [greedy.refusal(step=PAGE_REFS) for _ in range(9)] == [Reason.SESSION_LIMIT] * 9
    for name in OTHERS:
        other = Member(world, name)
        trade(world, other)
        assert other.bid(step=PAGE_REFS).kind == EventKind.ACCEPTED
        assert other.bid(step=PAGE_REFS).kind == EventKind.ACCEPTED
        assert other.refusal(step=PAGE_REFS) == Reason.SESSION_LIMIT
    greedy.client.orders.cancel(bids[0].cl_ord_id)
    assert greedy.bid(step=PAGE_REFS).kind == EventKind.ACCEPTED
    assert greedy.refusal(step=PAGE_REFS) == Reason.SESSION_LIMIT


def test_what_a_member_has_used_is_the_same_after_kill_9(world: World) -> None:
    greedy = Member(world, "east-1")
    bids = [greedy.bid() for _ in range(ORDERS)]
    world.kill()
    while world.clients:
        world.clients.pop().close()
    world.start()
    greedy = Member(world, "east-1")
    assert greedy.refusal() == Reason.SESSION_LIMIT
    greedy.client.orders.cancel(bids[0].cl_ord_id)
    assert greedy.bid().kind == EventKind.ACCEPTED

"""The order-to-trade limit: a session that sends much and trades little may only cancel."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exchange.cli import run
from feeds.client import Client
from feeds.protocol.commands import new_order, replace_order
from feeds.protocol.errors import FrameRefused
from feeds.protocol.execution_reports import Report
from feeds.protocol.messages import RefusalReason
from matching.records import EventKind, Side, TimeInForce
from tests.end_to_end.test_days import close_and_settle
from tests.support.venue_process import World

FREE, PER_TRADE = 6, 3
LIMIT = f"""
[order_to_trade]
free = {FREE}
per_trade = {PER_TRADE}
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, days=3, config=LIMIT).start()
    yield world
    world.end()


def allowance(client: Client) -> tuple[int, int]:
    """Commands left and commands for each trade, as the logon was answered."""
    client.wait_for(lambda: client.session.ack)
    ack = client.session.ack
    assert ack is not None
    return ack.commands_left, ack.commands_per_trade


def bid(world: World, client: Client, name: str = "east-1", *, above: int = -100) -> Report:
    """Place a good-till-cancelled bid of one lot, so many ticks above the reference price."""
    price = world.price() + above
    where = world.account(name), world.instrument().id
    return client.orders.new(*where, Side.BUY, 1, price, tif=TimeInForce.GTC)


def refusal(call: object, *arguments: object, **options: object) -> str:
    """The text of a refusal for too many commands a trade."""
    assert callable(call)
    with pytest.raises(FrameRefused) as caught:
        call(*arguments, **options)
    assert caught.value.reason == RefusalReason.ORDER_TO_TRADE
    return caught.value.refusal.text


def sell(world: World, *, above: int) -> None:
    seller = world.client("coast-1")
    account = world.account("coast-1", "supplier")
    seller.orders.new(account, world.instrument().id, Side.SELL, 1, world.price() + above)


def traffic(
    world: World, capsys: pytest.CaptureFixture[str], name: str = "east-1"
) -> tuple[int, ...]:
    """Commands, trades and excess of a session, from the log."""
    log = str(world.folder / "venue" / "2026-11-22.log")
    options = ["--unsealed", "--free", str(FREE), "--per-trade", str(PER_TRADE), "--json"]
    capsys.readouterr()
    assert run(["traffic", log, *options]) == 0
    rows = json.loads(capsys.readouterr().out)["sessions"]
    row = next(each for each in rows if each["name"] == name)
    return row["commands"], row["trades"], row["excess"]


def test_new_orders_are_refused_with_the_figures_and_cancels_never(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    client = world.client("east-1")
    assert allowance(client) == (FREE, PER_TRADE)
    bids = [bid(world, client).cl_ord_id for _ in range(FREE)]
    text = (
        "6 commands and 0 trades today: 6 commands are free, and 3 more for each trade; "
        "only CANCEL and MASS_CANCEL are taken; nothing of the frame was taken"
    )
    assert refusal(bid, world, client) == text
    assert refusal(client.orders.replace, bids[0], 2, world.price() - 99) == text
    block = world.account(), world.instrument(1).id, 2, Side.BUY, 1, world.price() - 100
    assert refusal(client.orders.new_block, *block, tif=TimeInForce.IOC) == text
    assert client.orders.cancel(bids[0]).kind == EventKind.CANCELLED
    client.orders.cancel_all()
    assert refusal(bid, world, client).startswith("8 commands and 0 trades today")
    other = world.client("west-1")
    assert [bid(world, other, "west-1").kind for _ in range(FREE)] == [EventKind.ACCEPTED] * FREE
    assert refusal(bid, world, other, "west-1") == text
    assert traffic(world, capsys) == (FREE + 2, 0, 2)
    assert traffic(world, capsys, "west-1") == (FREE, 0, 0)


def test_each_trade_allows_more(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    client = world.client("east-1")
    for _ in range(FREE):
        bid(world, client)
    refusal(bid, world, client)
    sell(world, above=-100)  # meets the first bid
    assert next(r for r in client.reports(5) if r.kind == EventKind.FILLED).last_qty == 1
    assert [bid(world, client).kind for _ in range(PER_TRADE)] == [EventKind.ACCEPTED] * PER_TRADE
    assert refusal(bid, world, client).startswith("9 commands and 1 trades today")
    assert traffic(world, capsys) == (9, 1, 0)


def test_a_trade_of_a_session_with_itself_counts_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seller, account = world.client("coast-1"), world.account("coast-1", "supplier")
    other, number, price = 2, world.instrument().id, world.price()
    seller.orders.new(account, number, Side.SELL, 1, price)
    seller.orders.new(other, number, Side.BUY, 1, price)  # another firm's account at this member
    for _ in range(FREE + PER_TRADE - 2):
        seller.orders.new(other, number, Side.BUY, 1, price - 100)
    text = refusal(seller.orders.new, other, number, Side.BUY, 1, price - 100)
    assert text.startswith("9 commands and 1 trades today")
    assert traffic(world, capsys, "coast-1") == (9, 1, 0)


def test_a_frame_is_taken_or_refused_as_a_whole(world: World) -> None:
    client = world.client("east-1")
    bid(world, client)
    order = new_order(world.account(), world.instrument().id, Side.BUY, 1, world.price() - 100)
    seven = np.frombuffer(order.tobytes() * FREE, order.dtype).copy()
    first = client.send(seven)
    client.wait_for(lambda: client.session.refusals or None)
    refused = client.session.refusals.popleft()
    assert (refused.reason, refused.user_ref, refused.index, refused.count) == (
        RefusalReason.ORDER_TO_TRADE, first, 0, FREE,
    )  # fmt: skip
    world.clients.pop().close()
    again = world.client("east-1")
    assert [bid(world, again).kind for _ in range(FREE - 1)] == [EventKind.ACCEPTED] * (FREE - 1)
    refusal(bid, world, again)
    refusal(again.ask, replace_order(first, 1, world.price()))


def test_the_count_is_the_same_after_kill_9_and_begins_anew_on_the_next_day(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.folder / "venue.toml"
    path.write_text(path.read_text().replace('trading_day = "2026-11-22"\n', ""))
    client = world.client("east-1")
    for _ in range(FREE):
        bid(world, client)
    sell(world, above=-100)
    assert any(r.kind == EventKind.FILLED for r in client.reports(5))
    bid(world, client)
    before = traffic(world, capsys)
    world.kill()
    while world.clients:
        world.clients.pop().close()
    world.start()
    client = world.client("east-1")
    assert allowance(client) == (PER_TRADE - 1, PER_TRADE)
    for _ in range(PER_TRADE - 1):
        bid(world, client)
    assert refusal(bid, world, client).startswith("9 commands and 1 trades today")
    assert traffic(world, capsys) == (before[0] + PER_TRADE - 1, *before[1:])
    close_and_settle(world)
    world.clock = "2026-11-23T09:00*1"
    world.start()  # with eight bids that it carries
    for kill in (False, True):
        if kill:
            world.kill()
            while world.clients:
                world.clients.pop().close()
            world.start()
        assert allowance(world.client("east-1")) == (FREE, PER_TRADE)


def test_without_a_limit_nothing_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        client = world.client("east-1")
        for _ in range(3 * FREE):
            bid(world, client)
        assert allowance(client) == (-1, 0)
    finally:
        world.end()

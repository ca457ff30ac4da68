"""Sessions and order entry over real sockets, with real keys."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exchange.cli import run
from feeds.client import Client
from feeds.protocol import commands
from feeds.protocol.errors import (
    REJECTED_BECAUSE,
    FrameRefused,
    LogonRefused,
    NotAllowed,
    NotConnected,
    OrderRejected,
)
from feeds.protocol.keys import new_secret
from feeds.protocol.messages import (
    KillSwitch,
    ListInstrument,
    RefusalReason,
    ResendRequest,
    VenueStatus,
    VenueStatusRequest,
)
from feeds.protocol.records import FRAME_HEAD, FrameFlag, FrameKind
from matching.records import COMMAND, CommandKind, EventKind, Reason, Side
from tests.support.venue_process import World


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("wire"))
    world.key("slow-1", role="trading", firm=1, orders_per_s=10, burst=20)
    world.key("view-1", role="read-only", firm=1)
    world.key("one-1", role="trading", firm=1, accounts=[world.account()])
    world.key("back-1", role="drop-copy", firm=1)
    world.start()
    yield world
    world.end()


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    yield shared
    while shared.clients:
        shared.clients.pop().close()


def buy(world: World, client: Client, quantity: int = 1, *, name: str = "east-1") -> int:
    report = client.orders.new(
        world.account(name), world.instrument().id, Side.BUY, quantity, world.price()
    )
    return report.cl_ord_id


def next_refusal(client: Client) -> RefusalReason:
    found = client.wait_for(
        lambda: client.session.refusals.popleft() if client.session.refusals else None
    )
    return found.reason


def test_an_order_is_reported_with_fix_codes(world: World) -> None:
    client = world.client()
    order = client.orders.new(world.account(), world.instrument().id, Side.BUY, 5, world.price())
    assert (order.exec_type, order.ord_status, order.leaves_qty) == ("0", "0", 5)
    changed = client.orders.replace(order.cl_ord_id, 3)
    assert (changed.exec_type, changed.order_qty, changed.cl_ord_id) == ("5", 3, order.cl_ord_id)
    assert client.orders.status(order.cl_ord_id) == changed
    gone = client.orders.cancel(order.cl_ord_id)
    assert (gone.exec_type, gone.ord_status, gone.last_qty) == ("4", "4", 3)
    assert gone.request_ref > changed.request_ref


def test_two_brokers_trade_and_both_receive_a_fill(world: World) -> None:
    buyer, seller = world.client("east-1"), world.client("coast-1")
    bid = buy(world, buyer, 4)
    seller.orders.new(
        world.account("coast-1", "supplier"), world.instrument().id, Side.SELL, 4, world.price()
    )
    maker = next(r for r in buyer.reports(5) if r.kind == EventKind.FILLED)
    taker = next(r for r in seller.reports(5) if r.kind == EventKind.FILLED)
    assert (maker.cl_ord_id, maker.last_liquidity_ind, maker.ord_status) == (bid, 1, "2")
    assert (taker.trade_id, taker.last_liquidity_ind) == (maker.trade_id, 2)


def test_a_rejection_has_its_reason(world: World) -> None:
    client = world.client()
    with pytest.raises(OrderRejected) as caught:
        client.orders.new(world.account(), world.instrument().id, Side.BUY, 1, 2**30)
    assert caught.value.reason == Reason.BAND
    with pytest.raises(OrderRejected) as caught:
        client.orders.cancel(1_000_000)
    assert caught.value.reason == Reason.UNKNOWN_ORDER


def test_every_rejection_of_the_machine_has_a_text() -> None:
    assert list(REJECTED_BECAUSE) == [reason for reason in Reason if 0 < reason < 32]


def test_reports_are_resent_from_any_number_with_the_same_bytes(world: World) -> None:
    client = world.client("south-1")
    for _ in range(5):
        client.orders.cancel(buy(world, client, name="south-1"))
    following = client.next_report
    again = world.client("south-1", next_report=1)
    got = again.wait_for(lambda: again.next_report == following or None)
    assert got
    parts = list(again.arrays())
    assert parts[0][1] == 1
    assert all(flags & FrameFlag.RESENT for _, _, flags in parts)
    events = np.concatenate([part.view("V64") for part, _, _ in parts])
    again.send_message(ResendRequest(from_report=3))
    again.session.next_report = 3
    again.wait_for(lambda: again.next_report == following or None)
    more = np.concatenate([part.view("V64") for part, _, _ in again.arrays()])
    assert more.tobytes() == events[2:].tobytes()


def test_a_ref_sent_again_gets_its_first_answer_and_is_not_executed(world: World) -> None:
    client = world.client("west-1")
    ref = buy(world, client, 2, name="west-1")
    order = commands.new_order(
        world.account("west-1"), world.instrument().id, Side.BUY, 2, world.price()
    )
    order["user_ref"] = ref
    head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1, 0, 0)
    before = world.log().command_count
    client.session.outgoing.append(head + order.tobytes())
    client.wait_for(lambda: client.session.duplicates or None)
    logged = world.log().commands()[before:]
    assert set(logged["kind"].tolist()) <= {int(CommandKind.CLOCK)}
    client.orders.cancel(ref)


def test_refs_must_grow_and_stay_in_the_window(world: World) -> None:
    client = world.client("west-1")
    client.session.last_ref += 1 << 17
    client.send(commands.cancel_order(1))
    assert next_refusal(client) == RefusalReason.REF_WINDOW
    client.session.last_ref -= 1 << 17
    order = commands.cancel_order(1)
    twice = np.zeros(2, COMMAND)
    twice["kind"], twice["user_ref"] = order["kind"], client.session.last_ref + 5
    head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 2, 0, 0)
    client.session.outgoing.append(head + twice.tobytes())
    assert next_refusal(client) == RefusalReason.REF_NOT_NEW


def test_an_order_that_comes_too_late_is_refused(world: World) -> None:
    client = world.client()
    order = commands.new_order(world.account(), world.instrument().id, Side.BUY, 1, world.price())
    assert client.session.ack is not None
    commands.set_valid_until(order, client.session.ack.time_ns - 1)
    with pytest.raises(FrameRefused) as caught:
        client.ask(order)
    assert caught.value.reason == RefusalReason.STALE
    commands.set_valid_until(order, client.session.ack.time_ns + 3_600_000_000_000)
    client.orders.cancel(client.ask(order).cl_ord_id)


def test_a_session_is_refused_above_its_rate(world: World) -> None:
    client = world.client("slow-1")
    orders = np.zeros(21, COMMAND)
    orders["kind"], orders["target_ref"] = CommandKind.CANCEL, 1
    client.send(orders)
    assert next_refusal(client) == RefusalReason.RATE
    client.send(orders[:5])
    client.wait_for(lambda: client.next_report > 5 or None)


def test_a_key_has_the_rights_of_its_entitlement(world: World) -> None:
    view = world.client("view-1")
    with pytest.raises(FrameRefused) as caught:
        buy(world, view)
    assert caught.value.reason == RefusalReason.NOT_ENTITLED
    one = world.client("one-1")
    one.orders.cancel(buy(world, one))
    with pytest.raises(FrameRefused) as caught:
        one.orders.new(world.account() + 1, world.instrument().id, Side.BUY, 1, world.price())
    assert caught.value.reason == RefusalReason.NOT_ENTITLED
    client = world.client()
    with pytest.raises(FrameRefused) as caught:
        client.ask(commands.command(CommandKind.FUND, account=world.account(), amount_fen=1))
    assert caught.value.reason == RefusalReason.NOT_ENTITLED


def test_an_unknown_key_is_not_allowed(world: World) -> None:
    with Client(world.connection, new_secret("east-1")) as client, pytest.raises(NotAllowed):
        client.wait_for(lambda: None)
    with pytest.raises(NotAllowed):
        world.client("east-1", admin=True)


def test_a_second_logon_ends_the_first(world: World) -> None:
    first = world.client("inland-1")
    second = world.client("inland-1")
    with pytest.raises(LogonRefused) as caught:
        first.wait_for(lambda: None)
    assert caught.value.reason == RefusalReason.REPLACED
    with pytest.raises(LogonRefused):
        first.send(commands.cancel_order(1))
    assert second.is_connected


def test_cancel_on_disconnect_cancels_the_orders_of_a_session(world: World) -> None:
    watcher = world.client("back-1")
    client = world.client("east-2", cancel_on_disconnect=True)
    ref = buy(world, client)
    world.clients.remove(client)
    client.context.destroy(0)
    gone = next(
        r for r in watcher.reports(5) if r.kind == EventKind.CANCELLED and r.cl_ord_id == ref
    )
    assert gone.reason == Reason.MASS_CANCEL


def test_a_drop_copy_has_all_reports_of_its_firm_and_continues_after_a_reconnection(
    world: World,
) -> None:
    first = world.client("back-1", next_report=1)
    client = world.client("east-1")
    own = client.orders.new(world.account(), world.instrument().id, Side.BUY, 1, world.price())
    ref = own.cl_ord_id
    assert any(
        r.sequence == own.sequence and r.kind == EventKind.ACCEPTED for r in first.reports(5)
    )
    at = first.next_report
    first.close()
    world.clients.remove(first)
    client.orders.cancel(ref)
    second = world.client("back-1", next_report=at)
    report = next(second.reports(5))
    assert (report.exec_id, report.kind, report.cl_ord_id) == (at, EventKind.CANCELLED, ref)


def test_an_operator_funds_lists_and_stops_sessions(world: World) -> None:
    operator = world.operator()
    funded = operator.ask(
        commands.command(CommandKind.FUND, account=world.account(), amount_fen=12_345)
    )
    assert funded.kind == EventKind.FUNDED
    done = operator.request(ListInstrument(symbol="H800.QD.2026112407"))
    client = world.client("south-2")
    assert client.instrument("H800.QD.2026112407") == done.instrument  # type: ignore[union-attr]
    ref = buy(world, client, name="south-2")
    operator.request(KillSwitch(session="south-2"))
    with pytest.raises(LogonRefused) as caught:
        client.wait_for(lambda: None)
    assert caught.value.reason == RefusalReason.BLOCKED
    with pytest.raises(LogonRefused):
        world.client("south-2")
    operator.request(KillSwitch(session="south-2", stopped=False))
    again = world.client("south-2", next_report=1)
    assert any(r.cl_ord_id == ref and r.exec_type == "4" for r in again.reports(5))
    status = operator.request(VenueStatusRequest())
    assert isinstance(status, VenueStatus)
    assert {"south-2", "operations"} <= set(status.sessions)
    assert status.counters["ended: BLOCKED"] == 1


def test_a_client_sends_nothing_before_it_is_logged_on(world: World) -> None:
    client = Client(world.connection, world.secret("east-1"))
    world.clients.append(client)
    with pytest.raises(NotConnected):
        client.send(commands.cancel_order(1))
    client.wait_for(lambda: client.is_connected or None)
    with pytest.raises(OrderRejected):
        client.orders.cancel(2**20)


def test_a_day_that_is_closed_replays_to_the_hash_it_was_sealed_with(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    client = world.client()
    buy(world, client, 3)
    world.ask_to_close()
    with pytest.raises(LogonRefused) as caught:
        client.wait_for(lambda: None)
    assert caught.value.reason == RefusalReason.DAY_OVER
    ended = world.wait_for_end()
    client.close()
    assert run(["replay", ended["sealed"]]) == 0
    assert world.log().sealed

"""Hostile peers: each is refused, counted and logged, and the venue serves the others."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import zmq

from feeds.client import Client
from feeds.client.connection_file import security_of
from feeds.protocol import commands
from feeds.protocol.errors import LogonRefused
from feeds.protocol.keys import new_secret
from feeds.protocol.messages import (
    Logon,
    LogonAck,
    RefusalReason,
    VenueStatus,
    VenueStatusRequest,
    from_venue,
    pack,
)
from feeds.protocol.records import FRAME_HEAD, MARKET_HEAD, FrameFlag, FrameKind
from feeds.transport.sockets import Security, broker_dealer, connect_as
from matching.records import COMMAND, CommandKind, EventKind, Reason, Side
from tests.support.venue_process import World

HEAD = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1, 0, 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("hostile"))
    world.key("fast-1", role="trading", firm=1, orders_per_s=10_000_000, burst=10_000_000)
    world.start()
    yield world
    world.end()


KEPT: list["zmq.Socket[bytes]"] = []


class Keeping(zmq.Context["zmq.Socket[bytes]"]):
    """A context whose sockets live as long as it does."""

    def socket(self, *arguments: Any, **options: Any) -> "zmq.Socket[bytes]":  # type: ignore[override]
        KEPT.append(super().socket(*arguments, **options))
        return KEPT[-1]


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    context = Keeping()
    yield context
    context.destroy(0)
    KEPT.clear()


@pytest.fixture(autouse=True)
def others_are_served(world: World) -> Iterator[None]:
    """Check that another broker trades during and after each test, and that memory is bounded."""
    honest = world.client("coast-1")
    before = rss_mb(world)
    yield
    ref = honest.orders.new(
        world.account("coast-1", "supplier"), world.instrument().id, Side.SELL, 1, world.price() + 9
    ).cl_ord_id
    honest.orders.cancel(ref)
    assert rss_mb(world) - before < 200
    while world.clients:
        world.clients.pop().close()


def rss_mb(world: World) -> float:
    assert world.process is not None
    statm = Path(f"/proc/{world.process.pid}/statm").read_text().split()
    return int(statm[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def wait_counted_and_logged(world: World, what: str, at_least: int = 1) -> None:
    """Wait until `what` is counted at least `at_least` times, and check that it is logged."""
    operator = world.operator()
    wait_counted(operator, what, at_least)
    operator.close()
    world.clients.remove(operator)
    check_logged(world, what)


def check_logged(world: World, what: str) -> None:
    """Check that the venue has logged `what`."""
    name = what.removeprefix("refused: ").removeprefix("ended: ")
    assert f": {name}" in (world.folder / "stderr").read_text()


def wait_counted(operator: Client, what: str, at_least: int = 1) -> None:
    def found() -> int | None:
        status = operator.request(VenueStatusRequest())
        assert isinstance(status, VenueStatus)
        return status.counters.get(what, 0) if status.counters.get(what, 0) >= at_least else None

    for _ in range(1_200):  # a minute
        if found() is not None:
            return
        operator.pump(0.05)
    status = operator.request(VenueStatusRequest())
    raise AssertionError(f"{what} was never counted {at_least} times: {status}")


def failed_handshakes(operator: Client) -> int:
    """Number of failed handshakes, under all names that the venue may count them by."""
    status = operator.request(VenueStatusRequest())
    assert isinstance(status, VenueStatus)
    names = ("handshake broken off", "not the protocol", "ended without a frame")
    return sum(status.counters.get(f"refused: {name}", 0) for name in names)


def raw(world: World, name: str, context: "zmq.Context[zmq.Socket[bytes]]") -> "zmq.Socket[bytes]":
    """A logged-on DEALER that may send anything."""
    secret = world.secret(name)
    dealer = broker_dealer(context, security_of(world.connection, secret))
    dealer.setsockopt(zmq.RCVTIMEO, 5_000)
    dealer.connect(world.connection.orders)
    dealer.send(pack(Logon()))
    dealer.recv()
    return dealer


def last_ref_of(dealer: "zmq.Socket[bytes]") -> int:
    """Log on again; returns the last user_ref that the venue accepted."""
    dealer.send(pack(Logon()))
    while True:
        ack = from_venue.decode(answer(dealer)[16:])
        if isinstance(ack, LogonAck):
            return ack.last_ref


def answer(dealer: "zmq.Socket[bytes]") -> bytes:
    """The next frame that is no heartbeat."""
    while (frame := dealer.recv())[0] == FrameKind.HEARTBEAT:
        pass
    return frame


def address(world: World) -> tuple[str, int]:
    host, _, port = world.connection.orders.removeprefix("tcp://").rpartition(":")
    return host, int(port)


def refused(world: World, dealer: "zmq.Socket[bytes]") -> RefusalReason:
    while True:
        frame = dealer.recv()
        if frame[0] == FrameKind.MESSAGE:
            reason: RefusalReason = from_venue.decode(frame[16:]).reason  # type: ignore[union-attr]
            check_logged(world, reason.name)
            return reason


def test_random_bytes_are_counted_and_closed(world: World) -> None:
    dice = Random(1)
    for _ in range(50):
        with socket.create_connection(address(world)) as peer:
            peer.sendall(dice.randbytes(dice.randrange(1, 2_000)))
    wait_counted_and_logged(world, "refused: ended without a frame", 40)
    with socket.create_connection(address(world)) as peer:
        greeting = bytes([0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1]) + b"CURVE".ljust(20, b"\0")
        peer.sendall(greeting.ljust(64, b"\0") + dice.randbytes(500))
        peer.settimeout(5)
        while peer.recv(4_096):
            pass
    wait_counted_and_logged(world, "refused: ended without a frame", 41)


def test_half_open_connections_are_closed(world: World) -> None:
    peers = [socket.create_connection(address(world)) for _ in range(100)]
    for peer in peers:
        peer.settimeout(8)
        while peer.recv(64):
            pass
        peer.close()
    wait_counted_and_logged(world, "refused: handshake broken off", 100)


def test_a_wrong_key_and_no_key_are_refused(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    unknown_key = Security(new_secret("east-1"), venue_key=world.connection.key)
    dealer = broker_dealer(context, unknown_key)
    dealer.connect(world.connection.orders)
    wait_counted_and_logged(world, "refused: unknown key")
    before = failed_handshakes(world.operator())
    bare = context.socket(zmq.DEALER)
    bare.setsockopt(zmq.LINGER, 0)
    bare.connect(world.connection.orders)
    bare.send(pack(Logon()))
    assert not bare.poll(500)
    operator = world.operator()
    operator.wait_for(lambda: failed_handshakes(operator) > before or None)


def test_a_routing_id_of_the_client_is_refused(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.setsockopt(zmq.ROUTING_ID, b"coast-1")
    connect_as(dealer, security_of(world.connection, world.secret("east-1")))
    dealer.connect(world.connection.orders)
    dealer.send(pack(Logon()))
    wait_counted_and_logged(world, "refused: a routing id of its own")
    assert not dealer.poll(100)


def test_the_session_in_an_order_is_overwritten(world: World) -> None:
    client = world.client("east-1")
    order = commands.new_order(
        world.account("coast-1", "supplier"), world.instrument().id, Side.SELL, 1, world.price() + 9
    )
    order["session"] = 7
    ref = client.send(order)
    report = next(r for r in client.reports(5) if r.cl_ord_id == ref)
    assert (report.kind, report.reason) == (EventKind.REJECTED, Reason.NOT_ENTITLED)


def malformed_frames() -> list[bytes]:
    record = np.zeros(1, COMMAND)
    record["kind"], record["user_ref"] = CommandKind.CANCEL, 1_000
    body = record.tobytes()
    other = np.zeros(1, COMMAND)
    other["kind"], other["user_ref"] = CommandKind.NEW, 1_001
    head = FRAME_HEAD.pack
    return [
        HEAD + body[:40],  # truncated
        HEAD[:10],
        b"",
        head(FrameKind.COMMANDS, 0, 2, 0, 0) + body,  # wrong counts
        head(FrameKind.COMMANDS, 0, 0, 0, 0),
        head(FrameKind.COMMANDS, 0, 1, 0, 0) + body + body,
        head(FrameKind.COMMANDS, 1, 1, 0, 0) + body,  # flags, spare, sequence
        head(FrameKind.COMMANDS, 0, 1, 9, 0) + body,
        head(FrameKind.COMMANDS, 0, 1, 0, 9) + body,
        head(FrameKind.COMMANDS, 0, 2, 0, 0) + body + other.tobytes(),  # two kinds
        head(FrameKind.REPORTS, 0, 1, 0, 0) + body,
        head(99, 0, 1, 0, 0) + body,
    ]


@pytest.mark.parametrize("frame", malformed_frames())
def test_malformed_frames_are_refused(
    frame: bytes, world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = raw(world, "east-1", context)
    dealer.send(frame)
    assert refused(world, dealer) == RefusalReason.MALFORMED_FRAME
    dealer.send(pack(Logon(version=99)))
    assert refused(world, dealer) == RefusalReason.VERSION


@pytest.mark.parametrize("field", ["kind", "side", "type", "tif", "stp", "flags", "hours", "spare"])
def test_impossible_values_are_rejected(field: str, world: World) -> None:
    client = world.client("east-1")
    order = commands.new_order(world.account(), world.instrument().id, Side.BUY, 1, world.price())
    order[field] = 250
    ref = client.send(order)
    if field == "kind":
        assert client.wait_for(lambda: client.session.refusals or None)
        assert client.session.refusals[0].reason == RefusalReason.NOT_ENTITLED
        return
    report = next(r for r in client.reports(5) if r.cl_ord_id == ref)
    assert (report.kind, report.reason) == (EventKind.REJECTED, Reason.MALFORMED)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x81\xa4type\xa5other", b"\x90" * 500])
def test_invalid_messages_are_refused(
    body: bytes, world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = raw(world, "east-1", context)
    dealer.send(FRAME_HEAD.pack(FrameKind.MESSAGE, 0, 0, 0, 0) + body)
    assert refused(world, dealer) == RefusalReason.BAD_MESSAGE


def test_messages_of_three_parts_are_refused(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = raw(world, "east-1", context)
    dealer.send_multipart([HEAD + bytes(64), b"coast-1", HEAD + bytes(64)])
    assert refused(world, dealer) == RefusalReason.MALFORMED_FRAME
    dealer.send(HEAD + bytes(64))
    assert refused(world, dealer) == RefusalReason.NOT_ENTITLED


def test_an_oversize_frame_ends_the_connection(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = raw(world, "east-1", context)
    monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    dealer.send(bytes(1 << 20))
    assert monitor.poll(5_000)
    wait_counted(world.operator(), "connections lost")  # ZeroMQ does not report the reason
    assert "east-1 has gone" in (world.folder / "stderr").read_text()
    dealer.disable_monitor()
    monitor.close(0)


def test_replayed_frames_are_not_executed(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = raw(world, "east-2", context)
    order = commands.new_order(world.account(), world.instrument().id, Side.BUY, 1, world.price())
    order["user_ref"] = 1
    frame = HEAD + order.tobytes()
    dealer.send(frame)
    first = answer(dealer)
    for _ in range(5):
        dealer.send(frame)
        again = answer(dealer)
        assert (again[1], again[8:]) == (1, first[8:])
    executed = world.log().commands()
    session = first[16 + 40 : 16 + 44]
    number = int.from_bytes(session, "little")
    assert len(executed[(executed["session"] == number) & (executed["kind"] == 1)]) == 1


def test_a_frame_sent_three_times_at_once_is_answered_three_times(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    """The venue may read the second copy before it has executed the first."""
    dealer = raw(world, "fast-1", context)
    last = last_ref_of(dealer)
    for turn in range(50):
        order = commands.new_order(world.account(), world.instrument().id, Side.BUY, 1, 2**30)
        order["user_ref"] = last + 1 + turn
        for _ in range(3):
            dealer.send(HEAD + order.tobytes())
        frames = [answer(dealer) for _ in range(3)]
        assert [frame[0] for frame in frames] == [FrameKind.REPORTS] * 3
        assert [frame[1] for frame in frames] == [0, FrameFlag.POSS_DUP, FrameFlag.POSS_DUP]
        assert len({frame[8:] for frame in frames}) == 1


def test_a_frame_before_the_logon_is_refused(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = broker_dealer(context, security_of(world.connection, world.secret("east-1")))
    dealer.setsockopt(zmq.RCVTIMEO, 5_000)
    dealer.connect(world.connection.orders)
    dealer.send(HEAD + bytes(64))
    assert refused(world, dealer) == RefusalReason.NOT_LOGGED_ON


def test_a_broker_that_stops_reading_is_ended_and_may_log_on_again(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    dealer = broker_dealer(context, security_of(world.connection, world.secret("fast-1")))
    dealer.setsockopt(zmq.RCVHWM, 1)
    dealer.setsockopt(zmq.RCVBUF, 4_096)
    dealer.connect(world.connection.orders)
    dealer.send(pack(Logon()))
    orders = np.zeros(1_000, COMMAND)
    orders["kind"], orders["target_ref"] = CommandKind.CANCEL, 1
    head = FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1_000, 0, 0)
    for number in range(450):
        orders["user_ref"] = np.arange(1, 1_001) + 1_000 * number
        dealer.send(head + orders.tobytes())
    wait_counted_and_logged(world, "ended: SLOW")
    again = world.client("fast-1", next_report=1)
    assert again.session.ack is not None
    everything = again.session.ack.next_report
    assert everything > 200_000
    again.wait_for(lambda: again.next_report >= everything or None, timeout_s=60)


def test_a_subscriber_that_stops_reading_delays_no_other_and_detects_its_losses(
    world: World, context: "zmq.Context[zmq.Socket[bytes]]"
) -> None:
    slow = context.socket(zmq.SUB)
    slow.setsockopt(zmq.RCVHWM, 1)
    slow.setsockopt(zmq.RCVBUF, 4_096)
    slow.setsockopt(zmq.RCVTIMEO, 5_000)
    slow.setsockopt(zmq.SUBSCRIBE, b"")
    connect_as(slow, security_of(world.connection, world.secret("inland-1")))
    slow.connect(world.connection.market)
    slow.recv()
    number, price = world.instrument(1).id, world.price(1)
    busy, reader = world.client("fast-1"), world.client("east-2")
    book = reader.book(number)
    orders = np.zeros(1_000, COMMAND)
    orders[:] = commands.new_order(world.account(), number, Side.BUY, 1, price)[0]
    cancels = np.zeros(1_000, COMMAND)
    cancels["kind"] = CommandKind.CANCEL
    for _ in range(20):  # three frames a command: more than are queued for one subscriber
        cancels["target_ref"] = busy.send(orders) + np.arange(1_000)
        busy.send(cancels)
        busy.wait_for(lambda: busy.session.unanswered < 1_000 or None)
        reader.pump()
    busy.wait_for(lambda: busy.session.unanswered == 0 or None)
    reader.wait_for(lambda: (book.is_complete and not book.bids()) or None)
    assert (book.wrong_checksums, book.missed) == (0, 0)
    levels = []
    while not levels or levels[-1] < book.next_sequence - 1:
        slow.setsockopt(zmq.RCVTIMEO, 1_000)
        try:
            frame = slow.recv()
        except zmq.Again:
            break
        if frame[:1] == b"L":
            levels.append(MARKET_HEAD.unpack_from(frame)[2])
    assert levels == sorted(set(levels))
    assert len(levels) < book.next_sequence - 1


def test_an_ended_session_receives_the_reason(world: World) -> None:
    first = world.client("south-2")
    world.client("south-2")
    with pytest.raises(LogonRefused):
        first.wait_for(lambda: None)

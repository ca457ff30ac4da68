"""Keys added and revoked while the venue runs, silent sessions, and ports after a restart."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from exchange.cli import run
from feeds.client import Client
from feeds.client.connection_file import security_of
from feeds.protocol.errors import FrameRefused, LogonRefused, NotAllowed
from feeds.protocol.keys import new_pair
from feeds.protocol.messages import (
    KeysKnown,
    KeysRequest,
    Logon,
    RefusalReason,
    VenueStatus,
    VenueStatusRequest,
    from_venue,
    pack,
)
from feeds.protocol.records import FrameKind
from feeds.transport.sockets import broker_dealer
from matching.records import EventKind, Reason, Side, TimeInForce
from tests.end_to_end.test_hostile import wait_counted_and_logged
from tests.support.venue_process import World

LONELY_FIRM = 11  # a data centre without a session among the members


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.key("lonely-copy", role="drop-copy", firm=LONELY_FIRM)
    world.start()
    yield world
    world.end()


def reload_keys(world: World) -> KeysKnown:
    operator = world.operator()
    known = operator.request(KeysRequest())
    operator.close()
    world.clients.remove(operator)
    assert isinstance(known, KeysKnown)
    return known


def revoke(world: World, name: str) -> None:
    for ending in ("toml", "secret"):
        (world.folder / "venue" / "keys" / f"{name}.{ending}").unlink()


def buy(world: World, client: Client, tif: TimeInForce = TimeInForce.DAY) -> int:
    number, price = world.instrument().id, world.price()
    return client.orders.new(world.account(), number, Side.BUY, 1, price - 9, tif=tif).cl_ord_id


def test_a_new_key_trades_without_a_restart_and_after_one(world: World) -> None:
    world.key("late-1", role="trading", firm=1, accounts=[world.account()])
    with pytest.raises(NotAllowed):
        world.client("late-1")
    assert reload_keys(world).added == ["late-1"]
    client = world.client("late-1")
    ref = buy(world, client, TimeInForce.GTC)
    with pytest.raises(FrameRefused):
        client.orders.new(world.account() + 1, world.instrument().id, Side.BUY, 1, world.price())
    client.close()
    world.clients.remove(client)
    world.kill()
    world.start()
    again = world.client("late-1", next_report=1)
    report = next(again.reports(5))
    assert (report.exec_id, report.cl_ord_id) == (1, ref)
    assert again.orders.cancel(ref).cl_ord_id == ref
    known = reload_keys(world)
    assert known == KeysKnown(added=[], changed=[], revoked=[], waiting=[])


def test_a_revoked_key_loses_its_session_and_its_orders(world: World) -> None:
    client = world.client("east-1")
    ref = buy(world, client)
    revoke(world, "east-1")
    assert reload_keys(world).revoked == ["east-1"]
    gone = next(r for r in reports_after_revocation(world, client) if r.kind == EventKind.CANCELLED)
    assert (gone.cl_ord_id, gone.reason) == (ref, Reason.MASS_CANCEL)


def reports_after_revocation(world: World, client: Client) -> Iterator[object]:
    """Reports of a revoked session, requested with a new key of the same name."""
    with pytest.raises(LogonRefused) as caught:
        client.wait_for(lambda: None)
    assert caught.value.reason == RefusalReason.REVOKED
    world.key("east-1", role="trading", firm=1)
    assert reload_keys(world).added == ["east-1"]
    return world.client("east-1", next_report=1).reports(5)


def test_a_connection_with_the_old_key_cannot_log_on(world: World) -> None:
    """It connects before the key changes, and tries to log on afterwards."""
    context = zmq.Context()
    dealer = broker_dealer(context, security_of(world.connection, world.secret("east-1")))
    try:
        dealer.connect(world.connection.orders)
        dealer.setsockopt(zmq.RCVTIMEO, 5_000)
        dealer.send(pack(Logon()))
        assert dealer.recv()[0] == FrameKind.MESSAGE
        revoke(world, "east-1")
        world.key("east-1", role="trading", firm=1)
        assert reload_keys(world).changed == ["east-1"]
        reasons = []
        while RefusalReason.NOT_ENTITLED not in reasons:
            frame = dealer.recv()
            if frame[0] == FrameKind.MESSAGE:
                reasons.append(from_venue.decode(frame[16:]).reason)  # type: ignore[union-attr]
                dealer.send(pack(Logon()))
        assert reasons[0] == RefusalReason.REVOKED
        assert world.client("east-1").is_connected
    finally:
        context.destroy(0)


def test_an_invalid_key_file_changes_nothing(world: World) -> None:
    world.key("wrong-1", role="trading", firm=1)
    path = world.folder / "venue" / "keys" / "wrong-1.toml"
    path.write_text(path.read_text().replace('"trading"', '"king"'))
    with pytest.raises(FrameRefused, match=r"wrong-1\.toml"):
        reload_keys(world)
    path.unlink()
    assert world.client("east-1").is_connected


def test_a_drop_copy_includes_the_first_session_of_its_firm_when_it_comes_later(
    world: World,
) -> None:
    copy = world.client("lonely-copy")
    world.key("lonely-1", role="trading", firm=LONELY_FIRM)
    world.key("east-copy", role="drop-copy", firm=1)
    known = reload_keys(world)
    assert (known.added, known.waiting) == (["lonely-1"], ["east-copy"])
    with pytest.raises(LogonRefused):
        world.client("east-copy")
    client = world.client("lonely-1")
    with pytest.raises(Exception, match="NOT_ENTITLED"):
        buy(world, client)
    report = next(copy.reports(5))
    assert (report.exec_id, report.kind) == (1, EventKind.REJECTED)
    world.kill()
    while world.clients:
        world.clients.pop().close()
    world.start()
    first = next(world.client("lonely-copy", next_report=1).reports(5))
    assert (first.exec_id, first.transact_time_ns) == (1, report.transact_time_ns)
    assert world.client("east-copy").is_connected


def test_a_firm_has_one_drop_copy(world: World) -> None:
    world.key("lonely-copy-2", role="drop-copy", firm=LONELY_FIRM)
    with pytest.raises(FrameRefused, match="has another drop copy"):
        reload_keys(world)


def test_a_silent_session_is_ended_and_its_orders_are_cancelled(world: World) -> None:
    """Its connection is open, but it sends nothing. Another session sends heartbeats and stays."""
    silent = world.client("east-1", cancel_on_disconnect=True)
    beating = world.client("south-1", cancel_on_disconnect=True)
    patient = world.client("west-1")
    assert silent.session.ack is not None
    assert silent.session.ack.silence_ms_max > 0
    assert patient.session.ack is not None
    assert patient.session.ack.silence_ms_max == 0
    ref = buy(world, silent)
    operator = world.operator()
    end_s = time.monotonic() + silent.session.ack.silence_ms_max / 1_000 + 10
    while "east-1" in operator.request(VenueStatusRequest()).sessions:  # type: ignore[union-attr]
        assert time.monotonic() < end_s
        operator.pump(0.2)
        beating.pump()
    assert (beating.order_connection.connections, beating.is_connected) == (1, True)
    assert patient.orders.cancel_all().kind == EventKind.MASS_CANCELLED
    report = next(r for r in silent.reports(5) if r.kind == EventKind.CANCELLED)
    assert report.cl_ord_id == ref
    assert silent.is_connected  # it logged on again by itself


def test_a_logout_is_counted_as_requested_only(world: World) -> None:
    for _ in range(10):
        client = world.client("east-1")
        client.close()
        world.clients.remove(client)
    wait_counted_and_logged(world, "ended: REQUESTED", 10)
    status = world.operator().request(VenueStatusRequest())
    assert isinstance(status, VenueStatus)
    assert {what for what in status.counters if not what.startswith("images")} == {
        "ended: REQUESTED"
    }


def test_a_venue_that_starts_again_has_the_same_ports(world: World) -> None:
    client = world.client("east-1")
    book = client.book(world.instrument().id)
    before = world.connection
    world.kill()
    world.start()
    assert world.connection == before
    client.wait_for(lambda: client.order_connection.connections == 2 or None)
    client.wait_for(lambda: client.is_connected or None)
    ref = buy(world, client)
    client.wait_for(lambda: book.bids() or None)
    client.orders.cancel(ref)


def test_the_keys_command_prints_the_changes(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = world.folder / "venue" / "keys"
    new_pair(keys, "late-2", role="market-data")
    place = ["--connection", str(world.folder / "venue" / "connection.toml")]
    assert run(["admin", "keys", *place, "--key", str(keys / "operations.secret")]) == 0
    assert "added: late-2" in capsys.readouterr().out

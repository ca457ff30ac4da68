"""Crowds: the venue serves its clients beside 10,000 connections, and without free descriptors."""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from matching.records import Side
from tests.end_to_end.test_hostile import address, rss_mb, wait_counted, wait_counted_and_logged
from tests.support.venue_process import World

CONNECTIONS = 10_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path).start()
    yield world
    world.end()


@pytest.fixture
def descriptor_limit() -> Iterator[None]:
    """Raise this process's limit of descriptors to the most that the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= CONNECTIONS + 500, f"ulimit -Hn is {hard}: too few for {CONNECTIONS} connections"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def trade(world: World, name: str) -> None:
    """Log on, place and cancel an order."""
    client = world.client(name)
    price = world.price() - 9
    account = world.account(name)
    order = client.orders.new(account, world.instrument().id, Side.BUY, 1, price)
    client.orders.cancel(order.cl_ord_id)


def descriptors(world: World) -> int:
    assert world.process is not None
    return len(list(Path(f"/proc/{world.process.pid}/fd").iterdir()))


def test_ten_thousand_connections(world: World, descriptor_limit: None) -> None:
    trade(world, "east-1")
    before = rss_mb(world)
    peers = [socket.create_connection(address(world), timeout=10) for _ in range(CONNECTIONS)]
    trade(world, "south-1")
    assert rss_mb(world) - before < 200
    for peer in peers:
        peer.settimeout(20)
        assert peer.recv(1) in (b"", b"\xff")  # the venue's greeting, or closed already
    trade(world, "west-1")
    wait_counted_and_logged(world, "refused: handshake broken off", CONNECTIONS)
    for peer in peers:
        peer.close()
    assert descriptors(world) < 200


def test_more_connections_than_descriptors(world: World) -> None:
    """New connections are refused for a while. Connected clients go on trading."""
    operator = world.operator()
    inside = world.client("east-1", cancel_on_disconnect=True)
    price, account = world.price() - 9, world.account()
    assert world.process is not None
    limit = descriptors(world) + 50
    resource.prlimit(world.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
    peers = [socket.create_connection(address(world), timeout=10) for _ in range(300)]
    wait_counted(operator, "refused: no room for a connection")
    order = inside.orders.new(account, world.instrument().id, Side.BUY, 1, price)
    inside.orders.cancel(order.cl_ord_id)
    inside.close()
    world.clients.remove(inside)
    for peer in peers:
        peer.close()
    trade(world, "south-1")
    world.kill()
    while world.clients:
        world.clients.pop().close()
    trade(world.start(), "east-1")

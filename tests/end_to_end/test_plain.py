"""Names and passwords instead of keys: only on loopback, and only with `plain = true`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from exchange.definition.toml_file import BadFile
from exchange.venue.config import read_config
from feeds.client import Client
from feeds.protocol.errors import NotAllowed, WireError
from feeds.protocol.keys import read_secret
from matching.records import Side
from tests.support.venue_process import World


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, config="plain = true\n").start()
    yield world
    world.end()


def test_with_plain_the_right_password_is_accepted_and_a_wrong_one_is_not(
    plain: World,
) -> None:
    assert plain.connection.plain
    client = plain.client("east-1")
    number, price = plain.instrument().id, plain.price()
    order = client.orders.new(plain.account(), number, Side.BUY, 1, price)
    assert client.orders.cancel(order.cl_ord_id).leaves_qty == 0
    secret = read_secret(plain.secret("east-1"))
    for wrong in ({"password": secret.password + "x"}, {"password": "-"}, {"name": "nobody"}):
        refused = Client(plain.connection, replace(secret, **wrong))
        with refused, pytest.raises(NotAllowed):
            refused.wait_for(lambda: None)


def test_without_plain_no_password_is_accepted(tmp_path: Path) -> None:
    world = World(tmp_path).start()
    try:
        assert not world.connection.plain
        plain = replace(world.connection, plain=True)
        with Client(plain, world.secret("east-1")) as client, pytest.raises(WireError):
            client.wait_for(lambda: client.is_connected or None, 2)
        assert world.client("east-1").is_connected
    finally:
        world.end()


def test_plain_is_refused_on_any_address_but_loopback(tmp_path: Path) -> None:
    path = tmp_path / "venue.toml"
    path.write_text('plain = true\norders = "tcp://0.0.0.0:5000"\n', encoding="utf-8")
    with pytest.raises(BadFile, match=r"plain` needs every socket on tcp://127\.0\.0\.1"):
        read_config(path)

"""`connection.toml`: where a venue listens, and its public key."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from exchange.venue.config import VenueConfig
from feeds.client.connection_file import Connection, read_connection, write_toml
from feeds.protocol.keys import BadKey

if TYPE_CHECKING:
    from exchange.venue.venue import Venue

CONNECTION = "connection.toml"


def with_earlier_ports(config: VenueConfig) -> VenueConfig:
    """The configuration, with ports of the system's choice replaced by those of the last start.

    So brokers find a venue again that was started anew. A port that somebody else has by now is
    chosen afresh.
    """
    path = Path(config.folder) / CONNECTION
    try:
        earlier = read_connection(path)
    except BadKey:  # none, or none that tells anything
        return config
    ports = {
        name: before
        for name in ("orders", "admin", "market", "recovery")
        if (before := _free(getattr(config, name), getattr(earlier, name)))
    }
    return replace(config, **ports)


def _free(wanted: str, before: str) -> str:
    """The endpoint of the last start if it fits what is wanted and nobody listens there."""
    if not wanted.endswith(":*") or not before.startswith(wanted[:-1]):
        return ""
    host, _, port = before.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except (OSError, ValueError):
        return ""
    return before


def write_connection(folder: Path, venue: "Venue") -> Connection:
    """Write down where this venue is reached; returns the same."""
    orders, admin = (port.endpoint for port in venue.gateway.ports)
    market, recovery = venue.market_endpoints
    connection = Connection(
        venue=venue.registry.venue,
        key=venue.day.secret.public_key,
        orders=orders,
        admin=admin,
        market=market,
        recovery=recovery,
        plain=venue.config.plain,
    )
    write_toml(folder / CONNECTION, connection)
    return connection

"""`connection.toml`: where a venue listens, and its public key."""

import socket
from pathlib import Path

from msgspec.structs import replace

from exchange.definition.file_names import CONNECTION_NAME
from exchange.venue.config import VenueConfig
from feeds.client.connection_file import Connection, read_connection, write_connection_file
from feeds.protocol.keys import BadKey


def with_earlier_ports(config: VenueConfig) -> VenueConfig:
    """The configuration, with ports of the system's choice replaced by those of the last start.

    So brokers find a venue again that was started anew. A port that somebody else has by now is
    chosen afresh.
    """
    path = Path(config.folder) / CONNECTION_NAME
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


def write_connection(folder: Path, connection: Connection) -> None:
    """Write the endpoints and the public key of a venue into its folder, for clients to read."""
    write_connection_file(folder / CONNECTION_NAME, connection)

"""`connection.toml`: the endpoints and the public key of a venue, for clients to read."""

import socket
from pathlib import Path

from msgspec.structs import replace

from exchange.definition.file_names import CONNECTION_NAME
from exchange.venue.config import VenueConfig
from feeds.client.connection_file import Connection, read_connection, write_connection_file
from feeds.protocol.keys import BadKey


def with_earlier_ports(config: VenueConfig) -> VenueConfig:
    """Return the configuration with the ports of the last start where the system may choose them.

    Clients can so reconnect to a venue that was restarted. A port that another process uses now
    is chosen anew.
    """
    path = Path(config.folder) / CONNECTION_NAME
    try:
        earlier = read_connection(path)
    except BadKey:  # missing or damaged
        return config
    ports = {
        name: endpoint
        for name in ("orders", "admin", "market", "recovery")
        if (endpoint := _free(getattr(config, name), getattr(earlier, name)))
    }
    return replace(config, **ports)


def _free(wanted: str, earlier: str) -> str:
    """Return the endpoint of the last start if it fits the wanted one and its port is free."""
    if not wanted.endswith(":*") or not earlier.startswith(wanted[:-1]):
        return ""
    host, _, port = earlier.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except (OSError, ValueError):
        return ""
    return earlier


def write_connection(folder: Path, connection: Connection) -> None:
    """Write the file into the venue's folder, in one step."""
    write_connection_file(folder / CONNECTION_NAME, connection)

"""What a broker's program is given: where the venue is, and its own key."""

from pathlib import Path

from msgspec import Struct

from feeds.protocol.keys import Secret, flat_toml, read_flat, read_secret
from feeds.transport.sockets import Security


class Connection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a venue listens, and its public key."""

    venue: str
    key: str
    orders: str
    admin: str
    market: str
    recovery: str
    plain: bool = False


def write_toml(path: Path, connection: Connection) -> None:
    """Write a connection file, in one step."""
    new = path.with_suffix(".new")
    new.write_bytes(flat_toml(connection))
    new.replace(path)


def read_connection(path: Path) -> Connection:
    """The connection in a file; BadKey names what is wrong with it."""
    return read_flat(path, Connection)


def security_of(connection: Connection, key: Path | Secret) -> Security:
    """How a program with this key proves itself to this venue."""
    secret = key if isinstance(key, Secret) else read_secret(key)
    return Security(secret, plain=connection.plain, venue_key=connection.key)

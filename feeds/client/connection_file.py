"""Connection file: the endpoints of a venue and its public key, in `connection.toml`."""

from pathlib import Path

from msgspec import Struct

from feeds.protocol.keys import Secret, encode_flat_toml, read_flat_toml, read_secret
from feeds.transport.sockets import Security


class Connection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The endpoints of a venue's sockets, and its public key."""

    venue: str
    key: str
    orders: str
    admin: str
    market: str
    recovery: str
    plain: bool = False


def write_connection_file(path: Path, connection: Connection) -> None:
    """Write a connection file. It is replaced in one step, so no reader sees half of it."""
    new = path.with_suffix(".new")
    new.write_bytes(encode_flat_toml(connection))
    new.replace(path)


def read_connection(path: Path) -> Connection:
    """Read a connection file. Raises BadKey, which names the file and the error."""
    return read_flat_toml(path, Connection)


def security_of(connection: Connection, key: Path | Secret) -> Security:
    """Credentials with which the owner of `key` connects to this venue."""
    secret = key if isinstance(key, Secret) else read_secret(key)
    return Security(secret, plain=connection.plain, venue_key=connection.key)

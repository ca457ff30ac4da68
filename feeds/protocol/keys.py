"""Keys and entitlements: who may connect, in which role, for which accounts, at which rate.

Each name has two files. `NAME.secret` is for its owner alone: the CURVE pair, and the password for
loopback. `NAME.toml` is the entitlement, which the venue reads; it holds no secret.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
import zmq
from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Key = Annotated[str, Meta(min_length=40, max_length=40)]
Role: TypeAlias = Literal["trading", "read-only", "drop-copy", "market-data", "operator"]

VENUE = "venue"
"""Name of the venue's own pair."""

ORDERS_PER_S = 50_000


class BadKey(ValueError):
    """A key or entitlement that cannot be used; the message names the file and the rule."""


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A CURVE pair, and the password for PLAIN."""

    name: Name
    public_key: Key
    secret_key: Key
    password: str


class Entitlement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rights of a key."""

    name: Name
    key: Key
    password_sha256: str
    role: Role = "trading"
    firm: Annotated[int, Meta(ge=0)] = 0  # 0 for operators and market data
    accounts: tuple[Annotated[int, Meta(ge=1)], ...] = ()  # empty: all accounts of its firm
    orders_per_s: Annotated[int, Meta(ge=1, le=10_000_000)] = ORDERS_PER_S
    burst: Annotated[int, Meta(ge=1, le=10_000_000)] = ORDERS_PER_S


def new_secret(name: str) -> Secret:
    """Generate a CURVE pair and a password."""
    public, secret = zmq.curve_keypair()
    return Secret(
        name=name,
        public_key=public.decode(),
        secret_key=secret.decode(),
        password=secrets.token_urlsafe(24),
    )


def password_hash(password: str) -> str:
    """SHA-256 of a password. One round is enough, because passwords are long and random."""
    return hashlib.sha256(password.encode()).hexdigest()


def write_pair(folder: Path, entitlement: Entitlement, secret: Secret) -> tuple[Path, Path]:
    """Write both files of a name; returns the paths of secret and entitlement.

    Raises FileExistsError if one of them exists: a key is never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{secret.name}.secret", folder / f"{secret.name}.toml"
    contents: tuple[Secret | Entitlement, ...] = (secret, entitlement)
    for path, content, mode in zip(paths, contents, (0o600, 0o644), strict=True):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, mode), "wb") as file:
            file.write(encode_flat_toml(content))
    return paths


def new_pair(folder: Path, name: str, **rights: object) -> tuple[Path, Path]:
    """Generate a pair and write it with its entitlement; `rights` are fields of Entitlement.

    Returns the paths of secret and entitlement. Raises BadKey for an invalid name or right, and
    FileExistsError if the name is in use.
    """
    secret = new_secret(name)
    given = {
        "name": name,
        "key": secret.public_key,
        "password_sha256": password_hash(secret.password),
        **rights,
    }
    try:
        entitlement = msgspec.convert(given, Entitlement)
    except msgspec.ValidationError as error:
        raise BadKey(f"keys: {error}") from None
    return write_pair(folder, entitlement, secret)


def read_secret(path: Path) -> Secret:
    """Read a `.secret` file. Raises BadKey."""
    return read_flat_toml(path, Secret)


def read_entitlements(folder: Path) -> dict[str, Entitlement]:
    """Read all entitlements of a folder, by name and without the venue's own. Raises BadKey."""
    found: dict[str, Entitlement] = {}
    keys: dict[str, str] = {}
    for path in sorted(folder.glob("*.toml")):
        entitlement = read_flat_toml(path, Entitlement)
        if entitlement.name != path.stem:
            raise BadKey(f"{path}: `name` must be {path.stem}, got {entitlement.name}")
        if other := keys.get(entitlement.key):
            raise BadKey(f"{path}: `key` is also the key of {other}; each name has its own")
        keys[entitlement.key] = entitlement.name
        if entitlement.name != VENUE:
            found[entitlement.name] = entitlement
    return found


T = TypeVar("T", bound=msgspec.Struct)


def encode_flat_toml(content: msgspec.Struct) -> bytes:
    """Encode as flat TOML, where strings, numbers and arrays of numbers are written as in JSON."""
    fields = msgspec.to_builtins(content)
    lines = [f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in fields.items()]
    return "".join(lines).encode()


def read_flat_toml(path: Path, type_: type[T]) -> T:
    """Read a file of flat TOML. Raises BadKey, which names the file and the error."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=type_)
    except OSError as error:
        raise BadKey(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadKey(f"{path}: {error}") from None

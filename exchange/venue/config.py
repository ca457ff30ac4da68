"""The configuration of a venue that is served: `venue.toml`, or the default that needs none."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from exchange.definition.toml_file import BadFile, read_toml

LOOPBACK = "tcp://127.0.0.1:*"
"""A port that the system chooses; `connection.toml` says which."""

Fen = Annotated[int, Meta(ge=0)]


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that may stand in `venue.toml`; paths are taken from the file's folder."""

    folder: str = "venue"  # day logs, reports, connection.toml
    keys: str = ""  # keys and entitlements; default: `keys` in the folder
    ledger: str = ""  # the books that the day before was settled in; default: in the folder
    definition: str = ""  # contracts, hubs, programmes; default: those that come along
    members: str = ""  # firms, accounts, sessions; default: those of the demonstration
    trading_day: str = ""  # YYYY-MM-DD; default: that of the clock
    days: Annotated[int, Meta(ge=1, le=31)] = 3  # of delivery that are listed
    phase: Literal["pre-open", "auction", "continuous"] = "continuous"
    buyer_fen: Fen = 0  # that each buyer's account starts with
    supplier_fen: Fen = 0
    register_inventory: bool = False  # suppliers start with the capacity of their inventory
    orders: str = LOOPBACK
    admin: str = LOOPBACK
    market: str = LOOPBACK
    recovery: str = LOOPBACK
    plain: bool = False  # names and passwords instead of CURVE; on loopback only
    durable: bool = True  # false: nothing waits for the disk
    limits: dict[
        str, Annotated[int, Meta(ge=1)]
    ] = {}  # of the machine, where the default is too small


def read_config(path: Path | None) -> VenueConfig:
    """The configuration in a file; without one, a rehearsal on loopback with money for everybody.

    Raises BadFile, whose message is one line with the file, the key and the rule.
    """
    if path is None:
        return VenueConfig(
            buyer_fen=1_000_000_000_00, supplier_fen=1_000_000_000_00, register_inventory=True
        )
    config = read_toml(path, VenueConfig, path.name)
    endpoints = config.orders, config.admin, config.market, config.recovery
    if config.plain and not all(end.startswith("tcp://127.0.0.1:") for end in endpoints):
        raise BadFile(f"{path.name}: `plain` needs every socket on tcp://127.0.0.1 - at `$.plain`")
    base = path.parent
    return replace(
        config,
        **{
            key: str(base / value)
            for key in ("folder", "keys", "ledger", "definition", "members")
            if (value := getattr(config, key))
        },
    )

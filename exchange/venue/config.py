"""The configuration of a venue: `venue.toml`, or a default that needs no file."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from exchange.definition.file_names import LEDGER_NAME
from exchange.definition.toml_file import BadFile, read_toml

LOOPBACK = "tcp://127.0.0.1:*"
"""A port that the system chooses; `connection.toml` names it."""

Fen = Annotated[int, Meta(ge=0)]


class OrderToTrade(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commands that a session may send in a day before its NEW, REPLACE and QUOTE are refused."""

    free: Annotated[int, Meta(ge=1, le=1 << 40)]
    per_trade: Annotated[int, Meta(ge=0, le=1 << 20)] = 0  # more of them for each trade


class VenueConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `venue.toml`; its paths start from the folder of the file."""

    folder: str = "venue"  # day logs, reports, connection.toml
    keys: str = ""  # keys and entitlements; default: `keys` in the folder
    ledger: str = ""  # the books that settled the previous day; default: in the folder
    definition: str = ""  # contracts, hubs, programmes; default: those of this package
    members: str = ""  # firms, accounts, sessions; default: those of the demonstration
    trading_day: str = ""  # YYYY-MM-DD; default: the clock's day
    days: Annotated[int, Meta(ge=1, le=31)] = 3  # of delivery to list
    phase: Literal["pre-open", "auction", "continuous"] = "continuous"
    buyer_fen: Fen = 0  # balance that each buyer's account starts with
    supplier_fen: Fen = 0
    register_inventory: bool = False  # suppliers start with capacity from their inventory
    orders: str = LOOPBACK
    admin: str = LOOPBACK
    market: str = LOOPBACK
    recovery: str = LOOPBACK
    plain: bool = False  # names and passwords instead of CURVE; on loopback only
    durable: bool = True  # false: reports do not wait for the disk
    meter_days: Annotated[int, Meta(ge=0, le=31)] = 1  # `run`: after delivery, readings are taken
    order_to_trade: OrderToTrade | None = None  # of every session; default: no limit
    limits: dict[
        str, Annotated[int, Meta(ge=1)]
    ] = {}  # of the engine, where the default is too small


def read_config(path: Path | None) -> VenueConfig:
    """Return the configuration in a file, or else that of a rehearsal with funded accounts.

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


def ledger_of(config: VenueConfig) -> Path:
    """Return the path of the books: the one given, or that in the venue's folder."""
    return Path(config.ledger or Path(config.folder) / LEDGER_NAME)

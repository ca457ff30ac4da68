"""Configuration of a gateway: the day, its sessions, their keys, and where it listens."""

from dataclasses import dataclass
from pathlib import Path

from feeds.protocol.keys import Entitlement, Secret
from matching.limits import Limits


@dataclass(frozen=True, kw_only=True)
class OrderToTradeLimit:
    """Commands that a session may send in a day before NEW, REPLACE and QUOTE are refused."""

    free: int
    per_trade: int  # more of them for each trade of the session


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """Configuration of a gateway for one trading day."""

    venue: str
    trading_day: str
    limits: Limits
    secret: Secret
    entitlements: dict[str, Entitlement]
    sessions: dict[str, int]  # number of each session, by the name of its key
    firms: dict[int, int]  # firm of each session, by number
    folder: Path  # for the files of report streams and the state of sessions
    orders: str = "tcp://127.0.0.1:*"
    admin: str = "tcp://127.0.0.1:*"
    plain: bool = False
    order_to_trade: OrderToTradeLimit | None = None  # None: no limit
    opening_commands: int = 0  # first commands of the day, which no session has sent

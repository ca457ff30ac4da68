"""What a gateway is for: the day, its sessions, their keys, and where it listens."""

from dataclasses import dataclass
from pathlib import Path

from feeds.protocol.keys import Entitlement, Secret
from matching.limits import Limits


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """What a gateway is for."""

    venue: str
    trading_day: str
    limits: Limits
    secret: Secret
    entitlements: dict[str, Entitlement]
    sessions: dict[str, int]  # number of each name that may log on
    firms: dict[int, int]  # firm of each session
    folder: Path  # where reports are kept for those who ask again
    orders: str = "tcp://127.0.0.1:*"
    admin: str = "tcp://127.0.0.1:*"
    plain: bool = False

"""Limits of a machine: all of its memory is allocated from them, once."""

from dataclasses import asdict, dataclass

REFS_PER_PAGE = 1_024
"""Refs of a session that share a page of the order id table."""

BOUNDS = {
    "sessions": (1, 1 << 16),
    "accounts": (1, 1 << 20),
    "instruments": (1, 1 << 20),
    "orders": (1, 1 << 26),
    "blocks": (1, 1 << 20),
    "baskets": (1, 1 << 16),
    "refs": (2, 1 << 32),
    "ref_pages": (1, 1 << 22),
    "session_orders": (1, 1 << 26),
    "session_blocks": (1, 1 << 20),
    "session_ref_pages": (1, 1 << 22),
    "ticks": (1, 1 << 30),
    "events": (16, 1 << 26),
}
"""Smallest and largest value of each limit."""


@dataclass(frozen=True)
class Limits:
    """Limits of a machine. Ids run from 1 to the limit; 0 means "none" (session 0: the venue).

    The limits are part of a day log's head, because a full pool is a rejection and a replay must
    reject what the day rejected. Where the shares of all sessions together fit the pools, no
    session can use up another's. Raises ValueError where a limit is outside its BOUNDS.
    """

    sessions: int = 256
    accounts: int = 1_024
    instruments: int = 1_024
    orders: int = 1 << 17  # resting orders and waiting stops, all instruments together
    blocks: int = 1_024  # live blocks, all sequences together
    baskets: int = 64  # of like instruments
    refs: int = 1 << 24  # user_refs a session may use: 1 to refs - 1
    ref_pages: int = 4_096  # pages of REFS_PER_PAGE refs that hold a live order
    session_orders: int = 1 << 14  # live orders of one session, blocks and stops among them
    session_blocks: int = 64  # live blocks of one session
    session_ref_pages: int = 256  # pages of refs of one session
    ticks: int = 1 << 20  # prices of all bands together
    events: int = 1 << 16  # buffer of one call; not a limit of what a command may cause

    def __post_init__(self) -> None:
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"limits: `{name}` must be between {low} and {high}, got {value}")

    def as_dict(self) -> dict[str, int]:
        """The limits by name, as a day log's head stores them."""
        return asdict(self)

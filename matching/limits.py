"""How large a machine may grow: all of its memory is allocated from this, once."""

from dataclasses import asdict, dataclass

BOUNDS = {
    "sessions": (1, 1 << 16),
    "accounts": (1, 1 << 20),
    "instruments": (1, 1 << 20),
    "orders": (1, 1 << 26),
    "blocks": (1, 1 << 20),
    "baskets": (1, 1 << 16),
    "refs": (2, 1 << 32),
    "ref_pages": (1, 1 << 22),
    "ticks": (1, 1 << 30),
    "events": (16, 1 << 26),
}
"""The least and the most that each limit may be."""


@dataclass(frozen=True)
class Limits:
    """Bounds of a machine. Ids run from 1 to the bound; 0 means "none" (session 0: the venue).

    The limits are part of a day log's head, because a full pool is a rejection and a replay must
    refuse what the day refused. Raises ValueError where a bound is impossible.
    """

    sessions: int = 256
    accounts: int = 1_024
    instruments: int = 1_024
    orders: int = 1 << 17  # resting orders and waiting stops, all instruments together
    blocks: int = 1_024  # live blocks, all sequences together
    baskets: int = 64  # of like instruments
    refs: int = 1 << 24  # user_refs a session may use: 1 to refs - 1
    ref_pages: int = 4_096  # pages of 1,024 refs that hold a live order
    ticks: int = 1 << 20  # prices of all bands together
    events: int = 1 << 16  # buffer of one call; not a limit of what a command may cause

    def __post_init__(self) -> None:
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"limits: `{name}` must be between {low} and {high}, got {value}")

    def as_dict(self) -> dict[str, int]:
        """The bounds by name, as a day log's head stores them."""
        return asdict(self)

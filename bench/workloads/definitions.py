"""Workloads by name: the shares of the commands, and the number of books and of resting orders.

A name has two parts. `plain` and `rich` are mixes of commands; `10k`, `100x1k`, `1000x100` and `1M`
are the books and the orders resting in each: `plain-10k`, `rich-100x1k`. recording.py turns a
workload into commands.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """Shares of the commands, and of special orders among the new ones."""

    name: str
    new: float  # limit orders, or one of the types below in their place; they may rest
    cancel: float
    ioc: float
    replace: float = 0.0
    # of the new orders that do not cross
    iceberg: float = 0.0
    post_only: float = 0.0
    stop: float = 0.0  # half of them with a limit
    # of the new orders that cross
    fok: float = 0.0
    # of all new and IOC orders
    prevention: float = 0.0  # with self-trade prevention; each mode is equally likely
    # of the accounts
    near_limit: float = 0.0  # close to one of their limits: money, capacity, position, order size


PLAIN = Mix("plain", new=0.55, cancel=0.40, ioc=0.05)
RICH = Mix(
    "rich",
    new=0.52,
    cancel=0.38,
    ioc=0.05,
    replace=0.05,
    iceberg=0.12,
    post_only=0.10,
    stop=0.06,
    fok=0.30,
    prevention=0.30,
    near_limit=1 / 16,
)


@dataclass(frozen=True)
class Size:
    """A number of books, and of the orders that rest in each."""

    name: str
    instruments: int
    resting: int


SIZES = (
    Size("10k", 1, 10_000),
    Size("100x1k", 100, 1_000),
    Size("1000x100", 1_000, 100),
    Size("1M", 1, 1_000_000),
)


@dataclass(frozen=True)
class Workload:
    """A mix on a size, and the parameters of the market that all workloads share."""

    mix: Mix
    size: Size
    accounts: int = 1_024
    sessions: int = 16
    group_accounts: int = 16  # accounts of one owner group
    band_ticks: int = 4_096
    mid_start_ticks: int = 3_000
    distance_mean_ticks: int = 50  # of a resting order's price from the mid; geometric
    distance_max_ticks: int = 600
    crossing_ticks: int = 100  # by which the limit of a crossing order is beyond the mid
    lots_max: int = 20
    linked: bool = False  # the instruments are consecutive hours of one contract
    blocks: int = 0  # resting block orders, at any time

    @property
    def name(self) -> str:
        """The name, as on the command line."""
        return f"{self.mix.name}-{self.size.name}" + (f"-b{self.blocks}" if self.linked else "")

    @property
    def resting(self) -> int:
        """Number of orders that rest in all books together."""
        return self.size.instruments * self.size.resting


WORKLOADS = {
    workload.name: workload
    for workload in (Workload(mix, size) for size in SIZES for mix in (PLAIN, RICH))
}

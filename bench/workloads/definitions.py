"""The workloads by name: which commands, in which shares, on how many orders that rest.

`plain` and `rich` name the mix of commands, `10k`, `100x1k`, `1000x100` and `1M` the books and the
orders resting in each: `plain-10k`, `rich-100x1k`. How a workload becomes commands is in flow.py.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mix:
    """Shares of the commands, and of the extras among the new orders."""

    name: str
    new: float  # limit orders and what stands in for them below; they may wait
    cancel: float
    ioc: float
    replace: float = 0.0
    # of the new orders that wait
    iceberg: float = 0.0
    post_only: float = 0.0
    stop: float = 0.0  # half of them with a limit
    # of the new orders that cross
    fok: float = 0.0
    # of all new and IOC orders
    prevention: float = 0.0  # a mode of self-trade prevention, each as often
    # of the accounts
    tight: float = 0.0  # close to one of their limits: money, capacity, position, order size


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
    tight=1 / 16,
)


@dataclass(frozen=True)
class Size:
    """So many books, and the orders that rest in each."""

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
    """A mix on a size, and the market's few numbers that all workloads share."""

    mix: Mix
    size: Size
    accounts: int = 1_024
    sessions: int = 16
    related: int = 16  # accounts of one owner group
    band_ticks: int = 4_096
    worth_ticks: int = 3_000  # where the mid starts
    away_mean_ticks: int = 50  # from the mid; geometric
    away_max_ticks: int = 600
    reach_ticks: int = 100  # beyond the mid, of an order that crosses
    lots_max: int = 20
    linked: bool = False  # the instruments are hours of one contract, one after the other
    blocks: int = 0  # stand at any time, over hours of the first instrument on

    @property
    def name(self) -> str:
        """As on the command line."""
        return f"{self.mix.name}-{self.size.name}" + (f"-b{self.blocks}" if self.linked else "")

    @property
    def resting(self) -> int:
        """Orders that rest in all books together."""
        return self.size.instruments * self.size.resting


WORKLOADS = {
    workload.name: workload
    for workload in (Workload(mix, size) for size in SIZES for mix in (PLAIN, RICH))
}

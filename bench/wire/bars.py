"""Bars: bounds on ratios of the venue to the echo of the same round."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

ROUNDS_SHARE = 5 / 7
"""Share of the rounds that must meet a bar for it to hold."""


@dataclass(frozen=True)
class Bar:
    """A ratio of a round's figures, and its lower or upper bound."""

    name: str
    least: float | None
    most: float | None
    ratio: Callable[[Row], float]

    def is_met(self, row: Row) -> bool:
        """Return whether a round meets the bound."""
        ratio = self.ratio(row)
        return (self.least is None or ratio >= self.least) and (
            self.most is None or ratio <= self.most
        )


def _rate_ratio(size: int) -> Callable[[Row], float]:
    return lambda row: _durable(row, size)["per_s"] / row["plain durable"]["echo"]["per_s"]


def _durable(row: Row, size: int) -> Row:
    found: Row = row["plain durable"][f"{size} a frame"]
    return found


def _cpu_ratio(row: Row) -> float:
    ratio: float = _durable(row, 1)["cpu_us"] / row["plain durable"]["echo"]["cpu_us"]
    return ratio


def _median_latency_ratio(row: Row) -> float:
    by_server = row["plain"]["latency"]["10000"]
    ratio: float = by_server["plain"]["p50_us"] / by_server["echo"]["p50_us"]
    return ratio


def _delivery_cpu_ratio(row: Row) -> float:
    """Return CPU a delivered frame with ten subscribers, relative to one subscriber.

    The CPU of a delivery is what the venue uses beyond its CPU without subscribers.
    """
    by_count = row["subscribers"]
    one, ten = (
        (by_count[n]["cpu_us"] - by_count["0"]["cpu_us"]) / by_count[n]["frames"]
        for n in ("1", "10")
    )
    ratio: float = ten / one
    return ratio


BARS = (
    Bar("durable, 1 a frame: CPU an order", None, 0.7, _cpu_ratio),
    Bar("durable, 1 a frame: messages a second", 1.2, None, _rate_ratio(1)),
    Bar("durable, 16 a frame: messages a second", 4.0, None, _rate_ratio(16)),
    Bar("not durable, 10,000 a second: p50", None, 1.6, _median_latency_ratio),
    Bar("10 subscribers, to 1: CPU a delivery", None, 1.5, _delivery_cpu_ratio),
    Bar("goal, 1 a frame: messages a second", 2.5, None, _rate_ratio(1)),
    Bar("goal, 16 a frame: messages a second", 7.0, None, _rate_ratio(16)),
)


def evaluate_bars(rows: list[Row]) -> list[Row]:
    """Return every bar with its ratio in each round, and whether it holds."""
    found = []
    for bar in BARS:
        met = sum(bar.is_met(row) for row in rows)
        found.append({
            "bar": bar.name,
            "least": bar.least,
            "most": bar.most,
            "rounds": [round(bar.ratio(row), 3) for row in rows],
            "met": met,
            "holds": met >= ROUNDS_SHARE * len(rows),
        })  # fmt: skip
    return found


def format_bars(bars: list[Row]) -> str:
    """Return the bars as lines of text."""
    lines = []
    for bar in bars:
        wanted = f">= {bar['least']}" if bar["most"] is None else f"<= {bar['most']}"
        rounds = " ".join(f"{ratio:.2f}" for ratio in bar["rounds"])
        verdict = "holds" if bar["holds"] else "does not hold"
        lines.append(f"{bar['bar']:<40} {wanted:>7}  {rounds}  {verdict}")
    return "\n".join(lines)

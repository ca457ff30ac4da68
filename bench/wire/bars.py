"""What the wire is held to, round by round: ratios to the echo of the same round."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

ENOUGH = 5 / 7
"""Of the rounds: then a bar holds."""


@dataclass(frozen=True)
class Bar:
    """A ratio, and what it must be at least or at most."""

    name: str
    least: float | None
    most: float | None
    ratio: Callable[[Row], float]

    def is_met(self, row: Row) -> bool:
        """Whether a round meets it."""
        ratio = self.ratio(row)
        return (self.least is None or ratio >= self.least) and (
            self.most is None or ratio <= self.most
        )


def _rate(size: int) -> Callable[[Row], float]:
    return lambda row: _of(row, size)["per_s"] / row["plain durable"]["echo"]["per_s"]


def _of(row: Row, size: int) -> Row:
    found: Row = row["plain durable"][f"{size} a frame"]
    return found


def _cpu(row: Row) -> float:
    ratio: float = _of(row, 1)["cpu_us"] / row["plain durable"]["echo"]["cpu_us"]
    return ratio


def _median(row: Row) -> float:
    at = row["plain"]["latency"]["10000"]
    ratio: float = at["plain"]["p50_us"] / at["echo"]["p50_us"]
    return ratio


def _delivery(row: Row) -> float:
    """What a frame costs with ten subscribers, to what it costs with one: beyond the orders."""
    at = row["subscribers"]
    one, ten = ((at[n]["cpu_us"] - at["0"]["cpu_us"]) / at[n]["frames"] for n in ("1", "10"))
    ratio: float = ten / one
    return ratio


BARS = (
    Bar("durable, 1 a frame: CPU an order", None, 0.7, _cpu),
    Bar("durable, 1 a frame: messages a second", 1.2, None, _rate(1)),
    Bar("durable, 16 a frame: messages a second", 4.0, None, _rate(16)),
    Bar("not durable, 10,000 a second: p50", None, 1.6, _median),
    Bar("10 subscribers, to 1: CPU a delivery", None, 1.5, _delivery),
    Bar("goal, 1 a frame: messages a second", 2.5, None, _rate(1)),
    Bar("goal, 16 a frame: messages a second", 7.0, None, _rate(16)),
)


def judged(rows: list[Row]) -> list[Row]:
    """Every bar with its ratio in each round, and whether it holds."""
    found = []
    for bar in BARS:
        met = sum(bar.is_met(row) for row in rows)
        found.append({
            "bar": bar.name,
            "least": bar.least,
            "most": bar.most,
            "rounds": [round(bar.ratio(row), 3) for row in rows],
            "met": met,
            "holds": met >= ENOUGH * len(rows),
        })  # fmt: skip
    return found


def told(bars: list[Row]) -> str:
    """The bars as lines."""
    lines = []
    for bar in bars:
        wanted = f">= {bar['least']}" if bar["most"] is None else f"<= {bar['most']}"
        rounds = " ".join(f"{ratio:.2f}" for ratio in bar["rounds"])
        verdict = "holds" if bar["holds"] else "does not hold"
        lines.append(f"{bar['bar']:<40} {wanted:>7}  {rounds}  {verdict}")
    return "\n".join(lines)

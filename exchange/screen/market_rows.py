"""The market as rows for a screen or a program, one for each instrument."""

from dataclasses import asdict, dataclass
from typing import Any

from feeds.client import MarketView
from matching.records import Phase


@dataclass(frozen=True)
class Row:
    """The present state of an instrument; prices in ticks, 0: none."""

    instrument: int
    symbol: str
    phase: str
    bid_quantity: int
    bid_price: int
    ask_price: int
    ask_quantity: int
    last: int
    volume: int

    def as_dict(self) -> dict[str, Any]:
        """The row as a dictionary, for JSON."""
        return asdict(self)


def rows(market: MarketView, prefix: str = "") -> list[Row]:
    """The rows of instruments whose symbol begins with `prefix`, by volume, the greatest first."""
    found = []
    for number, definition in market.definitions.items():
        if not definition.symbol.startswith(prefix):
            continue
        top = market.tops.get(number, {})
        day = market.statistics.get(number, {})
        phase = market.phases.get(number, 0)
        found.append(
            Row(
                instrument=number,
                symbol=definition.symbol,
                phase=Phase(phase).name.lower() if phase else "",
                bid_quantity=top.get("bid_quantity", 0),
                bid_price=top.get("bid_price", 0),
                ask_price=top.get("ask_price", 0),
                ask_quantity=top.get("ask_quantity", 0),
                last=day.get("last", 0),
                volume=day.get("volume", 0),
            )
        )
    return sorted(found, key=lambda row: (-row.volume, row.symbol))

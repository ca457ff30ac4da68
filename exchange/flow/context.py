"""The floor: what every generator of a day's orders needs to know of that day."""

from dataclasses import dataclass

from exchange.definition.command_drafts import Handles
from exchange.definition.instrument_columns import Listing
from exchange.flow.prices import Prices


@dataclass(frozen=True)
class Floor:
    """The instruments and what they are worth, the hours of trading, and the seed."""

    listing: Listing
    prices: Prices
    handles: Handles
    begin_s: int  # no order before this second
    last_s: int  # nor from this one on
    seed: int

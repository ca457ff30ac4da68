"""Supply: what the centres offer, generated. They register capacity, quote, and quote again.

A supplier offers a share of the GPUs that it has at a hub: one part as GPU-hours of their chip,
one part as PFLOPS-days from all the chips that the contract lists. In every instrument it quotes
on several levels above what the instrument is worth, nearer to it (and below) as the gate draws
near, because an hour that is not sold is lost.
"""

from dataclasses import dataclass

import numpy as np

from exchange.definition.calendar import HOUR_S
from exchange.definition.command_drafts import (
    Draft,
    draft_cancels,
    draft_orders,
    draft_replaces,
    join,
)
from exchange.definition.offers import DAYS_PERCENT, HOURS_PERCENT, Offers
from exchange.flow.context import Floor
from exchange.flow.random_integers import Dice, Ints
from matching.records import NANOSECONDS, Side, TimeInForce


@dataclass(frozen=True)
class SupplySettings:
    """Shares and spreads of what is generated; premiums are parts per million of the worth."""

    hours_percent: int = HOURS_PERCENT  # of a centre's GPUs offered as GPU-hours
    days_percent: int = DAYS_PERCENT  # of a centre's GPUs offered as PFLOPS-days
    levels: int = 2
    level_share: int = 10  # a level quotes this part of the capacity offered: 1 in 10
    spread_low_ppm: int = 5_000
    spread_high_ppm: int = 35_000
    level_step_ppm: int = 22_000
    late_discount_ppm: int = 50_000  # at the gate; nothing six hours before
    late_s: int = 6 * HOUR_S
    round_s: int = 5_400  # quotes are looked at this often
    replaced_percent: int = 55  # of the quotes, in each round
    renewed_percent: int = 30  # cancelled and quoted afresh, in full size


class _Quotes:
    """The places at which suppliers quote: a level of an account in an instrument each."""

    def __init__(self, offers: Offers, floor: Floor, settings: SupplySettings) -> None:
        self._floor = floor
        self._settings = settings
        self._dice = Dice(floor.seed, "supply")
        self.account = np.repeat(offers.account, settings.levels)
        self.index = np.repeat(offers.index, settings.levels)
        level = np.tile(np.arange(settings.levels), len(offers.index))
        share = np.repeat(offers.capacity, settings.levels) // settings.level_share
        self.size = np.maximum(1, share + self.between(-1, 1))
        accounts = int(offers.account.max()) + 1
        low, high = settings.spread_low_ppm, settings.spread_high_ppm
        own_ppm = self._dice.between(low, high, accounts)[self.account]
        self._spread_ppm = own_ppm + level * settings.level_step_ppm

    def between(self, low: int, high: int) -> Ints:
        """A number for each place."""
        return self._dice.between(low, high, len(self.account))

    def ticks(self, time_s: Ints) -> Ints:
        """What each place asks at its time: less and less as the gate draws near."""
        late_s = self._settings.late_s
        left_s = np.clip(self._floor.listing.gate_s[self.index] - time_s, 0, late_s)
        late_ppm = self._settings.late_discount_ppm * (late_s - left_s) // late_s
        premium_ppm = self._spread_ppm - late_ppm + self.between(-4_000, 4_000)
        return self._floor.prices.worth_ticks(self.index, time_s, premium_ppm)


def draft_supply(offers: Offers, floor: Floor, session_of: Ints, settings: SupplySettings) -> Draft:
    """The suppliers' quotes, and what they make of them while the floor is open.

    `session_of` is by account. Quotes are placed without looking at what was filled meanwhile.
    """
    quotes = _Quotes(offers, floor, settings)
    whose = {
        "session": session_of[quotes.account],
        "account": quotes.account,
        "instrument": quotes.index + 1,
    }
    asked = {"side": Side.SELL, "quantity": quotes.size, "tif": TimeInForce.DAY, **whose}
    time_s = floor.begin_s + np.sort(quotes.between(0, 99))
    price = quotes.ticks(time_s)
    first = draft_orders(floor.handles, time_s * NANOSECONDS, price=price, **asked)
    live = first.handles
    drafts = [first]
    for round_s in range(floor.begin_s + settings.round_s // 2, floor.last_s, settings.round_s):
        time_s = round_s + quotes.between(0, settings.round_s * 9 // 10)
        time_ns = time_s * NANOSECONDS + quotes.between(0, NANOSECONDS - 1)
        open_ = time_s < np.minimum(floor.listing.gate_s[quotes.index] - 30, floor.last_s)
        decision = quotes.between(0, 99)
        now = quotes.ticks(time_s)
        replaced = open_ & (decision < settings.replaced_percent) & (now != price)
        renewed = open_ & (decision >= 100 - settings.renewed_percent)
        fresh = draft_orders(floor.handles, time_ns + 20_000_000, price=now, **asked)
        moved = draft_replaces(time_ns, live, price=now, quantity=quotes.size, **whose)
        gone = draft_cancels(time_ns, live, **whose)
        drafts += [moved.select(replaced), gone.select(renewed), fresh.select(renewed)]
        live = np.where(renewed, fresh.handles, live)
        price = np.where(replaced | renewed, now, price)
    return join(drafts)

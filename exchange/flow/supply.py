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
from exchange.definition.instrument_columns import Listing
from exchange.definition.members import Members
from exchange.flow.context import Floor
from exchange.flow.demand import NothingToTrade
from exchange.flow.random_integers import Dice, Ints
from ledger.daylog.registry import Chip
from matching.records import NANOSECONDS, Side, TimeInForce


@dataclass(frozen=True)
class SupplySettings:
    """Shares and spreads of what is generated; premiums are parts per million of the worth."""

    hours_percent: int = 12  # of a centre's GPUs offered as GPU-hours
    days_percent: int = 20  # of a centre's GPUs offered as PFLOPS-days
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


@dataclass(frozen=True)
class Offers:
    """What suppliers may sell: one element for each account and instrument."""

    account: Ints
    index: Ints  # instrument
    capacity: Ints


def offers_of(
    members: Members, listing: Listing, chips: tuple[Chip, ...], settings: SupplySettings
) -> Offers:
    """The capacity that each supplier registers, within its inventory.

    Raises NothingToTrade where no supplier has any that a contract asks for.
    """
    rating = {chip.code: chip.dense_fp16_tflops for chip in chips}
    capacity: dict[tuple[int, int], int] = {}
    for number, contract in enumerate(listing.contracts):
        tflops: dict[int, int] = {}
        for entry in members.inventory:
            if entry.hub != contract.hub or entry.chip not in contract.chips:
                continue
            if contract.product == "gpu-hour":
                key = (entry.account, number)
                gpus = max(1, entry.gpus * settings.hours_percent // 100)
                capacity[key] = capacity.get(key, 0) + gpus
            else:
                gpus = entry.gpus * settings.days_percent // 100
                share = tflops.get(entry.account, 0)
                tflops[entry.account] = share + gpus * rating[entry.chip]
        for account, amount in tflops.items():
            if amount >= 1_000:
                capacity[account, number] = amount // 1_000
    if not capacity:
        raise NothingToTrade("flow: no supplier has inventory for a contract of the venue")
    pairs = sorted(capacity)
    rows = [(a, i, capacity[a, n]) for a, n in pairs for i in np.flatnonzero(listing.contract == n)]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Offers(account=columns[:, 0], index=columns[:, 1], capacity=columns[:, 2])


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

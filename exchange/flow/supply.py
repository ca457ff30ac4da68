"""Supply: the suppliers' generated quotes in every instrument for which they registered capacity.

A supplier quotes on several levels above the fair value. Its prices fall, to below the fair value,
as gate closure comes near, because an hour that is not sold is lost.
"""

import numpy as np

from exchange.definition.command_drafts import (
    Draft,
    draft_cancels,
    draft_orders,
    draft_replaces,
    join,
)
from exchange.definition.offers import Offers
from exchange.flow.day_plan import DayContext
from exchange.flow.random_integers import Ints, SeededIntegers
from exchange.flow.settings import SupplySettings
from matching.records import NANOSECONDS, Side, TimeInForce


class _Quotes:
    """All quotes of the suppliers: one element for each account, instrument and level."""

    def __init__(self, offers: Offers, context: DayContext, settings: SupplySettings) -> None:
        self._context = context
        self._settings = settings
        self._random = SeededIntegers(context.seed, "supply")
        self.account = np.repeat(offers.account, settings.levels)
        self.index = np.repeat(offers.index, settings.levels)
        level = np.tile(np.arange(settings.levels), len(offers.index))
        share = np.repeat(offers.capacity, settings.levels) // settings.level_divisor
        self.size = np.maximum(1, share + self.between(-1, 1))
        accounts = int(offers.account.max()) + 1
        low, high = settings.spread_low_ppm, settings.spread_high_ppm
        own_ppm = self._random.between(low, high, accounts)[self.account]
        self._spread_ppm = own_ppm + level * settings.level_step_ppm

    def between(self, low: int, high: int) -> Ints:
        """A random integer for each quote, from low to high, both included."""
        return self._random.between(low, high, len(self.account))

    def ticks(self, time_s: Ints) -> Ints:
        """The price of each quote at its time, with the discount before gate closure."""
        discount_s = self._settings.gate_discount_s
        left_s = np.clip(self._context.columns.gate_s[self.index] - time_s, 0, discount_s)
        discount_ppm = self._settings.gate_discount_ppm * (discount_s - left_s) // discount_s
        premium_ppm = self._spread_ppm - discount_ppm + self.between(-4_000, 4_000)
        return self._context.prices.fair_value_ticks(self.index, time_s, premium_ppm)


def draft_supply(
    offers: Offers,
    context: DayContext,
    sessions_by_account: Ints,
    settings: SupplySettings,
) -> Draft:
    """The suppliers' quotes, and in each later interval their replaces and renewals.

    A renewal cancels a quote and places a new one in full size. Suppliers do not look at their
    fills: a replace or cancel of a filled quote comes too late.
    """
    quotes = _Quotes(offers, context, settings)
    owner = {
        "session": sessions_by_account[quotes.account],
        "account": quotes.account,
        "instrument": quotes.index + 1,
    }
    quoted = {"side": Side.SELL, "quantity": quotes.size, "tif": TimeInForce.DAY, **owner}
    time_s = context.begin_s + np.sort(quotes.between(0, 99))
    price = quotes.ticks(time_s)
    first = draft_orders(context.handles, time_s * NANOSECONDS, price=price, **quoted)
    live = first.handles
    drafts = [first]
    interval_s = settings.requote_interval_s
    for begin_s in range(context.begin_s + interval_s // 2, context.last_s, interval_s):
        time_s = begin_s + quotes.between(0, interval_s * 9 // 10)
        time_ns = time_s * NANOSECONDS + quotes.between(0, NANOSECONDS - 1)
        is_open = time_s < np.minimum(context.columns.gate_s[quotes.index] - 30, context.last_s)
        decision = quotes.between(0, 99)
        now = quotes.ticks(time_s)
        replaced = is_open & (decision < settings.replaced_percent) & (now != price)
        renewed = is_open & (decision >= 100 - settings.renewed_percent)
        fresh = draft_orders(context.handles, time_ns + 20_000_000, price=now, **quoted)
        replaces = draft_replaces(time_ns, live, price=now, quantity=quotes.size, **owner)
        cancels = draft_cancels(time_ns, live, **owner)
        drafts += [replaces.select(replaced), cancels.select(renewed), fresh.select(renewed)]
        live = np.where(renewed, fresh.handles, live)
        price = np.where(replaced | renewed, now, price)
    return join(drafts)

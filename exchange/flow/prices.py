"""Generated prices: what an instrument is held to be worth at a time. No trace has prices.

A contract's worth is its reference, moved through the trading day by a small random walk; an hour
of delivery is worth more by day than by night. All of it in parts per million and whole ticks.
"""

import numpy as np

from exchange.definition.calendar import DAY_S, HOUR_S, UTC_OFFSET_S
from exchange.definition.instrument_columns import Listing
from exchange.flow.random_integers import Dice, Ints

PPM = 1_000_000
STEP_S = 900
STEP_PPM = 3_000
"""The walk moves by up to this much either way every quarter of an hour: about 1.7% in a day."""

HOURS_PPM = np.array(
    [
        -110, -125, -130, -130, -120, -95, -60, -20, 30, 70, 90, 85,
        60, 75, 95, 95, 80, 55, 30, 40, 55, 40, -10, -70,
    ]
) * 1_000  # fmt: skip
"""Time-of-day shape of GPU-hours, by the hour of delivery."""


class Prices:
    """What each instrument of a listing is worth through one trading day, for a seed."""

    def __init__(self, listing: Listing, day_start_s: int, seed: int) -> None:
        self._listing = listing
        self._day_start_s = day_start_s
        steps = DAY_S // STEP_S + 1
        dice = Dice(seed, "prices")
        moves = dice.between(-STEP_PPM, STEP_PPM, steps * len(listing.contracts))
        self._walk_ppm = np.cumsum(moves.reshape(len(listing.contracts), steps), axis=1)
        hours = (listing.start_s + UTC_OFFSET_S) % DAY_S // HOUR_S
        references = np.array([contract.reference_ticks for contract in listing.contracts])
        shape_ppm = np.where(listing.is_day, 0, HOURS_PPM[hours])
        self._base = references[listing.contract] * (PPM + shape_ppm)

    def worth_ticks(self, index: Ints, time_s: Ints, premium_ppm: Ints | int = 0) -> Ints:
        """The worth of instruments (by index) at times, plus a premium, kept inside the band."""
        step = np.clip((time_s - self._day_start_s) // STEP_S, 0, self._walk_ppm.shape[1] - 1)
        factor_ppm = PPM + self._walk_ppm[self._listing.contract[index], step] + premium_ppm
        ticks = (self._base[index] // 1_000) * factor_ppm // (PPM * 1_000)
        clipped: Ints = np.clip(
            ticks, self._listing.low_ticks[index], self._listing.high_ticks[index]
        )
        return clipped

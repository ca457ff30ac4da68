"""Fair values of instruments, generated from a seed, because the trace has no prices.

A contract's fair value is its reference price, moved through the trading day by a small random
walk. An hour of delivery by day is worth more than one by night. All arithmetic is in parts per
million and whole ticks.
"""

import numpy as np

from exchange.definition.calendar import DAY_S, HOUR_S, UTC_OFFSET_S
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.flow.random_integers import Ints, SeededIntegers

PPM = 1_000_000
STEP_S = 900
STEP_PPM = 3_000
"""Largest move of the walk in one step, up or down: about 1.7% in a day."""

HOURS_PPM = np.array(
    [
        -110, -125, -130, -130, -120, -95, -60, -20, 30, 70, 90, 85,
        60, 75, 95, 95, 80, 55, 30, 40, 55, 40, -10, -70,
    ]
) * 1_000  # fmt: skip
"""Premium of GPU-hours by the hour of delivery, in Shanghai."""


class Prices:
    """Fair values of all instruments through one trading day, for one seed."""

    def __init__(self, columns: InstrumentColumns, day_start_s: int, seed: int) -> None:
        self._columns = columns
        self._day_start_s = day_start_s
        steps = DAY_S // STEP_S + 1
        random = SeededIntegers(seed, "prices")
        moves = random.between(-STEP_PPM, STEP_PPM, steps * len(columns.contracts))
        self._walk_ppm = np.cumsum(moves.reshape(len(columns.contracts), steps), axis=1)
        hours = (columns.start_s + UTC_OFFSET_S) % DAY_S // HOUR_S
        references = np.array([contract.reference_ticks for contract in columns.contracts])
        shape_ppm = np.where(columns.is_day, 0, HOURS_PPM[hours])
        self._base = references[columns.contract] * (PPM + shape_ppm)

    def fair_value_ticks(self, index: Ints, time_s: Ints, premium_ppm: Ints | int = 0) -> Ints:
        """Fair values of instruments (by index) at times, plus a premium, clipped to the band."""
        step = np.clip((time_s - self._day_start_s) // STEP_S, 0, self._walk_ppm.shape[1] - 1)
        factor_ppm = PPM + self._walk_ppm[self._columns.contract[index], step] + premium_ppm
        ticks = (self._base[index] // 1_000) * factor_ppm // (PPM * 1_000)
        clipped: Ints = np.clip(
            ticks, self._columns.low_ticks[index], self._columns.high_ticks[index]
        )
        return clipped

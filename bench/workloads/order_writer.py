"""Random orders, blocks and replaces of a workload, written into rows of commands."""

import numpy as np
from numpy.typing import NDArray

from bench.workloads.definitions import Workload
from bench.workloads.live_orders import Ints
from bench.workloads.opening import ORDER_LOTS_MAX, session_of
from matching.records import BLOCK_HOURS_MAX, CommandFlag, OrderType, TimeInForce

Commands = NDArray[np.void]
Bools = NDArray[np.bool_]

STOP_LIMIT_TICKS = 10  # from the stop price to the limit
FOK_CROSSING_TICKS_MAX = 24  # beyond the mid; about half of these orders find enough to trade


class OrderWriter:
    """Writes orders drawn from one random generator.

    `mids` holds the mid by instrument number in ticks. It is read at each call, so the caller may
    change it in between.
    """

    def __init__(self, workload: Workload, rng: np.random.Generator, mids: Ints) -> None:
        self._workload = workload
        self._rng = rng
        self._mids = mids

    def write_new(self, rows: Commands, crosses: Bools, ioc: Bools) -> Commands:
        """Fill rows with new orders and return them; all but their kind must be 0.

        `crosses` marks the orders that cross the mid, `ioc` those that are IOC.
        """
        workload, rng, count = self._workload, self._rng, len(rows)
        account = rng.integers(1, workload.accounts + 1, count)
        instrument = rng.integers(1, workload.size.instruments + 1, count)
        side = rng.integers(0, 2, count)
        mid, sign = self._mids[instrument], 1 - 2 * side
        distance = self._distances(count)
        rows["session"] = session_of(workload, account)
        rows["account"] = account
        rows["instrument"] = instrument
        rows["side"] = side
        rows["type"] = OrderType.LIMIT
        rows["tif"] = np.where(ioc, TimeInForce.IOC, TimeInForce.DAY)
        rows["price"] = mid + sign * np.where(crosses, workload.crossing_ticks, -distance)
        rows["quantity"] = rng.integers(1, workload.lots_max + 1, count)
        if workload.mix.iceberg:
            self._make_special(rows, ~crosses, mid + sign * distance, sign)
            self._make_fok(rows, crosses & ~ioc, mid, sign)
            modes = rng.integers(1, 5, count)
            rows["stp"] = np.where(rng.random(count) < workload.mix.prevention, modes, 0)
        return rows

    def write_blocks(self, rows: Commands) -> Commands:
        """Fill rows with block orders that rest and return them; all but their kind must be 0.

        First hour and length are uniform. A limit's distance from the mean of its hours' mids is
        drawn as that of a resting order from its mid.
        """
        workload, rng, count = self._workload, self._rng, len(rows)
        hours = workload.size.instruments
        first = rng.integers(1, hours, count)
        span = rng.integers(2, np.minimum(hours - first + 1, BLOCK_HOURS_MAX) + 1)
        sums = np.concatenate([[0], np.cumsum(self._mids[1:])])
        mean = (sums[first + span - 1] - sums[first - 1]) // span
        account = rng.integers(1, workload.accounts + 1, count)
        side = rng.integers(0, 2, count)
        rows["session"] = session_of(workload, account)
        rows["account"] = account
        rows["instrument"] = first
        rows["hours"] = span
        rows["side"] = side
        rows["type"] = OrderType.LIMIT
        rows["tif"] = TimeInForce.DAY
        rows["price"] = mean - (1 - 2 * side) * self._distances(count)
        most = np.minimum(workload.lots_max, ORDER_LOTS_MAX // span)
        rows["quantity"] = rng.integers(1, most + 1)
        return rows

    def write_replaces(self, rows: Commands, made: Commands) -> Commands:
        """Fill rows with replaces of orders and return them; `made` has the commands of the orders.

        Half of them reduce the quantity and keep their priority, half have a new price.
        """
        count = len(rows)
        price = self._mids[made["instrument"]]
        sign = 1 - 2 * made["side"].astype(np.int64)
        distance = self._distances(count)
        reduces = self._rng.random(count) < 0.5
        stop = made["type"] == OrderType.STOP
        quantity = made["quantity"].astype(np.int64)
        reduced = quantity - self._rng.integers(1, np.maximum(quantity, 2))
        rows["quantity"] = np.where(reduces, np.maximum(reduced, 1), quantity)
        rows["price"] = np.where(reduces | stop, 0, price - sign * distance)
        rows["stop"] = np.where(reduces | ~stop, 0, price + sign * distance)
        return rows

    def _distances(self, count: int) -> Ints:
        """Draw distances from the mid in ticks."""
        drawn = self._rng.geometric(1 / self._workload.distance_mean_ticks, count)
        return np.asarray(np.minimum(drawn, self._workload.distance_max_ticks))

    def _make_special(self, rows: Commands, rests: Bools, stop: Ints, sign: Ints) -> None:
        """Make some of the orders that `rests` marks icebergs, post-only or stops."""
        mix, lots = self._workload.mix, self._workload.lots_max
        count = len(rows)
        drawn = self._rng.random(count)
        borders = np.cumsum([mix.iceberg, mix.post_only, mix.stop / 2, mix.stop / 2])
        iceberg, post, stops, limits = (
            rests & (np.searchsorted(borders, drawn, side="right") == n) for n in range(4)
        )
        large = self._rng.integers(lots + 1, 3 * lots, count)
        slices = self._rng.integers(lots // 4, lots, count)
        rows["quantity"] = np.where(iceberg, large, rows["quantity"])
        rows["display"] = np.where(iceberg, slices, 0)
        rows["flags"] = np.where(post, CommandFlag.POST_ONLY, 0)
        rows["type"] = np.where(stops, OrderType.STOP, rows["type"])
        rows["type"] = np.where(limits, OrderType.STOP_LIMIT, rows["type"])
        rows["stop"] = np.where(stops | limits, stop, 0)
        limit = stop + sign * STOP_LIMIT_TICKS
        rows["price"] = np.where(stops, 0, np.where(limits, limit, rows["price"]))

    def _make_fok(self, rows: Commands, crosses: Bools, mid: Ints, sign: Ints) -> None:
        """Make some of the orders that `crosses` marks fill or kill."""
        count = len(rows)
        fok = crosses & (self._rng.random(count) < self._workload.mix.fok)
        beyond = self._rng.integers(0, FOK_CROSSING_TICKS_MAX + 1, count)
        rows["tif"] = np.where(fok, TimeInForce.FOK, rows["tif"])
        rows["price"] = np.where(fok, mid + sign * beyond, rows["price"])

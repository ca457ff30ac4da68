"""Draw orders and replaces of a workload into rows of commands."""

import numpy as np
from numpy.typing import NDArray

from bench.live import Ints
from bench.opening import ORDER_LOTS_MAX, session_of
from bench.workloads import Workload
from matching.records import BLOCK_HOURS_MAX, CommandFlag, OrderType, TimeInForce

Commands = NDArray[np.void]
Bools = NDArray[np.bool_]

STOP_LIMIT_REACH_TICKS = 10
FOK_REACH_TICKS = 24  # about half of them find enough


class OrderWriter:
    """Draws from one generator. `mids` is read as it stands: index 1 is instrument 1."""

    def __init__(self, workload: Workload, dice: np.random.Generator, mids: Ints) -> None:
        self._workload = workload
        self._dice = dice
        self._mids = mids

    def write_new(self, rows: Commands, crosses: Bools, ioc: Bools) -> Commands:
        """New orders for zeroed rows but for their kind; returns the rows."""
        workload, dice, count = self._workload, self._dice, len(rows)
        account = dice.integers(1, workload.accounts + 1, count)
        instrument = dice.integers(1, workload.size.instruments + 1, count)
        side = dice.integers(0, 2, count)
        mid, sign = self._mids[instrument], 1 - 2 * side
        away = self._away(count)
        rows["session"] = session_of(workload, account)
        rows["account"] = account
        rows["instrument"] = instrument
        rows["side"] = side
        rows["type"] = OrderType.LIMIT
        rows["tif"] = np.where(ioc, TimeInForce.IOC, TimeInForce.DAY)
        rows["price"] = mid + sign * np.where(crosses, workload.reach_ticks, -away)
        rows["quantity"] = dice.integers(1, workload.lots_max + 1, count)
        if workload.mix.iceberg:
            self._add_waiting(rows, ~crosses, mid + sign * away, sign)
            self._add_fok(rows, crosses & ~ioc, mid, sign)
            modes = dice.integers(1, 5, count)
            rows["stp"] = np.where(dice.random(count) < workload.mix.prevention, modes, 0)
        return rows

    def write_blocks(self, rows: Commands) -> Commands:
        """Standing blocks for zeroed rows but for their kind; returns the rows.

        They begin anywhere and are as long as may be, and their limits are as far from the mean of
        their hours' mids as orders that wait are from theirs.
        """
        workload, dice, count = self._workload, self._dice, len(rows)
        hours = workload.size.instruments
        first = dice.integers(1, hours, count)
        span = dice.integers(2, np.minimum(hours - first + 1, BLOCK_HOURS_MAX) + 1)
        sums = np.concatenate([[0], np.cumsum(self._mids[1:])])
        mean = (sums[first + span - 1] - sums[first - 1]) // span
        account = dice.integers(1, workload.accounts + 1, count)
        side = dice.integers(0, 2, count)
        rows["session"] = session_of(workload, account)
        rows["account"] = account
        rows["instrument"] = first
        rows["hours"] = span
        rows["side"] = side
        rows["type"] = OrderType.LIMIT
        rows["tif"] = TimeInForce.DAY
        rows["price"] = mean - (1 - 2 * side) * self._away(count)
        most = np.minimum(workload.lots_max, ORDER_LOTS_MAX // span)
        rows["quantity"] = dice.integers(1, most + 1)
        return rows

    def write_replaces(self, rows: Commands, made: Commands) -> Commands:
        """Replaces of the orders that `made` are the new orders of; returns the rows.

        Half of them take quantity away and keep their place, half have a new price.
        """
        count = len(rows)
        price = self._mids[made["instrument"]]
        sign = 1 - 2 * made["side"].astype(np.int64)
        away = self._away(count)
        less = self._dice.random(count) < 0.5
        stop = made["type"] == OrderType.STOP
        quantity = made["quantity"].astype(np.int64)
        fewer = quantity - self._dice.integers(1, np.maximum(quantity, 2))
        rows["quantity"] = np.where(less, np.maximum(fewer, 1), quantity)
        rows["price"] = np.where(less | stop, 0, price - sign * away)
        rows["stop"] = np.where(less | ~stop, 0, price + sign * away)
        return rows

    def _away(self, count: int) -> Ints:
        drawn = self._dice.geometric(1 / self._workload.away_mean_ticks, count)
        return np.asarray(np.minimum(drawn, self._workload.away_max_ticks))

    def _add_waiting(self, rows: Commands, waits: Bools, stop: Ints, sign: Ints) -> None:
        """Make some of the orders that wait icebergs, post-only or stops."""
        mix, lots = self._workload.mix, self._workload.lots_max
        count = len(rows)
        drawn = self._dice.random(count)
        borders = np.cumsum([mix.iceberg, mix.post_only, mix.stop / 2, mix.stop / 2])
        iceberg, post, stops, limits = (
            waits & (np.searchsorted(borders, drawn, side="right") == n) for n in range(4)
        )
        large = self._dice.integers(lots + 1, 3 * lots, count)
        slices = self._dice.integers(lots // 4, lots, count)
        rows["quantity"] = np.where(iceberg, large, rows["quantity"])
        rows["display"] = np.where(iceberg, slices, 0)
        rows["flags"] = np.where(post, CommandFlag.POST_ONLY, 0)
        rows["type"] = np.where(stops, OrderType.STOP, rows["type"])
        rows["type"] = np.where(limits, OrderType.STOP_LIMIT, rows["type"])
        rows["stop"] = np.where(stops | limits, stop, 0)
        beyond = stop + sign * STOP_LIMIT_REACH_TICKS
        rows["price"] = np.where(stops, 0, np.where(limits, beyond, rows["price"]))

    def _add_fok(self, rows: Commands, may: Bools, mid: Ints, sign: Ints) -> None:
        """Make some of the orders that cross fill or kill."""
        count = len(rows)
        fok = may & (self._dice.random(count) < self._workload.mix.fok)
        reach = self._dice.integers(0, FOK_REACH_TICKS + 1, count)
        rows["tif"] = np.where(fok, TimeInForce.FOK, rows["tif"])
        rows["price"] = np.where(fok, mid + sign * reach, rows["price"])

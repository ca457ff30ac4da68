"""Demand: buy orders made from the jobs of a trace.

Real are the arrival of a job, its run time, its number of GPUs and its virtual cluster. The rest
is drawn from the seed, with the shares of DemandSettings: the lead time before the first hour,
the chip class and the hub, and the style of the bid. A job buys its GPUs for each clock hour that
it runs. Several hours are bought as one block, because a part of a run is worth nothing. Some of
the long jobs buy PFLOPS-days instead.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from exchange.definition.calendar import DAY_S, HOUR_S
from exchange.definition.command_drafts import (
    Draft,
    draft_cancels,
    draft_orders,
    draft_replaces,
    join,
)
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.offers import NothingToTrade
from exchange.flow.day_plan import DayContext
from exchange.flow.jobs import Jobs
from exchange.flow.random_integers import Ints, SeededIntegers
from exchange.flow.settings import DemandSettings
from ledger.daylog.registry import Chip
from matching.records import BLOCK_HOURS_MAX, NANOSECONDS, Side, TimeInForce

Bools = npt.NDArray[np.bool_]


class BidStyle(IntEnum):
    """The style of a job's bid: it crosses the market, crosses it as IOC, or rests below it."""

    CROSS = 0
    CROSS_IOC = 1
    REST = 2


@dataclass(frozen=True)
class Demand:
    """Orders to be placed, one element for each; and the part of the demand that is cut."""

    job: Ints
    index: Ints  # of the instrument; for a block, of its first hour
    hours: Ints  # of a block; 0 for a single order
    quantity: Ints  # in every hour
    time_ns: Ints
    cut_gpu_hours: int  # of jobs that run beyond the last listed day
    cut_pflops_days: int
    hour_jobs: int
    day_jobs: int

    @property
    def lots(self) -> int:
        """The sum of all quantities, in GPU-hours and PFLOPS-days."""
        return int((self.quantity * np.maximum(self.hours, 1)).sum())

    @property
    def blocks(self) -> int:
        """The number of orders that are blocks."""
        return int((self.hours > 0).sum())

    def fair_value_ticks(self, context: DayContext, time_s: Ints, premium_ppm: Ints) -> Ints:
        """The fair value of each order's hour, or the mean of its hours, at a time."""
        spans = np.maximum(self.hours, 1)
        order, nth = _unrolled(spans)
        # The hours of a contract are listed one after the other.
        ticks = context.prices.fair_value_ticks(
            self.index[order] + nth, time_s[order], premium_ppm[order]
        )
        total = np.zeros(len(spans), np.int64)
        np.add.at(total, order, ticks)
        return total // spans


def derive_demand(
    jobs: Jobs,
    columns: InstrumentColumns,
    chips: tuple[Chip, ...],
    day_start_s: int,
    *,
    seed: int,
    settings: DemandSettings,
) -> Demand:
    """The orders that the jobs need: an hour, a block of hours, or days one by one.

    Raises NothingToTrade if no instrument fits any job.
    """
    random = SeededIntegers(seed, "demand")
    count = len(jobs)
    hours = np.maximum(1, -(-jobs.duration_s // HOUR_S))
    arrival_s = day_start_s + jobs.arrival_s
    by_day, contract, tflops = _draw_contracts(
        jobs, hours, columns, chips, random=random, settings=settings
    )
    # The clock hours that begin at least one hour and at most 24 hours after the arrival.
    hour_s = (-(-(arrival_s + HOUR_S) // HOUR_S) + random.below(23, count)) * HOUR_S
    start_s = np.where(by_day, day_start_s + DAY_S, hour_s)
    step_s = np.where(by_day, DAY_S, HOUR_S)
    periods = np.where(by_day, -(-hours // 24), hours)
    quantity = np.where(by_day, -(-tflops // 1_000), jobs.gpus)

    horizon = min(int((columns.start_s.max() - day_start_s) // HOUR_S) + 1, BLOCK_HOURS_MAX)
    job, nth = _unrolled(np.minimum(periods, horizon))
    index = columns.find(contract[job], start_s[job] + nth * step_s[job])
    listed = index >= 0
    if not listed.any():
        raise NothingToTrade(
            "flow: no instrument of the venue fits a job of the trace; "
            "check the [[contracts]] and the chips that they list"
        )
    time_ns = arrival_s[job] * NANOSECONDS + nth * 3_000_000 + random.below(2_000_000, len(job))
    end_ns = (day_start_s + DAY_S) * NANOSECONDS
    found = np.bincount(job[listed], minlength=count)
    cut = (periods - found) * quantity
    span = np.where(by_day | (found < 2), 0, np.minimum(found, BLOCK_HOURS_MAX))
    ordered = listed & ((span[job] == 0) | (nth == 0))
    return Demand(
        job=job[ordered],
        index=index[ordered],
        hours=span[job[ordered]],
        quantity=quantity[job[ordered]],
        time_ns=np.minimum(time_ns, end_ns - 1)[ordered],
        cut_gpu_hours=int(cut[~by_day].sum()),
        cut_pflops_days=int(cut[by_day].sum()),
        hour_jobs=int((~by_day).sum()),
        day_jobs=int(by_day.sum()),
    )


def _unrolled(counts: Ints) -> tuple[Ints, Ints]:
    """Two columns with one row for each unit of each count.

    For the counts 2, 3: the number of the count, 0 0 1 1 1, and the place in it, 0 1 0 1 2.
    """
    numbers = np.repeat(np.arange(len(counts)), counts)
    return numbers, np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)


def _draw_contracts(
    jobs: Jobs,
    hours: Ints,
    columns: InstrumentColumns,
    chips: tuple[Chip, ...],
    *,
    random: SeededIntegers,
    settings: DemandSettings,
) -> tuple[Bools, Ints, Ints]:
    """For each job: whether it buys days, its contract (-1: none fits), its rated TFLOPS.

    A job that buys PFLOPS-days counts its GPUs as one of the chips of the contract, also drawn.
    """
    count = len(jobs)
    by_day = (hours >= settings.long_hours_min) & random.chance(settings.pflops_day_percent, count)
    large = jobs.gpus >= settings.large_gpus_min
    hub_weight = dict(settings.hub_weights)
    rating = {chip.code: chip.dense_fp16_tflops for chip in chips}
    contract = np.full(count, -1, np.int64)
    tflops = np.zeros(count, np.int64)
    for product, weights, wanted in (
        ("gpu-hour", settings.chip_weights, ~by_day & ~large),
        ("gpu-hour", settings.large_chip_weights, ~by_day & large),
        ("pflops-day", settings.large_chip_weights, by_day),
    ):
        chip_weight = dict(weights)
        pairs = [
            (number, chip, hub_weight.get(of.hub, settings.default_weight) * weight)
            for number, of in enumerate(columns.contracts)
            if of.product == product
            for chip in of.chips
            if (weight := chip_weight.get(chip, settings.default_weight)) > 0
        ]
        if not pairs:
            continue
        drawn = random.pick([weight for _, _, weight in pairs], count)[wanted]
        contract[wanted] = np.array([number for number, _, _ in pairs])[drawn]
        ratings = np.array([rating[chip] for _, chip, _ in pairs])
        tflops[wanted] = jobs.gpus[wanted] * ratings[drawn]
    return by_day, contract, tflops


@dataclass(frozen=True)
class _Bids:
    """The buyers' first orders, each with its style and its premium over the fair value."""

    orders: Draft
    style: Ints
    premium_ppm: Ints

    def owner_fields(self) -> dict[str, npt.NDArray[np.uint32]]:
        """Session, account and instrument of each order, for a command about the same order."""
        return {name: self.orders.commands[name] for name in ("session", "account", "instrument")}


def draft_demand(
    demand: Demand, context: DayContext, account: Ints, session: Ints, settings: DemandSettings
) -> Draft:
    """The buyers' orders, and their later replaces, cancels and resales.

    `account` and `session` have one element for each job.
    """
    random = SeededIntegers(context.seed, "bids")
    job, index = demand.job, demand.index
    style = random.pick(settings.bid_weights, len(account))[job]
    low = np.array(settings.premium_low_ppm)[style]
    spread = np.array(settings.premium_high_ppm)[style] - low + 1
    of_job = random.below(2**31, len(account))[job]
    premium_ppm = low + (of_job * spread >> 31)
    orders = draft_orders(
        context.handles,
        demand.time_ns,
        side=Side.BUY,
        price=demand.fair_value_ticks(context, demand.time_ns // NANOSECONDS, premium_ppm),
        quantity=demand.quantity,
        hours=demand.hours,
        tif=np.where(style == BidStyle.CROSS_IOC, TimeInForce.IOC, TimeInForce.DAY),
        session=session[job],
        account=account[job],
        instrument=index + 1,
    )
    bids = _Bids(orders, style, premium_ppm)
    return join(
        [
            orders,
            _amendments(bids, demand, context, random, settings),
            _resales(bids, demand, context, settings),
        ]
    )


def _amendments(
    bids: _Bids,
    demand: Demand,
    context: DayContext,
    random: SeededIntegers,
    settings: DemandSettings,
) -> Draft:
    """Replaces and cancels of resting orders: some are raised, some cancelled, the others left."""
    count = len(demand.job)
    # From five minutes after the order to two minutes before its gate closure.
    begin_s = demand.time_ns // NANOSECONDS + 300
    end_s = np.minimum(context.columns.gate_s[demand.index] - 120, context.last_s)
    resting = (bids.style == BidStyle.REST) & (end_s > begin_s + 60)
    later_s = begin_s + random.below(np.maximum(1, end_s - begin_s), count)
    later_ns = later_s * NANOSECONDS + random.below(NANOSECONDS, count)
    decision = random.below(100, count)
    raised_ppm = bids.premium_ppm + random.between(30_000, 70_000, count)
    price = demand.fair_value_ticks(context, later_s, raised_ppm)
    is_higher = price > bids.orders.commands["price"]
    raised = resting & (decision < settings.raised_percent) & is_higher
    cancelled = resting & (decision >= 100 - settings.cancelled_percent)
    fields = bids.owner_fields()
    replaces = draft_replaces(
        later_ns, bids.orders.handles, price=price, quantity=demand.quantity, **fields
    )
    cancels = draft_cancels(later_ns, bids.orders.handles, **fields)
    return join([replaces.select(raised), cancels.select(cancelled)])


def _resales(bids: _Bids, demand: Demand, context: DayContext, settings: DemandSettings) -> Draft:
    """Commands of abandoned jobs: a cancel of each order, and an offer below the fair value."""
    random = SeededIntegers(context.seed, "resales")
    count, jobs = len(demand.job), int(demand.job.max()) + 1
    abandoned = random.chance(settings.resold_percent, jobs)[demand.job]
    abandoned &= bids.style == BidStyle.CROSS
    begin_s = demand.time_ns // NANOSECONDS + 600
    end_s = np.minimum(context.columns.gate_s[demand.index] - 60, context.last_s)
    abandoned &= end_s > begin_s
    after_s = random.below(3_600, jobs)[demand.job]
    time_s = np.minimum(begin_s + after_s, end_s)
    time_ns = time_s * NANOSECONDS + random.below(1_000_000, count)
    fields = bids.owner_fields()
    cancels = draft_cancels(time_ns, bids.orders.handles, **fields)
    offers = draft_orders(
        context.handles,
        time_ns + 50_000_000,
        side=Side.SELL,
        price=demand.fair_value_ticks(context, time_s, np.full(count, -20_000)),
        quantity=demand.quantity,
        hours=demand.hours,
        tif=TimeInForce.DAY,
        **fields,
    )
    return join([cancels.select(abandoned), offers.select(abandoned)])

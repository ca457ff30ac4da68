"""Demand: the buy orders behind a trace's jobs.

Real is when a job arrives, how long it runs, on how many GPUs, and for which virtual cluster. The
rest is drawn from the seed, with the shares of DemandSettings: how long before its first hour the
order comes, chip class and hub, and how the buyer bids. A job buys its GPUs for each clock hour
that it runs, as a block where these are several, because a part of a run is worth nothing; some of
the long ones buy PFLOPS-days instead.
"""

from dataclasses import dataclass

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
from exchange.definition.instrument_columns import Listing
from exchange.definition.offers import NothingToTrade
from exchange.flow.context import Floor
from exchange.flow.jobs import Jobs
from exchange.flow.random_integers import Dice, Ints
from ledger.daylog.registry import Chip
from matching.records import BLOCK_HOURS_MAX, NANOSECONDS, Side, TimeInForce

Bools = npt.NDArray[np.bool_]
TAKE, TRY, WAIT = 0, 1, 2
"""How a job bids: cross the market; cross it or leave (IOC); wait below it."""


@dataclass(frozen=True)
class DemandSettings:
    """Shares and spreads of what is generated; shares are weights, premiums parts per million.

    A chip or hub without a weight of its own has the weight `other`.
    """

    chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 30), ("A100", 30), ("ASCEND910B", 20), ("RTX4090", 20),
    )  # fmt: skip
    large_chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 45), ("A100", 35), ("ASCEND910B", 20), ("RTX4090", 0),
    )  # fmt: skip
    large_gpus: int = 4  # jobs of this many GPUs and more ask for large chips
    hub_weights: tuple[tuple[str, int], ...] = (("QD", 40), ("CD", 35), ("SG", 25))
    other: int = 20
    long_hours: int = 24
    pflops_day_percent: int = 60  # of the long jobs
    bid_weights: tuple[int, int, int] = (52, 16, 32)  # take, try, wait
    premium_low_ppm: tuple[int, int, int] = (5_000, -15_000, -80_000)
    premium_high_ppm: tuple[int, int, int] = (90_000, 75_000, 0)
    raised_percent: int = 60  # of the orders that wait: bid more later
    cancelled_percent: int = 15  # of the orders that wait: given up
    resold_percent: int = 3  # of the jobs: called off, what was bought is sold again


@dataclass(frozen=True)
class Demand:
    """Orders to be: one element each, by job and day; and what the day could not hold."""

    job: Ints
    index: Ints  # instrument, of a block the first
    hours: Ints  # of a block; 0: it is none
    quantity: Ints  # in every hour
    time_ns: Ints
    cut_gpu_hours: int  # of jobs that run beyond the last listed day
    cut_pflops_days: int
    hour_jobs: int
    day_jobs: int

    @property
    def lots(self) -> int:
        """All quantities together, in GPU-hours and PFLOPS-days."""
        return int((self.quantity * np.maximum(self.hours, 1)).sum())

    @property
    def blocks(self) -> int:
        """How many of the orders are blocks."""
        return int((self.hours > 0).sum())

    def worth_ticks(self, floor: Floor, time_s: Ints, premium_ppm: Ints) -> Ints:
        """What each order's hour, or the average of its hours, is held to be worth at a time."""
        spans = np.maximum(self.hours, 1)
        order, nth = _unrolled(spans)
        # The hours of a contract are listed one after the other.
        worth = floor.prices.worth_ticks(self.index[order] + nth, time_s[order], premium_ppm[order])
        total = np.zeros(len(spans), np.int64)
        np.add.at(total, order, worth)
        return total // spans


def demand_of(
    jobs: Jobs,
    listing: Listing,
    chips: tuple[Chip, ...],
    day_start_s: int,
    *,
    seed: int,
    settings: DemandSettings,
) -> Demand:
    """What the jobs want of the listing: a block of hours, an hour, or days one by one.

    Raises NothingToTrade where no instrument is one that a job could want.
    """
    dice = Dice(seed, "demand")
    count = len(jobs)
    hours = np.maximum(1, -(-jobs.duration_s // HOUR_S))
    arrival_s = day_start_s + jobs.arrival_s
    by_day, contract, tflops = _choices(jobs, hours, listing, chips, dice=dice, settings=settings)
    # The clock hours that begin at least one hour and at most 24 hours after the arrival.
    hour_s = (-(-(arrival_s + HOUR_S) // HOUR_S) + dice.below(23, count)) * HOUR_S
    start_s = np.where(by_day, day_start_s + DAY_S, hour_s)
    step_s = np.where(by_day, DAY_S, HOUR_S)
    periods = np.where(by_day, -(-hours // 24), hours)
    quantity = np.where(by_day, -(-tflops // 1_000), jobs.gpus)

    horizon = min(int((listing.start_s.max() - day_start_s) // HOUR_S) + 1, BLOCK_HOURS_MAX)
    job, nth = _unrolled(np.minimum(periods, horizon))
    index = listing.find(contract[job], start_s[job] + nth * step_s[job])
    listed = index >= 0
    if not listed.any():
        raise NothingToTrade("flow: the venue lists nothing that a job of the trace could want")
    time_ns = arrival_s[job] * NANOSECONDS + nth * 3_000_000 + dice.below(2_000_000, len(job))
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
    """For counts 2, 3: the numbers 0 0 1 1 1 and, within each, 0 1 0 1 2."""
    numbers = np.repeat(np.arange(len(counts)), counts)
    return numbers, np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)


def _choices(
    jobs: Jobs,
    hours: Ints,
    listing: Listing,
    chips: tuple[Chip, ...],
    *,
    dice: Dice,
    settings: DemandSettings,
) -> tuple[Bools, Ints, Ints]:
    """For each job: whether it buys days, its contract (-1: there is none), its rated TFLOPS.

    A job that buys PFLOPS-days counts its GPUs as a chip that the contract lists, drawn too.
    """
    count = len(jobs)
    by_day = (hours >= settings.long_hours) & dice.chance(settings.pflops_day_percent, count)
    large = jobs.gpus >= settings.large_gpus
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
            (number, chip, hub_weight.get(of.hub, settings.other) * weight)
            for number, of in enumerate(listing.contracts)
            if of.product == product
            for chip in of.chips
            if (weight := chip_weight.get(chip, settings.other)) > 0
        ]
        if not pairs:
            continue
        drawn = dice.pick([weight for _, _, weight in pairs], count)[wanted]
        contract[wanted] = np.array([number for number, _, _ in pairs])[drawn]
        ratings = np.array([rating[chip] for _, chip, _ in pairs])
        tflops[wanted] = jobs.gpus[wanted] * ratings[drawn]
    return by_day, contract, tflops


@dataclass(frozen=True)
class _Bids:
    """The buyers' first orders, and for each how it bids and how far from the worth."""

    orders: Draft
    style: Ints
    premium_ppm: Ints


def draft_demand(
    demand: Demand, floor: Floor, account: Ints, session: Ints, settings: DemandSettings
) -> Draft:
    """The buyers' orders, and what they do about them while the floor is open.

    `account` and `session` are by job.
    """
    dice = Dice(floor.seed, "bids")
    job, index = demand.job, demand.index
    style = dice.pick(settings.bid_weights, len(account))[job]
    low = np.array(settings.premium_low_ppm)[style]
    spread = np.array(settings.premium_high_ppm)[style] - low + 1
    of_job = dice.below(2**31, len(account))[job]
    premium_ppm = low + (of_job * spread >> 31)
    orders = draft_orders(
        floor.handles,
        demand.time_ns,
        side=Side.BUY,
        price=demand.worth_ticks(floor, demand.time_ns // NANOSECONDS, premium_ppm),
        quantity=demand.quantity,
        hours=demand.hours,
        tif=np.where(style == TRY, TimeInForce.IOC, TimeInForce.DAY),
        session=session[job],
        account=account[job],
        instrument=index + 1,
    )
    bids = _Bids(orders, style, premium_ppm)
    return join(
        [
            orders,
            _second_thoughts(bids, demand, floor, dice, settings),
            _resales(bids, demand, floor, settings),
        ]
    )


def _second_thoughts(
    bids: _Bids, demand: Demand, floor: Floor, dice: Dice, settings: DemandSettings
) -> Draft:
    """What becomes of orders that wait: raised, given up, or left alone."""
    count = len(demand.job)
    # Between five minutes after the order and two before its gate.
    begin_s = demand.time_ns // NANOSECONDS + 300
    end_s = np.minimum(floor.listing.gate_s[demand.index] - 120, floor.last_s)
    waits = (bids.style == WAIT) & (end_s > begin_s + 60)
    later_s = begin_s + dice.below(np.maximum(1, end_s - begin_s), count)
    later_ns = later_s * NANOSECONDS + dice.below(NANOSECONDS, count)
    decision = dice.below(100, count)
    more_ppm = bids.premium_ppm + dice.between(30_000, 70_000, count)
    more = demand.worth_ticks(floor, later_s, more_ppm)
    raised = waits & (decision < settings.raised_percent) & (more > bids.orders.commands["price"])
    given_up = waits & (decision >= 100 - settings.cancelled_percent)
    fields = _whose(bids.orders)
    raises = draft_replaces(
        later_ns, bids.orders.handles, price=more, quantity=demand.quantity, **fields
    )
    cancels = draft_cancels(later_ns, bids.orders.handles, **fields)
    return join([raises.select(raised), cancels.select(given_up)])


def _resales(bids: _Bids, demand: Demand, floor: Floor, settings: DemandSettings) -> Draft:
    """Jobs called off: what still waits is cancelled, what was bought is offered a bit cheaper."""
    dice = Dice(floor.seed, "resales")
    count, jobs = len(demand.job), int(demand.job.max()) + 1
    called_off = (bids.style == TAKE) & dice.chance(settings.resold_percent, jobs)[demand.job]
    begin_s = demand.time_ns // NANOSECONDS + 600
    end_s = np.minimum(floor.listing.gate_s[demand.index] - 60, floor.last_s)
    called_off &= end_s > begin_s
    after_s = dice.below(3_600, jobs)[demand.job]
    time_s = np.minimum(begin_s + after_s, end_s)
    time_ns = time_s * NANOSECONDS + dice.below(1_000_000, count)
    fields = _whose(bids.orders)
    cancels = draft_cancels(time_ns, bids.orders.handles, **fields)
    offers = draft_orders(
        floor.handles,
        time_ns + 50_000_000,
        side=Side.SELL,
        price=demand.worth_ticks(floor, time_s, np.full(count, -20_000)),
        quantity=demand.quantity,
        hours=demand.hours,
        tif=TimeInForce.DAY,
        **fields,
    )
    return join([cancels.select(called_off), offers.select(called_off)])


def _whose(orders: Draft) -> dict[str, npt.NDArray[np.uint32]]:
    return {name: orders.commands[name] for name in ("session", "account", "instrument")}

"""Demand: the buy orders behind a trace's jobs.

Real is when a job arrives, how long it runs, on how many GPUs, and for which virtual cluster. The
rest is drawn from the seed, with the shares of DemandSettings: how long before its first hour the
order comes, chip class and hub, and how the buyer bids. A job buys its GPUs for each clock hour
that it runs; some of the long ones buy PFLOPS-days instead.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from exchange.calendar import DAY_S, HOUR_S
from exchange.dice import Dice, Ints
from exchange.draft import Draft, draft_cancels, draft_orders, draft_replaces, join
from exchange.floor import Floor
from exchange.jobs import Jobs
from exchange.listing import Listing
from ledger.registry import Chip
from matching.records import NANOSECONDS, Side, TimeInForce

Bools = npt.NDArray[np.bool_]
TAKE, TRY, WAIT = 0, 1, 2
"""How a job bids: cross the market; cross it or leave (IOC); wait below it."""


@dataclass(frozen=True)
class DemandSettings:
    """Shares and spreads of what is generated; shares are weights, premiums parts per million."""

    chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 30), ("A100", 30), ("ASCEND910B", 20), ("RTX4090", 20),
    )  # fmt: skip
    large_chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 45), ("A100", 35), ("ASCEND910B", 20),
    )  # fmt: skip
    large_gpus: int = 4  # jobs of this many GPUs and more, and those that buy PFLOPS-days
    hub_weights: tuple[tuple[str, int], ...] = (("QD", 40), ("CD", 35), ("SG", 25))
    long_hours: int = 24
    pflops_day_percent: int = 60  # of the long jobs
    bid_weights: tuple[int, int, int] = (52, 16, 32)  # take, try, wait
    premium_low_ppm: tuple[int, int, int] = (25_000, 10_000, -70_000)
    premium_high_ppm: tuple[int, int, int] = (95_000, 90_000, 5_000)
    raised_percent: int = 70  # of the orders that wait: bid more later
    cancelled_percent: int = 15  # of the orders that wait: given up
    resold_percent: int = 3  # of the jobs: called off, what was bought is sold again


@dataclass(frozen=True)
class Demand:
    """Orders to be: one element each, by job and hour; and what the day could not hold."""

    job: Ints
    index: Ints  # instrument
    quantity: Ints
    time_ns: Ints
    cut_gpu_hours: int  # of jobs that run beyond the last listed day
    cut_pflops_days: int
    hour_jobs: int
    day_jobs: int

    @cached_property
    def lots(self) -> int:
        """All quantities together, in GPU-hours and PFLOPS-days."""
        return int(self.quantity.sum())


def demand_of(
    jobs: Jobs,
    listing: Listing,
    chips: tuple[Chip, ...],
    day_start_s: int,
    *,
    seed: int,
    settings: DemandSettings,
) -> Demand:
    """What the jobs want of the listing, an order for each instrument."""
    dice = Dice(seed, "demand")
    count = len(jobs)
    hours = np.maximum(1, -(-jobs.duration_s // HOUR_S))
    arrival_s = day_start_s + jobs.arrival_s
    # The clock hours that begin at least one hour and at most 24 hours after the arrival.
    lead = dice.below(23, count)
    first_s = -(-(arrival_s + HOUR_S) // HOUR_S) * HOUR_S + lead * HOUR_S
    by_day = (hours >= settings.long_hours) & dice.chance(settings.pflops_day_percent, count)
    large = by_day | (jobs.gpus >= settings.large_gpus)
    chip = _pick_names(dice, settings.chip_weights, count)
    chip = np.where(large, _pick_names(dice, settings.large_chip_weights, count), chip)
    hub = _pick_names(dice, settings.hub_weights, count)

    codes = {contract.code: number for number, contract in enumerate(listing.contracts)}
    names = np.where(by_day, "PF16", chip)
    contract = np.array([codes.get(f"{a}.{b}", -1) for a, b in zip(names, hub, strict=True)])
    rating = {chip.code: chip.dense_fp16_tflops for chip in chips}
    tflops = jobs.gpus * np.array([rating[name] for name in chip.tolist()])
    next_day_s = day_start_s + DAY_S
    periods = np.where(by_day, -(-hours // 24), hours)
    start_s = np.where(by_day, next_day_s, first_s)
    step_s = np.where(by_day, DAY_S, HOUR_S)
    quantity = np.where(by_day, -(-tflops // 1_000), jobs.gpus)

    horizon = int((listing.start_s.max() - day_start_s) // HOUR_S) + 1
    kept = np.minimum(periods, horizon)
    job = np.repeat(np.arange(count), kept)
    nth = np.arange(len(job)) - np.repeat(np.cumsum(kept) - kept, kept)
    index = listing.find(contract[job], start_s[job] + nth * step_s[job])
    listed = index >= 0
    total = periods * quantity
    bought = np.bincount(job[listed], quantity[job[listed]], count).astype(np.int64)
    spread_ns = nth * 3_000_000 + dice.below(2_000_000, len(job))
    time_ns = np.minimum(arrival_s[job] * NANOSECONDS + spread_ns, next_day_s * NANOSECONDS - 1)
    return Demand(
        job=job[listed],
        index=index[listed],
        quantity=quantity[job][listed],
        time_ns=time_ns[listed],
        cut_gpu_hours=int((total - bought)[~by_day].sum()),
        cut_pflops_days=int((total - bought)[by_day].sum()),
        hour_jobs=int((~by_day).sum()),
        day_jobs=int(by_day.sum()),
    )


def draft_demand(
    demand: Demand, floor: Floor, account: Ints, session: Ints, settings: DemandSettings
) -> Draft:
    """The buyers' orders, and what they do about them while the floor is open.

    `account` and `session` are by job.
    """
    dice = Dice(floor.seed, "bids")
    job, index = demand.job, demand.index
    bid = dice.pick(settings.bid_weights, len(account))[job]
    low = np.array(settings.premium_low_ppm)[bid]
    spread = np.array(settings.premium_high_ppm)[bid] - low + 1
    of_job = dice.below(2**31, len(account))[job]
    premium_ppm = low + (of_job * spread >> 31)
    price = floor.prices.worth_ticks(index, demand.time_ns // NANOSECONDS, premium_ppm)
    orders = draft_orders(
        floor.handles,
        demand.time_ns,
        side=Side.BUY,
        price=price,
        quantity=demand.quantity,
        tif=np.where(bid == TRY, TimeInForce.IOC, TimeInForce.DAY),
        session=session[job],
        account=account[job],
        instrument=index + 1,
    )
    drafts = [orders]
    # Later decisions fall between five minutes after the order and two before its gate.
    begin_s = demand.time_ns // NANOSECONDS + 300
    end_s = np.minimum(floor.listing.gate_s[index] - 120, floor.last_s)
    waits = (bid == WAIT) & (end_s > begin_s + 60)
    later_s = begin_s + dice.below(np.maximum(1, end_s - begin_s), len(job))
    later_ns = later_s * NANOSECONDS + dice.below(NANOSECONDS, len(job))
    decision = dice.below(100, len(job))
    raised = waits & (decision < settings.raised_percent)
    more_ppm = premium_ppm + dice.between(50_000, 90_000, len(job))
    more = floor.prices.worth_ticks(index, later_s, more_ppm)
    raised &= more > price
    fields = {"session": session[job], "account": account[job], "instrument": index + 1}
    drafts.append(
        draft_replaces(later_ns, orders.handles, price=more, **fields).select(raised),
    )
    given_up = waits & (decision >= 100 - settings.cancelled_percent)
    drafts.append(draft_cancels(later_ns, orders.handles, **fields).select(given_up))
    drafts.append(_resales(orders, demand, floor, bid == TAKE, settings))
    return join(drafts)


def _resales(
    orders: Draft, demand: Demand, floor: Floor, bought: Bools, settings: DemandSettings
) -> Draft:
    """Jobs called off: what still waits is cancelled, what was bought is offered a bit cheaper."""
    dice = Dice(floor.seed, "resales")
    count, jobs = len(demand.job), int(demand.job.max()) + 1
    called_off = bought & dice.chance(settings.resold_percent, jobs)[demand.job]
    begin_s = demand.time_ns // NANOSECONDS + 600
    end_s = np.minimum(floor.listing.gate_s[demand.index] - 60, floor.last_s)
    called_off &= end_s > begin_s
    after_s = dice.below(3_600, jobs)[demand.job]
    time_s = np.minimum(begin_s + after_s, end_s)
    time_ns = time_s * NANOSECONDS + dice.below(1_000_000, count)
    fields = {name: orders.commands[name] for name in ("session", "account", "instrument")}
    cancels = draft_cancels(time_ns, orders.handles, **fields)
    offers = draft_orders(
        floor.handles,
        time_ns + 50_000_000,
        side=Side.SELL,
        price=floor.prices.worth_ticks(demand.index, time_s, -20_000),
        quantity=demand.quantity,
        tif=TimeInForce.DAY,
        **fields,
    )
    return join([cancels.select(called_off), offers.select(called_off)])


def _pick_names(
    dice: Dice, weights: tuple[tuple[str, int], ...], count: int
) -> npt.NDArray[np.str_]:
    names = np.array([name for name, _ in weights])
    return np.asarray(names[dice.pick([weight for _, weight in weights], count)])

"""Settings of a generated day: shares, spreads and times of its demand, supply and incidents."""

from dataclasses import dataclass, field

from exchange.definition.calendar import HOUR_S
from exchange.definition.offers import DAYS_PERCENT, HOURS_PERCENT


@dataclass(frozen=True)
class DemandSettings:
    """Shares and spreads of generated demand; shares are weights, premiums parts per million.

    A chip or hub without a weight of its own has `default_weight`. The three values of
    `bid_weights` and of the premiums are in the order of `BidStyle`.
    """

    chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 30), ("A100", 30), ("ASCEND910B", 20), ("RTX4090", 20),
    )  # fmt: skip
    large_chip_weights: tuple[tuple[str, int], ...] = (
        ("H800", 45), ("A100", 35), ("ASCEND910B", 20), ("RTX4090", 0),
    )  # fmt: skip
    large_gpus_min: int = 4  # jobs of this many GPUs and more ask for large chips
    hub_weights: tuple[tuple[str, int], ...] = (("QD", 40), ("CD", 35), ("SG", 25))
    default_weight: int = 20
    long_hours_min: int = 24
    pflops_day_percent: int = 60  # of the long jobs
    bid_weights: tuple[int, int, int] = (52, 16, 32)
    premium_low_ppm: tuple[int, int, int] = (5_000, -15_000, -80_000)
    premium_high_ppm: tuple[int, int, int] = (90_000, 75_000, 0)
    raised_percent: int = 60  # of the resting orders: the price is raised later
    cancelled_percent: int = 15  # of the resting orders: cancelled later
    resold_percent: int = 3  # of the jobs: cancelled, and what was bought is sold again


@dataclass(frozen=True)
class SupplySettings:
    """Shares and spreads of generated supply; premiums are parts per million of the fair value."""

    hours_percent: int = HOURS_PERCENT  # of a centre's GPUs offered as GPU-hours
    days_percent: int = DAYS_PERCENT  # of a centre's GPUs offered as PFLOPS-days
    levels: int = 2
    level_divisor: int = 10  # a level quotes the capacity divided by this
    spread_low_ppm: int = 5_000
    spread_high_ppm: int = 35_000
    level_step_ppm: int = 22_000
    gate_discount_ppm: int = 50_000  # reached at gate closure
    gate_discount_s: int = 6 * HOUR_S  # the discount grows from this long before gate closure
    requote_interval_s: int = 5_400
    replaced_percent: int = 55  # of the quotes, in each interval
    renewed_percent: int = 30  # of the quotes: cancelled and quoted afresh, in full size


@dataclass(frozen=True)
class DaySettings:
    """Length, incidents and members of note of a generated day; times are seconds of the day."""

    days: int = 3  # of delivery listed: the trading day and those after it
    clock_s: int = 60
    late_session: str = "west-2"
    late_session_s: int = 8 * HOUR_S + 1_800
    short_buyer: str = "vc-11cb48"
    short_buyer_percent: int = 15
    short_supplier: str = "sg-c"
    short_supplier_percent: int = 7
    top_up_s: int = 9 * HOUR_S
    withdrawal_s: int = 15 * HOUR_S
    halted: str = "vc-b436b2"
    halt_s: int = 20 * HOUR_S + 750
    resume_s: int = 20 * HOUR_S + 790
    report_delay_s: int = 20  # brokers act on reports that are at least this old
    demand: DemandSettings = field(default_factory=DemandSettings)
    supply: SupplySettings = field(default_factory=SupplySettings)

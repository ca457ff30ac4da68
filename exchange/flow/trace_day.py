"""A trading day built from a job trace: real demand, generated prices and supply."""

from datetime import date

import numpy as np
import numpy.typing as npt

from exchange.days.engines import EngineName, open_engine
from exchange.days.opening import draft_clock, draft_listing, draft_members
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import (
    Draft,
    draft_admin,
    join,
    number_commands,
    sort_by_time,
)
from exchange.definition.contracts import Venue, read_venue
from exchange.definition.instrument_columns import InstrumentColumns, build_columns
from exchange.definition.instruments import instruments
from exchange.definition.members import Members, read_members
from exchange.definition.offers import Offers, offers_of
from exchange.definition.sequences import draft_sequences
from exchange.flow.day_plan import DayPlan
from exchange.flow.demand import Demand, derive_demand, draft_demand
from exchange.flow.funding import (
    PartialFunding,
    buyer_limits,
    draft_funding,
    draft_limits,
    required_fen,
)
from exchange.flow.jobs import Jobs, read_jobs
from exchange.flow.late_cancels import select_sendable
from exchange.flow.limits import limits_for
from exchange.flow.mistakes import MistakeContext, draft_mistakes
from exchange.flow.random_integers import Ints
from exchange.flow.settings import DaySettings
from exchange.flow.supply import draft_supply
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import inventory_breaches
from matching.limits import Limits
from matching.records import CommandFlag, CommandKind

TRADING_DAY = date(2026, 11, 22)
"""The demonstration's trading day."""

Commands = npt.NDArray[np.void]


def build_philly_day(
    seed: int = 1,
    trading_day: date = TRADING_DAY,
    *,
    venue: Venue | None = None,
    members: Members | None = None,
    jobs: Jobs | None = None,
    settings: DaySettings | None = None,
    engine: EngineName = "kernel",
) -> tuple[Registry, Commands]:
    """The registry and the commands of a day whose demand is that of a job trace.

    Every job of the trace arrives once in the day, at its own time of day. The defaults are the
    busiest day of the Philly trace, and the venue and the members that come with the package. The
    same arguments give the same bytes on any machine. Takes a few seconds, because the day runs
    through the machine once to find the cancels that a broker would not have sent.
    """
    plan = DayPlan(
        venue=venue or read_venue(),
        members=members or read_members(),
        jobs=jobs or read_jobs(),
        settings=settings or DaySettings(),
        start_s=day_start_s(trading_day),
        seed=seed,
    )
    days = plan.settings.days
    listed = instruments(plan.venue.contracts, trading_day, days, gate_after_s=plan.start_s)
    columns = build_columns(listed, plan.venue.contracts)
    demand = derive_demand(
        plan.jobs,
        columns,
        plan.venue.chips,
        plan.start_s,
        seed=seed,
        settings=plan.settings.demand,
    )
    offers = offers_of(
        plan.members,
        columns,
        plan.venue.chips,
        hours_percent=plan.settings.supply.hours_percent,
        days_percent=plan.settings.supply.days_percent,
    )
    draft = sort_by_time(_draft(plan, columns, demand, offers))
    registry = _registry(plan, trading_day, columns, demand, draft)
    machine = open_engine(engine, Limits(**registry.limits))
    kept = select_sendable(number_commands(draft), machine, plan.settings.report_delay_s)
    commands = number_commands(draft.select(kept))
    breaches = inventory_breaches(registry, commands)
    assert not breaches, breaches[0]
    return registry, commands


def _draft(plan: DayPlan, columns: InstrumentColumns, demand: Demand, offers: Offers) -> Draft:
    """All commands of the day, not yet in order of time."""
    bids, quotes = _orders(plan, columns, demand, offers)
    both = join([bids, quotes])
    limits = buyer_limits(bids, columns)
    mistakes = draft_mistakes(
        MistakeContext(
            orders=both.select(
                (both.commands["kind"] == CommandKind.NEW) & (both.commands["hours"] == 0)
            ),
            columns=columns,
            members=plan.members,
            begin_ns=plan.time_ns(1),
            end_ns=plan.time_ns(DAY_S - 1),
            position_limit=limits.position_lots,
            late_session=plan.late_session,
            late_session_opens_ns=plan.time_ns(plan.settings.late_session_s),
        ),
        plan.seed,
    )
    opening_ns = plan.time_ns(0)
    early = [s for s in plan.members.sessions if s.id != plan.late_session]
    registered = draft_admin(
        CommandKind.REGISTER,
        np.full(len(offers.account), opening_ns),
        account=offers.account,
        instrument=offers.index + 1,
        quantity=offers.capacity,
    )
    return join(
        [
            draft_members(plan.members, early, opening_ns),
            draft_listing(columns, opening_ns, plan.end_s),
            draft_sequences(columns.instruments, columns.contracts, opening_ns),
            draft_limits(plan.members, limits, opening_ns),
            registered,
            _funding(plan, required_fen(bids, offers, columns, plan.members)),
            _operations(plan),
            draft_clock(plan.start_s, plan.end_s, plan.settings.clock_s),
            both,
            mistakes,
        ]
    )


def _orders(
    plan: DayPlan, columns: InstrumentColumns, demand: Demand, offers: Offers
) -> tuple[Draft, Draft]:
    """The buyers' commands and the suppliers' commands."""
    context = plan.context(columns)
    account, session = plan.job_accounts()
    bids = draft_demand(demand, context, account, session, plan.settings.demand)
    sessions = plan.sessions_by_account()
    return bids, draft_supply(offers, context, sessions, plan.settings.supply)


def _funding(plan: DayPlan, need_fen: Ints) -> Draft:
    """Opening balances, later top-ups of two accounts, and withdrawals."""
    settings = plan.settings
    top_up_ns = plan.time_ns(settings.top_up_s)
    buyer, supplier = plan.account(settings.short_buyer), plan.account(settings.short_supplier)
    return draft_funding(
        plan.members,
        need_fen,
        (
            PartialFunding(buyer, settings.short_buyer_percent, top_up_ns),
            PartialFunding(supplier, settings.short_supplier_percent, top_up_ns),
        ),
        opening_ns=plan.time_ns(0),
        withdrawal_ns=plan.time_ns(settings.withdrawal_s),
        operator=plan.operator,
    )


def _operations(plan: DayPlan) -> Draft:
    """The operators' commands: open the late session, halt an account for a while."""
    settings = plan.settings
    halts_ns = [plan.time_ns(settings.halt_s), plan.time_ns(settings.resume_s)]
    halts = draft_admin(
        CommandKind.HALT_ACCOUNT,
        np.array(halts_ns),
        account=plan.account(settings.halted),
        flags=[CommandFlag.HALT, 0],
        session=plan.operator,
    )
    late = [s for s in plan.members.sessions if s.id == plan.late_session]
    opened = draft_admin(
        CommandKind.SESSION,
        np.full(len(late), plan.time_ns(settings.late_session_s)),
        target_ref=[session.id for session in late],
        account=[session.firm for session in late],
    )
    return join([halts, opened])


def _registry(
    plan: DayPlan, trading_day: date, columns: InstrumentColumns, demand: Demand, draft: Draft
) -> Registry:
    """The registry of the day, with limits of a machine that is just large enough for it."""
    return Registry(
        venue=plan.venue.venue,
        trading_day=trading_day.isoformat(),
        note=_note(plan, demand),
        limits=limits_for(draft.commands, columns, plan.members).as_dict(),
        chips=plan.venue.chips,
        hubs=plan.venue.hubs,
        contracts=plan.venue.contracts,
        instruments=columns.instruments,
        firms=plan.members.firms,
        accounts=plan.members.accounts,
        sessions=plan.members.sessions,
        inventory=plan.members.inventory,
        programmes=plan.venue.programmes,
    )


def _note(plan: DayPlan, demand: Demand) -> str:
    """A text that says what in the day is real, what is generated, and what is cut."""
    settings = plan.settings
    return (
        f"Demand is real: {len(plan.jobs)} jobs of {len(plan.jobs.clusters)} virtual clusters of "
        "the Philly trace (msr-fiddle/philly-traces, CC-BY-4.0, as republished in "
        "pkusys/ElasticFlow), each at its own time of day, for its GPUs and its hours. "
        f"Prices, supply, chip classes, hubs, lead times and mistakes are generated from seed "
        f"{plan.seed}; members are made up. {demand.day_jobs} long jobs buy PFLOPS-days, "
        f"{demand.hour_jobs} jobs GPU-hours, {demand.blocks} of them several in a row, as blocks, "
        f"all or none: {demand.lots} lots wanted. Cut, because the days "
        f"beyond the {settings.days} listed are not traded: {demand.cut_gpu_hours} GPU-hours and "
        f"{demand.cut_pflops_days} PFLOPS-days. The clock ticks every {settings.clock_s} s and "
        f"with every command; brokers see their reports within {settings.report_delay_s} s."
    )

"""A day that follows another: carried forward from it, with what the definition has since.

The day log begins as `suanshi day open` writes it; then come new sessions, new accounts, and the
instruments and baskets that are listed for the first time.
"""

from collections.abc import Iterator
from datetime import date
from itertools import count, islice

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from exchange.days.carry_forward import CarriedDay, carry_forward
from exchange.days.engines import open_engine
from exchange.days.opening import draft_listing, draft_members
from exchange.days.replay import Replay, check_seal
from exchange.definition.baskets import draft_baskets
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import Draft, join, number_commands
from exchange.definition.contracts import Venue
from exchange.definition.instrument_columns import build_columns
from exchange.definition.instruments import instruments
from exchange.definition.members import Members
from exchange.definition.sequences import draft_sequences
from exchange.venue.config import VenueConfig, ledger_of
from exchange.venue.errors import DayRefused
from exchange.venue.key_changes import with_keys
from exchange.venue.limits import limits_of
from exchange.venue.opening import PHASES, fit_inventory, register_inventory, with_phase
from feeds.protocol.keys import Entitlement
from ledger.books.database import open_books
from ledger.books.errors import LedgerError
from ledger.day_opening import open_day
from ledger.daylog import DayLog
from ledger.daylog.registry import Basket, Instrument, Registry
from ledger.delivery.inventory import RegisteredCapacity
from matching.records import CommandKind, Phase

Commands = NDArray[np.void]


def open_next_day(
    config: VenueConfig,
    venue: Venue,
    members: Members,
    entitlements: dict[str, Entitlement],
    before: DayLog,
    trading_day: date,
    now_ns: int,
) -> tuple[Registry, Commands]:
    """Return the registry of the day after `before`, and the stamped commands that open it.

    Raises DayRefused, which names the command to run first, where `before` is not settled, and
    where less is installed now than was registered or sold.
    """
    carried = _carry_forward(config, before, trading_day)
    old = carried.registry
    accounts = {account.id for account in old.accounts}
    joined = replace(members, accounts=tuple(a for a in members.accounts if a.id not in accounts))
    sessions = with_keys(old, entitlements).sessions
    listed = _new_instruments(config, venue, old, trading_day, now_ns)
    firms = {firm.id for firm in old.firms}
    codes = {contract.code for contract in old.contracts}
    chips, hubs = ({each.code for each in now} for now in (venue.chips, venue.hubs))
    registry = replace(
        old,
        chips=(*venue.chips, *(chip for chip in old.chips if chip.code not in chips)),
        hubs=(*venue.hubs, *(hub for hub in old.hubs if hub.code not in hubs)),
        contracts=(*old.contracts, *(c for c in venue.contracts if c.code not in codes)),
        instruments=(*old.instruments, *listed),
        firms=(*old.firms, *(firm for firm in members.firms if firm.id not in firms)),
        accounts=(*old.accounts, *joined.accounts),
        sessions=sessions,
        inventory=members.inventory,
        programmes=venue.programmes,
        baskets=_baskets(venue, old),
    )
    registry = replace(registry, limits=_limits(config, carried, registry))
    drafts = [draft_members(joined, sessions[len(old.sessions) :], now_ns)]
    capacity = _carried_capacity(registry, carried)
    drafts += [
        fit_inventory(draft, capacity)
        for draft in _draft_new_instruments(config, venue, members, listed, trading_day, now_ns)
    ]
    drafts.append(
        draft_sequences(
            registry.instruments, registry.contracts, now_ns, new={each.id for each in listed}
        )
    )
    # Not carried, because carried and new instruments need not be of the same delivery.
    drafts.append(draft_baskets(registry.instruments, registry.baskets, now_ns))
    return registry, _concatenate(
        _in_phase(carried.commands, config), number_commands(join(drafts))
    )


def _baskets(venue: Venue, old: Registry) -> tuple[Basket, ...]:
    """Return the baskets of the previous day and, numbered after them, new ones."""
    codes = {basket.code for basket in old.baskets}
    new = [basket for basket in venue.baskets if basket.code not in codes]
    last = max((basket.id for basket in old.baskets), default=0)
    return (*old.baskets, *(replace(each, id=last + at) for at, each in enumerate(new, 1)))


def _carry_forward(config: VenueConfig, before: DayLog, trading_day: date) -> CarriedDay:
    """Carry the previous day forward; the books are closed again when this returns.

    Raises DayRefused where it is not settled.
    """
    path = ledger_of(config)
    first = f"suanshi day close {before.path} --ledger {path}"
    if not path.exists():
        raise DayRefused(f"{path}: {before.trading_day} is not settled; run `{first}` first")
    engine = open_engine("kernel", before.limits)
    for _ in check_seal(Replay(before, engine), before):
        pass
    with open_books(path) as books:
        try:
            carried = carry_forward(
                before, engine.state_tables(), books, trading_day, baskets=False
            )
            # `instead`: of a log that was not written whole, and so never served
            open_day(books, before.venue, trading_day.isoformat(), before.sha256, instead=True)
            return carried
        except LedgerError as error:
            raise DayRefused(f"{error}; `{first}`") from None


def _carried_capacity(registry: Registry, carried: CarriedDay) -> RegisteredCapacity:
    """Return what is carried of capacity, against the inventory of the new day.

    Raises DayRefused where less is installed than was registered or sold.
    """
    capacity = RegisteredCapacity(registry)
    capacity.note(carried.commands)
    if capacity.breaches:
        raise DayRefused(
            f"{registry.trading_day}: {capacity.breaches[0]}; keep the members' [[inventory]] as "
            "it was until the capacity is taken back"
        )
    return capacity


def _in_phase(commands: Commands, config: VenueConfig) -> Commands:
    """Return carried commands whose instruments open in the phase of the configuration."""
    opened = commands.copy()
    last = (opened["kind"] == CommandKind.PHASE) & (opened["type"] == Phase.CONTINUOUS)
    opened["type"][last] = PHASES[config.phase]
    return opened


def _new_instruments(
    config: VenueConfig, venue: Venue, old: Registry, trading_day: date, now_ns: int
) -> tuple[Instrument, ...]:
    """Return the instruments that are listed first on this day, under the lowest free numbers."""
    now_s = -(-now_ns // 1_000_000_000)
    symbols = {each.symbol for each in old.instruments}
    listed = [
        each
        for each in instruments(venue.contracts, trading_day, config.days, gate_after_s=now_s)
        if each.symbol not in symbols
    ]
    free = islice(_free_numbers(old), len(listed))
    return tuple(replace(each, id=number) for each, number in zip(listed, free, strict=True))


def _free_numbers(registry: Registry) -> Iterator[int]:
    """Yield the numbers that no instrument has, in order."""
    used = {each.id for each in registry.instruments}
    return (number for number in count(1) if number not in used)


def _draft_new_instruments(
    config: VenueConfig,
    venue: Venue,
    members: Members,
    listed: tuple[Instrument, ...],
    trading_day: date,
    now_ns: int,
) -> list[Draft]:
    """Draft the listing of new instruments, and the capacity that their suppliers start with."""
    if not listed:
        return []
    numbered = [replace(each, id=place) for place, each in enumerate(listed, 1)]
    listing = build_columns(numbered, venue.contracts)
    close_s = day_start_s(trading_day) + DAY_S
    draft = join(
        [
            with_phase(draft_listing(listing, now_ns, close_s), PHASES[config.phase]),
            *register_inventory(config, venue, members, listing, now_ns),
        ]
    )
    numbers = np.array([0, *(each.id for each in listed)], np.uint32)
    draft.commands["instrument"] = numbers[draft.commands["instrument"]]
    return [draft]


def _limits(config: VenueConfig, carried: CarriedDay, registry: Registry) -> dict[str, int]:
    """Return limits for the day: of no pool below those of the previous day."""
    numbered = [replace(each, id=place) for place, each in enumerate(registry.instruments, 1)]
    return limits_of(
        config,
        build_columns(numbered, registry.contracts),
        registry.accounts,
        registry.sessions,
        last=max(each.id for each in registry.instruments),
        before=carried.registry.limits,
        carried=carried.commands,
    ).as_dict()


def _concatenate(carried: Commands, more: Commands) -> Commands:
    """Return both in order, numbered from 1."""
    commands = np.empty(len(carried) + len(more), carried.dtype)
    commands[: len(carried)], commands[len(carried) :] = carried, more
    commands["sequence"] = np.arange(1, len(commands) + 1)
    return commands

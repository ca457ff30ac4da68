"""The opening of a venue's first day: its registry, and the first commands of its log."""

from collections import Counter
from datetime import date
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from exchange.days.opening import draft_listing, draft_members
from exchange.definition.baskets import draft_baskets
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import (
    Draft,
    draft_admin,
    join,
    number_commands,
    sort_by_time,
)
from exchange.definition.contracts import Venue
from exchange.definition.instrument_columns import InstrumentColumns, build_columns
from exchange.definition.instruments import instruments
from exchange.definition.members import Members
from exchange.definition.offers import offers_of
from exchange.definition.sequences import draft_sequences
from exchange.definition.toml_file import BadFile
from exchange.venue.config import VenueConfig
from exchange.venue.limits import limits_of
from feeds.protocol.keys import Entitlement
from ledger.daylog.registry import Registry, Session
from ledger.delivery.inventory import RegisteredCapacity
from matching.records import NANOSECONDS, CommandKind, Phase

Commands = NDArray[np.void]

PHASES = {
    "pre-open": Phase.PRE_OPEN,
    "auction": Phase.AUCTION,
    "continuous": Phase.CONTINUOUS,
}


def sessions_of(members: Members, entitlements: dict[str, Entitlement]) -> tuple[Session, ...]:
    """Return the members' sessions with their keys, then one session for every other key."""
    known = {session.name for session in members.sessions}
    last = max((session.id for session in members.sessions), default=0)
    more = [e for name, e in sorted(entitlements.items()) if name not in known]
    own = [
        replace(s, key=entitlements[s.name].key if s.name in entitlements else s.key)
        for s in members.sessions
    ]
    return (*own, *new_sessions(more, last))


def new_sessions(entitlements: list[Entitlement], last: int) -> tuple[Session, ...]:
    """Return sessions for keys that have none, numbered from `last` + 1."""
    firms = [e for e in entitlements if e.role != "market-data"]
    return tuple(
        Session(
            id=last + 1 + place,
            name=e.name,
            firm=e.firm,
            operator=e.role == "operator",
            key=e.key,
        )
        for place, e in enumerate(firms)
    )


def check_entitlements(sessions: tuple[Session, ...], entitlements: dict[str, Entitlement]) -> None:
    """Raise BadFile where a key's firm or role is not that of the session of its name.

    A firm has one drop copy at most, because that has one numbering and one reader.
    """
    copies = Counter(e.firm for e in entitlements.values() if e.role == "drop-copy")
    for entitlement in entitlements.values():
        if entitlement.role == "drop-copy" and copies[entitlement.firm] > 1:
            raise BadFile(f"{entitlement.name}.toml: firm {entitlement.firm} has another drop copy")
    for session in sessions:
        if session.name not in entitlements:
            continue
        entitlement = entitlements[session.name]
        if (entitlement.role == "operator") != session.operator:
            raise BadFile(
                f"{session.name}.toml: `role` must be that of the session: operator or not"
            )
        if entitlement.firm != session.firm:
            raise BadFile(
                f"{session.name}.toml: `firm` must be {session.firm}, that of the session, "
                f"got {entitlement.firm}"
            )


def open_day(
    config: VenueConfig,
    venue: Venue,
    members: Members,
    sessions: tuple[Session, ...],
    trading_day: date,
    now_ns: int,
) -> tuple[Registry, Commands]:
    """Return the registry of a day, and the stamped commands that open it at `now_ns`."""
    now_s = -(-now_ns // NANOSECONDS)
    listed = instruments(venue.contracts, trading_day, config.days, gate_after_s=now_s)
    listing = build_columns(listed, venue.contracts)
    registry = Registry(
        venue=venue.venue,
        trading_day=trading_day.isoformat(),
        note="A day that was served: every command came over the wire or from the venue itself.",
        limits=limits_of(config, listing, members.accounts, sessions, last=len(listing)).as_dict(),
        chips=venue.chips,
        hubs=venue.hubs,
        contracts=venue.contracts,
        instruments=listing.instruments,
        firms=members.firms,
        accounts=members.accounts,
        sessions=sessions,
        inventory=members.inventory,
        programmes=venue.programmes,
        baskets=venue.baskets,
    )
    close_s = day_start_s(trading_day) + DAY_S
    capacity = RegisteredCapacity(registry)
    drafts = [
        draft_members(members, sessions, now_ns),
        with_phase(draft_listing(listing, now_ns, close_s), PHASES[config.phase]),
        draft_sequences(listing.instruments, listing.contracts, now_ns),
        draft_baskets(listing.instruments, venue.baskets, now_ns),
        *_balances(config, members, now_ns),
        *(
            fit_inventory(draft, capacity)
            for draft in register_inventory(config, venue, members, listing, now_ns)
        ),
    ]
    return registry, number_commands(sort_by_time(join(drafts)))


def with_phase(draft: Draft, phase: Phase) -> Draft:
    """Return a draft of listings with its instruments opened in a phase; changes it in place."""
    commands = draft.commands
    commands["type"][commands["kind"] == CommandKind.PHASE] = phase
    return draft


def _balances(config: VenueConfig, members: Members, now_ns: int) -> list[Draft]:
    """Draft the balances that the configuration gives to buyers and suppliers."""
    drafts = []
    given = ((members.buyers, config.buyer_fen), (members.suppliers, config.supplier_fen))
    for accounts, amount_fen in given:
        if amount_fen and accounts:
            numbers = [account.id for account in accounts]
            drafts.append(_admin(CommandKind.FUND, now_ns, account=numbers, amount_fen=amount_fen))
    return drafts


def register_inventory(
    config: VenueConfig, venue: Venue, members: Members, listing: InstrumentColumns, now_ns: int
) -> list[Draft]:
    """Draft the capacity that suppliers start with, if the configuration says so."""
    if not config.register_inventory or not members.inventory:
        return []
    offers = offers_of(members, listing, venue.chips)
    return [
        _admin(
            CommandKind.REGISTER,
            now_ns,
            account=offers.account,
            instrument=offers.index + 1,
            quantity=offers.capacity,
        )
    ]


def fit_inventory(draft: Draft, capacity: RegisteredCapacity) -> Draft:
    """Return a draft of which each REGISTER has no more than is installed; the rest is as it was.

    Counts the REGISTER commands in `capacity`.
    """
    commands = draft.commands.copy()
    for row in np.flatnonzero(commands["kind"] == CommandKind.REGISTER).tolist():
        one = commands[row : row + 1]
        room = capacity.room(int(one["account"][0]), int(one["instrument"][0]))
        one["quantity"] = np.clip(one["quantity"], 0, max(0, room.lots))
        capacity.note(one)
    empty = (commands["kind"] == CommandKind.REGISTER) & (commands["quantity"] == 0)
    return Draft(commands, draft.handles, draft.targets).select(~empty)


def _admin(kind: CommandKind, now_ns: int, account: Any, **fields: Any) -> Draft:
    return draft_admin(kind, np.full(len(account), now_ns), account=account, **fields)

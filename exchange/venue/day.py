"""The trading day of a venue: a new one, or one that continues where its day log ends.

The log has everything that a start needs: the registry and the commands. A replay of these gives
the engine's state, the refs that sessions used and the number of every report.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exchange.days.carry_forward import check_carried_rules
from exchange.definition.calendar import day_of, day_start_s, parse_day
from exchange.definition.contracts import read_venue
from exchange.definition.members import Members, read_members
from exchange.venue.clock import VenueClock
from exchange.venue.config import VenueConfig, ledger_of
from exchange.venue.errors import DayRefused
from exchange.venue.folder_lock import FolderLock
from exchange.venue.key_changes import open_new_sessions, with_keys
from exchange.venue.next_day import open_next_day
from exchange.venue.opening import check_entitlements, open_day, sessions_of
from feeds.protocol.keys import VENUE, Entitlement, Secret, new_pair, read_entitlements, read_secret
from ledger.books.database import open_books
from ledger.books.open_day import last_settled_day
from ledger.daylog import DayLog, DayLogNotSealed, DayLogWriter, read_day_log
from ledger.daylog.registry import Registry
from matching.limits import Limits
from matching.records import NANOSECONDS

Commands = NDArray[np.void]

LOG = logging.getLogger("suanshi.venue")


@dataclass(frozen=True, kw_only=True)
class VenueDay:
    """A day that is ready to be served."""

    registry: Registry
    writer: DayLogWriter
    log: DayLog | None  # the day before this start; None for a new day
    opening: Commands  # to process first, numbered from the writer's next sequence
    secret: Secret
    entitlements: dict[str, Entitlement]
    folder_lock: FolderLock  # held until the venue is closed

    @property
    def limits(self) -> Limits:
        """Limits of the engine."""
        return Limits(**self.registry.limits)

    def past(self) -> Iterator[Commands]:
        """Yield the commands of the day so far, COMMAND[n]."""
        if self.log is not None:
            yield from self.log.blocks()


def keys_folder(config: VenueConfig) -> Path:
    """Return the folder of keys and entitlements."""
    return Path(config.keys) if config.keys else Path(config.folder) / "keys"


def start_day(config: VenueConfig, clock: VenueClock, *, make_keys: bool) -> VenueDay:
    """Begin the trading day in the configuration's folder, or continue it.

    The first day of a folder opens with the balances of the configuration, each later one with
    what the previous day closed with. Raises DayRefused for a day that is sealed, for one that
    cannot open yet and for a folder that is served already, BadFile and BadKey for a file that
    cannot be read, DayLogError for a log that is damaged, made under other rules or cannot be
    written.
    """
    folder = Path(config.folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(folder)
    try:
        return _start_day(config, clock, lock, make_keys=make_keys)
    except BaseException:
        lock.close()
        raise


def _start_day(
    config: VenueConfig, clock: VenueClock, lock: FolderLock, *, make_keys: bool
) -> VenueDay:
    """Do what `start_day` says, in a folder that nobody else serves."""
    folder = Path(config.folder)
    newest, incomplete = newest_log(folder)
    if newest is not None:
        check_carried_rules(newest)  # both to continue it and to open the next day, it is replayed
    members = read_members(config.members or None)
    served = newest is not None
    secret, entitlements = _keys(keys_folder(config), members, make_keys, served=served)
    for path in incomplete:
        path.replace(path.with_suffix(".headless"))
    day = next_day(config, clock, newest)
    path = folder / f"{day.isoformat()}.log"
    if newest is not None and newest.path == path:
        check_not_settled(config, newest)
        return _continue_day(newest, clock, secret, entitlements, lock)
    venue = read_venue(config.definition or None)
    if newest is None:
        sessions = sessions_of(members, entitlements)
        check_entitlements(sessions, entitlements)
        registry, opening = open_day(config, venue, members, sessions, day, clock.now_ns())
    else:
        clock.not_before(day_start_s(day) * NANOSECONDS)
        now_ns = clock.now_ns()
        registry, opening = open_next_day(config, venue, members, entitlements, newest, day, now_ns)
        check_entitlements(registry.sessions, entitlements)
    writer = DayLogWriter.create(path, venue=registry.venue, trading_day=registry.trading_day)
    writer.append_registry(registry)
    return VenueDay(
        registry=registry,
        writer=writer,
        log=None,
        opening=opening,
        secret=secret,
        entitlements=entitlements,
        folder_lock=lock,
    )


def check_not_settled(config: VenueConfig, log: DayLog) -> None:
    """Raise DayRefused where the books have settled a day that its log says goes on: the log was
    repaired, or is an older copy, and what it lacks is in the books."""
    path = ledger_of(config)
    if not path.exists():
        return
    with open_books(path, read_only=True) as books:
        settled = last_settled_day(books)
    if settled is not None and settled >= log.trading_day:
        raise DayRefused(
            f"{log.path}: goes on, but {path} is settled to {settled}; put the sealed log back "
            f"from a backup, or take the settlement back: `suanshi ledger reverse {path} "
            f"{log.trading_day}`"
        )


def next_day(config: VenueConfig, clock: VenueClock, newest: DayLog | None) -> date:
    """Return the day to serve: the newest day if it is not sealed, else the next one.

    `newest` is the last day log in the folder. Raises DayRefused for a day that is sealed, that is
    before the newest, or that has not begun by the real clock.
    """
    today = day_of(clock.now_ns() // NANOSECONDS)
    wanted = parse_day(config.trading_day) if config.trading_day else None
    if newest is None:
        return wanted or today
    last = parse_day(newest.trading_day)
    if not newest.sealed:
        if wanted not in (None, last):
            raise DayRefused(
                f"{newest.path}: {last} is not sealed; serve and close it before {wanted}"
            )
        return last
    day = wanted or max(today, last + timedelta(days=1))
    if day <= last:
        raise DayRefused(f"{newest.path}: {last} is over and sealed; serve a later day than {day}")
    if day > today and clock.start_ns is None:
        raise DayRefused(
            f"{newest.path}: {last} is over and sealed; {day} has not begun: it begins at 00:00 in "
            "Shanghai, and `suanshi run` waits for it"
        )
    return day


def _keys(
    folder: Path, members: Members, make_keys: bool, *, served: bool
) -> tuple[Secret, dict[str, Entitlement]]:
    """Return the venue's key pair and all entitlements; make the missing ones where wanted.

    A venue that has served keeps its key: with another one, no broker's connection.toml is of it.
    """
    venue, public = folder / f"{VENUE}.secret", folder / f"{VENUE}.toml"
    if not venue.exists():
        if served or public.exists():
            raise DayRefused(
                f"{venue}: missing, and brokers know the venue by this key; restore the file from "
                f"a backup. If it is lost: remove {public}, run `suanshi keys new {VENUE} --role "
                f"market-data --folder {folder}`, serve, and give connection.toml to every broker"
            )
        new_pair(folder, VENUE, role="market-data")
    if make_keys:
        for session in members.sessions:
            if not (folder / f"{session.name}.toml").exists():
                role = "operator" if session.operator else "trading"
                new_pair(folder, session.name, role=role, firm=session.firm)
    return read_secret(venue), read_entitlements(folder)


def newest_log(folder: Path) -> tuple[DayLog | None, list[Path]]:
    """Return the last day log of a folder, sealed or not, and later ones with half an opening.

    The venue stopped while it wrote such an opening, so nothing was reported from it. The log is
    None where no day was ever served.
    """
    incomplete: list[Path] = []
    for path in sorted(folder.glob("????-??-??.log"), reverse=True):
        try:
            log = read_day_log(path, unsealed=True)
        except DayLogNotSealed as error:
            if error.commands:
                raise
        else:
            if log.sealed or log.is_opened:
                return log, incomplete
        incomplete.append(path)
    return None, incomplete


def _continue_day(
    log: DayLog,
    clock: VenueClock,
    secret: Secret,
    entitlements: dict[str, Entitlement],
    lock: FolderLock,
) -> VenueDay:
    """Continue the day of a log, with sessions for the keys that were made since."""
    _warn_if_behind(clock, log)
    clock.not_before(log.last_time_ns)
    registry = with_keys(log.registry, entitlements)
    writer = DayLogWriter.resume(log)
    if registry != log.registry:
        writer.append_registry(registry)
    opening = open_new_sessions(registry, log.registry, clock.now_ns(), writer.next_sequence)
    return VenueDay(
        registry=registry,
        writer=writer,
        log=log,
        opening=opening,
        secret=secret,
        entitlements=entitlements,
        folder_lock=lock,
    )


def _warn_if_behind(clock: VenueClock, log: DayLog) -> None:
    """Warn where the real clock has not reached the log's last time: the venue's time stands until
    it does."""
    behind_s = (log.last_time_ns - clock.now_ns()) / NANOSECONDS
    if clock.start_ns is None and behind_s > 1:
        LOG.warning(
            "%s: was stamped until %.0f s after the system's clock; until then nothing falls due "
            "and all orders have one time. If the clock is slow, stop, set it, and serve again",
            log.path,
            behind_s,
        )


def session_numbers(registry: Registry) -> tuple[dict[str, int], dict[int, int]]:
    """Return the number of each session by name, and the firm of each by number."""
    sessions = registry.sessions
    return {each.name: each.id for each in sessions}, {each.id: each.firm for each in sessions}

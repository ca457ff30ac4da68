"""Checks of a venue that does not run: its files, keys, ports, clock, disk, books and day.

Each returns what it found, in words, and raises an error whose line says what is wrong and what to
do. Nothing is changed.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from exchange.days.payment_queue import PaymentQueue
from exchange.definition.contracts import read_venue
from exchange.definition.members import read_members
from exchange.venue.config import VenueConfig, ledger_of
from exchange.venue.day import check_not_settled, keys_folder, newest_log
from exchange.venue.errors import DayRefused
from exchange.venue.folder_lock import LOCK_NAME
from exchange.venue.opening import check_entitlements, sessions_of
from feeds.protocol.keys import VENUE, read_entitlements, read_secret
from ledger.books.database import open_books
from ledger.books.open_day import last_settled_day, opened_day
from ledger.daylog.file_lock import holder_of
from matching.records import NANOSECONDS

FREE_MIN_BYTES = 2 << 30
"""Free space below which a venue's disk is too full to begin a day."""

Check = tuple[str, Callable[[], str]]


def checks_of(config: VenueConfig) -> list[Check]:
    """The checks of a venue by name, in the order in which a start would fail."""
    return [
        ("definition", lambda: _definition(config)),
        ("members", lambda: _members(config)),
        ("keys", lambda: _keys(config)),
        ("ports", lambda: _ports(config)),
        ("disk", lambda: _disk(config)),
        ("day", lambda: _day(config)),
        ("clock", lambda: _clock(config)),
        ("books", lambda: _books(config)),
    ]


def _definition(config: VenueConfig) -> str:
    venue = read_venue(config.definition or None)
    return (
        f"{venue.venue}: {len(venue.contracts)} contracts, {len(venue.hubs)} hubs, "
        f"{len(venue.programmes)} programmes, {len(venue.baskets)} baskets"
    )


def _members(config: VenueConfig) -> str:
    members = read_members(config.members or None)
    return (
        f"{len(members.firms)} firms, {len(members.accounts)} accounts, "
        f"{len(members.sessions)} sessions"
    )


def _keys(config: VenueConfig) -> str:
    folder = keys_folder(config)
    read_secret(folder / f"{VENUE}.secret")
    entitlements = read_entitlements(folder)
    members = read_members(config.members or None)
    missing = [each.name for each in members.sessions if each.name not in entitlements]
    if missing:
        raise DayRefused(
            f"{folder}: no entitlement of {', '.join(missing)}; make it with `suanshi keys new "
            f"{missing[0]} --folder {folder}`"
        )
    check_entitlements(sessions_of(members, entitlements), entitlements)
    open_to_others = [
        path.name for path in sorted(folder.glob("*.secret")) if path.stat().st_mode & 0o077
    ]
    if open_to_others:
        raise DayRefused(
            f"{folder}: others may read {', '.join(open_to_others)}; `chmod 600` these files"
        )
    return f"the venue's key, and {len(entitlements)} entitlements"


def _ports(config: VenueConfig) -> str:
    lock = Path(config.folder) / LOCK_NAME
    if lock.exists() and (holder := holder_of(lock)):
        return f"in use by this venue, {holder}"
    chosen = 0
    for endpoint in (config.orders, config.admin, config.market, config.recovery):
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        if not port.isdigit():
            chosen += 1
            continue
        try:
            with socket.create_server((host.replace("*", ""), int(port))):
                pass
        except OSError as error:
            raise DayRefused(f"{endpoint}: cannot be listened on: {error.strerror}") from None
    return f"{4 - chosen} are free, {chosen} are chosen by the system"


def _disk(config: VenueConfig) -> str:
    folder = Path(config.folder)
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise DayRefused(f"{folder}: cannot be written to")
    free = shutil.disk_usage(folder).free
    if free < FREE_MIN_BYTES:
        raise DayRefused(f"{folder}: {free >> 20:,} MiB are free; a venue needs 2,048 at least")
    return f"{free >> 20:,} MiB are free"


def _day(config: VenueConfig) -> str:
    folder = Path(config.folder)
    newest, incomplete = newest_log(folder)
    more = f"; {len(incomplete)} openings were interrupted" if incomplete else ""
    if newest is None:
        return f"no day was served yet{more}"
    newest.check_rules()
    if not newest.sealed:
        check_not_settled(config, newest)
    state = "is over and sealed" if newest.sealed else "goes on"
    return f"{newest.trading_day} {state}, {newest.command_count:,} commands{more}"


def _clock(config: VenueConfig) -> str:
    newest, _ = newest_log(Path(config.folder))
    behind_s = 0.0
    if newest is not None:
        behind_s = (newest.last_time_ns - time.time_ns()) / NANOSECONDS
    if behind_s > 1:
        raise DayRefused(
            f"{behind_s:,.0f} s behind the last command of {newest.path if newest else ''}; set "
            "the system's clock; or, if the venue was rehearsed, go on with `run --rehearse`"
        )
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())


def _books(config: VenueConfig) -> str:
    path = ledger_of(config)
    if not path.exists():
        return "none yet"
    with open_books(path, read_only=True) as books:
        settled, opened = last_settled_day(books), opened_day(books)
    waiting = len(list(PaymentQueue(path).waiting()))
    newest, _ = newest_log(Path(config.folder))
    if opened is not None and (newest is None or newest.trading_day < opened):
        note = "its opening was interrupted, and is made anew"
    else:
        note = "open"
    day = f", {opened} {note}" if opened else ""
    return f"settled to {settled or 'no day'}{day}; {waiting} payments wait"

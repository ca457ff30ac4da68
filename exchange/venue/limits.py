"""Limits of a served day: room for what is listed and carried, and each session's share of it."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.toml_file import BadFile
from exchange.venue.config import VenueConfig
from ledger.daylog.registry import Account, Session
from matching.limits import BOUNDS, REFS_PER_PAGE, Limits
from matching.records import COMMAND, CommandKind

Commands = NDArray[np.void]

POOLS = ("orders", "blocks", "ref_pages")
"""Limits of which each session has a share, `session_orders` and so on."""

_SPARE_INSTRUMENTS = 64  # for listings during the day
_SPARE_SESSIONS = 32
_NOTHING = np.zeros(0, COMMAND)


def limits_of(
    config: VenueConfig,
    listing: InstrumentColumns,
    accounts: Iterable[Account],
    sessions: Iterable[Session],
    *,
    last: int,
    before: Mapping[str, int] | None = None,
    carried: Commands = _NOTHING,
) -> Limits:
    """Return limits with room for the day, replaced by those that the configuration sets.

    `last` is the greatest number of an instrument. On a day that follows another, `before` has that
    day's limits, below which no pool falls, and `carried` the commands that it is opened with.
    Raises BadFile for limits that are not valid or that do not hold what the day begins with.
    """
    for name in config.limits.keys() - BOUNDS.keys():
        raise BadFile(f"limits: there is no limit `{name}`; there are {', '.join(BOUNDS)}")
    widths = listing.high_ticks - listing.low_ticks + 1
    spare_ticks = int(widths.max(initial=1)) * _SPARE_INSTRUMENTS
    default = Limits()
    used = {
        "sessions": max(session.id for session in sessions),
        "accounts": max(account.id for account in accounts),
        "instruments": last,
    }
    wanted = {
        "sessions": max(64, used["sessions"] + _SPARE_SESSIONS),
        "accounts": max(64, used["accounts"]),
        "instruments": last + _SPARE_INSTRUMENTS,
        "orders": default.orders,
        "blocks": default.blocks,
        "ref_pages": 4 * default.ref_pages,
        "refs": default.refs,
        "ticks": max(default.ticks, int(widths.sum()) + spare_ticks),
        "events": default.events,
        **config.limits,
    }
    shares = {f"session_{name}" for name in POOLS}
    for name, size in (before or {}).items():
        if name not in shares:
            wanted[name] = max(size, wanted.get(name, 0))
    for name, size in used.items():
        if wanted[name] < size:
            raise BadFile(
                f"limits: `{name}` must be at least {size}, the greatest number in use, "
                f"got {wanted[name]}"
            )
    try:
        return Limits(**wanted | _share_out(config, wanted, carried))
    except ValueError as error:
        raise BadFile(str(error)) from None


def _share_out(config: VenueConfig, wanted: Mapping[str, int], carried: Commands) -> dict[str, int]:
    """Return the pools with their shares, so that no session can use up what others need.

    A share that the configuration does not set is the pool divided by the sessions, at least 1. No
    share is less than what a session carries into the day. A pool that is too small for all shares
    is made larger, unless the configuration sets the share.
    """
    sessions = wanted["sessions"]
    found = {}
    for name, most in _most_carried(carried).items():
        share, size = config.limits.get(f"session_{name}"), wanted[name]
        if share is None:
            found[f"session_{name}"] = max(1, size // sessions, most)
            found[name] = max(size, sessions * found[f"session_{name}"])
        else:
            found[f"session_{name}"] = max(share, most)
    return found


def _most_carried(commands: Commands) -> dict[str, int]:
    """Return the most orders, blocks and pages of refs that one session carries into the day."""
    new = commands[commands["kind"] == CommandKind.NEW]
    sessions = new["session"].astype(np.int64)
    pages = np.unique(sessions << 32 | new["user_ref"] // REFS_PER_PAGE)
    owners = {"orders": sessions, "blocks": sessions[new["hours"] > 0], "ref_pages": pages >> 32}
    return {name: int(np.bincount(owners[name]).max(initial=0)) for name in POOLS}

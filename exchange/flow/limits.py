"""Sizing: limits of a machine that holds a given day."""

import numpy as np
import numpy.typing as npt

from exchange.definition.instrument_columns import Listing
from exchange.definition.members import Members
from matching.limits import Limits
from matching.records import CommandKind

PAGE_REFS = 1_024


def limits_for(commands: npt.NDArray[np.void], listing: Listing, members: Members) -> Limits:
    """Limits that hold the day with all of its orders resting at once; powers of two.

    Every session is given refs for all the day's commands.
    """
    new = commands["kind"] == CommandKind.NEW
    orders, blocks = int(new.sum()), int((new & (commands["hours"] > 0)).sum())
    sessions = max((session.id for session in members.sessions), default=1)
    widths = listing.high_ticks - listing.low_ticks + 1
    return Limits(
        sessions=_room(sessions),
        accounts=_room(max(account.id for account in members.accounts)),
        instruments=_room(len(listing)),
        orders=_room(orders),
        blocks=_room(blocks),
        refs=_room(len(commands)),
        ref_pages=_room(len(commands) // PAGE_REFS + 2 * sessions),
        ticks=_room(int(widths.sum())),
        events=1 << 15,
    )


def _room(count: int) -> int:
    """The power of two above a count, and never less than 16."""
    return 1 << max(4, count.bit_length())

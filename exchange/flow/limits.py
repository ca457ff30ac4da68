"""Limits of a machine that is just large enough for a given day."""

import numpy as np
import numpy.typing as npt

from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from matching.limits import REFS_PER_PAGE, Limits
from matching.records import CommandKind


def limits_for(
    commands: npt.NDArray[np.void], columns: InstrumentColumns, members: Members
) -> Limits:
    """Limits under which all orders of `commands` may rest at once; each is a power of two.

    Every session gets as many refs as the day has commands.
    """
    new = commands["kind"] == CommandKind.NEW
    orders, blocks = int(new.sum()), int((new & (commands["hours"] > 0)).sum())
    sessions = max((session.id for session in members.sessions), default=1)
    widths = columns.high_ticks - columns.low_ticks + 1
    pages = len(commands) // REFS_PER_PAGE + 2 * sessions
    return Limits(
        sessions=_capacity(sessions),
        accounts=_capacity(max(account.id for account in members.accounts)),
        instruments=_capacity(len(columns)),
        orders=_capacity(orders),
        blocks=_capacity(blocks),
        refs=_capacity(len(commands)),
        ref_pages=_capacity(pages),
        session_orders=_capacity(orders),
        session_blocks=_capacity(blocks),
        session_ref_pages=_capacity(pages),
        ticks=_capacity(int(widths.sum())),
        events=1 << 15,
    )


def _capacity(count: int) -> int:
    """The smallest power of two above `count`, at least 16."""
    return 1 << max(4, count.bit_length())

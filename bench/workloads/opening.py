"""The venue's own commands that precede a workload: instruments, sessions, accounts, funds.

They list the instruments, open continuous trading, open sessions and accounts, and give the
accounts money, capacity and limits.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bench.workloads.definitions import Workload
from matching import COMMAND, Limits
from matching.memory.layout import PAGE
from matching.records import BLOCK_HOURS_MAX, CommandKind, Phase

Commands = NDArray[np.void]

MAKER_RATE, TAKER_RATE = 100, 300  # millionths of the notional
DEPOSIT_FEN = 5  # a contract
FUNDS_FEN = 10**10
CAPACITY_LOTS = 10**6
ORDER_LOTS_MAX = 1_000
POSITION_LOTS_MAX = 10**7
NOTIONAL_FEN_MAX = 10**8


class Near(IntEnum):
    """The limit that an account is close to."""

    NONE = 0
    FUNDS = 1
    CAPACITY = 2
    POSITION = 3
    ORDER_SIZE = 4


def limits_of(workload: Workload, commands: int) -> Limits:
    """Return limits of a machine that suffice for so many commands, whatever their events are."""
    # Refs: an equal share for every session, a quarter more, and some spare ones.
    refs = commands // workload.sessions * 5 // 4 + 4_096
    orders = workload.resting + workload.resting // 4 + 4_096 + workload.blocks
    blocks, pages = 2 * workload.blocks + 1_024, workload.sessions * (refs // PAGE + 1)
    return Limits(
        sessions=workload.sessions,
        accounts=workload.accounts,
        instruments=workload.size.instruments,
        orders=orders,
        blocks=blocks,
        refs=refs,
        ref_pages=pages,
        session_orders=orders,
        session_blocks=blocks,
        session_ref_pages=pages,
        ticks=workload.size.instruments * workload.band_ticks,
    )


def band_of(workload: Workload) -> tuple[int, int]:
    """Return the lowest and the highest price; the mid starts in the middle."""
    low = workload.mid_start_ticks - workload.band_ticks // 2
    return low, low + workload.band_ticks - 1


def session_of(workload: Workload, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the session (and firm) through which an account trades."""
    return np.asarray((account - 1) % workload.sessions + 1)


def limit_in_reach(workload: Workload, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each account the limit that it is close to, a `Near`."""
    share = workload.mix.near_limit
    interval = round(1 / share) if share else workload.accounts + 1
    chosen = (account + account // interval) % interval == 0  # some in every session
    return np.where(chosen, account // interval % Near.ORDER_SIZE + 1, Near.NONE)


def opening(workload: Workload) -> Iterator[Commands]:
    """Yield all commands up to continuous trading, in order, in chunks of moderate size."""
    instruments = np.arange(1, workload.size.instruments + 1)
    sessions = np.arange(1, workload.sessions + 1)
    low, high = band_of(workload)
    yield rows_of(
        CommandKind.LIST, instrument=instruments, price=workload.mid_start_ticks, quantity=1
    )
    yield rows_of(CommandKind.BAND, instrument=instruments, price=low, stop=high)
    yield rows_of(
        CommandKind.FEES,
        instrument=instruments,
        price=MAKER_RATE,
        stop=TAKER_RATE,
        quantity=DEPOSIT_FEN,
    )
    yield rows_of(CommandKind.PHASE, instrument=instruments, type=Phase.CONTINUOUS)
    if workload.linked:
        yield link_hours(instruments)
    yield rows_of(CommandKind.SESSION, target_ref=sessions, account=sessions)
    yield from _open_accounts(workload)


def link_hours(instruments: NDArray[np.int64]) -> Commands:
    """Return commands that make the instruments consecutive hours."""
    return rows_of(
        CommandKind.SEQUENCE,
        instrument=instruments[1:],
        target_ref=instruments[:-1],
        quantity=BLOCK_HOURS_MAX,
    )


def _open_accounts(workload: Workload) -> Iterator[Commands]:
    """Yield commands that open the accounts and give them funds, capacity and limits.

    The accounts close to a limit are spread evenly, and as many are close to each limit. Their
    limit follows from what an account holds open on average: enough of their orders are rejected
    to be seen, and they still trade.
    """
    accounts = np.arange(1, workload.accounts + 1)
    near = limit_in_reach(workload, accounts)
    lots_open = workload.resting * workload.lots_max // (4 * workload.accounts)
    lots_a_book = lots_open // workload.size.instruments + workload.lots_max
    yield rows_of(
        CommandKind.ACCOUNT,
        account=accounts,
        target_ref=session_of(workload, accounts),
        quantity=(accounts - 1) // workload.group_accounts + 1,
    )
    yield rows_of(
        CommandKind.LIMITS,
        account=accounts,
        amount_fen=NOTIONAL_FEN_MAX,
        quantity=np.where(near == Near.ORDER_SIZE, workload.lots_max * 3 // 4, ORDER_LOTS_MAX),
        display=np.where(near == Near.POSITION, lots_a_book, POSITION_LOTS_MAX),
    )
    funds = np.where(near == Near.FUNDS, workload.mid_start_ticks * (lots_open + 100), FUNDS_FEN)
    yield rows_of(CommandKind.FUND, account=accounts, amount_fen=funds)
    capacity = np.where(near == Near.CAPACITY, lots_a_book, CAPACITY_LOTS)
    for instrument in range(1, workload.size.instruments + 1):
        yield rows_of(
            CommandKind.REGISTER, account=accounts, instrument=instrument, quantity=capacity
        )


def rows_of(kind: CommandKind, **columns: int | NDArray[np.int64]) -> Commands:
    """Return commands of one kind; a column is an array, or one value for all of them."""
    rows = np.zeros(max(np.size(column) for column in columns.values()), COMMAND)
    rows["kind"] = kind
    for name, column in columns.items():
        rows[name] = column
    return rows

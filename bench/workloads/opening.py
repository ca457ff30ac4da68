"""The venue's own commands before a workload: listings, sessions, accounts, money and capacity."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.workloads import Workload
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
TIGHT_KINDS = 4


def limits_of(workload: Workload, commands: int) -> Limits:
    """A machine large enough for so many commands, whatever becomes of them."""
    # An equal share for every session, a quarter more, and some that stay spare.
    refs = commands // workload.sessions * 5 // 4 + 4_096
    return Limits(
        sessions=workload.sessions,
        accounts=workload.accounts,
        instruments=workload.size.instruments,
        orders=workload.resting + workload.resting // 4 + 4_096 + workload.blocks,
        blocks=2 * workload.blocks + 1_024,
        refs=refs,
        ref_pages=workload.sessions * (refs // PAGE + 1),
        ticks=workload.size.instruments * workload.band_ticks,
    )


def band_of(workload: Workload) -> tuple[int, int]:
    """Lowest and highest price, the worth in the middle."""
    low = workload.worth_ticks - workload.band_ticks // 2
    return low, low + workload.band_ticks - 1


def session_of(workload: Workload, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """The session (and firm) through which an account trades."""
    return np.asarray((account - 1) % workload.sessions + 1)


def tight_of(workload: Workload, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which limit accounts are close to: 1 money, 2 capacity, 3 position, 4 order size; 0 none."""
    apart = round(1 / workload.mix.tight) if workload.mix.tight else workload.accounts + 1
    chosen = (account + account // apart) % apart == 0  # in every session some
    return np.where(chosen, account // apart % TIGHT_KINDS + 1, 0)


def opening(workload: Workload) -> Iterator[Commands]:
    """All commands up to continuous trading, in order, in parts of moderate size."""
    instruments = np.arange(1, workload.size.instruments + 1)
    sessions = np.arange(1, workload.sessions + 1)
    low, high = band_of(workload)
    yield rows_of(CommandKind.LIST, instrument=instruments, price=workload.worth_ticks, quantity=1)
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
        yield links(instruments)
    yield rows_of(CommandKind.SESSION, target_ref=sessions, account=sessions)
    yield from _accounts(workload)


def links(instruments: NDArray[np.int64]) -> Commands:
    """Make the instruments hours that follow one another."""
    return rows_of(
        CommandKind.SEQUENCE,
        instrument=instruments[1:],
        target_ref=instruments[:-1],
        quantity=BLOCK_HOURS_MAX,
    )


def _accounts(workload: Workload) -> Iterator[Commands]:
    """Open and provide the accounts; the tight ones are evenly among them, of each kind as many.

    What a tight account has is set by what it would hold open on average, so that it is refused
    often enough to see and still trades.
    """
    accounts = np.arange(1, workload.accounts + 1)
    tight = tight_of(workload, accounts)
    lots_open = workload.resting * workload.lots_max // (4 * workload.accounts)
    lots_a_book = lots_open // workload.size.instruments + workload.lots_max
    yield rows_of(
        CommandKind.ACCOUNT,
        account=accounts,
        target_ref=session_of(workload, accounts),
        quantity=(accounts - 1) // workload.related + 1,
    )
    yield rows_of(
        CommandKind.LIMITS,
        account=accounts,
        amount_fen=NOTIONAL_FEN_MAX,
        quantity=np.where(tight == 4, workload.lots_max * 3 // 4, ORDER_LOTS_MAX),
        display=np.where(tight == 3, lots_a_book, POSITION_LOTS_MAX),
    )
    funds = np.where(tight == 1, workload.worth_ticks * (lots_open + 100), FUNDS_FEN)
    yield rows_of(CommandKind.FUND, account=accounts, amount_fen=funds)
    capacity = np.where(tight == 2, lots_a_book, CAPACITY_LOTS)
    for instrument in range(1, workload.size.instruments + 1):
        yield rows_of(
            CommandKind.REGISTER, account=accounts, instrument=instrument, quantity=capacity
        )


def rows_of(kind: CommandKind, **columns: int | NDArray[np.int64]) -> Commands:
    """Commands of one kind; a column is an array or the same for all."""
    rows = np.zeros(max(np.size(column) for column in columns.values()), COMMAND)
    rows["kind"] = kind
    for name, column in columns.items():
        rows[name] = column
    return rows

"""The venue's own commands before a workload: listings, sessions, accounts, money and capacity."""

import numpy as np
from numpy.typing import NDArray

from bench.workloads import Workload
from matching import COMMAND, Limits
from matching.layout import PAGE
from matching.records import CommandKind, Phase

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
    refs = refs_of(workload, commands)
    return Limits(
        sessions=workload.sessions,
        accounts=workload.accounts,
        instruments=workload.size.instruments,
        orders=workload.resting + workload.resting // 4 + 4_096,
        refs=refs,
        ref_pages=workload.sessions * (refs // PAGE + 1),
        ticks=workload.size.instruments * workload.band_ticks,
    )


def refs_of(workload: Workload, commands: int) -> int:
    """A bound of the refs of a session: an equal share, and a quarter more."""
    return commands // workload.sessions * 5 // 4 + 4_096


def band_of(workload: Workload) -> tuple[int, int]:
    """Lowest and highest price, the worth in the middle."""
    low = workload.worth_ticks - workload.band_ticks // 2
    return low, low + workload.band_ticks - 1


def session_of(workload: Workload, account: NDArray[np.int64]) -> NDArray[np.int64]:
    """The session (and firm) through which an account trades."""
    return np.asarray((account - 1) % workload.sessions + 1)


def opening(workload: Workload) -> NDArray[np.void]:
    """All commands up to continuous trading, in order."""
    instruments = np.arange(1, workload.size.instruments + 1)
    sessions = np.arange(1, workload.sessions + 1)
    low, high = band_of(workload)
    market = [
        _rows(CommandKind.LIST, instrument=instruments, price=workload.worth_ticks, quantity=1),
        _rows(CommandKind.BAND, instrument=instruments, price=low, stop=high),
        _rows(
            CommandKind.FEES,
            instrument=instruments,
            price=MAKER_RATE,
            stop=TAKER_RATE,
            quantity=DEPOSIT_FEN,
        ),
        _rows(CommandKind.PHASE, instrument=instruments, type=Phase.CONTINUOUS),
        _rows(CommandKind.SESSION, target_ref=sessions, account=sessions),
    ]
    return np.concatenate([*market, *_accounts(workload, instruments)], dtype=COMMAND)


def _accounts(workload: Workload, instruments: NDArray[np.int64]) -> list[NDArray[np.void]]:
    """Open and provide the accounts; the tight ones are evenly among them, of each kind as many.

    What a tight account has is set by what it would hold open on average, so that it is refused
    often enough to see and still trades.
    """
    accounts = np.arange(1, workload.accounts + 1)
    apart = round(1 / workload.mix.tight) if workload.mix.tight else workload.accounts + 1
    tight = np.where(accounts % apart == 0, accounts // apart % TIGHT_KINDS + 1, 0)
    lots_open = workload.resting * workload.lots_max // (4 * workload.accounts)
    lots_a_book = lots_open // workload.size.instruments + workload.lots_max
    funds = np.where(tight == 1, workload.worth_ticks * (lots_open + 100), FUNDS_FEN)
    capacity = np.where(tight == 2, lots_a_book, CAPACITY_LOTS)
    position = np.where(tight == 3, lots_a_book, POSITION_LOTS_MAX)
    order = np.where(tight == 4, workload.lots_max * 3 // 4, ORDER_LOTS_MAX)
    books = len(instruments)
    return [
        _rows(
            CommandKind.ACCOUNT,
            account=accounts,
            target_ref=session_of(workload, accounts),
            quantity=(accounts - 1) // workload.related + 1,
        ),
        _rows(
            CommandKind.LIMITS,
            account=accounts,
            amount_fen=NOTIONAL_FEN_MAX,
            quantity=order,
            display=position,
        ),
        _rows(CommandKind.FUND, account=accounts, amount_fen=funds),
        _rows(
            CommandKind.REGISTER,
            account=np.tile(accounts, books),
            instrument=np.repeat(instruments, workload.accounts),
            quantity=np.tile(capacity, books),
        ),
    ]


def _rows(kind: CommandKind, **columns: int | NDArray[np.int64]) -> NDArray[np.void]:
    """Commands of one kind; a column is an array or the same for all."""
    rows = np.zeros(max(np.size(column) for column in columns.values()), COMMAND)
    rows["kind"] = kind
    for name, column in columns.items():
        rows[name] = column
    return rows

"""The demonstration: one day of real demand, built, replayed, settled and summed up."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from exchange.days.engines import open_engine
from exchange.days.replay import Replay, ReplayResult, check_seal
from exchange.flow.flow import TRADING_DAY, build_philly_day, write_day
from ledger.books.database import create_books
from ledger.day_settlement import settle
from ledger.daylog import read_day_log
from ledger.daylog.registry import Registry
from ledger.delivery.block_trades import TradedBlock, traded_blocks
from ledger.statements.account import TrialBalance, trial_balance
from ledger.statements.summary import (
    AccountDay,
    InstrumentDay,
    Settlement,
    account_days,
    instrument_days,
)
from matching.limits import Limits

DAY_LOG = "day.log"
LEDGER = "ledger.duckdb"

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the count that is done, and the total count."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """The results of one day, from orders to settled money."""

    day_log: Path
    ledger: Path
    registry: Registry
    replay: ReplayResult
    settlement: Settlement
    instruments: list[InstrumentDay]  # that traded, by turnover, the greatest first
    accounts: list[AccountDay]
    trial_balance: TrialBalance
    blocks: list[TradedBlock]  # both sides of each
    elapsed_s: dict[str, float]  # by stage


def outputs(folder: Path) -> list[Path]:
    """The files that a demonstration writes into a folder."""
    return [folder / DAY_LOG, folder / LEDGER]


def demonstrate(
    folder: Path,
    *,
    seed: int = 1,
    trading_day: date = TRADING_DAY,
    compiling: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
) -> Demonstration:
    """Build a day log in a folder, replay and settle it, and sum up the results.

    Replay and settlement read only the log. If the demonstration fails or is interrupted, its files
    are removed. Raises DayLogError and LedgerError, each with one line.
    """
    day_log, ledger = outputs(folder)
    report = progress or (lambda stage, done, total: None)
    watch = _Stopwatch()
    open_engine("kernel", Limits(), compiling=compiling)
    watch.lap("start the engine")
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        report("build the day", 0, 1)
        registry, commands = build_philly_day(seed, trading_day)
        write_day(day_log, registry, commands)
        watch.lap("build the day")
        log = read_day_log(day_log)
        run = Replay(
            log,
            open_engine("kernel", log.limits),
            progress=lambda done: report("replay", done, log.command_count),
        )
        with create_books(ledger) as books:
            settlement = settle(
                books,
                log.registry,
                check_seal(run, log),
                log.sha256,
                progress=lambda stage, done, total: report(f"settle: {stage}", done, total),
            )
            watch.lap("replay and settle")
            return Demonstration(
                day_log=day_log,
                ledger=ledger,
                registry=log.registry,
                replay=run.result(),
                settlement=settlement,
                instruments=instrument_days(books, log.trading_day),
                accounts=account_days(books, log.trading_day),
                trial_balance=trial_balance(books),
                blocks=traded_blocks(books),
                elapsed_s=watch.laps_s,
            )
    except BaseException:
        for path in outputs(folder):
            path.unlink(missing_ok=True)
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


class _Stopwatch:
    def __init__(self) -> None:
        self.laps_s: dict[str, float] = {}
        self._last_s = time.perf_counter()

    def lap(self, name: str) -> None:
        now_s = time.perf_counter()
        self.laps_s[name] = round(now_s - self._last_s, 3)
        self._last_s = now_s

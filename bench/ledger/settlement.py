"""One day, settled and timed in a process of its own, and the same settlement in SQLite.

`python -m bench.ledger.settlement write FOLDER TRADES` writes the day's log.
`python -m bench.ledger.settlement settle FOLDER TRADES 0|1` settles it, also in SQLite and pandas
if the last argument is 1, and prints a row as JSON.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.ledger.sqlite_settlement import create_sqlite, differences, settle_sqlite
from bench.ledger.synthetic_day import events_of, write_day
from bench.matching.memory import resident_mb
from ledger.books.database import Books, create_books, open_books
from ledger.day_settlement import settle
from ledger.daylog import DayLog, read_day_log
from ledger.daylog.registry import Registry
from ledger.proof.audit import certificate
from ledger.settlement.fills import Fills, read_fills

Result = dict[str, Any]

LOG, BOOKS, SQLITE = "day.log", "books.duckdb", "books.sqlite"


class Stages:
    """Seconds of each stage; a stage lasts from the end of the one before to its own end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last_end_s = time.perf_counter()

    def end(self, name: str) -> None:
        """End a stage; a stage that ends again adds to its seconds."""
        now_s = time.perf_counter()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + now_s - self.last_end_s, 3)
        self.last_end_s = now_s

    def restart(self) -> None:
        """Begin the next stage now; the time since the last one belongs to no stage."""
        self.last_end_s = time.perf_counter()


class SettlementProgress:
    """Ends a stage whenever a settlement reports that it is in another one."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._current = "trades"
        self.durable_s = 0.0  # when the postings were durable: the summary comes after that

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take a report of the settlement."""
        if stage != self._current:
            self._stages.end(self._current)
            self._current = stage
        if stage == "summary":
            self.durable_s = self._stages.last_end_s


class TimedReplay:
    """The events of a log, and the time it takes to generate them while a settlement reads them."""

    def __init__(self, log: DayLog) -> None:
        self._log = log
        self.seconds = 0.0
        self.end_s = self.end_cpu_s = 0.0  # when the last event was read

    def events(self) -> Iterator[Any]:
        """Yield batches of events."""
        begin_s = time.perf_counter()
        for events in events_of(self._log):
            self.seconds += time.perf_counter() - begin_s
            yield events
            begin_s = time.perf_counter()
        self.end_s, self.end_cpu_s = begin_s, time.process_time()


def settle_day(folder: Path, trades: int, rivals: bool) -> Result:
    """Settle the day of the log in a folder, and return its row: seconds by stage, rows, memory.

    With `rivals`, SQLite and pandas settle the same fills after that.
    """
    for path in folder.glob("books.*"):  # of the run before
        path.unlink()
    stages = Stages()
    log = read_day_log(folder / LOG)
    sha256 = log.sha256
    stages.end("read and prove the log")
    replay, progress = TimedReplay(log), SettlementProgress(stages)
    with create_books(folder / BOOKS) as books:
        stages.end("create")
        done = settle(books, log.registry, replay.events(), sha256, progress=progress)
    stages.end("close")
    seconds = stages.seconds
    from_fills_s = progress.durable_s - replay.end_s + seconds["close"]
    from_fills_cpu_s = time.process_time() - replay.end_cpu_s
    seconds["replay"] = round(replay.seconds, 3)
    seconds["trades"] = round(seconds["trades"] - replay.seconds, 3)
    peak_mb = resident_mb("VmHWM")
    settle_s = sum(seconds.values()) - seconds["read and prove the log"] - seconds["create"]
    fills = read_fills(events_of(log), log.registry) if rivals else None
    stages.restart()
    with open_books(folder / BOOKS, read_only=True) as books:
        faults = certificate(books)
        stages.end("certificate")
        result: Result = {
            "trades": trades, "postings": done.postings, "agreements": done.agreements,
            "vouchers": done.vouchers, "bindings": done.voucher_bindings, "stages_s": seconds,
            "settle_s": round(settle_s, 3), "trades_per_s": round(trades / settle_s),
            "postings_per_s": round(done.postings / settle_s), "faults": len(faults),
            "peak_mb": peak_mb, "books_mb": round((folder / BOOKS).stat().st_size / 1e6, 1),
        }  # fmt: skip
        if fills is not None:
            result |= _time_rivals(folder, log.registry, fills, books, from_fills_s)
            result["from_fills_cpu_s"] = round(from_fills_cpu_s, 3)
    return result


def _time_rivals(
    folder: Path, registry: Registry, fills: Fills, books: Books, from_fills_s: float
) -> Result:
    """Time SQLite from the fills to the same rows, and pandas from the fills to the same nets."""
    rival = create_sqlite(folder / SQLITE)
    begin_s, begin_cpu_s = time.perf_counter(), time.process_time()
    settle_sqlite(rival, registry, fills)
    rival.close()
    sqlite_s, sqlite_cpu_s = time.perf_counter() - begin_s, time.process_time() - begin_cpu_s
    rival = sqlite3.connect(folder / SQLITE)
    differing = differences(books, rival)
    rival.close()
    result: Result = {
        "from_fills_s": round(from_fills_s, 3), "sqlite_s": round(sqlite_s, 3),
        "sqlite_cpu_s": round(sqlite_cpu_s, 3),
        "sqlite_mb": round((folder / SQLITE).stat().st_size / 1e6, 1),
        "sqlite_differences": differing,
        "times_sqlite": round(sqlite_s / from_fills_s, 2),
    }  # fmt: skip
    pandas_s = _pandas_s(folder, fills)
    if pandas_s is not None:
        result["pandas_netting_s"] = round(pandas_s, 3)
    return result


def _pandas_s(folder: Path, fills: Fills) -> float | None:
    """Return the seconds that pandas takes to net the trades and write Parquet; None without it."""
    try:
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]
        import pyarrow  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        return None
    begin_s = time.perf_counter()
    trades = pandas.DataFrame(fills.trades)
    trades["ticks"] = trades["price_ticks"].astype("int64") * trades["quantity"]
    for side in ("buyer", "seller"):
        by = trades.groupby(["instrument", side])
        by[["quantity", "ticks", f"{side}_fee_fen"]].sum().to_parquet(folder / f"{side}.parquet")
    trades.to_parquet(folder / "trades.parquet")
    return time.perf_counter() - begin_s


def main(step: str, folder: Path, trades: int, rivals: bool) -> None:
    """Write the log of a day, or settle it and print the row as JSON."""
    if step == "write":
        write_day(folder / LOG, trades)
    else:
        print(json.dumps(settle_day(folder, trades, rivals)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] == ["1"])

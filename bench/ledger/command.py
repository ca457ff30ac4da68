"""`python -m bench ledger`: from a sealed day log to durable, certified postings, and rivals."""

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, median_low
from typing import Any

import click

Result = dict[str, Any]

SIZES = (100_000, 1_000_000, 5_000_000)
RIVALS_UP_TO = 1_000_000

METHOD = (
    "wall clock; interleaved runs, of which each row is the one with the median of settle_s, but "
    "times_sqlite the median; each settlement in a process of its own; SQLite afterwards in the "
    "same process, from the same fills to the same rows, both from empty tables until the rows are "
    "durable, and closing; the summary of the day is not counted"
)


@click.command()
@click.option(
    "--trades", "sizes", multiple=True, type=click.IntRange(1_000, 20_000_000),
    help="Settle a day of so many trades; may be given again. Default: 100k, 1M and 5M.",
)  # fmt: skip
@click.option("--runs", default=3, type=click.IntRange(1, 99), help="Of each size. Default: 3.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the days are written.")
@click.option("--rivals/--no-rivals", default=True, help="Also settle in SQLite and pandas.")
@click.option("--allocation/--no-allocation", default=True, help="Also time the allocation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def ledger(
    *, sizes: tuple[int, ...], runs: int, folder: Path | None, rivals: bool, allocation: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure settlement: seconds a stage, rows a second, memory, and SQLite doing the same.

    Each day is settled in a process of its own, so that its highest memory is its own. SQLite (and
    pandas, where it is installed) settle days of up to a million trades, in the same run.
    """
    from bench.machine import machine

    result: Result = {"machine": machine(), "method": METHOD}
    place = Path(tempfile.mkdtemp(prefix="suanshi-bench-", dir=folder))
    try:
        rows = _settlements(place, sizes or SIZES, runs, rivals)
        result["settlements"], result["growth"] = rows, growth(rows)
        if not as_json:
            for row in rows:
                click.echo(line(row))
        if allocation:
            from bench.ledger.allocation import measure_allocation

            result["allocation"] = measure_allocation(1_000_000)
    finally:
        shutil.rmtree(place)
    click.echo(json.dumps(result, indent=2) if as_json else summary(result))


def _settlements(place: Path, sizes: tuple[int, ...], runs: int, rivals: bool) -> list[Result]:
    """A row for each size, the runs of all sizes in turn."""
    for trades in sizes:
        click.echo(f"{trades:,} trades: written", err=True)
        (place / str(trades)).mkdir()
        _in_process("write", place, trades)
    rows: dict[int, list[Result]] = {trades: [] for trades in sizes}
    for run in range(runs):
        for trades, done in rows.items():
            row = json.loads(
                _in_process("settle", place, trades, rivals and trades <= RIVALS_UP_TO)
            )
            click.echo(f"{run + 1}/{runs}: {line(row)}", err=True)
            done.append(row)
    return [_of_runs(done) for done in rows.values()]


def _of_runs(runs: list[Result]) -> Result:
    """The run with the median of `settle_s`; in `runs` what differs most of all of them."""
    told = ("settle_s", "from_fills_s", "sqlite_s", "times_sqlite")
    middle = median_low(run["settle_s"] for run in runs)
    row = dict(next(run for run in runs if run["settle_s"] == middle))
    row["runs"] = [{name: run[name] for name in told if name in run} for run in runs]
    if "times_sqlite" in row:
        row["times_sqlite"] = median(run["times_sqlite"] for run in runs)
    return row


def _in_process(step: str, place: Path, trades: int, rivals: bool = False) -> bytes:
    """Write or settle one day in a process of its own; what it printed."""
    command = [
        sys.executable,
        "-m",
        "bench.ledger.command",
        step,
        str(place / str(trades)),
        str(trades),
    ]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(
        [*command, str(int(rivals))], check=True, stdout=subprocess.PIPE, env=env
    ).stdout


def settle_day(place: Path, trades: int, rivals: bool) -> Result:
    """Settle the day of a log; seconds by stage, and what the rivals need for the same postings."""
    from bench.ledger.synthetic_day import events_of
    from bench.matching.memory import resident_mb
    from ledger.books.database import create_books, open_books
    from ledger.daylog import read_day_log
    from ledger.proof.audit import certificate
    from ledger.settle import settle
    from ledger.settlement.fills import read_fills

    stages: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        stages[name] = round(stages.get(name, 0.0) + now - clock, 3)
        clock = now

    for path in place.glob("books.*"):  # of the run before
        path.unlink()
    log = read_day_log(place / "day.log")
    name = log.sha256
    lap("read and prove the log")
    replay_s = events_read = durable = cpu_s = 0.0

    def replayed() -> Iterator[Any]:
        """The events, with a look at the clock: a settlement asks for them as it reads them."""
        nonlocal replay_s, events_read, cpu_s
        begin = time.perf_counter()
        for events in events_of(log):
            replay_s += time.perf_counter() - begin
            yield events
            begin = time.perf_counter()
        events_read, cpu_s = begin, time.process_time()

    current = ["trades"]

    def tell(stage: str, done: int, total: int) -> None:
        nonlocal durable
        if stage != current[0]:
            lap(current[0])
            current[0] = stage
        if stage == "summary":
            durable = clock

    with create_books(place / "books.duckdb") as books:
        lap("create")
        done = settle(books, log.registry, replayed(), name, progress=tell)
    lap("close")
    from_fills_s, cpu_s = durable - events_read + stages["close"], time.process_time() - cpu_s
    stages["replay"] = round(replay_s, 3)
    stages["trades"] = round(stages["trades"] - replay_s, 3)
    peak_mb = resident_mb("VmHWM")
    settle_s = sum(stages.values()) - stages["read and prove the log"] - stages["create"]
    fills_only = read_fills(events_of(log), log.registry) if rivals else None
    clock = time.perf_counter()
    with open_books(place / "books.duckdb", read_only=True) as books:
        faults = certificate(books)
        lap("certificate")
        result: Result = {
            "trades": trades, "postings": done.postings, "agreements": done.agreements,
            "vouchers": done.vouchers, "bindings": done.voucher_bindings, "stages_s": stages,
            "settle_s": round(settle_s, 3), "trades_per_s": round(trades / settle_s),
            "postings_per_s": round(done.postings / settle_s), "faults": len(faults),
            "peak_mb": peak_mb, "books_mb": round((place / "books.duckdb").stat().st_size / 1e6, 1),
        }  # fmt: skip
        if rivals:
            result |= _rivals(place, log.registry, fills_only, books, from_fills_s)
            result["from_fills_cpu_s"] = round(cpu_s, 3)
    return result


def _rivals(place: Path, registry: Any, fills: Any, books: Any, own_s: float) -> Result:
    """SQLite with the same rows, pandas with the same netting, from the fills on."""
    from bench.ledger.sqlite_settlement import create_sqlite, differences, settle_sqlite

    rival = create_sqlite(place / "books.sqlite")
    begin, cpu = time.perf_counter(), time.process_time()
    settle_sqlite(rival, registry, fills)
    rival.close()
    sqlite_s, cpu = time.perf_counter() - begin, time.process_time() - cpu
    rival = sqlite3.connect(place / "books.sqlite")
    unlike = differences(books, rival)
    rival.close()
    result: Result = {
        "from_fills_s": round(own_s, 3), "sqlite_s": round(sqlite_s, 3),
        "sqlite_cpu_s": round(cpu, 3),
        "sqlite_mb": round((place / "books.sqlite").stat().st_size / 1e6, 1),
        "sqlite_differences": unlike,
        "times_sqlite": round(sqlite_s / own_s, 2),
    }  # fmt: skip
    pandas_s = _pandas_s(place, fills)
    if pandas_s is not None:
        result["pandas_netting_s"] = round(pandas_s, 3)
    return result


def _pandas_s(place: Path, fills: Any) -> float | None:
    """Seconds to net the trades with pandas and write them to Parquet; None without pandas."""
    try:
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]
        import pyarrow  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        return None
    begin = time.perf_counter()
    trades = pandas.DataFrame(fills.trades)
    trades["ticks"] = trades["price_ticks"].astype("int64") * trades["quantity"]
    for side in ("buyer", "seller"):
        by = trades.groupby(["instrument", side])
        by[["quantity", "ticks", f"{side}_fee_fen"]].sum().to_parquet(place / f"{side}.parquet")
    trades.to_parquet(place / "trades.parquet")
    return time.perf_counter() - begin


def growth(rows: list[Result]) -> dict[str, float]:
    """Seconds of each size over those of the one before, per trade: 1.0 is linear."""
    return {
        f"{small['trades']} to {large['trades']}": round(
            large["settle_s"] / large["trades"] / (small["settle_s"] / small["trades"]), 2
        )
        for small, large in itertools.pairwise(rows)
    }


def line(row: Result) -> str:
    """A settlement for people."""
    rival = f", SQLite {row['sqlite_s']} s: {row['times_sqlite']}x" if "sqlite_s" in row else ""
    return (
        f"{row['trades']:>9,} trades {row['postings']:>9,} postings {row['settle_s']:>8} s "
        f"{row['trades_per_s']:>9,} trades/s peak {row['peak_mb']:,.0f} MB{rival}"
    )


def summary(result: Result) -> str:
    """What is not told line by line."""
    return json.dumps({key: result[key] for key in ("growth", "allocation") if key in result})


if __name__ == "__main__":
    _, step, where, count, with_rivals = sys.argv
    if step == "write":
        from bench.ledger.synthetic_day import write_day

        write_day(Path(where) / "day.log", int(count))
    else:
        print(json.dumps(settle_day(Path(where), int(count), with_rivals == "1")))

"""`python -m bench ledger`: from a sealed day log to durable, certified postings, beside SQLite."""

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median, median_low
from typing import Any

import click

from bench.child_process import child_environment
from bench.machine import machine

Result = dict[str, Any]

SIZES = (100_000, 1_000_000, 5_000_000)
RIVALS_TRADES_MAX = 1_000_000
RUN_FIELDS = ("settle_s", "from_fills_s", "sqlite_s", "times_sqlite")
ALLOCATION_WANTS = 1_000_000

METHOD = (
    "wall clock; interleaved runs, of which each row is the one with the median of settle_s, but "
    "times_sqlite the median; each settlement in a process of its own; SQLite afterwards in the "
    "same process, from the same fills to the same rows, both from empty tables until the rows are "
    "durable, and closing; the summary of the day is not counted"
)


@click.command()
@click.option(
    "--trades", "sizes", multiple=True, type=click.IntRange(1_000, 20_000_000),
    help="Trades of the day to settle; may be given again. Default: 100k, 1M and 5M.",
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
    """Measure settlement: seconds by stage, rows a second, memory, and the same in SQLite.

    A process of its own settles each day, so that the highest memory is that of this day. SQLite
    (and pandas, where it is installed) settle days of up to a million trades, in the same run.
    """
    result: Result = {"machine": machine(), "method": METHOD}
    scratch = Path(tempfile.mkdtemp(prefix="suanshi-bench-", dir=folder))
    try:
        rows = _measure_sizes(scratch, sizes or SIZES, runs, rivals)
        result["settlements"], result["growth"] = rows, growth(rows)
        if not as_json:
            for row in rows:
                click.echo(line(row))
        if allocation:
            from bench.ledger.allocation import measure_allocation

            result["allocation"] = measure_allocation(ALLOCATION_WANTS)
    finally:
        shutil.rmtree(scratch)
    click.echo(json.dumps(result, indent=2) if as_json else summary(result))


def _measure_sizes(scratch: Path, sizes: tuple[int, ...], runs: int, rivals: bool) -> list[Result]:
    """Write a day of each size, and settle all of them in turn; returns a row for each size."""
    for trades in sizes:
        click.echo(f"{trades:,} trades: written", err=True)
        (scratch / str(trades)).mkdir()
        _in_process("write", scratch, trades)
    rows: dict[int, list[Result]] = {trades: [] for trades in sizes}
    for run in range(runs):
        for trades, done in rows.items():
            with_rivals = rivals and trades <= RIVALS_TRADES_MAX
            row = json.loads(_in_process("settle", scratch, trades, str(int(with_rivals))))
            click.echo(f"{run + 1}/{runs}: {line(row)}", err=True)
            done.append(row)
    return [_median_run(done) for done in rows.values()]


def _median_run(runs: list[Result]) -> Result:
    """Return the run with the median of `settle_s`; its `runs` has the figures of all runs."""
    middle = median_low(run["settle_s"] for run in runs)
    row = dict(next(run for run in runs if run["settle_s"] == middle))
    row["runs"] = [{name: run[name] for name in RUN_FIELDS if name in run} for run in runs]
    if "times_sqlite" in row:
        row["times_sqlite"] = median(run["times_sqlite"] for run in runs)
    return row


def _in_process(step: str, scratch: Path, trades: int, *arguments: str) -> bytes:
    """Run a step of bench.ledger.settlement in a process, and return its output."""
    folder = scratch / str(trades)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.ledger.settlement",
            step,
            str(folder),
            str(trades),
            *arguments,
        ],
        check=True,
        stdout=subprocess.PIPE,
        env=child_environment(),
    ).stdout


def growth(rows: list[Result]) -> dict[str, float]:
    """Return the seconds a trade of each size relative to the size before: 1.0 is linear."""
    return {
        f"{small['trades']} to {large['trades']}": round(
            large["settle_s"] / large["trades"] / (small["settle_s"] / small["trades"]), 2
        )
        for small, large in itertools.pairwise(rows)
    }


def line(row: Result) -> str:
    """Return a settlement as a line of text."""
    rival = f", SQLite {row['sqlite_s']} s: {row['times_sqlite']}x" if "sqlite_s" in row else ""
    return (
        f"{row['trades']:>9,} trades {row['postings']:>9,} postings {row['settle_s']:>8} s "
        f"{row['trades_per_s']:>9,} trades/s peak {row['peak_mb']:,.0f} MB{rival}"
    )


def summary(result: Result) -> str:
    """Return the figures that have no line of their own, as JSON."""
    return json.dumps({key: result[key] for key in ("growth", "allocation") if key in result})

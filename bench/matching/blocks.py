"""`python -m bench blocks`: the cost of resting block orders.

Three measurements: plain flow over the 168 hours of one contract, with a thousand blocks resting
over these hours; flow of some hours while blocks rest in other hours; books that are linked as
hours while no block rests.
"""

import hashlib
import json
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import click
import numpy as np

from bench.machine import machine
from bench.matching.measure import measure, warmed_engine
from bench.matching.timing import (
    Commands,
    Progress,
    Run,
    cold_seconds,
    progress_on_stderr,
    split,
    time_in_turn,
)
from bench.workloads.definitions import PLAIN, WORKLOADS, Size, Workload
from bench.workloads.opening import band_of, link_hours, rows_of, session_of
from bench.workloads.recording import Recording, record
from matching import COMMAND, Engine, Limits
from matching.records import CommandKind, OrderType, Phase, Side, TimeInForce

Result = dict[str, Any]

HOURS, RESTING = 168, 600
BLOCKS = 1_000
WEEK = Workload(PLAIN, Size(f"{HOURS}x{RESTING}", HOURS, RESTING), linked=True, blocks=BLOCKS)
DAY = Workload(PLAIN, Size("24x600", 24, RESTING), linked=True)
LINKED_WORKLOADS = ("rich-10k", "rich-100x1k")  # measured linked, without blocks
ACCOUNTS = 64  # owners of the blocks in other hours


@click.command()
@click.option("--commands", default=1 << 19, show_default=True, type=click.IntRange(min=4_096))
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def blocks(commands: int, repeats: int, seed: int, as_json: bool) -> None:
    """Measure the cost of resting blocks. Progress goes to stderr."""
    standing = []
    for count in (0, BLOCKS):
        recording = record(replace(WEEK, blocks=count), commands, seed)
        rates = measure(recording, repeats, progress_on_stderr(f"{count} blocks"))
        standing.append({"blocks": count, **asdict(rates)})
    result = {
        "machine": machine(), "commands": commands, "repeats": repeats, "seed": seed,
        "hours": HOURS, "resting_an_hour": RESTING, "standing": standing,
        "elsewhere": measure_elsewhere(commands, repeats, seed),
        "none_stand": [measure_linked(n, commands, repeats, seed) for n in LINKED_WORKLOADS],
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(result)))


def measure_elsewhere(commands: int, repeats: int, seed: int) -> list[Result]:
    """Play one stream in 24 hours, with 0, 100 and 1,000 blocks resting in the 168 hours after."""
    recording = record(DAY, commands, seed)
    first = DAY.size.instruments + 1
    limits = replace(
        recording.limits, instruments=DAY.size.instruments + HOURS, blocks=2 * BLOCKS,
        orders=recording.limits.orders + BLOCKS, session_orders=recording.limits.orders + BLOCKS,
        session_blocks=2 * BLOCKS,
        ticks=(DAY.size.instruments + HOURS) * DAY.band_ticks,
    )  # fmt: skip
    hours = list_hours(DAY, first, HOURS)
    before = {
        str(count): np.concatenate(
            [hours, resting_blocks(DAY, limits, first, count)], dtype=COMMAND
        )
        for count in (0, 100, BLOCKS)
    }
    return compare(recording, limits, before, repeats, progress_on_stderr("elsewhere"))


def measure_linked(name: str, commands: int, repeats: int, seed: int) -> Result:
    """Play a workload as it is, and with its books linked as hours; no block rests in either."""
    workload = WORKLOADS[name]
    recording = record(workload, commands, seed)
    books = workload.size.instruments
    limits = recording.limits
    added = np.zeros(0, COMMAND)
    if books == 1:  # a sequence has at least two hours
        limits = replace(limits, instruments=2, ticks=2 * workload.band_ticks)
        added, books = list_hours(workload, 2, 1), 2
    linked = np.concatenate([added, link_hours(np.arange(1, books + 1))], dtype=COMMAND)
    before = {"not linked": added, "linked": linked}
    rows = compare(recording, limits, before, repeats, progress_on_stderr(name))
    return {"workload": name, "linked": rows}


def compare(
    recording: Recording,
    limits: Limits,
    before: dict[str, Commands],
    repeats: int,
    progress: Progress,
) -> list[Result]:
    """Play one stream in turn on machines that differ in the commands `before` it, by name.

    Returns a row for each: its rate, and the ratio to the first one's. Raises RuntimeError where
    these commands change the stream's events, because then the work is not the same.
    """
    batches = split(recording.stream)
    for name, commands in before.items():
        engine, digest = _set_up(recording, limits, commands), hashlib.sha256()
        for batch in batches:
            digest.update(engine.process(batch).tobytes())
        if digest.hexdigest() != recording.tally.sha256:
            raise RuntimeError(f"{name}: changes the events of {recording.workload.name}")

    def run_after(commands: Commands) -> Run:
        """Return a run of the stream on a machine that has accepted `commands` before."""

        def run() -> float:
            process = _set_up(recording, limits, commands).process
            return cold_seconds(process, batches) / len(recording.stream)

        return run

    runs = {name: run_after(commands) for name, commands in before.items()}
    times = time_in_turn(runs, repeats, progress)
    base = next(iter(before))
    return [
        {
            "before": name,
            "commands_per_s": round(times.commands_per_s(name)),
            "ratio": round(median(times.ratios(name, base)), 4),
        }
        for name in before
    ]


def _set_up(recording: Recording, limits: Limits, commands: Commands) -> Engine:
    """Return a machine at the start of the stream that has also accepted these commands."""
    engine = warmed_engine(replace(recording, limits=limits))
    last, commands = recording.warm[-1], commands.copy()
    commands["time_ns"], commands["sequence"] = last["time_ns"], last["sequence"]
    for batch in split(commands):
        events = engine.process(batch)
        assert not events["reason"].any(), "the venue's commands and its blocks are accepted"
    return engine


def list_hours(workload: Workload, first: int, count: int) -> Commands:
    """Return commands that list `count` more instruments and link them as consecutive hours."""
    numbers = np.arange(first, first + count)
    low, high = band_of(workload)
    kinds = [
        rows_of(CommandKind.LIST, instrument=numbers, price=workload.mid_start_ticks, quantity=1),
        rows_of(CommandKind.BAND, instrument=numbers, price=low, stop=high),
        rows_of(CommandKind.PHASE, instrument=numbers, type=Phase.CONTINUOUS),
    ]
    if count > 1:
        kinds.append(link_hours(numbers))
    kinds += [
        rows_of(CommandKind.REGISTER, instrument=numbers, account=account, quantity=10**6)
        for account in range(1, ACCOUNTS + 1)
    ]
    return np.concatenate(kinds, dtype=COMMAND)


def resting_blocks(workload: Workload, limits: Limits, first: int, count: int) -> Commands:
    """Return `count` blocks over the hours from `first` on, whose books have no orders."""
    rng = np.random.default_rng(1)
    rows = np.zeros(count, COMMAND)
    account = rng.integers(1, ACCOUNTS + 1, count)
    start = rng.integers(0, HOURS - 1, count)
    rows["kind"], rows["type"], rows["tif"] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.DAY
    rows["session"], rows["account"] = session_of(workload, account), account
    rows["instrument"] = first + start
    rows["hours"] = rng.integers(2, HOURS - start + 1)
    rows["side"] = rng.integers(0, 2, count)
    distance = rng.integers(1, 100, count)
    rows["price"] = workload.mid_start_ticks + np.where(
        rows["side"] == Side.BUY, -distance, distance
    )
    rows["quantity"] = rng.integers(1, 5, count)
    rows["user_ref"] = limits.refs - 1 - np.arange(count)
    return rows


def lines(result: Result) -> list[str]:
    """Return the result as lines of a table."""
    found = [f"plain flow over {HOURS} linked hours, {RESTING} orders in each:"]
    found += [
        f"  {row['blocks']:>5} blocks rest   {row['commands_per_s'] / 1e6:6.2f} M/s  "
        f"{row['ratio']:.3f} of the floor ({row['ratio_least']:.3f}-{row['ratio_most']:.3f})"
        for row in result["standing"]
    ]
    found.append("the same stream in 24 hours, blocks resting in 168 others:")
    found += [
        f"  {row['before']:>5} blocks  {row['commands_per_s'] / 1e6:6.2f} M/s  {row['ratio']:.3f}"
        for row in result["elsewhere"]
    ]
    for each in result["none_stand"]:
        found.append(f"{each['workload']}, no block resting:")
        found += [
            f"  {row['before']:<10}  {row['commands_per_s'] / 1e6:6.2f} M/s  {row['ratio']:.3f}"
            for row in each["linked"]
        ]
    return found

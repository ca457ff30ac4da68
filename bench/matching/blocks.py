"""`python -m bench blocks`: what standing blocks cost, those that a command concerns and others.

Three questions. How fast is plain flow over the 168 hours of one contract with a thousand blocks
standing over them? Does the flow of some hours become dearer when blocks stand in others? And do
books lose anything where hours are linked and no block stands?
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from bench.flow import Recording, record
from bench.measure import cold_seconds, measure, split
from bench.opening import band_of, links, rows_of, session_of
from bench.workloads import PLAIN, WORKLOADS, Size, Workload
from matching import COMMAND, Engine, Limits
from matching.records import CommandKind, OrderType, Phase, Side, TimeInForce

Commands = NDArray[np.void]
Result = dict[str, Any]

HOURS, RESTING = 168, 600
BLOCKS = 1_000
WEEK = Workload(PLAIN, Size(f"{HOURS}x{RESTING}", HOURS, RESTING), linked=True, blocks=BLOCKS)
DAY = Workload(PLAIN, Size("24x600", 24, RESTING), linked=True)
NONE_STAND = ("rich-10k", "rich-100x1k")
ACCOUNTS = 64  # that have blocks elsewhere


@click.command()
@click.option("--commands", default=1 << 19, show_default=True, type=click.IntRange(min=4_096))
@click.option("--repeats", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def blocks(commands: int, repeats: int, seed: int, as_json: bool) -> None:
    """Measure what standing blocks cost. Progress goes to stderr."""
    from bench import report

    standing = [
        {"blocks": count, **asdict(measure(recorded, repeats, _say(f"{count} blocks")))}
        for count in (0, BLOCKS)
        for recorded in (record(replace(WEEK, blocks=count), commands, seed),)
    ]
    result = {
        "machine": report.machine(), "commands": commands, "repeats": repeats, "seed": seed,
        "hours": HOURS, "resting_an_hour": RESTING, "standing": standing,
        "elsewhere": elsewhere(commands, repeats, seed),
        "none_stand": [none_stand(name, commands, repeats, seed) for name in NONE_STAND],
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(result)))


def elsewhere(commands: int, repeats: int, seed: int) -> list[Result]:
    """The same stream in 24 hours, with blocks standing in the 168 that follow."""
    recording = record(DAY, commands, seed)
    first = DAY.size.instruments + 1
    limits = replace(
        recording.limits, instruments=DAY.size.instruments + HOURS, blocks=2 * BLOCKS,
        orders=recording.limits.orders + BLOCKS,
        ticks=(DAY.size.instruments + HOURS) * DAY.band_ticks,
    )  # fmt: skip
    more = listing(DAY, first, HOURS)
    before = {
        str(count): np.concatenate(
            [more, standing_blocks(DAY, limits, first, count)], dtype=COMMAND
        )
        for count in (0, 100, BLOCKS)
    }
    return compare(recording, limits, before, repeats, _say("elsewhere"))


def none_stand(name: str, commands: int, repeats: int, seed: int) -> Result:
    """A workload as it is, and with its books linked and no block standing."""
    workload = WORKLOADS[name]
    recording = record(workload, commands, seed)
    books = workload.size.instruments
    limits = recording.limits
    more = np.zeros(0, COMMAND)
    if books == 1:
        limits = replace(limits, instruments=2, ticks=2 * workload.band_ticks)
        more, books = listing(workload, 2, 1), 2
    linked = np.concatenate([more, links(np.arange(1, books + 1))], dtype=COMMAND)
    before = {"not linked": more, "linked": linked}
    rows = compare(recording, limits, before, repeats, _say(name))
    return {"workload": name, "linked": rows}


def compare(
    recording: Recording,
    limits: Limits,
    before: dict[str, Commands],
    repeats: int,
    progress: Callable[[str], None],
) -> list[Result]:
    """Run one stream after different commands of the venue, in turn; rates against the first.

    Raises RuntimeError where they change the stream's events: then it is not the same work.
    """
    batches = split(recording.stream)
    times: dict[str, list[float]] = {name: [] for name in before}
    for name, commands in before.items():
        engine, digest = _set_up(recording, limits, commands), hashlib.sha256()
        for batch in batches:
            digest.update(engine.process(batch).tobytes())
        if digest.hexdigest() != recording.tally.sha256:
            raise RuntimeError(f"{name}: changes the events of {recording.workload.name}")
    for repeat in range(repeats):
        for name, commands in before.items():
            engine = _set_up(recording, limits, commands)
            times[name].append(cold_seconds(engine.process, batches) / len(recording.stream))
        progress(f"{repeat + 1}/{repeats}: " + ", ".join(
            f"{name} {1e-6 / each[-1]:.2f} M/s" for name, each in times.items()
        ))  # fmt: skip
    base = next(iter(times.values()))
    return [
        {
            "before": name,
            "commands_per_s": round(median(1 / each for each in found)),
            "ratio": round(median(b / each for b, each in zip(base, found, strict=True)), 4),
        }
        for name, found in times.items()
    ]


def _set_up(recording: Recording, limits: Limits, commands: Commands) -> Engine:
    """A machine at the start of the stream, and after these commands, which are all accepted."""
    engine, last, commands = Engine(limits), recording.warm[-1], commands.copy()
    for batch in split(recording.warm):
        engine.process(batch)
    commands["time_ns"], commands["sequence"] = last["time_ns"], last["sequence"]
    for batch in split(commands):
        events = engine.process(batch)
        assert not events["reason"].any(), "the venue's commands and its blocks are accepted"
    return engine


def listing(workload: Workload, first: int, count: int) -> Commands:
    """More instruments in continuous trading, linked with one another."""
    numbers = np.arange(first, first + count)
    low, high = band_of(workload)
    kinds = [
        rows_of(CommandKind.LIST, instrument=numbers, price=workload.worth_ticks, quantity=1),
        rows_of(CommandKind.BAND, instrument=numbers, price=low, stop=high),
        rows_of(CommandKind.PHASE, instrument=numbers, type=Phase.CONTINUOUS),
    ]
    if count > 1:
        kinds.append(links(numbers))
    kinds += [
        rows_of(CommandKind.REGISTER, instrument=numbers, account=account, quantity=10**6)
        for account in range(1, ACCOUNTS + 1)
    ]
    return np.concatenate(kinds, dtype=COMMAND)


def standing_blocks(workload: Workload, limits: Limits, first: int, count: int) -> Commands:
    """Blocks over the hours from one on, in books without orders."""
    dice = np.random.default_rng(1)
    rows = np.zeros(count, COMMAND)
    account = dice.integers(1, ACCOUNTS + 1, count)
    start = dice.integers(0, HOURS - 1, count)
    rows["kind"], rows["type"], rows["tif"] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.DAY
    rows["session"], rows["account"] = session_of(workload, account), account
    rows["instrument"] = first + start
    rows["hours"] = dice.integers(2, HOURS - start + 1)
    rows["side"] = dice.integers(0, 2, count)
    away = dice.integers(1, 100, count)
    rows["price"] = workload.worth_ticks + np.where(rows["side"] == Side.BUY, -away, away)
    rows["quantity"] = dice.integers(1, 5, count)
    rows["user_ref"] = limits.refs - 1 - np.arange(count)
    return rows


def lines(result: Result) -> list[str]:
    """What people read."""
    found = [f"plain flow over {HOURS} linked hours, {RESTING} orders in each:"]
    found += [
        f"  {row['blocks']:>5} blocks stand  {row['commands_per_s'] / 1e6:6.2f} M/s  "
        f"{row['ratio']:.3f} of the floor ({row['ratio_least']:.3f}-{row['ratio_most']:.3f})"
        for row in result["standing"]
    ]
    found.append("the same stream in 24 hours, blocks standing in 168 others:")
    found += [
        f"  {row['before']:>5} blocks  {row['commands_per_s'] / 1e6:6.2f} M/s  {row['ratio']:.3f}"
        for row in result["elsewhere"]
    ]
    for each in result["none_stand"]:
        found.append(f"{each['workload']}, no block standing:")
        found += [
            f"  {row['before']:<10}  {row['commands_per_s'] / 1e6:6.2f} M/s  {row['ratio']:.3f}"
            for row in each["linked"]
        ]
    return found


def _say(what: str) -> Callable[[str], None]:
    return lambda text: click.echo(f"{what}: {text}", err=True)

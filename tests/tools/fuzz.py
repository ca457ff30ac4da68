"""Fuzz test: compiled engine and reference on random streams of any length.

    python -m tests.tools.fuzz --commands 10000000 --workers 2 [--seed N]

Every stream goes through the reference and, one command a call, through the compiled engine, whose
memory is checked after every command. Events must agree to the byte. Every 500 commands the whole
states must agree too, and keep the invariants of matching/invariants/state_invariants.py. A second
compiled engine runs the same stream in larger batches, with a snapshot and a restore in between.
Ends with exit code 1 after a stream that failed, and prints its seed and command.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from enum import IntEnum

import click
import numpy as np
from numpy.typing import NDArray

from matching import COMMAND, EVENT, Engine, Limits
from matching.invariants.state_invariants import violations
from matching.records import CommandKind, EventKind, Reason
from matching.reference.engine import ReferenceEngine
from matching.state_tables import differences
from tests.support.soundness import Soundness
from tests.support.stream_generator import (
    ALL,
    BASIC,
    WITH_BASKETS,
    WITH_BLOCKS,
    Stream,
    garbage,
    stream,
)

LENGTH = 1_500
CHUNK = 500
BATCHES = (1, 7, 64, 65, 4096)


def stream_of(seed: int, length: int = LENGTH) -> Stream:
    """The stream of a seed. Of eight seeds, one is garbage, one plain, two have many blocks, two
    blocks and baskets, and two all features but these."""
    if seed % 8 == 7:
        return garbage(seed, length)
    if seed % 8 == 6:
        return stream(seed, length, BASIC)
    if seed % 8 in (2, 5):
        return stream(seed, length, WITH_BASKETS)
    return stream(seed, length, WITH_BLOCKS if seed % 8 in (1, 3) else ALL)


def first_failure(
    limits: Limits, commands: NDArray[np.void], batch: int, check_every: int = 1
) -> str | None:
    """The first failure of a stream that both engines run; None if there is none."""
    reference, kernel, batched = ReferenceEngine(limits), Engine(limits), Engine(limits)
    soundness = Soundness(kernel)
    for start in range(0, len(commands), CHUNK):
        chunk = commands[start : start + CHUNK]
        expected = reference.process(chunk).tobytes()
        got = b""
        for index in range(len(chunk)):
            got += kernel.process(chunk[index : index + 1]).tobytes()
            broken = soundness.broken() if index % check_every == 0 else None
            if broken:
                return f"after command {start + index} ({describe(chunk[index])}): {broken}"
        if got != expected:
            return f"events differ\n{first_difference(limits, commands[: start + len(chunk)])}"
        tables = kernel.state_tables()
        wrong = differences(reference.state_tables(), tables) + violations(tables)
        if wrong:
            return f"after command {start + len(chunk) - 1}: " + "; ".join(wrong)
        batches = b"".join(
            batched.process(chunk[at : at + batch]).tobytes() for at in range(0, len(chunk), batch)
        )
        if batches != expected:
            return f"commands {start} to {start + CHUNK} in batches of {batch}: events differ"
        batched = Engine.restore(batched.snapshot())
    return None


def first_difference(limits: Limits, commands: NDArray[np.void]) -> str:
    """The first command whose events differ, with the events of both engines."""
    reference, kernel = ReferenceEngine(limits), Engine(limits)
    for index in range(len(commands)):
        one = commands[index : index + 1]
        expected, got = reference.process(one), kernel.process(one).copy()
        if expected.tobytes() != got.tobytes():
            lines = [f"command {index}: {describe(one[0])}"]
            lines += [f"  reference: {describe(event)}" for event in expected]
            lines += [f"  kernel:    {describe(event)}" for event in got]
            return "\n".join(lines)
    return "only in chunks of commands, not one by one"


def describe(record: np.void) -> str:
    """The fields of a record that are not 0, kinds and reasons by name."""
    kinds: type[IntEnum] = CommandKind if record.dtype == COMMAND else EventKind
    words = []
    for name in record.dtype.names or ():
        value = int(record[name])
        if name == "kind" and value in kinds._value2member_map_:
            words.insert(0, kinds(value).name)
        elif name == "reason" and value in Reason._value2member_map_:
            words.append(Reason(value).name)
        elif value and name not in ("time_ns", "amount_fen" if record.dtype == EVENT else "stop"):
            words.append(f"{name}={value}")
    return " ".join(words)


def run_seed(task: tuple[int, int]) -> tuple[int, int, str | None]:
    """Run the stream of a seed; returns the seed, the number of commands and the failure."""
    seed, length = task
    try:
        limits, commands = stream_of(seed, length)
        failure = first_failure(limits, commands, BATCHES[seed % len(BATCHES)])
    except Exception as error:
        return seed, length, f"raised {error!r}"
    return seed, len(commands), failure


def results(
    seed: int, commands: int, workers: int, length: int
) -> Iterator[tuple[int, int, str | None]]:
    """Run streams from `seed` on, in parallel processes, until they have this many commands."""
    tasks = ((number, length) for number in range(seed, seed + -(-commands // length)))
    if workers == 1:
        yield from map(run_seed, tasks)
        return
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        yield from pool.imap_unordered(run_seed, tasks, chunksize=4)


@click.command()
@click.option("--commands", default=100_000, show_default=True, help="Commands of all streams.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option("--seed", default=0, show_default=True, help="Of the first stream.")
@click.option("--length", default=LENGTH, show_default=True, help="Commands of a stream.")
def main(commands: int, workers: int, seed: int, length: int) -> None:
    """Run random streams on compiled engine and reference; exit code 1 where they differ."""
    done = streams = failures = 0
    run_seed((seed, 10))  # compiles before the workers start
    began = shown = time.monotonic()
    for number, count, failure in results(seed, commands, workers, length):
        done, streams = done + count, streams + 1
        if failure:
            failures += 1
            click.echo(f"seed {number}, length {length}: {failure}")
        now = time.monotonic()
        if now - shown > 5:
            shown = now
            rate = done / (now - began)
            left_s = max(0, commands - done) / rate
            progress = f"{done:,} of {commands:,} commands, {rate:,.0f}/s, {left_s:,.0f} s left"
            click.echo(progress, err=True)
    click.echo(f"{done:,} commands in {streams:,} streams from seed {seed}: {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

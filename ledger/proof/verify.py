"""Verification: the books against the day log, everything done again.

The log is proved by reading it (every checksum, every sequence number), its commands are run
through a machine whose state must be sound after every block, the events' hash is compared with
the one that was sealed, the day is settled again and compared row by row, and the books are
audited by themselves.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import open_books
from ledger.daylog import DayLog, read_day_log
from ledger.proof.audit import audit
from ledger.proof.recomputation import compare
from ledger.settle import Progress
from matching.checks.invariants import violations
from matching.limits import Limits
from matching.state_tables import Tables


class Machine(Protocol):
    """What runs commands: the engine or the reference."""

    def process(self, commands: NDArray[np.void], /) -> NDArray[np.void]:
        """The events of the commands."""
        ...

    def state_tables(self) -> Tables:
        """The state after the last command."""
        ...


def verify(
    books_path: str | Path, log_path: str | Path,
    machine: Callable[[Limits], Machine] | None = None, progress: Progress | None = None,
) -> list[str]:  # fmt: skip
    """All differences between the books and the day log, in words; an empty list is good.

    `machine` makes the machine that runs the commands (None: the compiled engine). Raises
    DayLogError where the log is damaged or not sealed, LedgerError where the books cannot be
    opened: then there is nothing to compare.
    """
    log = read_day_log(log_path)
    if machine is None:
        from matching import Engine

        machine = Engine
    with open_books(books_path, read_only=True) as books:
        digest = hashlib.sha256()
        unsound: list[str] = []
        tell = progress or (lambda stage, done, total: None)
        events = _events(log, machine(log.limits), digest.update, unsound, tell)
        faults = compare(books, log.registry, events, log.sha256, tell)
        for _ in events:  # what `compare` did not need; the hash does
            pass
        if log.events_sha256 is not None and digest.digest() != log.events_sha256:
            faults.append(f"{log.path}: its commands do not give the events that were sealed")
        return unsound + faults + audit(books, tell)


def _events(
    log: DayLog, machine: Machine, hashed: Callable[[memoryview], None], unsound: list[str],
    tell: Progress,
) -> Iterator[NDArray[np.void]]:  # fmt: skip
    done = 0
    for block in log.blocks():
        tell("commands", done, log.command_count)
        done += len(block)
        events = machine.process(block)
        hashed(np.ascontiguousarray(events).view(np.uint8).data)
        sequence = int(block["sequence"][-1])
        unsound += [
            f"{log.path}: after command {sequence}: {fault}"
            for fault in violations(machine.state_tables())
        ]
        yield events

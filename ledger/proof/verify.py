"""Verification: replays the day log, settles the day again and compares every row of the books.

Reading the log verifies every checksum and sequence number. A machine runs its commands, and its
state must be sound after every block, and no supplier may ever have registered more capacity than
is installed. The events' hash must equal the sealed one. The day is settled again beside the books
and compared row by row. Last, the books are audited by themselves.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import BATCH_TABLES, TABLE_KEYS
from ledger.books.database import Books, open_books
from ledger.books.errors import LedgerError
from ledger.books.progress import Progress, no_progress
from ledger.books.schema import columns_of
from ledger.day_settlement import Events, settle
from ledger.daylog import DayLog, read_day_log
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import RegisteredCapacity, has_inventory
from ledger.proof.audit import audit
from matching.invariants.state_invariants import violations
from matching.limits import Limits
from matching.state_tables import Tables

SHOWN_MAX = 20
"""Number of differences of a table that are listed; the others are counted."""


class Machine(Protocol):
    """A machine that runs commands: the engine or the reference."""

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
    """All differences between the books and the day log, as sentences; an empty list is good.

    `machine` creates the machine that runs the commands (None: the compiled engine). Raises
    DayLogError where the log is damaged, not sealed or of other rules than this build's,
    LedgerError where the books cannot be opened.
    """
    log = read_day_log(log_path)
    log.check_rules()
    if machine is None:
        from matching import Engine

        machine = Engine
    with open_books(books_path, read_only=True) as books:
        digest = hashlib.sha256()
        unsound: list[str] = []
        report = progress or no_progress
        events = _events(log, machine(log.limits), digest.update, unsound, report)
        faults = compare(books, log.registry, events, log.sha256, report)
        for _ in events:  # events that `compare` did not need but the hash does
            pass
        if log.events_sha256 is not None and digest.digest() != log.events_sha256:
            faults.append(f"{log.path}: its commands do not give the events that were sealed")
        return unsound + faults + audit(books, report)


def _events(
    log: DayLog, machine: Machine, hashed: Callable[[memoryview], None], unsound: list[str],
    report: Progress,
) -> Iterator[NDArray[np.void]]:  # fmt: skip
    done = 0
    capacity = RegisteredCapacity(log.registry) if has_inventory(log.registry) else None
    for block in log.blocks():
        report("commands", done, log.command_count)
        done += len(block)
        events = machine.process(block)
        hashed(np.ascontiguousarray(events).view(np.uint8).data)
        if capacity is not None:
            capacity.note(events)
        sequence = int(block["sequence"][-1])
        unsound += [
            f"{log.path}: after command {sequence}: {fault}"
            for fault in violations(machine.state_tables())
        ]
        yield events
    if capacity is not None:
        unsound += [f"{log.path}: {breach}" for breach in capacity.breaches]


def compare(
    books: Books, registry: Registry, events: Events, input_sha256: str,
    progress: Progress | None = None,
) -> list[str]:  # fmt: skip
    """Differences between the books and the same day settled again, as sentences.

    Earlier batches are taken as they are (verify their days with their own logs). The day is
    settled again in memory; the books are only read.
    """
    day = registry.trading_day
    batches = books.rows(
        "SELECT id, kind::VARCHAR, input_sha256 FROM standing AS s WHERE day = $day::DATE AND "
        "(kind = 'settlement' OR kind = 'delivery' AND input_sha256 = (SELECT input_sha256 "
        "FROM batches AS b WHERE b.id = s.id - 1)) ORDER BY id",
        {"day": day},
    )
    if not batches:
        return [f"{books.path}: {day} is not settled"]
    faults = [
        f"batch {batch}: was made from input {stored[:16]}..., not from {input_sha256[:16]}..."
        for batch, _, stored in batches
        if stored != input_sha256
    ]
    first, last = batches[0][0], batches[-1][0]
    deliver = any(kind == "delivery" for _, kind, _ in batches)
    with _second_books(books, first) as (again, catalog):
        try:
            settle(again, registry, events, input_sha256, deliver=deliver, progress=progress)
        except LedgerError as error:
            return [*faults, f"{day} cannot be settled again: {error}"]
        for table in BATCH_TABLES:
            faults += _differences(again, catalog, table, first, last)
    return faults


@contextmanager
def _second_books(books: Books, first: int) -> Iterator[tuple[Books, str]]:
    """New books in memory with the batches before `first`, on a connection that sees both."""
    catalog = f'"{books.scalar("SELECT current_database()")}"'
    again = books.attach_memory_books("again")
    try:
        again.execute(f"INSERT INTO batches SELECT * FROM {catalog}.batches WHERE id < {first}")
        for table in BATCH_TABLES:
            again.execute(
                f"INSERT INTO {table} SELECT * FROM {catalog}.{table} WHERE batch < {first}"
            )
        yield again, catalog
    finally:
        again.detach(catalog, "again")


def _differences(again: Books, catalog: str, table: str, first: int, last: int) -> list[str]:
    """Differing rows of one table, as sentences."""
    span = f"WHERE batch BETWEEN {first} AND {last}"
    there = f"SELECT * FROM {catalog}.{table} {span}"
    here = f"SELECT * FROM {table} WHERE batch >= {first}"
    key = ", ".join(TABLE_KEYS[table])
    stored = again.rows(f"SELECT * FROM ({there} EXCEPT ALL {here}) ORDER BY {key}")
    fresh = again.rows(f"SELECT * FROM ({here} EXCEPT ALL {there}) ORDER BY {key}")
    if not stored and not fresh:
        return []
    faults = list(_differing_rows(table, columns_of(table), stored, fresh))
    if len(faults) > SHOWN_MAX:
        more = len(faults) - SHOWN_MAX
        faults[SHOWN_MAX:] = [f"{table}: and {more} differences more"]
    return faults


def _differing_rows(
    table: str,
    columns: tuple[str, ...],
    stored: list[tuple[Any, ...]],
    fresh: list[tuple[Any, ...]],
) -> Iterator[str]:
    places = [columns.index(name) for name in TABLE_KEYS[table]]
    expected = {tuple(row[k] for k in places): row for row in fresh}
    for row in stored:
        key = tuple(row[k] for k in places)
        name = f"{table}: " + " ".join(f"{columns[k]} {row[k]}" for k in places)
        other = expected.pop(key, None)
        if other is None:
            yield f"{name}: is in the books, but not in the day settled again"
            continue
        for column, found, right in zip(columns, row, other, strict=True):
            if found != right:
                yield f"{name}: {column} is {found}, recomputed {right}"
    for key in expected:
        name = " ".join(f"{columns[k]} {value}" for k, value in zip(places, key, strict=True))
        yield f"{table}: {name}: is missing from the books"

"""Recomputation: a settled day done again from its input, and every row compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ledger.books.batches import KEYS, LINES
from ledger.books.database import Books, columns_of
from ledger.books.errors import LedgerError
from ledger.daylog.registry import Registry
from ledger.settle import Events, Progress, settle

SHOWN_MAX = 20
"""Differences told of one table; of the others the number is told."""


def compare(
    books: Books, registry: Registry, events: Events, input_sha256: str,
    progress: Progress | None = None,
) -> list[str]:  # fmt: skip
    """Differences between the books and the same day settled again, in words.

    The earlier batches are taken as they stand (verify their days with their own logs). The day
    is settled again in memory beside the books, which are only read.
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
    with _beside(books, first) as (again, catalog):
        try:
            settle(again, registry, events, input_sha256, deliver=deliver, progress=progress)
        except LedgerError as error:
            return [*faults, f"{day} cannot be settled again: {error}"]
        for table in LINES:
            faults += _differences(again, catalog, table, first, last)
    return faults


@contextmanager
def _beside(books: Books, first: int) -> Iterator[tuple[Books, str]]:
    """New books in memory with the batches before `first`, on a connection that sees both."""
    catalog = f'"{books.scalar("SELECT current_database()")}"'
    again = books.beside("again")
    try:
        again.execute(f"INSERT INTO batches SELECT * FROM {catalog}.batches WHERE id < {first}")
        for table in LINES:
            again.execute(
                f"INSERT INTO {table} SELECT * FROM {catalog}.{table} WHERE batch < {first}"
            )
        yield again, catalog
    finally:
        again.detach(catalog, "again")


def _differences(again: Books, catalog: str, table: str, first: int, last: int) -> list[str]:
    """Rows of one table that are not the same in both, in words."""
    span = f"WHERE batch BETWEEN {first} AND {last}"
    there = f"SELECT * FROM {catalog}.{table} {span}"
    here = f"SELECT * FROM {table} WHERE batch >= {first}"
    key = ", ".join(KEYS[table])
    stored = again.rows(f"SELECT * FROM ({there} EXCEPT ALL {here}) ORDER BY {key}")
    fresh = again.rows(f"SELECT * FROM ({here} EXCEPT ALL {there}) ORDER BY {key}")
    if not stored and not fresh:
        return []
    faults = list(_described(table, columns_of(table), stored, fresh))
    if len(faults) > SHOWN_MAX:
        more = len(faults) - SHOWN_MAX
        faults[SHOWN_MAX:] = [f"{table}: and {more} differences more"]
    return faults


def _described(
    table: str,
    columns: tuple[str, ...],
    stored: list[tuple[Any, ...]],
    fresh: list[tuple[Any, ...]],
) -> Iterator[str]:
    places = [columns.index(name) for name in KEYS[table]]
    expected = {tuple(row[k] for k in places): row for row in fresh}
    for row in stored:
        key = tuple(row[k] for k in places)
        name = f"{table}: " + " ".join(f"{columns[k]} {row[k]}" for k in places)
        other = expected.pop(key, None)
        if other is None:
            yield f"{name}: is in the books, but does not come out of the day"
            continue
        for column, found, right in zip(columns, row, other, strict=True):
            if found != right:
                yield f"{name}: {column} is {found}, recomputed {right}"
    for key in expected:
        name = " ".join(f"{columns[k]} {value}" for k, value in zip(places, key, strict=True))
        yield f"{table}: {name}: is missing from the books"

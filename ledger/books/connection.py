"""Connections to DuckDB: settings, and database errors as one line each."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from ledger.books.errors import (
    AppendOnlyError,
    BooksLockedError,
    DiskFullError,
    InputError,
    LedgerError,
    NotBooksError,
)

CORES = len(os.sched_getaffinity(0))  # DuckDB also counts cores that we may not use

CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,  # queries that need an order ask for it; halves a load
    "threads": CORES,
}
"""Configuration of every connection."""

LOADERS = max(CORES - 1, 1)
"""Threads of the database while it loads. One core remains for computing and hashing."""

LOADING_MB = 512
"""Memory limit of the database during a large load, in MB."""

ROW_GROUP = 122_880
"""Rows that the database writes together before the commit. Smaller loads wait for the commit."""

_SETTINGS = {
    "force_compression": "uncompressed",  # compressing takes a third of a settlement
    "write_buffer_row_group_count": "1",  # write full row groups at once, not at the commit
}
"""Settings of writers, applied where this version of the database has them."""

_WRONG_OPTIMIZERS = ("common_subplan",)
"""Optimizers that are switched off because they give wrong sums.

DuckDB 2.0.0 merges the two halves of a UNION ALL over one view and filter, although they select
different columns; `tests/ledger/test_books.py` shows it.
"""


def connect(path: str) -> duckdb.DuckDBPyConnection:
    """Open a connection to a database file, or to ":memory:", with our settings."""
    connection = duckdb.connect(path, config=CONFIG)
    rows = connection.execute("SELECT name FROM duckdb_settings()").fetchall()
    for name in _SETTINGS.keys() & {name for (name,) in rows}:
        connection.execute(f"SET {name} = '{_SETTINGS[name]}'")
    known = {name for (name,) in connection.execute("FROM duckdb_optimizers()").fetchall()}
    if wrong := known.intersection(_WRONG_OPTIMIZERS):
        connection.execute(f"SET disabled_optimizers = '{','.join(sorted(wrong))}'")
    return connection


@contextmanager
def ledger_errors(path: str) -> Iterator[None]:
    """Raise errors of the database and the system as LedgerError: one line with the file's name."""
    try:
        yield
    except duckdb.Error as error:
        raise _ledger_error(path, error) from error
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error


def _ledger_error(path: str, error: duckdb.Error) -> LedgerError:
    text = " ".join(str(error).split())
    if "Could not set lock" in text:
        holder = re.search(r"PID (\d+)", text)
        by = f" (PID {holder.group(1)})" if holder else ""
        return BooksLockedError(
            f"{path}: another process{by} has the books open; one writes at a time"
        )
    if "not a valid DuckDB database" in text or "Is a directory" in text:
        return NotBooksError(f"{path}: not a ledger file (no DuckDB database)")
    if "No space left" in text or "File too large" in text:
        return DiskFullError(f"{path}: the disk is full; nothing was changed")
    if "read-only mode" in text:
        return LedgerError(f"{path}: the books are open for reading only")
    if "append_only" in text:
        return AppendOnlyError(f"{path}: rows of the books are never changed or removed")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return InputError(f"{path}: an amount does not fit 64 bits: {text}")
    return LedgerError(f"{path}: {text}")


def flush_file(path: str) -> None:
    """Make durable what the database has written to its file so far, so that a commit waits less.

    Uses the database's own descriptor: closing another descriptor of the file would release the
    database's lock.
    """
    file = Path(path).resolve()
    with suppress(OSError):
        for descriptor in Path("/proc/self/fd").iterdir():
            if descriptor.readlink() == file:
                os.fdatasync(int(descriptor.name))

"""The books: one DuckDB file, written by one process at a time, to which rows are only added.

UPDATE, DELETE and TRUNCATE are refused by the database itself: each table has triggers whose
action breaks a CHECK. A file that is being created has another name until it is whole, so that
a crash leaves either no books or empty ones. DuckDB lets no second process open a file while one
writes it; that comes out as one clear line.
"""

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import numpy as np
from numpy.typing import NDArray

from ledger.books.errors import (
    AppendOnlyError,
    BooksLockedError,
    DiskFullError,
    InputError,
    LedgerError,
    NotBooksError,
)
from ledger.books.queries import parameters, script, statements

SCHEMA_VERSION = 5
"""Of `sql/schema.sql`; books of another version are refused, never guessed at."""

_CREATED = re.compile(r"^CREATE (TYPE|TABLE) (\w+) (?:AS ENUM )?\((.*?)^\);", re.M | re.S)
_ENUMS: dict[str, tuple[str, ...]] = {}
_SCHEMA: dict[str, dict[str, str]] = {}
for _what, _name, _body in _CREATED.findall(script("schema")):  # quicker than asking a database
    if _what == "TYPE":
        _ENUMS[_name] = tuple(re.findall(r"'([^']+)'", _body))
    else:
        _SCHEMA[_name] = dict(re.findall(r"^    (\w+) (\w+(?:\[\])?)", _body, re.M))

TABLES = tuple(_SCHEMA)
"""All tables of the books."""


def enum_values(name: str) -> tuple[str, ...]:
    """The words of an enumeration of the schema, in their order."""
    return _ENUMS[name]


def columns_of(table: str) -> tuple[str, ...]:
    """Names of a table's columns, in the order of the schema."""
    return tuple(_SCHEMA[table])


def types_of(table: str) -> dict[str, str]:
    """The database's type of each column of a table, without its parameters."""
    return {name: "ENUM" if kind in _ENUMS else kind for name, kind in _SCHEMA[table].items()}


Columns = Mapping[str, NDArray[Any]]

_CORES = len(os.sched_getaffinity(0))  # DuckDB counts cores that we may not use

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,  # who needs an order asks for it; half the cost of a load
    "threads": _CORES,
}

_LOADERS = max(_CORES - 1, 1)
"""Threads of the database while it loads: one core is for what is computed and hashed beside it."""

_LOADING_MB = 512
"""What the database may keep in memory of a large load."""

_ROW_GROUP = 122_880
"""Rows that the database writes together, before the commit; fewer wait for it."""

_SETTINGS = {
    "force_compression": "uncompressed",  # compressing takes a third of a settlement
    "write_buffer_row_group_count": "1",  # write what is full, not all at the commit
}
"""Settings of writers, as far as the database has them."""

_loading = ThreadPoolExecutor(1, "loading")
_flushing = ThreadPoolExecutor(1, "flushing")

_INSERTED = re.compile(r"INSERT INTO (\w+)")

_WRONG_OPTIMIZERS = ("common_subplan",)
"""Of DuckDB 2.0.0: it takes the two halves of a UNION ALL over one view and filter for the same,
although they select other columns, and so gives wrong sums (test_ledger_books.py shows it)."""


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    """A connection with our settings."""
    connection = duckdb.connect(path, config=_CONFIG)
    rows = connection.execute("SELECT name FROM duckdb_settings()").fetchall()
    for name in _SETTINGS.keys() & {name for (name,) in rows}:
        connection.execute(f"SET {name} = '{_SETTINGS[name]}'")
    known = {name for (name,) in connection.execute("FROM duckdb_optimizers()").fetchall()}
    if wrong := known.intersection(_WRONG_OPTIMIZERS):
        connection.execute(f"SET disabled_optimizers = '{','.join(sorted(wrong))}'")
    return connection


class Books:
    """An open ledger. Use `open_books`, `create_books` or `memory_books`; close it, or use `with`.

    All database errors come out as LedgerError with one line that names the file.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: str, read_only: bool, on_disk: bool
    ) -> None:
        self.connection = connection
        self.path = path
        self.read_only = read_only
        self._on_disk = on_disk  # what is written, at least
        self.filled: set[str] = set()
        """Tables that got rows since the last transaction began."""
        self._loads: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending into the file and let other processes have it."""
        try:
            self._wait()
        finally:
            with _translated(self.path):
                self.connection.close()

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run one statement; of `values` it gets those that it names."""
        self._run(sql, values)

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query (never one: an open result breaks the next statement)."""
        with _translated(self.path):
            return self._run(sql, values).fetchall()

    def scalar(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """The only value of a query with one row and one column."""
        ((value,),) = self.rows(sql, values)
        return value

    def records(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a query, each as a dict by the names of its columns."""
        with _translated(self.path):
            cursor = self._run(sql, values)
            names = [name for name, *_ in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def arrays(self, sql: str, values: Mapping[str, Any] | None = None) -> dict[str, NDArray[Any]]:
        """A query's columns as numpy arrays; none may hold NULL."""
        with _translated(self.path):
            columns = self._run(sql, values).fetchnumpy()
        return {name: np.ma.getdata(column) for name, column in columns.items()}

    def run(self, file: str, *names: str, **values: Any) -> None:
        """Run statements of `sql/<file>.sql`: those named, in that order."""
        for name in names:
            self._run(statements(file)[name], values)

    def run_with(self, columns: Columns, file: str, name: str, **values: Any) -> None:
        """Load by a statement of `sql/<file>.sql`, which reads the table `columns`."""
        self.load(statements(file)[name], columns, values)

    def load(self, sql: str, columns: Columns, values: Mapping[str, Any] | None = None) -> None:
        """Begin an `INSERT ... SELECT ... FROM columns`: whole numpy columns, never row by row.

        Loads run one after another on a thread of their own; every other statement waits for them
        and raises their error. The arrays must not change until then.
        """
        self.filled.update(_INSERTED.findall(sql))
        self._loads.append(_loading.submit(self._load_now, sql, dict(columns), values))

    def _load_now(
        self, sql: str, columns: dict[str, NDArray[Any]], values: Mapping[str, Any] | None
    ) -> None:
        with _translated(self.path):
            self.connection.register("columns", columns)
            try:
                self._statement(sql, values)
                if self._on_disk and len(next(iter(columns.values()))) >= _ROW_GROUP:
                    _flushing.submit(_flush, self.path)
            finally:
                with suppress(duckdb.Error):  # after an error the transaction takes nothing more
                    self.connection.unregister("columns")

    def _wait(self) -> None:
        """Wait for the loads that have begun; raise the first error among them."""
        wait(self._loads)
        loads, self._loads = self._loads, []  # only now: an interrupt leaves them to be waited for
        for load in loads:
            load.result()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """All or nothing: commit at the end; roll back on any error, or where `keep` is false."""
        self.execute(f"SET threads = {_LOADERS}")
        try:
            self.execute("BEGIN")
            self.filled = set()
            try:
                yield
                if keep:
                    self.execute("COMMIT")
            except BaseException:
                self._abandon()
                raise
            if not keep:
                self._abandon()
        finally:
            self.execute(f"SET threads = {_CORES}")
            self.execute("RESET memory_limit")

    def spare_memory(self) -> None:
        """Have the database keep little of what it writes, until the transaction ends.

        For large loads after which nothing large is read.
        """
        if self._on_disk:
            self.execute(f"SET memory_limit = '{_LOADING_MB}MB'")

    def beside(self, name: str) -> "Books":
        """New books in memory, named `name`, on a second connection that sees these, too."""
        self._wait()
        with _translated(self.path):
            connection = self.connection.cursor()
            connection.execute(f"ATTACH ':memory:' AS {name}")
            connection.execute(f"USE {name}")
            _lay_out(connection)
        return Books(connection, self.path, read_only=False, on_disk=False)

    def detach(self, home: str, name: str) -> None:
        """Drop the books that `beside` made, and their connection; `home` are these books."""
        with suppress(LedgerError):
            self._wait()
        with _translated(self.path):
            self.connection.execute(f"USE {home}")
            self.connection.execute(f"DETACH {name}")
            self.connection.close()

    def _abandon(self) -> None:
        """Roll back; a transaction that the database gave up by itself is fine too."""
        with suppress(LedgerError):
            self._wait()
        with suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def _run(self, sql: str, values: Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        self._wait()
        self.filled.update(_INSERTED.findall(sql))
        return self._statement(sql, values)

    def _statement(self, sql: str, values: Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        with _translated(self.path):
            if not values:
                return self.connection.execute(sql)
            wanted = parameters(sql)
            return self.connection.execute(
                sql, {name: value for name, value in values.items() if name in wanted}
            )


def create_books(path: str | Path) -> Books:
    """New, empty books at `path`. Raises LedgerError where something already stands there."""
    target = Path(path)
    if target.exists():
        raise LedgerError(f"{target}: exists already; new books need a new name")
    if not target.parent.is_dir():
        raise LedgerError(f"{target}: the folder {target.parent} does not exist")
    growing = target.with_name(target.name + ".new")
    with _translated(str(target)):
        growing.unlink(missing_ok=True)
        connection = _connect(str(growing))
    try:
        with _translated(str(target)):
            _lay_out(connection)
            connection.execute("CHECKPOINT")  # closing would do it too, but hide a full disk
    except BaseException:
        connection.close()
        growing.unlink(missing_ok=True)
        growing.with_name(growing.name + ".wal").unlink(missing_ok=True)
        raise
    connection.close()
    growing.replace(target)
    return open_books(target)


def memory_books() -> Books:
    """Empty books in memory, for recomputing and for tests."""
    connection = _connect(":memory:")
    _lay_out(connection)
    return Books(connection, ":memory:", read_only=False, on_disk=False)


def open_books(path: str | Path, *, read_only: bool = False) -> Books:
    """The books at `path`. Raises NotBooksError or BooksLockedError, one line each."""
    target = Path(path)
    if not target.exists():
        raise NotBooksError(f"{target}: no such file; `settle` creates the books")
    with _translated(str(target)):
        connection = _connect(":memory:" if read_only else str(target))
    books = Books(connection, str(target), read_only, on_disk=not read_only)
    try:
        if read_only:  # attached, so that books in memory may stand beside them
            quoted = str(target).replace("'", "''")
            books.execute(f"ATTACH '{quoted}' AS books (READ_ONLY)")
            books.execute("USE books")
        _check_version(books)
    except BaseException:
        connection.close()
        raise
    return books


def open_or_create_books(path: str | Path) -> Books:
    """The books at `path`, new ones where there are none, open for writing."""
    return open_books(path) if Path(path).exists() else create_books(path)


def _lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables, then triggers: the INSERT of the version is the last thing they have to allow."""
    connection.execute(script("schema"))
    connection.execute("INSERT INTO ledger_schema VALUES (?)", [SCHEMA_VERSION])
    connection.execute("CREATE TABLE append_only (refused VARCHAR CHECK (refused IS NULL))")
    _guard(connection)


_GUARDS = tuple((table, action) for table in TABLES for action in ("UPDATE", "DELETE"))
"""What each table has a trigger against; TRUNCATE is a DELETE here, too."""


def _guard(connection: duckdb.DuckDBPyConnection) -> None:
    for table, action in _GUARDS:
        connection.execute(
            f"CREATE TRIGGER {table}_{action.lower()} BEFORE {action} ON {table} "
            f"FOR EACH STATEMENT INSERT INTO append_only VALUES ('{action} {table}')"
        )


def guard_copy(path: str | Path) -> None:
    """Give a copy of books its triggers, which the database does not copy."""
    with _translated(str(path)), _connect(str(path)) as connection:
        _guard(connection)
        connection.execute("CHECKPOINT")


def missing_guards(books: Books) -> list[str]:
    """Tables whose rows could be changed or removed, in words."""
    found = set(books.rows(
        "SELECT table_name, event_manipulation FROM duckdb_triggers() "
        "WHERE database_name = current_database()"
    ))  # fmt: skip
    return [
        f"table `{table}` has no trigger against {action} any more"
        for table, action in _GUARDS
        if (table, action) not in found
    ]


def _check_version(books: Books) -> None:
    tables = {name for (name,) in books.rows("SELECT table_name FROM duckdb_tables()")}
    if "ledger_schema" not in tables:
        raise NotBooksError(f"{books.path}: is a DuckDB file, but not a ledger of this exchange")
    versions = [version for (version,) in books.rows("SELECT version FROM ledger_schema")]
    if versions != [SCHEMA_VERSION]:
        raise NotBooksError(
            f"{books.path}: books of version {versions}; this program reads {SCHEMA_VERSION}"
        )
    if missing := sorted(set(TABLES) - tables):
        raise NotBooksError(f"{books.path}: table `{missing[0]}` is missing")
    if not books.read_only and (missing := missing_guards(books)):
        raise NotBooksError(f"{books.path}: {missing[0]}: rows could be changed; see `verify`")


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turn the database's errors into one line each, with the file's name."""
    try:
        yield
    except duckdb.Error as error:
        raise _translation(path, error) from error
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error


def _translation(path: str, error: duckdb.Error) -> LedgerError:
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


def _flush(path: str) -> None:
    """Write to the disk what the database has written to its file, so that its commit waits less.

    By the database's own descriptor: to close another one would take its lock away.
    """
    file = Path(path).resolve()
    with suppress(OSError):
        for descriptor in Path("/proc/self/fd").iterdir():
            if descriptor.readlink() == file:
                os.fdatasync(int(descriptor.name))

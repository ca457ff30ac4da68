"""The books: one DuckDB file, written by one process at a time, to which rows are only added.

UPDATE, DELETE and TRUNCATE are refused by the database itself: each table has triggers whose
action breaks a CHECK. A file that is being created has another name until it is whole, so that
a crash leaves either no books or empty ones. DuckDB lets no second process open a file while one
writes it; that comes out as one clear line.
"""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
from numpy.typing import NDArray

from ledger.books.connection import (
    CORES,
    LOADERS,
    LOADING_MB,
    ROW_GROUP,
    connect,
    flush_file,
    ledger_errors,
)
from ledger.books.errors import LedgerError, NotBooksError
from ledger.books.queries import parameters, statements
from ledger.books.schema import SCHEMA_VERSION, TABLES, TRIGGERS, create_schema, create_triggers

Columns = Mapping[str, NDArray[Any]]

_loading = ThreadPoolExecutor(1, "loading")
_flushing = ThreadPoolExecutor(1, "flushing")

_INSERTED = re.compile(r"INSERT INTO (\w+)")


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

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending into the file and let other processes have it."""
        try:
            self._wait()
        finally:
            with ledger_errors(self.path):
                self.connection.close()

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run one statement; of `values` it gets those that it names."""
        self._run(sql, values)

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query (never one: an open result breaks the next statement)."""
        with ledger_errors(self.path):
            return self._run(sql, values).fetchall()

    def scalar(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """The only value of a query with one row and one column."""
        ((value,),) = self.rows(sql, values)
        return value

    def records(self, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """All rows of a query, each as a dict by the names of its columns."""
        with ledger_errors(self.path):
            cursor = self._run(sql, values)
            names = [name for name, *_ in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def arrays(self, sql: str, values: Mapping[str, Any] | None = None) -> dict[str, NDArray[Any]]:
        """A query's columns as numpy arrays; none may hold NULL."""
        with ledger_errors(self.path):
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
        with ledger_errors(self.path):
            self.connection.register("columns", columns)
            try:
                self._statement(sql, values)
                if self._on_disk and len(next(iter(columns.values()))) >= ROW_GROUP:
                    _flushing.submit(flush_file, self.path)
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
        self.execute(f"SET threads = {LOADERS}")
        try:
            self.execute("BEGIN")
            self.filled = set()
            try:
                yield
                if keep:
                    self.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            if not keep:
                self._roll_back()
        finally:
            self.execute(f"SET threads = {CORES}")
            self.execute("RESET memory_limit")

    def limit_memory(self) -> None:
        """Have the database keep little of what it writes, until the transaction ends.

        For large loads after which nothing large is read.
        """
        if self._on_disk:
            self.execute(f"SET memory_limit = '{LOADING_MB}MB'")

    def attach_memory_books(self, name: str) -> "Books":
        """New books in memory, named `name`, on a second connection that sees these, too."""
        self._wait()
        with ledger_errors(self.path):
            connection = self.connection.cursor()
            connection.execute(f"ATTACH ':memory:' AS {name}")
            connection.execute(f"USE {name}")
            create_schema(connection)
        return Books(connection, self.path, read_only=False, on_disk=False)

    def detach(self, home: str, name: str) -> None:
        """Drop books of `attach_memory_books`, and close their connection; `home` is the other."""
        with suppress(LedgerError):
            self._wait()
        with ledger_errors(self.path):
            self.connection.execute(f"USE {home}")
            self.connection.execute(f"DETACH {name}")
            self.connection.close()

    def _roll_back(self) -> None:
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
        with ledger_errors(self.path):
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
    with ledger_errors(str(target)):
        growing.unlink(missing_ok=True)
        connection = connect(str(growing))
    try:
        with ledger_errors(str(target)):
            create_schema(connection)
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
    connection = connect(":memory:")
    create_schema(connection)
    return Books(connection, ":memory:", read_only=False, on_disk=False)


def open_books(path: str | Path, *, read_only: bool = False) -> Books:
    """The books at `path`. Raises NotBooksError or BooksLockedError, one line each."""
    target = Path(path)
    if not target.exists():
        raise NotBooksError(f"{target}: no such file; `settle` creates the books")
    with ledger_errors(str(target)):
        connection = connect(":memory:" if read_only else str(target))
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


def add_triggers(path: str | Path) -> None:
    """Create the triggers of a copy of books, because the database does not copy them."""
    with ledger_errors(str(path)), connect(str(path)) as connection:
        create_triggers(connection)
        connection.execute("CHECKPOINT")


def missing_triggers(books: Books) -> list[str]:
    """Tables whose rows could be changed or removed, in words."""
    found = set(books.rows(
        "SELECT table_name, event_manipulation FROM duckdb_triggers() "
        "WHERE database_name = current_database()"
    ))  # fmt: skip
    return [
        f"table `{table}` has no trigger against {action} any more"
        for table, action in TRIGGERS
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
    if not books.read_only and (missing := missing_triggers(books)):
        raise NotBooksError(f"{books.path}: {missing[0]}: rows could be changed; see `verify`")

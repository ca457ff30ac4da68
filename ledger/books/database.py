"""The books: one DuckDB file, written by one process at a time; rows are only ever added.

The database itself refuses UPDATE, DELETE and TRUNCATE, by triggers on every table. A new file has
a temporary name until it is complete, so that a crash leaves either no books or empty ones. DuckDB
lets no other process open a file while one writes it; that error is one clear line.
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

    All database errors are raised as LedgerError with one line that names the file.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: str, read_only: bool, on_disk: bool
    ) -> None:
        self.connection = connection
        self.path = path
        self.read_only = read_only
        self._on_disk = on_disk  # whether writes go to a file
        self.filled: set[str] = set()
        """Tables that received rows since the last transaction began."""
        self._loads: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish pending loads and close the file, so that other processes can open it."""
        try:
            self._wait()
        finally:
            with ledger_errors(self.path):
                self.connection.close()

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run one statement with those of `values` that it names."""
        self._run(sql, values)

    def rows(self, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query. No result stays open, because an open result breaks the next
        statement.
        """
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
        """Run named statements of `sql/<file>.sql`, in the order given."""
        for name in names:
            self._run(statements(file)[name], values)

    def run_with(self, columns: Columns, file: str, name: str, **values: Any) -> None:
        """Load columns by a statement of `sql/<file>.sql` that reads the table `columns`."""
        self.load(statements(file)[name], columns, values)

    def load(self, sql: str, columns: Columns, values: Mapping[str, Any] | None = None) -> None:
        """Begin an `INSERT ... SELECT ... FROM columns` of whole numpy columns.

        Loads run one after another on a thread of their own. Every other statement waits for them
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
                with suppress(duckdb.Error):  # after an error, every statement fails
                    self.connection.unregister("columns")

    def _wait(self) -> None:
        """Wait for the loads that have begun, and raise the first error among them."""
        wait(self._loads)
        loads, self._loads = self._loads, []  # after the wait, so that an interrupt loses none
        for load in loads:
            load.result()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Commit at the end; roll back after any error, or where `keep` is false."""
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
        """Limit the database's memory until the transaction ends.

        For large loads after which nothing large is read.
        """
        if self._on_disk:
            self.execute(f"SET memory_limit = '{LOADING_MB}MB'")

    def attach_memory_books(self, name: str) -> "Books":
        """New books in memory, named `name`, on a second connection that also sees these books."""
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
        """Roll back. It is no error if the database has ended the transaction itself."""
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
    """New, empty books at `path`. Raises LedgerError where the path exists or cannot be created."""
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
            connection.execute("CHECKPOINT")  # close would do this too, but would hide a full disk
    except BaseException:
        connection.close()
        growing.unlink(missing_ok=True)
        growing.with_name(growing.name + ".wal").unlink(missing_ok=True)
        raise
    connection.close()
    growing.replace(target)
    return open_books(target)


def memory_books() -> Books:
    """Empty books in memory, for verification and tests."""
    connection = connect(":memory:")
    create_schema(connection)
    return Books(connection, ":memory:", read_only=False, on_disk=False)


def open_books(path: str | Path, *, read_only: bool = False) -> Books:
    """The books at `path`. Raises NotBooksError or BooksLockedError, with one line each."""
    target = Path(path)
    if not target.exists():
        raise NotBooksError(f"{target}: no such file; `settle` creates the books")
    with ledger_errors(str(target)):
        connection = connect(":memory:" if read_only else str(target))
    books = Books(connection, str(target), read_only, on_disk=not read_only)
    try:
        if read_only:  # attached, so that books in memory can be attached too
            quoted = str(target).replace("'", "''")
            books.execute(f"ATTACH '{quoted}' AS books (READ_ONLY)")
            books.execute("USE books")
        _check_version(books)
    except BaseException:
        connection.close()
        raise
    return books


def open_or_create_books(path: str | Path) -> Books:
    """The books at `path`, open for writing; new books where there are none."""
    return open_books(path) if Path(path).exists() else create_books(path)


def add_triggers(path: str | Path) -> None:
    """Create the triggers of a copy of books, because the database does not copy them."""
    with ledger_errors(str(path)), connect(str(path)) as connection:
        create_triggers(connection)
        connection.execute("CHECKPOINT")


def missing_triggers(books: Books) -> list[str]:
    """A sentence for each missing trigger of a table whose rows could therefore be changed or
    removed.
    """
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

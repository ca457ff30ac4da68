"""The books as a file: append-only by the database itself, one writer, one line per error."""

import subprocess
import sys
import textwrap

import duckdb
import numpy as np
import pytest

from ledger.books.database import create_books, memory_books, open_books, open_or_create_books
from ledger.books.errors import (
    AppendOnlyError,
    BooksLockedError,
    DiskFullError,
    LedgerError,
    NotBooksError,
    UnknownAccountError,
)
from ledger.books.schema import TABLES, columns_of, enum_values, types_of
from ledger.day_settlement import settle
from ledger.statements.account import statement
from tests.support.ledger_world import INPUT, events, postings, programme, settled, world

DAY = "fund alice 100.00\nalice buys 5 A at 1000 from bob fees 3 2"


@pytest.fixture
def path(tmp_path):
    """Books on disk with one settled day."""
    path = tmp_path / "books.duckdb"
    with create_books(path) as books:
        settled(world(programmes=(programme("p"),)), DAY, books=books)
    return path


EMPTY = (
    "busts", "meterings", "supplier_grants", "supplier_agreements", "shortfalls", "applications",
    "application_events", "block_trades", "block_nominations",
)  # fmt: skip
"""Tables that the settled day has nothing for; the refusal holds for them, too."""


@pytest.fixture(scope="module")
def unchanged():
    """Books with one settled day, for tests that cannot change them."""
    return settled(world(programmes=(programme("p"),)), DAY)


@pytest.mark.parametrize("table", TABLES)
def test_no_row_can_be_changed_or_removed(table, unchanged):
    books = unchanged
    before = books.rows(f"SELECT * FROM {table}")
    column = books.rows(f"DESCRIBE {table}")[0][0]
    for statement_ in (
        f"UPDATE {table} SET {column} = {column}",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE false",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(AppendOnlyError, match="never changed or removed"):
            books.execute(statement_)
    assert before or table in EMPTY
    assert books.rows(f"SELECT * FROM {table}") == before


def test_the_triggers_hold_for_any_program_that_opens_the_file(path):
    with duckdb.connect(str(path)) as connection:
        for action in ("UPDATE postings SET amount_fen = 1", "DELETE FROM postings"):
            with pytest.raises(duckdb.ConstraintException, match="append_only"):
                connection.execute(action)


@pytest.mark.parametrize(("amount_fen", "target"), [(0, 6), (-5, 6), (5, 5)])
def test_a_posting_has_a_positive_amount_and_two_accounts(amount_fen, target):
    with pytest.raises(LedgerError, match="CHECK constraint failed"):
        memory_books().execute(
            "INSERT INTO postings VALUES (1, 1, '2026-11-21', 'fee', 5, $to, $fen, "
            "NULL, NULL, NULL)",
            {"to": target, "fen": amount_fen},
        )


def test_a_failed_load_is_raised_by_the_next_statement_and_ends_the_transaction():
    books = memory_books()

    def load_thrice():
        with books.transaction():
            for table in ("balances", "nothing_like_it", "balances"):
                books.load(f"INSERT INTO {table} SELECT 1, n, n FROM columns", {"n": np.arange(3)})

    with pytest.raises(LedgerError, match="nothing_like_it"):
        load_thrice()
    assert books.scalar("SELECT count(*) FROM balances") == 0


def test_a_statement_sees_the_loads_before_it():
    with memory_books() as books:
        for batch in range(20):
            books.load(f"INSERT INTO balances SELECT {batch}, n, n FROM columns", {"n": np.ones(9)})
        assert books.rows("SELECT count(*), sum(balance_fen) FROM balances") == [(180, 180)]


def test_books_live_on_when_closed(path):
    with open_books(path, read_only=True) as books:
        assert postings(books, "delivery") == ["delivery: escrow:A -> cash:bob 5000"]
    assert [each.name for each in path.parent.iterdir()] == ["books.duckdb"]


def test_open_or_create_does_either(tmp_path):
    path = tmp_path / "books.duckdb"
    open_or_create_books(path).close()
    with open_or_create_books(path) as books:
        assert postings(books) == []


def test_books_opened_for_reading_cannot_be_settled(path):
    registry = world(day="2026-11-22")
    with (
        open_books(path, read_only=True) as books,
        pytest.raises(LedgerError, match="open for reading only"),
    ):
        settle(books, registry, events(registry, DAY), INPUT)


def test_new_books_do_not_take_the_place_of_a_file(path):
    with pytest.raises(LedgerError, match="exists already"):
        create_books(path)


def test_new_books_in_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(LedgerError, match=r"the folder .* does not exist"):
        create_books(tmp_path / "nowhere" / "books.duckdb")


@pytest.mark.parametrize("read_only", [True, False])
def test_what_is_not_a_ledger_is_named_so(tmp_path, read_only):
    text, empty, foreign = (tmp_path / name for name in ("text", "empty", "foreign"))
    text.write_text("hello, world\n" * 1000)
    empty.touch()
    duckdb.connect(str(foreign)).close()
    for path, rule in (
        (text, "not a ledger file"),
        (empty, "not a ledger file"),
        (tmp_path, "not a ledger file"),
        (foreign, "not a ledger of this exchange"),
        (tmp_path / "missing", "no such file"),
    ):
        with pytest.raises(NotBooksError, match=rule) as error:
            open_books(path, read_only=read_only)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)


def test_books_of_another_version_are_refused(tmp_path):
    path = tmp_path / "books.duckdb"
    create_books(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO ledger_schema VALUES (99)")
    with pytest.raises(NotBooksError, match=r"books of version \[6, 99\]"):
        open_books(path)


def test_books_without_one_of_their_tables_are_refused(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE vouchers")
    with pytest.raises(NotBooksError, match="table `vouchers` is missing"):
        open_books(path)


def test_what_the_system_refuses_is_one_line(tmp_path):
    (tmp_path / "books.duckdb.new").mkdir()
    with pytest.raises(LedgerError, match=r"books.duckdb: Is a directory"):
        create_books(tmp_path / "books.duckdb")


def test_an_unknown_account_is_refused_with_its_neighbours():
    books = settled(world(), DAY)
    with pytest.raises(UnknownAccountError, match="no account `alcie`; did you mean cash:alice"):
        statement(books, "alcie")


def run(code, *arguments):
    """Run a program in another process; returns its output."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_second_process_gets_an_error_that_the_books_are_in_use(path):
    with open_books(path) as _:
        said = run(
            """
            import sys
            from ledger.books.database import open_books
            from ledger.books.errors import BooksLockedError
            for read_only in (False, True):
                try:
                    open_books(sys.argv[1], read_only=read_only)
                except BooksLockedError as error:
                    print(error)
            """,
            path,
        )
    lines = said.splitlines()
    assert len(lines) == 2
    assert all(f"{path}: another process (PID" in line for line in lines)
    assert issubclass(BooksLockedError, LedgerError)


@pytest.mark.parametrize("rows", [10, 200_000])  # fails at the commit, and in the middle
def test_a_full_disk_is_one_line_and_changes_nothing(path, rows):
    said = run(
        """
        import resource, signal, sys
        import numpy as np
        from ledger.books.database import open_books
        from ledger.books.errors import DiskFullError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        books = open_books(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        noise = np.random.default_rng(1).integers(0, 2**31, int(sys.argv[2]))
        try:
            with books.transaction():
                books.load("INSERT INTO trades (batch, time_ns) SELECT 9, noise FROM columns",
                    {"noise": noise})
        except DiskFullError as error:
            print(error)
        """,
        path,
        rows,
    )
    assert said == f"{path}: the disk is full; nothing was changed\n"
    assert issubclass(DiskFullError, LedgerError)
    with open_books(path) as books:
        assert books.scalar("SELECT count(*) FROM trades") == 1


def test_a_process_killed_while_settling_leaves_nothing_half_done(tmp_path):
    path = tmp_path / "books.duckdb"
    create_books(path).close()
    run(
        """
        import os, signal, subprocess, sys
        code = '''
        import os, signal, sys
        from tests.support.ledger_world import INPUT, events, world
        from ledger.books.database import open_books
        from ledger.day_settlement import settle
        def kill(stage, done, total):
            if stage == "vouchers":
                os.kill(os.getpid(), signal.SIGKILL)
        registry = world()
        settle(open_books(sys.argv[1]), registry, events(registry, sys.argv[2]), INPUT,
            progress=kill)
        '''
        import textwrap
        child = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *sys.argv[1:]])
        assert child.returncode == -signal.SIGKILL
        """,
        path,
        DAY,
    )
    with open_books(path) as books:
        assert postings(books) == []
        settled(world(), DAY, books=books)
        undisturbed = settled(world(), DAY)
        query = "SELECT sha256 FROM batches ORDER BY id"
        assert books.rows(query) == undisturbed.rows(query)


def test_the_two_sides_of_the_journal_are_summed_separately():
    """A database that confuses the two halves of a UNION gives each account 0."""
    books = settled(world(), DAY)
    query = (
        "SELECT name, sum(fen)::BIGINT FROM ("
        "SELECT to_account AS name, amount_fen AS fen FROM journal WHERE day <= $day::DATE "
        "UNION ALL SELECT from_account, -amount_fen FROM journal WHERE day <= $day::DATE"
        ") GROUP BY name HAVING sum(fen) <> 0 ORDER BY name"
    )
    assert dict(books.rows(query, {"day": "2026-11-21"})) == {
        "bank": -10000, "cash:alice": 4997, "cash:bob": 4998, "fees": 5,
    }  # fmt: skip


def test_tables_types_and_enumerations_are_read_from_the_schema_as_the_database_has_them():
    with memory_books() as books:
        for table in TABLES:
            kinds = {name: str(kind) for name, kind, *_ in books.rows(f"DESCRIBE {table}")}
            told = types_of(table)
            assert list(told) == list(kinds) == list(columns_of(table))
            for name, kind in kinds.items():
                assert told[name] == kind.partition("(")[0], (table, name)
        known = books.rows("SELECT DISTINCT type_name FROM duckdb_types() WHERE NOT internal")
        for (name,) in known:
            assert books.scalar(f"SELECT enum_range(NULL::{name})") == list(enum_values(name))
        assert len(known) == 7

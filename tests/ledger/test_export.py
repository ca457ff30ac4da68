"""Exports: other programs accept the books, and find a difference of one fen.

Tests that run hledger, ledger or bean-check are skipped where the program is missing.
"""

import hashlib
import json
import re
import subprocess

import duckdb
import msgspec
import pytest

from exchange.cli import run
from ledger.books.database import create_books, memory_books, open_books
from ledger.books.errors import AppendOnlyError, InputError, LedgerError, NotBooksError
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.statements.export import export_parquet, export_text, snapshot
from tests.support.ledger_world import INPUT, events, programme, world
from tests.support.programs import find_program

PROGRAMMES = (programme("p", funders={"city": 1, "district": 1}),)
DAYS = (
    """
    fund alice 1000.00
    fund carol 1000.00
    alice buys 5 A at 1000 from bob fees 3 2
    carol buys 3 A at 1010 from dave fees 1 1
    """,
    """
    withdraw alice 10.00
    alice buys 4 C at 1013 from bob fees 3 2
    """,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Books with two days: one carried, one delivered."""
    path = tmp_path_factory.mktemp("export") / "books.duckdb"
    with create_books(path) as books:
        for number, text in enumerate(DAYS):
            registry = world(day=f"2026-11-{20 + number}", programmes=PROGRAMMES)
            settle(books, registry, events(registry, text), INPUT, deliver=number == 1)
    return path


CHECKS = {
    "hledger": ("hledger", ["hledger", "--strict", "check", "-f"]),
    "ledger": ("hledger", ["ledger", "--pedantic", "bal", "-f"]),
    "bean-check": ("beancount", ["bean-check"]),
}


EACH_PROGRAM = [pytest.param(name, marks=pytest.mark.needs(name)) for name in sorted(CHECKS)]


def accepted(name, text, folder):
    command = [*CHECKS[name][1], str(folder / "books.journal")]
    (folder / "books.journal").write_text(text)
    command[0] = find_program(command[0])
    return subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0


def one_fen_more(text):
    """The text with one fen more in the first amount of the last ordinary transaction."""
    amounts = list(re.finditer(r"  (\d+)\.(\d\d) CNY\n", text))
    at = amounts[len(amounts) // 2]
    fen = int(at[1]) * 100 + int(at[2]) + 1
    return f"{text[: at.start()]}  {fen // 100}.{fen % 100:02} CNY\n{text[at.end() :]}"


@pytest.mark.parametrize("name", EACH_PROGRAM)
@pytest.mark.parametrize("day", [None, "2026-11-20", "2026-11-21"])
def test_another_program_accepts_the_books_and_refuses_one_fen_more(name, day, path, tmp_path):
    with open_books(path, read_only=True) as books:
        text = export_text(books, CHECKS[name][0], day=day)
    assert accepted(name, text, tmp_path)
    assert not accepted(name, one_fen_more(text), tmp_path)


ODD_NAMES = (
    ("z", "Z", "z-", "z "), ("A-z", "z", "a:b", "a-b"),
    ("张三 (北京)", "李四 (上海)", "9;x", 'q"\\n'),
    ("Acme, Ltd: east", "Acme  Ltd  east", "\t", "-"),
)  # fmt: skip


def odd_books(names):
    """Books with unusual names of four accounts and of a programme's funders."""
    made = world(programmes=(programme("p", funders={"市财政": 1, "区 财政": 1}),))
    accounts = tuple(
        msgspec.structs.replace(each, name=name)
        for each, name in zip(made.accounts, names, strict=True)
    )
    books = memory_books()
    text = """
        fund alice 100.00
        fund carol 100.00
        alice buys 5 A at 1000 from bob fees 3 2
        carol buys 1 D at 900 from dave
        """
    settle(books, msgspec.structs.replace(made, accounts=accounts), events(made, text), INPUT)
    return books


@pytest.mark.parametrize("name", EACH_PROGRAM)
@pytest.mark.parametrize("names", ODD_NAMES)
def test_another_program_accepts_accounts_of_any_name(name, names, tmp_path):
    text = export_text(odd_books(names), CHECKS[name][0])
    assert accepted(name, text, tmp_path)
    assert not accepted(name, one_fen_more(text), tmp_path)


@pytest.mark.parametrize("names", ODD_NAMES)
def test_no_two_accounts_are_exported_as_one(names):
    books = odd_books(names)
    text = export_text(books, "beancount")
    opened = re.findall(r"^\S+ open (\S+) CNY$", text, re.M)
    assert len(opened) == len(set(opened))
    assert sum(each.startswith("Liabilities:Cash:") for each in opened) == 4
    assert sum(each.startswith("Equity:Pool:") for each in opened) == 2


def test_a_programmes_name_with_a_colon_is_refused():
    for wrong in (programme("a:b"), programme("p", funders={"x:y": 1})):
        with pytest.raises(InputError, match="of a programme must not have a colon"):
            settle(memory_books(), world(programmes=(wrong,)), events(world(), ""), INPUT)


@pytest.mark.parametrize("name", EACH_PROGRAM)
def test_another_program_accepts_the_demonstration(name, tmp_path):
    folder = tmp_path / "demo"
    assert run(["demo", "--folder", str(folder)]) == 0
    with open_books(folder / "ledger.duckdb", read_only=True) as books:
        text = export_text(books, CHECKS[name][0])
    assert accepted(name, text, tmp_path)
    assert not accepted(name, one_fen_more(text), tmp_path)


def test_csv_has_every_netted_posting_in_fen(path):
    with open_books(path, read_only=True) as books:
        lines = export_text(books, "csv", day="2026-11-20").splitlines()
        whole = books.scalar("SELECT sum(amount_fen) FROM postings WHERE day = '2026-11-20'")
    assert lines[0] == "day,batch,kind,from_account,to_account,instrument,amount_fen"
    assert lines[1] == "2026-11-20,1,advance,receivable:bob,cash:bob,,20"
    assert sum(int(line.rsplit(",", 1)[1]) for line in lines[1:]) == whole


def test_a_day_without_postings_exports_nothing(path):
    with (
        open_books(path, read_only=True) as books,
        pytest.raises(LedgerError, match="nothing is posted on 2026-11-25"),
    ):
        export_text(books, "hledger", day="2026-11-25")


def test_a_day_as_parquet_is_readable_by_any_engine_and_its_manifest_holds(path, tmp_path):
    folder = tmp_path / "day"
    with open_books(path, read_only=True) as books:
        manifest = export_parquet(books, folder, "2026-11-21")
        with pytest.raises(LedgerError, match="is not empty"):
            export_parquet(books, folder, "2026-11-21")
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    for name, file in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file["sha256"]
    sql = f"SELECT count(*), sum(amount_fen) FROM read_parquet('{folder}/postings/*/*.parquet')"
    with duckdb.connect() as other, open_books(path, read_only=True) as books:
        own = "SELECT count(*), sum(amount_fen) FROM postings WHERE day = '2026-11-21'"
        assert other.execute(sql).fetchall() == books.rows(own)


def test_a_snapshot_is_read_while_the_books_are_written(path, tmp_path):
    copy = tmp_path / "copy.duckdb"
    with open_books(path) as books:
        for _ in range(2):  # the second replaces the first
            snapshot(books, copy)
        with open_books(copy, read_only=True) as reading:
            query = "SELECT sha256 FROM batches ORDER BY id"
            assert reading.rows(query) == books.rows(query)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.duckdb"]


def test_the_command_line_exports(path, tmp_path, capsys):
    target = tmp_path / "books.csv"
    arguments = ["ledger", "export", str(path), str(target), "--style", "csv"]
    assert run([*arguments, "--dry-run"]) == 0
    assert not target.exists()
    assert run([*arguments, "--json"]) == 0
    assert target.read_text().startswith("day,batch,kind")
    assert run(arguments) == 4
    assert run(["ledger", "snapshot", str(path), str(tmp_path / "copy.duckdb")]) == 0
    assert run(["ledger", "export", str(path), str(tmp_path / "p"), "--style", "parquet"]) == 2
    assert "needs --day" in capsys.readouterr().err


def test_a_snapshot_refuses_changes_as_the_books_do(path, tmp_path):
    copy = tmp_path / "copy.duckdb"
    with open_books(path, read_only=True) as books:
        snapshot(books, copy)
    with open_books(copy) as copied:
        for change in (
            "UPDATE postings SET amount_fen = 1",
            "DELETE FROM trades",
            "TRUNCATE names",
        ):
            with pytest.raises(AppendOnlyError):
                copied.execute(change)
        assert audit(copied) == []


def test_books_that_lost_a_trigger_are_not_written_and_the_audit_says_so(path, tmp_path):
    copy = tmp_path / "copy.duckdb"
    with open_books(path, read_only=True) as books:
        snapshot(books, copy)
    with duckdb.connect(str(copy)) as other:
        other.execute("DROP TRIGGER trades_delete ON trades")
    with pytest.raises(NotBooksError, match="`trades` has no trigger against DELETE any more"):
        open_books(copy)
    with open_books(copy, read_only=True) as copied:
        assert audit(copied) == ["table `trades` has no trigger against DELETE any more"]

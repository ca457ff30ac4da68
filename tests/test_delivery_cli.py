"""After trading, at the command line: nominate, deliver in parts, find a shortfall, claim."""

import json

import pytest
from ledger_world import programme
from test_ledger_day import day_commands, write_log
from test_ledger_delivery import HEAD

from exchange.cli import run
from exchange.commands import console
from ledger.audit import audit
from ledger.books import open_books

DAY = "2026-11-22"
PROGRAMMES = (programme("q", model="reimburse", rate_bp=2000, compute_hubs=("QD",)),)


@pytest.fixture
def log(tmp_path):
    """A closed day of which nothing is nominated yet."""
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=60), programmes=PROGRAMMES)
    assert run(["day", "close", str(path)]) == 0
    return path


def said(capsys, *words):
    """What a command prints as JSON; it must end well."""
    capsys.readouterr()
    assert run([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def meter_file(path, rows):
    path.write_text(
        HEAD
        + "".join(f"{name},{a},{symbol},gpu-hour,H800,{n},3600\n" for name, a, symbol, n in rows)
    )
    return path


def test_each_command_says_first_what_it_then_posts(log, tmp_path, capsys):
    books = tmp_path / "ledger.duckdb"
    nominate = ("deliver", "nominate", log, "--day", DAY)
    planned = said(capsys, *nominate, "--dry-run")
    done = said(capsys, *nominate)
    assert planned["lines"] == done["lines"] != []
    hours = [(line[0], line[3], line[4]) for line in done["lines"] if line[3] in "AB"]
    rows = [(f"m{k}", *hour) for k, hour in enumerate(hours)]
    (agreement, symbol, lots), *_ = hours
    files = {
        "some": meter_file(tmp_path / "some.csv", rows[:-1]),
        "all": meter_file(tmp_path / "all.csv", rows),
        "lost": meter_file(tmp_path / "lost.csv", [("f1", agreement, symbol, 1)]),
    }
    for words in (
        ("deliver", "settle", log, files["some"], "--day", DAY, "--part"),
        ("deliver", "settle", log, files["all"], "--day", DAY),
        ("deliver", "shortfall", log, files["lost"]),
        ("claim", log),
    ):
        planned = said(capsys, *words, "--dry-run")
        done = said(capsys, *words)
        assert planned["postings"] == done["postings"] != []
    assert lots >= 1
    with open_books(books, read_only=True) as found:
        assert audit(found) == []


def test_every_long_run_says_how_far_it_is(log, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_REPEAT_S", 0.0)
    books = tmp_path / "ledger.duckdb"
    lines = said(capsys, "deliver", "nominate", log, "--day", DAY)["lines"]
    hours = [(line[0], line[3], line[4]) for line in lines if line[3] in "AB"]
    full = meter_file(tmp_path / "all.csv", [(f"m{k}", *hour) for k, hour in enumerate(hours)])
    lost = meter_file(tmp_path / "lost.csv", [("f1", *hours[0][:2], 1)])
    for stage, *words in (
        ("deliveries: 1 of 3", "deliver", "settle", log, full, "--day", DAY),
        ("findings ...", "deliver", "shortfall", log, lost),
        ("claims: 0 of 2", "claim", log),
        ("audit: 3 of ", "verify", log),
        ("batches: 2 of ", "ledger", "reverse", books, "2026-11-21"),
    ):
        capsys.readouterr()
        assert run(list(map(str, words))) == 0
        assert stage in capsys.readouterr().err


def test_people_see_the_postings_of_a_dry_run(log, tmp_path, capsys):
    assert run(["deliver", "nominate", str(log), "--day", DAY, "--dry-run"]) == 0
    assert "agreement" in capsys.readouterr().out
    assert run(["deliver", "nominate", str(log), "--day", DAY]) == 0
    empty = str(meter_file(tmp_path / "none.csv", []))
    assert run(["deliver", "settle", str(log), empty, "--day", DAY, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "refund" in out
    assert "escrow:" in out


def test_findings_of_what_is_not_delivered_are_refused_in_one_line(log, tmp_path, capsys):
    assert run(["deliver", "nominate", str(log), "--day", DAY]) == 0
    lost = str(meter_file(tmp_path / "lost.csv", [("f1", 1, "A", 1)]))
    capsys.readouterr()
    assert run(["deliver", "shortfall", str(log), lost]) == 4
    assert "nothing was posted (--leave-out goes on without them)" in capsys.readouterr().err

"""The commands after trading: nomination, deliveries in parts, shortfalls and claims."""

import json

import pytest

from exchange.cli import run
from exchange.commands import console
from exchange.days.sealing import seal_day
from ledger.books.database import open_books
from ledger.daylog import read_day_log
from ledger.proof.audit import audit
from matching.reference.engine import ReferenceEngine
from tests.ledger.test_day import day_commands, write_log
from tests.ledger.test_delivery import HEAD
from tests.support.ledger_world import programme

DAY = "2026-11-22"
PROGRAMMES = (programme("q", model="reimburse", rate_bp=2000, compute_hubs=("QD",)),)


@pytest.fixture
def log(tmp_path):
    """The log of a closed day without nominations."""
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=60), programmes=PROGRAMMES)
    assert run(["day", "close", str(path)]) == 0
    return path


def json_of(capsys, *words):
    """The JSON that a command prints; its exit code must be 0."""
    capsys.readouterr()
    assert run([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def nominated_lines(capsys, log):
    """The nominated lines of the day: agreement, buyer, supplier, instrument, lots, fen."""
    return json_of(capsys, "deliver", "nominate", log, "--day", DAY)["lines"]


def meter_file(path, rows):
    path.write_text(
        HEAD
        + "".join(f"{name},{a},{symbol},gpu-hour,H800,{n},3600\n" for name, a, symbol, n in rows)
    )
    return path


def test_a_dry_run_shows_the_postings_that_the_command_then_writes(log, tmp_path, capsys):
    books = tmp_path / "ledger.duckdb"
    nominate = ("deliver", "nominate", log, "--day", DAY)
    planned = json_of(capsys, *nominate, "--dry-run")
    done = json_of(capsys, *nominate)
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
        planned = json_of(capsys, *words, "--dry-run")
        done = json_of(capsys, *words)
        assert planned["postings"] == done["postings"] != []
    assert lots >= 1
    with open_books(books, read_only=True) as found:
        assert audit(found) == []


@pytest.mark.parametrize(
    ("changes", "parts", "message"),
    [
        ({}, 2, None),  # in full
        ({"available_s": 1800}, 1, None),  # half of it
        ({"gpus": 0}, 0, None),  # none
        ({"gpus": 99}, 2, None),  # more than was sold
        ({"instrument": "Z"}, None, "instrument 'Z' is not known"),
        ({"unit": "pflops-day"}, None, "is in units of gpu-hour, got 'pflops-day'"),
        ({"unit": "GPU-hours"}, None, "is in units of gpu-hour, got 'GPU-hours'"),
        ({"agreement": 99}, None, "agreement 99 is not known"),
        ({"gpus": "-5"}, None, "`gpus` must be a whole number, not negative, got '-5'"),
        ({"available_s": 3_600_000}, None, "`available_s` must be at most 1000000, got 3600000"),
    ],
)
def test_a_meter_line_is_settled_in_proportion_or_refused(
    log, tmp_path, capsys, changes, parts, message
):
    books, lines = tmp_path / "ledger.duckdb", nominated_lines(capsys, log)
    (agreement, _, _, symbol, lots, value), *_ = [each for each in lines if each[3] in "AB"]
    row = {"meter": "m", "agreement": agreement, "instrument": symbol, "unit": "gpu-hour",
            "chip": "H800", "gpus": lots, "available_s": 3600, **changes}  # fmt: skip
    file = tmp_path / "meter.csv"
    file.write_text(HEAD + ",".join(map(str, row.values())) + "\n")
    settle = ["deliver", "settle", str(log), str(file), "--day", DAY]
    if message:
        before = json_of(capsys, "ledger", "trial-balance", books)
        assert run(settle) == 4
        assert message in capsys.readouterr().err
        assert json_of(capsys, "ledger", "trial-balance", books) == before
        return
    done = json_of(capsys, *settle)
    all_fen = sum(each[-1] for each in lines)
    assert done["value_fen"] == value * parts // 2
    assert done["refund_fen"] == all_fen - done["value_fen"]  # the others: none of it came
    assert run([*settle, "--json"]) == 4  # and late: everything is settled
    assert "nothing is nominated for" in capsys.readouterr().err
    file.write_text(file.read_text().replace("m,", "late,"))
    assert run(settle) == 4
    assert "is delivered already: this comes too late" in capsys.readouterr().err
    with open_books(books, read_only=True) as found:
        assert audit(found) == []
        assert found.scalar("SELECT count(*) FROM deliveries") == len(lines)


def test_a_repeated_meter_line_counts_once_and_a_changed_one_is_refused(log, tmp_path, capsys):
    lines = nominated_lines(capsys, log)
    (agreement, _, _, symbol, lots, value), *_ = [each for each in lines if each[3] in "AB"]
    row = ("m", agreement, symbol, lots)
    twice = meter_file(tmp_path / "twice.csv", [row, row])
    other = meter_file(tmp_path / "other.csv", [row, (*row[:3], lots + 1)])
    assert run(["deliver", "settle", str(log), str(other), "--day", DAY]) == 4
    assert "line 3: `m` was metered before, differently" in capsys.readouterr().err
    done = json_of(capsys, "deliver", "settle", log, twice, "--day", DAY)
    assert (done["value_fen"], done["metered"]) == (value, 1)
    assert done["repeated"] == ["twice.csv: line 3: `m` again, counted once"]


def test_every_long_run_reports_its_progress(log, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_REPEAT_S", 0.0)
    books = tmp_path / "ledger.duckdb"
    lines = json_of(capsys, "deliver", "nominate", log, "--day", DAY)["lines"]
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


def test_a_dry_run_prints_a_table_of_postings(log, tmp_path, capsys):
    assert run(["deliver", "nominate", str(log), "--day", DAY, "--dry-run"]) == 0
    assert "agreement" in capsys.readouterr().out
    assert run(["deliver", "nominate", str(log), "--day", DAY]) == 0
    empty = str(meter_file(tmp_path / "none.csv", []))
    assert run(["deliver", "settle", str(log), empty, "--day", DAY, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "refund" in out
    assert "escrow:" in out


def test_a_finding_without_a_delivery_is_refused_in_one_line(log, tmp_path, capsys):
    assert run(["deliver", "nominate", str(log), "--day", DAY]) == 0
    lost = str(meter_file(tmp_path / "lost.csv", [("f1", 1, "A", 1)]))
    capsys.readouterr()
    assert run(["deliver", "shortfall", str(log), lost]) == 4
    assert "nothing was posted (--leave-out goes on without them)" in capsys.readouterr().err


@pytest.fixture
def open_books_of(log, tmp_path, capsys):
    """The log of a day under a day that is open, and a meter file of all that it nominated."""
    lines = [line for line in nominated_lines(capsys, log) if line[3] in "AB"]
    rows = [(f"m{k}", line[0], line[3], line[4]) for k, line in enumerate(lines)]
    file = meter_file(tmp_path / "all.csv", rows)
    assert run(["day", "open", str(log), str(tmp_path / "2.log")]) == 0
    return log, file


def seal_next(tmp_path):
    """Seal the open day as its venue would; returns its log."""
    path = tmp_path / "2.log"
    log = read_day_log(path, unsealed=True)
    seal_day(log, ReferenceEngine(log.limits))
    return path


def test_payments_that_are_asked_for_while_a_day_is_open_wait_for_its_close(
    open_books_of, tmp_path, capsys
):
    log, file = open_books_of
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        batches = books.scalar("SELECT count(*) FROM batches")
    settle = ("deliver", "settle", log, file, "--day", DAY)
    assert run([*map(str, settle), "--dry-run"]) == 4
    assert "is open, and began with the cash in these books" in capsys.readouterr().err
    queued = [json_of(capsys, *settle), json_of(capsys, *settle)]
    file.write_text(file.read_text() + "\n")  # another file with the same readings
    queued.append(json_of(capsys, *settle))
    folder = tmp_path / "ledger.queue"
    names = [f"00000{n}.json" for n in (1, 2, 3)]
    assert [each["queued"] for each in queued] == [str(folder / name) for name in names]
    assert queued[0]["until_closed"] == DAY
    file.unlink()  # the queue has a copy
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        assert books.scalar("SELECT count(*) FROM batches") == batches
    assert run(["day", "close", str(seal_next(tmp_path))]) == 4
    told = capsys.readouterr()
    assert "queued payment 000001.json is paid" in told.out
    assert "queued payment 000002.json is paid" in told.out
    assert "but 1 queued payments were refused, the first, 000003.json" in told.err
    places = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
    assert places == [f"paid/{names[0]}", f"paid/{names[1]}", f"refused/{names[2]}"]
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        assert books.scalar("SELECT count(*) FROM batches WHERE kind = 'delivery'") == 1
    assert run(["day", "close", str(tmp_path / "2.log")]) == 0
    assert run(["verify", str(tmp_path / "2.log")]) == 0


def test_a_close_that_was_killed_after_a_payment_pays_it_once(open_books_of, tmp_path, capsys):
    log, file = open_books_of
    json_of(capsys, "deliver", "settle", log, file, "--day", DAY)
    folder = tmp_path / "ledger.queue"
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    second = str(seal_next(tmp_path))
    assert run(["day", "close", second]) == 0
    for path, content in kept.items():
        path.write_bytes(content)
    capsys.readouterr()
    assert run(["day", "close", second]) == 0
    assert "queued payment 000001.json is paid" in capsys.readouterr().out
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        assert books.scalar("SELECT count(*) FROM batches WHERE kind = 'delivery'") == 1
        assert audit(books) == []

"""`suanshi log cat`: the rows of a day that a person asks for."""

import json
from pathlib import Path

import pytest

from exchange.cli import run
from ledger.daylog import read_day_log
from matching.records import NANOSECONDS, CommandKind
from matching.reference.engine import ReferenceEngine
from tests.ledger.test_day import day_commands, write_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_log(tmp_path / "1.log", day_commands(seed=1, count=60), sealed=False)


def rows(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, object]]:
    capsys.readouterr()
    assert run(["log", "cat", *map(str, words), "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_commands_and_events_are_chosen_by_whom_and_when_they_concern(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = read_day_log(path, unsealed=True)
    commands = log.commands()
    everything = rows(capsys, path)
    assert [row["sequence"] for row in everything] == commands["sequence"].tolist()
    assert [row["kind"] for row in everything] == [
        CommandKind(kind).name for kind in commands["kind"].tolist()
    ]
    alice = commands[commands["account"] == 1]["sequence"].tolist()
    assert [row["sequence"] for row in rows(capsys, path, "--account", "alice")] == alice
    assert [row["sequence"] for row in rows(capsys, path, "--account", 1)] == alice
    of_a = commands[commands["instrument"] == 1]["sequence"].tolist()
    assert [row["sequence"] for row in rows(capsys, path, "--instrument", "A")] == of_a
    times_s = commands["time_ns"] // NANOSECONDS
    middle = int(times_s[len(times_s) // 2])
    early, late = rows(capsys, path, "--until", middle), rows(capsys, path, "--from", middle)
    assert early + late == everything
    assert all(int(str(row["time_ns"])) // NANOSECONDS < middle for row in early)
    events = ReferenceEngine(log.limits).process(commands)
    shown = rows(capsys, path, "--events", "--account", "alice")
    assert len(shown) == (events["account"] == 1).sum() > 0


def test_what_the_log_does_not_have_is_named(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["log", "cat", str(path), "--account", "zoe"]) == 2
    assert "the log has no account zoe" in capsys.readouterr().err
    assert run(["log", "cat", str(path), "--from", "9 o'clock"]) == 2
    assert "write a time as 09:00 or 2026-11-22T09:00" in capsys.readouterr().err
    assert run(["log", "cat", str(path), "--from", "900"]) == 2
    assert run(["log", "cat", str(path)]) == 0
    assert " NEW " in capsys.readouterr().out

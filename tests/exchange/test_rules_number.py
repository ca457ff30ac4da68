"""A log of other rules on the command line: what replays it refuses it, and queries go on."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import UNSET

from exchange.cli import run
from exchange.days.carry_forward import carry_forward
from exchange.venue.folder_lock import LOCK_NAME
from ledger.books.database import create_books, open_books
from ledger.day_settlement import settle
from ledger.daylog import DayLog, DayLogWriter, read_day_log
from matching.reference.engine import ReferenceEngine
from matching.rules import RULES
from tests.ledger.test_day import day_commands, write_log
from tests.ledger.test_rules_number import OPENING, SEALED, UNSEALED

DONE, REFUSED = 0, 4
BEFORE = (
    "made under rules 0, which is before release 0.2.0, and this build replays rules 1: there is "
    "no release that replays rules 0"
)
Suanshi = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Suanshi:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A log of rules 0 in a folder of its own."""
    return Path(shutil.copy(SEALED, tmp_path / "day.log"))


def settled(path: Path) -> DayLog:
    """Settle a log into the books beside it, as a build of its rules did."""
    log = read_day_log(path)
    events = ReferenceEngine(log.limits).process(log.commands())
    with create_books(path.parent / "ledger.duckdb") as books:
        settle(books, log.registry, events, log.sha256, deliver=False)
    return log


def files(folder: Path) -> dict[Path, bytes]:
    """What a folder has, but for the empty file of its lock."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_NAME]
    return {path: path.read_bytes() for path in paths}


@pytest.mark.parametrize("has_books", [False, True], ids=["without books", "with books"])
@pytest.mark.parametrize(
    "words",
    [
        "replay LOG", "replay LOG --engine reference --json", "settle LOG", "settle LOG --dry-run",
        "day close LOG", "day close LOG --dry-run", "day open LOG NEXT --json",
        "day open LOG OTHER --force", "verify LOG",
    ],
)  # fmt: skip
def test_what_replays_a_log_refuses_other_rules_and_changes_nothing(
    old: Path, command: Suanshi, words: str, has_books: bool
) -> None:
    if has_books:
        with create_books(old.parent / "ledger.duckdb"):
            pass
    other = old.parent / "other.log"
    other.write_text("another log", encoding="utf-8")
    before = files(old.parent)
    names = {"LOG": str(old), "NEXT": str(old.parent / "next.log"), "OTHER": str(other)}
    code, out, err = command(*(names.get(word, word) for word in words.split()))
    assert (code, out) == (REFUSED, "")
    assert f"suanshi: {old}: {BEFORE}" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert files(old.parent) == before


def test_an_unsealed_log_of_other_rules_is_refused_too(tmp_path: Path, command: Suanshi) -> None:
    path = Path(shutil.copy(UNSEALED, tmp_path / "day.log"))
    code, _, err = command("replay", path, "--unsealed")
    assert (code, err) == (REFUSED, f"suanshi: {path}: {BEFORE}\n")


def test_queries_of_a_log_of_other_rules_go_on_working(old: Path, command: Suanshi) -> None:
    settled(old)
    books = old.parent / "ledger.duckdb"
    status = json.loads(command("day", "status", old, "--json")[1])
    assert (status["rules"], status["commands"], status["settled"]) == (0, 153, True)
    code, out, _ = command("settle", old)
    assert (code, "nothing was changed" in out) == (DONE, True)
    code, out, _ = command("deliver", "nominate", old, "--day", "2026-11-22", "--json")
    assert (code, len(json.loads(out)["lines"]) > 0) == (DONE, True)
    for words in (
        ["voucher", "expire", old, "--dry-run"], ["voucher", "list", books],
        ["deliver", "notices", books, "--day", "2026-11-22"], ["ledger", "trial-balance", books],
    ):  # fmt: skip
        assert command(*words)[0] == DONE, words
    assert command("verify", old)[0] == REFUSED


def test_replay_and_doctor_say_which_rules_the_build_replays(
    tmp_path: Path, command: Suanshi
) -> None:
    log = tmp_path / "day.log"
    assert command("flow", log, "--synthetic", "2000")[0] == DONE
    assert json.loads(command("replay", log, "--json")[1])["rules"] == RULES == 1
    assert "trading day 2026-11-22, rules 1 (" in command("replay", log)[1]
    found = json.loads(command("doctor", "--folder", tmp_path, "--json")[1])
    assert (found["rules"], found["releases"]) == (1, {"1": "suanshi==0.2.*"})
    text = "replays day logs of rules 1 (suanshi==0.2.*)"
    assert {"check": "rules", "ok": True, "found": text} in found["checks"]
    assert text in command("doctor", "--folder", tmp_path)[1]


def test_doctor_lists_the_releases_of_other_rules(
    tmp_path: Path, command: Suanshi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matching.rules.RULES", 3)
    monkeypatch.setattr("matching.rules.FIRST_RELEASES", {1: "0.2.0", 2: "0.4.0", 3: "1.0.0"})
    text = (
        "replays day logs of rules 3 (suanshi==1.0.*); "
        "rules 1: suanshi==0.2.*, rules 2: suanshi==0.4.*"
    )
    assert text in command("doctor", "--folder", tmp_path)[1]


def venue(tmp_path: Path, log: Path, name: str = "2026-11-21.log") -> Path:
    """A configuration whose folder holds a log."""
    folder = tmp_path / "venue"
    folder.mkdir()
    shutil.copy(log, folder / name)
    config = tmp_path / "venue.toml"
    config.write_text('folder = "venue"\n', encoding="utf-8")
    return config


@pytest.mark.parametrize("log", [SEALED, UNSEALED], ids=["sealed", "unsealed"])
def test_serve_refuses_a_day_of_other_rules_before_it_touches_anything(
    tmp_path: Path, command: Suanshi, log: Path
) -> None:
    config = venue(tmp_path, log)
    later = tmp_path / "venue" / "2026-11-22.log"  # a later day whose opening was cut
    later.write_bytes(OPENING.read_bytes()[:-64])
    before = files(tmp_path)
    code, out, err = command("serve", "--config", config, "--clock", "2026-11-22T09:00*1")
    path = tmp_path / "venue" / "2026-11-21.log"
    assert (code, out) == (REFUSED, "")
    assert err == (
        f"suanshi: {path}: {BEFORE}. With the build that wrote it, end and settle the day and "
        f"write the next one's opening: `suanshi day open {path} OPENING.LOG`; this build takes "
        "it over: `suanshi day open OPENING.LOG DAY.LOG`\n"
    )
    assert files(tmp_path) == before


def test_serve_refuses_the_day_of_a_later_build(tmp_path: Path, command: Suanshi) -> None:
    log, path = read_day_log(SEALED), tmp_path / "day.log"
    with DayLogWriter.create(
        path, venue="TEST", trading_day=log.trading_day, rules=RULES + 1
    ) as out:
        out.append_registry(log.registry)
        out.append(log.commands())
    config = venue(tmp_path, path)
    before = files(tmp_path)
    code, _, err = command("serve", "--config", config)
    assert code == REFUSED
    assert "made under rules 2, and this build replays rules 1: install a later release" in err
    assert files(tmp_path) == before


def test_an_opening_written_by_another_build_is_taken_over(
    old: Path, tmp_path: Path, command: Suanshi
) -> None:
    settled(old)
    opening = Path(shutil.copy(OPENING, tmp_path / "opening.log"))
    target = tmp_path / "2026-11-22.log"
    code, out, _ = command("day", "open", opening, target, "--json", "--dry-run")
    assert (code, target.exists()) == (DONE, False)
    assert command("day", "open", opening, target, "--json")[0] == DONE
    assert json.loads(out)["commands"] == 23
    there, here = read_day_log(opening, unsealed=True), read_day_log(target, unsealed=True)
    assert (there.rules, here.rules) == (0, RULES)
    assert here.commands().tobytes() == there.commands().tobytes()
    assert here.registry.instruments == there.registry.instruments
    assert here.registry.opening_commands == 23
    with DayLogWriter.resume(here) as log:
        log.seal(sha256(ReferenceEngine(here.limits).process(here.commands()).tobytes()).digest())
    assert command("day", "close", target)[0] == DONE  # it opens with what the books closed with


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--day", "2026-11-23"], 4, "is the opening of 2026-11-22, not of 2026-11-23"),
        ([], 3, "not sealed"),
    ],
    ids=["another day", "not only an opening"],
)
def test_only_an_opening_is_taken_over_and_only_for_its_day(
    tmp_path: Path, command: Suanshi, words: list[str], code: int, error: str
) -> None:
    source = OPENING if words else UNSEALED
    ended = command("day", "open", source, tmp_path / "next.log", *words)
    assert (ended[0], error in ended[2], list(tmp_path.iterdir())) == (code, True, [])


def test_the_next_day_s_log_names_the_rules_of_the_build_that_opens_it(
    tmp_path: Path, command: Suanshi
) -> None:
    path = write_log(tmp_path / "1.log", day_commands(seed=1, count=20), later_days=3)
    log = settled(path)
    assert command("day", "open", path, tmp_path / "2.log")[0] == DONE
    assert read_day_log(tmp_path / "2.log", unsealed=True).rules == RULES
    # The same where the registry that is carried forward names none.
    engine = ReferenceEngine(log.limits)
    engine.process(log.commands())
    old = replace(log, registries=tuple(each for each in read_day_log(SEALED).registries))
    with open_books(tmp_path / "ledger.duckdb", read_only=True) as books:
        head = carry_forward(old, engine.state_tables(), books, date(2026, 11, 22))
    assert head.registry.rules is UNSET
    with DayLogWriter.create(tmp_path / "3.log", venue="TEST", trading_day="2026-11-22") as out:
        out.append_registry(head.registry)
    assert read_day_log(tmp_path / "3.log", unsealed=True).rules == RULES

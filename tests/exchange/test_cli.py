"""The command line: help in two languages, JSON, dry runs, and the exit code of every outcome."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from exchange.cli import run, suanshi
from exchange.commands.bilingual import Argument, help_lines, parameter_texts
from exchange.commands.columns import display_width
from tests.support.independent_totals import totals
from tests.support.ledger_world import statements_agree

DONE, DIFFERENCES, BAD_INPUT, NOT_SEALED, REFUSED = range(5)

Outcome = tuple[int, str, str]
Suanshi = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Suanshi:
    """Run a command line; returns its exit code, stdout and stderr."""

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished demonstration."""
    folder = tmp_path_factory.mktemp("cli") / "demo"
    assert run(["demo", "--folder", str(folder)]) == DONE
    return folder


def test_an_independent_sum_of_the_demo_s_fills_gives_its_statements(demo: Path) -> None:
    statements_agree(demo / "ledger.duckdb", totals(demo / "day.log"))


def every_command() -> Iterator[tuple[str, click.Command]]:
    for name, command in suanshi.commands.items():
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", each) for sub, each in command.commands.items())


def refused_in_one_line(outcome: Outcome, code: int, *parts: str) -> None:
    assert outcome[0] == code, outcome
    *_, line = outcome[2].splitlines()
    assert line.startswith("suanshi: ")
    assert "Traceback" not in outcome[2]
    for part in parts:
        assert part in line


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import exchange.cli, sys\n"
        "exchange.cli.run(['--help'])\n"
        "heavy = {'numba', 'duckdb', 'numpy', 'msgspec', 'zmq', 'sortedcontainers'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


@pytest.mark.parametrize(("name", "each"), [*every_command()])
def test_every_command_explains_itself_in_english_and_chinese(
    name: str, each: click.Command, command: Suanshi
) -> None:
    english, chinese = help_lines(each)
    assert english.isascii()
    assert english.endswith(".")
    assert chinese.endswith("。")
    code, out, err = command(*name.split(), "--help")
    assert (code, err) == (DONE, "")
    assert english in " ".join(out.split())
    assert "".join(chinese.split()) in "".join(out.split())


@pytest.mark.parametrize(("name", "each"), [("", suanshi), *every_command()])
def test_every_option_and_argument_explains_itself_in_english_and_chinese(
    name: str, each: click.Command, command: Suanshi
) -> None:
    shown = "".join(command(*name.split(), "--help")[1].split())
    for parameter in each.get_params(click.Context(each)):
        if isinstance(parameter, Argument):
            texts = parameter_texts(parameter.help_text)
        else:
            assert isinstance(parameter, click.Option), "click.argument has no help"
            texts = parameter_texts(parameter.help or "")
        english, chinese = texts
        assert english.isascii(), parameter.name
        assert english.endswith("."), parameter.name
        assert chinese.endswith("。"), parameter.name
        assert not chinese.isascii(), parameter.name
        for text in texts:
            assert "".join(text.split()) in shown


@pytest.mark.parametrize(("name", "each"), [("", suanshi), *every_command()])
@pytest.mark.parametrize("width", [80, 100])
def test_help_fits_the_terminal_although_chinese_characters_are_two_columns_wide(
    name: str,
    each: click.Command,
    width: int,
    command: Suanshi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = command(*name.split(), "--help")[1].splitlines()
    assert max(display_width(line) for line in lines) < width
    assert not any(line.lstrip().startswith(tuple("，。；：、！？）》")) for line in lines)


@pytest.mark.parametrize(("name", "each"), [*every_command()])
def test_every_command_prints_json(name: str, each: click.Command) -> None:
    if isinstance(each, click.Group):
        return
    options = [param for param in each.params if isinstance(param, click.Option)]
    assert any("--json" in option.opts for option in options)


@pytest.mark.parametrize("name", ["demo", "flow", "settle"])
def test_commands_that_write_have_a_dry_run(name: str) -> None:
    assert any("--dry-run" in param.opts for param in suanshi.commands[name].params)


def test_without_a_command_the_help_is_shown(command: Suanshi) -> None:
    code, out, _ = command()
    assert code == DONE
    assert out == command("--help")[1]


def test_the_demonstration_s_json_has_every_total(demo: Path, command: Suanshi) -> None:
    code, out, _ = command("demo", "--folder", demo, "--force", "--json")
    shown = json.loads(out)
    assert code == DONE
    assert shown["trial_balance_fen"] == 0
    assert shown["day_log"] == str(demo / "day.log")
    assert shown["ledger"] == str(demo / "ledger.duckdb")
    assert len(shown["events_sha256"]) == 64
    for key in ("commands", "trades", "volume", "turnover_fen", "fees_fen", "vouchers_fen"):
        assert shown[key] > 0, key
    assert shown["postings"] > 0


def test_the_demonstration_shows_every_part_of_the_day(tmp_path: Path, command: Suanshi) -> None:
    code, out, _ = command("demo", "--folder", tmp_path)
    assert code == DONE
    for part in (
        "the day", "busiest instruments", "VWAP", "largest blocks", "have one supplier", "who paid",
        "who earned", "what vouchers paid",
        "trial balance", "files", "what to try next", "generated from seed",
    ):  # fmt: skip
        assert part in out


def test_a_second_demonstration_replaces_nothing_without_force(
    demo: Path, command: Suanshi
) -> None:
    before = (demo / "day.log").stat().st_mtime_ns
    outcome = command("demo", "--folder", demo)
    refused_in_one_line(outcome, REFUSED, "day.log: exists already", "--force")
    assert (demo / "day.log").stat().st_mtime_ns == before


def test_a_dry_run_writes_nothing(tmp_path: Path, demo: Path, command: Suanshi) -> None:
    assert command("demo", "--folder", tmp_path / "new", "--dry-run")[0] == DONE
    log = tmp_path / "day.log"
    assert command("flow", log, "--synthetic", "1000", "--dry-run")[0] == DONE
    books = tmp_path / "ledger.duckdb"
    code, out, _ = command("settle", demo / "day.log", "--ledger", books, "--dry-run", "--json")
    assert code == DONE
    assert json.loads(out)["dry_run"]
    assert list(tmp_path.iterdir()) == []


def test_a_demonstration_that_fails_leaves_nothing_behind(
    tmp_path: Path, command: Suanshi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchange.flow import demonstration

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demonstration, "settle", interrupted)
    for folder in (tmp_path, tmp_path / "new"):
        outcome = command("demo", "--folder", folder)
        refused_in_one_line(outcome, 130, "interrupted")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ["--batch", "1"],
        ["--batch", "7"],
        ["--batch", "1000000"],
        pytest.param(["--engine", "reference"], marks=pytest.mark.long),
    ],
    ids=" ".join,
)
def test_any_batch_and_any_engine_give_the_same_events(
    demo: Path, command: Suanshi, options: list[str]
) -> None:
    code, out, _ = command("replay", demo / "day.log", "--json", *options)
    report = json.loads(out)
    assert code == DONE
    assert report["seal_agrees"] is True
    assert report["commands_per_s"] > 0
    assert report["engine_commands_per_s"] >= report["commands_per_s"]
    assert report["memory_peak_bytes"] > 0


def test_the_traffic_of_a_day_is_that_of_its_log(demo: Path, command: Suanshi) -> None:
    code, out, _ = command("traffic", demo / "day.log", "--json", "--free", 1_000, "--per-trade", 5)
    document = json.loads(out)
    assert (code, document["day"]) == (DONE, "2026-11-22")
    found = document["sessions"]
    _, out, _ = command("replay", demo / "day.log", "--json")
    report = json.loads(out)
    sent = sum(each["commands_by_kind"].get("NEW", 0) for each in found)
    assert sent == report["commands_by_kind"]["NEW"]
    assert report["trades"] < sum(each["trades"] for each in found) <= 2 * report["trades"]
    for each in found:
        assert each["excess"] == max(0, each["commands"] - 1_000 - 5 * each["trades"])
    code, out, _ = command("traffic", demo / "day.log")
    header, *rows = out.splitlines()[2:]
    assert (code, "commands/trade" in header, "excess" in header) == (DONE, True, False)
    assert len([row for row in rows if row.strip(" -")]) == sum(
        each["commands"] > 0 for each in found
    )


def test_a_replay_that_differs_from_the_seal_is_a_difference(
    tmp_path: Path, demo: Path, command: Suanshi
) -> None:
    log = copy_with_hash(demo / "day.log", tmp_path / "day.log", bytes([7]) * 32)
    code, out, err = command("replay", log, "--json")
    assert code == DIFFERENCES
    assert json.loads(out)["seal_agrees"] is False
    assert "the events differ" in err
    outcome = command("settle", log)
    refused_in_one_line(outcome, DIFFERENCES, "the events differ from those that were sealed")


def copy_with_hash(source: Path, target: Path, events_sha256: bytes) -> Path:
    from ledger.daylog import DayLogWriter, read_day_log

    log = read_day_log(source)
    with DayLogWriter.create(target, venue=log.venue, trading_day=log.trading_day) as writer:
        writer.append_registry(log.registry)
        writer.append(log.commands())
        writer.seal(events_sha256)
    return target


def test_damaged_and_unsealed_logs_have_their_own_exit_codes(
    tmp_path: Path, demo: Path, command: Suanshi
) -> None:
    whole = (demo / "day.log").read_bytes()
    damaged, cut = tmp_path / "damaged.log", tmp_path / "cut.log"
    damaged.write_bytes(whole[:100_000] + bytes([whole[100_000] ^ 1]) + whole[100_001:])
    cut.write_bytes(whole[:-200])
    for each in (["replay", damaged], ["replay", damaged, "--unsealed"], ["settle", damaged]):
        refused_in_one_line(command(*each), BAD_INPUT, "damaged.log: damaged at offset", "match")
    for each in (["replay", cut], ["settle", cut]):
        refused_in_one_line(command(*each), NOT_SEALED, "cut.log: not sealed", "skipped as torn")
    code, out, err = command("replay", cut, "--unsealed", "--json")
    assert code == DONE
    assert json.loads(out)["sealed"] is False
    assert "skipped as torn" in err


def test_settling_twice_changes_nothing_and_another_day_is_refused(
    tmp_path: Path, demo: Path, command: Suanshi
) -> None:
    books = demo / "ledger.duckdb"
    before = books.read_bytes()
    code, out, _ = command("settle", demo / "day.log")
    assert code == DONE
    assert "nothing was changed" in out
    assert books.read_bytes() == before
    outcome = command("settle", demo / "day.log", "--ledger", tmp_path / "no" / "ledger.duckdb")
    refused_in_one_line(outcome, REFUSED, "folder", "does not exist")
    other = copy_with_hash(demo / "day.log", tmp_path / "day.log", bytes(32))
    outcome = command("settle", other, "--ledger", books)
    refused_in_one_line(outcome, REFUSED, "settled from another input")


def test_verify_finds_one_fen(tmp_path: Path, demo: Path, command: Suanshi) -> None:
    from ledger.books.database import open_books
    from ledger.books.schema import TABLES

    assert command("verify", demo / "day.log")[:2] == (
        DONE,
        f"{demo / 'ledger.duckdb'}: everything agrees with {demo / 'day.log'}\n",
    )
    books = tmp_path / "ledger.duckdb"
    books.write_bytes((demo / "ledger.duckdb").read_bytes())
    with open_books(books) as opened:
        for table in TABLES:
            opened.execute(f"DROP TRIGGER {table}_update ON {table}")
        opened.execute("UPDATE postings SET amount_fen = amount_fen + 1 WHERE id = 5")
    code, out, _ = command("verify", demo / "day.log", "--ledger", books, "--json")
    assert code == DIFFERENCES
    assert any("amount_fen" in line for line in json.loads(out)["differences"])


def test_the_books_can_be_read(demo: Path, command: Suanshi) -> None:
    books = demo / "ledger.duckdb"
    balance = json.loads(command("ledger", "trial-balance", books, "--json")[1])
    assert balance["total_fen"] == 0
    assert "sum" in command("ledger", "trial-balance", books)[1]
    cash = next(one for one in balance["accounts"] if one["account"].startswith("cash:"))
    name = cash["account"].removeprefix("cash:")
    shown: dict[str, Any] = json.loads(command("ledger", "statement", books, name, "--json")[1])
    assert shown["closing_fen"] == cash["balance_fen"]
    assert "closing balance" in command("ledger", "statement", books, name)[1]


def test_contracts_and_instruments_are_listed(command: Suanshi) -> None:
    listed = json.loads(command("contracts", "--json")[1])
    assert {one["hub"] for one in listed["contracts"]} == {"QD", "CD", "SG"}
    assert "H800.QD" in command("contracts")[1]
    day = json.loads(command("contracts", "--day", "2026-11-22", "--json")[1])
    assert "H800.QD.2026112214" in {one["symbol"] for one in day["instruments"]}


def test_the_doctor_finds_no_fault_with_this_computer(command: Suanshi, tmp_path: Path) -> None:
    code, out, _ = command("doctor", "--folder", tmp_path, "--json")
    report = json.loads(out)
    assert (code, report["ok"]) == (DONE, True), report
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder_with_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("no log, no ledger and no venue", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["nonsense"], BAD_INPUT, ["No such command"]),
        (["replay"], BAD_INPUT, ["Missing argument 'DAY.LOG'", "suanshi replay --help"]),
        (["replay", "missing.log"], BAD_INPUT, ["missing.log: cannot be read: No such file"]),
        (["replay", "."], BAD_INPUT, ["cannot be read: Is a directory"]),
        (["replay", "day.log", "--batch", "0"], BAD_INPUT, ["--batch"]),
        (["replay", "day.log", "--engine", "steam"], BAD_INPUT, ["steam"]),
        (["settle", "missing.log"], BAD_INPUT, ["missing.log: cannot be read"]),
        (["verify", "missing.log"], BAD_INPUT, ["missing.log: cannot be read"]),
        (["contracts", "--venue", "missing.toml"], BAD_INPUT, ["missing.toml"]),
        (["contracts", "--day", "yesterday"], BAD_INPUT, ["yesterday", "YYYY-MM-DD"]),
        (["ledger", "trial-balance", "missing.duckdb"], BAD_INPUT, ["missing.duckdb"]),
        (["ledger", "statement", "text", "x"], BAD_INPUT, ["text: not a ledger file"]),
        (["flow", "text", "--synthetic", "9"], REFUSED, ["text: exists already", "--force"]),
        (["flow", "no/day.log", "--synthetic", "9"], REFUSED, ["folder no does not exist"]),
        (["flow", "d.log", "--synthetic", "60000000"], BAD_INPUT, ["--synthetic", "50000000"]),
        (["flow", "d.log", "--synthetic", "9", "--day", "2026-11-22"], BAD_INPUT, ["--synthetic"]),
        (["flow", "d.log", "--trace", "text"], BAD_INPUT, ["text: line 1"]),
        (["flow", "d.log", "--members", "text"], BAD_INPUT, ["text: is not TOML"]),
        (["demo", "--folder", "text"], BAD_INPUT, ["text"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_line(
    arguments: list[str], code: int, parts: list[str], command: Suanshi, folder_with_text: Path
) -> None:
    refused_in_one_line(command(*arguments), code, *parts)
    assert [path.name for path in folder_with_text.iterdir()] == ["text"]


def test_a_bug_is_one_line_too(command: Suanshi, monkeypatch: pytest.MonkeyPatch) -> None:
    from exchange.definition import contracts

    def broken(path: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(contracts, "read_venue", broken)
    refused_in_one_line(command("contracts"), 70, "ZeroDivisionError: two lines")


def test_a_closed_pipe_ends_the_command_without_an_error() -> None:
    script = "from exchange.cli import main; main()"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", script, "contracts"],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (DONE, b"")


def test_the_readme_shows_lines_that_the_demonstration_prints(
    tmp_path: Path, command: Suanshi
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    excerpt = readme.partition("<!-- demo:begin -->\n```\n")[2].partition("```\n<!-- demo:end")[0]
    assert len(excerpt.splitlines()) > 20
    printed = command("demo", "--folder", tmp_path)[1].splitlines()
    assert [line for line in excerpt.splitlines() if line not in printed] == []


def test_the_largest_synthetic_day_is_the_one_that_the_generator_makes():
    from exchange.commands.flow import SYNTHETIC_MAX
    from exchange.flow.synthetic import SIZE_MAX

    assert SYNTHETIC_MAX == SIZE_MAX

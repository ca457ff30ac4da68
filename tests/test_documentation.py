"""What the documents say is so."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

import exchange
import feeds
import ledger
import matching
from exchange.cli import suanshi
from exchange.commands.outcome import ExitCode
from matching.rules import FIRST_RELEASES, RULES, releases_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def modules() -> list[str]:
    return [
        found.name
        for package in (matching, ledger, feeds, exchange)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_right(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_the_readme_lists_every_command() -> None:
    for name, command in suanshi.commands.items():
        names = (
            [f"{name} {sub}" for sub in command.commands]
            if isinstance(command, click.Group)
            else [name]
        )
        for each in names:
            assert f"| `suanshi {each}" in README


def test_every_option_that_the_readme_names_exists() -> None:
    known = {"--help"}
    commands = list(suanshi.commands.values())
    for group in suanshi.commands.values():
        commands += group.commands.values() if isinstance(group, click.Group) else []
    for command in commands:
        known |= {option for param in command.params for option in param.opts}
    assert set(re.findall(r"(?<=[`\[ ])--[a-z][a-z-]+", README)) <= known


def test_the_readme_lists_every_exit_code() -> None:
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert listed == [int(code) for code in ExitCode]


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT) for path in ROOT.glob("*.md")))
def test_links_lead_to_files(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / page.parent / target).exists(), target


def test_the_pages_list_the_rules_numbers_and_their_releases() -> None:
    layout = (ROOT / "ledger" / "FORMAT.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| ([^|]*) \| ([^|]*) \|$", layout.partition("## The rules")[2], re.M
    )
    assert rows == [
        ("0", "before 0.2.0", "no release"),
        *((str(each), first, f"`{releases_of(each)}`") for each, first in FIRST_RELEASES.items()),
    ]
    changes = (ROOT / "docs" / "RULE_CHANGES.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## Rules (\d+), since release (\S+)$", changes, re.MULTILINE)
    assert heads == [(str(each), first) for each, first in reversed(FIRST_RELEASES.items())]
    assert max(FIRST_RELEASES) == RULES
    assert list(FIRST_RELEASES) == list(range(1, RULES + 1))

"""The parser of rule cases, whose language tests/cases/README.md defines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SETUP = {
    "band", "phase", "reference", "fees", "deposit", "day-end", "gate", "instrument", "stp",
    "account", "collar", "sequence", "basket",
}  # fmt: skip


@dataclass
class Step:
    """A command or a check, and the outcomes expected of a command."""

    line: int
    words: list[str]
    outcomes: list[list[str]] = field(default_factory=list)  # alternatives of `&` in one list


@dataclass
class Case:
    """One case: its setup, then its commands and checks."""

    title: str
    source: str
    setup: list[list[str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def read_cases(path: Path) -> list[Case]:
    """The cases of a file."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return list(parse(lines, path.name))


def read_fenced_cases(path: Path) -> list[Case]:
    """The cases in the blocks of a Markdown page that are fenced as ```case."""
    inside, lines = False, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            inside = line == "```case"
        elif inside:
            lines.append((number, line))
    return list(parse(iter(lines), path.name))


def parse(lines: Iterator[tuple[int, str]], source: str) -> Iterator[Case]:
    """Parse numbered lines into cases."""
    case: Case | None = None
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("== "):
            if case:
                yield case
            case = Case(line[3:], source)
            continue
        assert case is not None, f"{source}:{number}: a line before the first title"
        words = line.split()
        if line.startswith("  "):
            case.steps[-1].outcomes.append(line.strip().split(" & "))
        elif words[0] in SETUP and not case.steps:
            case.setup.append(words)
        else:
            case.steps.append(Step(number, words))
    if case:
        yield case

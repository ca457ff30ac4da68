"""Output of the commands: JSON and tables on stdout, notes and progress on stderr."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self, overload

import click

from exchange.commands.columns import display_width, pad
from exchange.definition.calendar import SHANGHAI

_REDRAW_S = 0.1
_REPEAT_S = 5.0  # if stderr is no terminal


def print_json(document: Any) -> None:
    """Print one JSON document on stdout, for a program."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def note(line: str) -> None:
    """Print one line on stderr, for a person."""
    click.echo(line, err=True)


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be undone, unless `yes`.

    Raises click.Abort where the answer is no, click.UsageError where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Say --yes to go on without being asked")
    click.confirm(question, abort=True, err=True)


def note_compiling(cache_folder: Path) -> None:
    """Note that the kernels are being compiled, which takes tens of seconds, once a version."""
    note(f"compiling the core, once (kept in {cache_folder}) ...")


def cny(amount_fen: int) -> str:
    """An amount of fen as yuan, for a person.

    >>> cny(123456789), cny(-5)
    ('1,234,567.89', '-0.05')
    """
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02}"


@overload
def day_text(text: str) -> str: ...
@overload
def day_text(text: None) -> None: ...
def day_text(text: str | None) -> str | None:
    """The checked text YYYY-MM-DD of a day. Raises BadDay if it is not a day."""
    from exchange.definition.calendar import parse_day

    return None if text is None else parse_day(text).isoformat()


def shanghai_time(time_s: int) -> str:
    """A time in Shanghai, for a person; `time_s` is in seconds since the epoch.

    >>> shanghai_time(1795276800)
    '2026-11-22 00:00'
    """
    local = datetime.fromtimestamp(time_s, SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """A text table: the first `left` columns are aligned to the left, the others to the right.

    >>> print(table(["hub", "lots"], [["青岛", 7], ["SG", 1234]]))
      hub   lots
      青岛     7
      SG    1234
    """
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(display_width(line[n]) for line in lines) for n in range(len(head))]
    out = []
    for line in lines:
        cells = [
            pad(cell, widths[n]) if n < left else " " * (widths[n] - display_width(cell)) + cell
            for n, cell in enumerate(line)
        ]
        out.append("  " + "  ".join(cells).rstrip())
    return "\n".join(out)


def echo_postings(lines: Iterable[Sequence[Any]]) -> None:
    """Print a table of postings: number, batch, kind, from, to, instrument, amount in fen."""
    head = ("posting", "batch", "kind", "from", "to", "for", "CNY")
    rows = [(*line[:-1], cny(line[-1])) for line in lines]
    click.echo(table(head, rows, left=6) + "\n")


class Stages:
    """The progress of a long run on stderr: one line that is redrawn, or a line every 5 s.

    It is redrawn if stderr is a terminal. A run shorter than one step prints nothing. Use it as a
    context manager, and call it with the name of the stage, the count done and the total count.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._step_s = _REDRAW_S if self._terminal else _REPEAT_S
        self._next_s = time.monotonic() + self._step_s
        self._drawn = False

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Print the progress, at most once a step."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._step_s
        line = f"{stage}: {done:,} of {total:,}" if total > 1 else f"{stage} ..."
        click.echo(f"\r\x1b[K{line}" if self._terminal else line, nl=not self._terminal, err=True)
        self._drawn = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._drawn and self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

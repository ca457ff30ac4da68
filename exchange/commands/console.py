"""What commands print: JSON for programs on stdout, tables for people, progress on stderr."""

import json
import sys
import time
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Self

import click

_SHANGHAI = timezone(timedelta(hours=8))
_REDRAW_S = 0.1
_REPEAT_S = 5.0  # where stderr is no terminal


def print_json(document: Any) -> None:
    """One JSON document on stdout, for a program."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def note(line: str) -> None:
    """One line on stderr, for whoever watches."""
    click.echo(line, err=True)


def note_compiling(cache_folder: Path) -> None:
    """Said once, because nothing else happens for some ten seconds."""
    note(f"compiling the core, once (kept in {cache_folder}) ...")


def cny(amount_fen: int) -> str:
    """Money for people.

    >>> cny(123456789), cny(-5)
    ('1,234,567.89', '-0.05')
    """
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02}"


def day_text(text: str | None) -> str | None:
    """A day that was typed, as YYYY-MM-DD; raises BadDay where it is none."""
    from exchange.definition.calendar import parse_day

    return None if text is None else parse_day(text).isoformat()


def shanghai_time(time_s: int) -> str:
    """A time of day in Shanghai, for people.

    >>> shanghai_time(1795276800)
    '2026-11-22 00:00'
    """
    local = datetime.fromtimestamp(time_s, _SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> str:
    """Rows under a head, the first `left` columns to the left and the others to the right.

    Chinese characters are two columns wide.

    >>> print(table(["hub", "lots"], [["青岛", 7], ["SG", 1234]]))
      hub   lots
      青岛     7
      SG    1234
    """
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[n]) for line in lines) for n in range(len(head))]
    out = []
    for line in lines:
        cells = [
            cell + " " * (widths[n] - _width(cell))
            if n < left
            else " " * (widths[n] - _width(cell)) + cell
            for n, cell in enumerate(line)
        ]
        out.append("  " + "  ".join(cells).rstrip())
    return "\n".join(out)


def echo_postings(lines: Iterable[Sequence[Any]]) -> None:
    """Postings for people: number, batch, kind, from, to, instrument, amount."""
    head = ("posting", "batch", "kind", "from", "to", "for", "CNY")
    rows = [(*line[:-1], cny(line[-1])) for line in lines]
    click.echo(table(head, rows, left=6) + "\n")


class Stages:
    """How far a long run is: redrawn in place on a terminal, else a line now and then.

    Silent for whatever takes less than the first step. Use as a context; call it with what is
    being done, how much of it is done and how much there is.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._step_s = _REDRAW_S if self._terminal else _REPEAT_S
        self._next_s = time.monotonic() + self._step_s
        self._drawn = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say it, unless something was said just now."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + self._step_s
        line = f"{what}: {done:,} of {total:,}" if total > 1 else f"{what} ..."
        click.echo(f"\r\x1b[K{line}" if self._terminal else line, nl=not self._terminal, err=True)
        self._drawn = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._drawn and self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

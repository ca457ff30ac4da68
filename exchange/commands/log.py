"""`suanshi log`: a day log read by people."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualGroup
from exchange.commands.console import note_compiling
from exchange.definition.calendar import SHANGHAI

if TYPE_CHECKING:
    from exchange.days.log_rows import Chosen, Names
    from ledger.daylog import DayLog


@click.group(cls=BilingualGroup)
def log() -> None:
    """Read a day log.

    查阅交易日志。
    """


@log.command("cat")
@options.day_log
@click.option("--session", help="Only of this session, name or number. / 仅显示该席位。")
@click.option("--account", help="Only of this account, name or number. / 仅显示该账户。")
@click.option("--instrument", help="Only of this instrument, symbol or number. / 仅显示该合约。")
@click.option(
    "--from", "from_", metavar="TIME",
    help="From this time in Shanghai on, as 09:00 or 2026-11-22T09:00. / 起始时间（北京时间）。",
)  # fmt: skip
@click.option("--until", metavar="TIME", help="Before this time. / 截止时间（不含）。")
@click.option(
    "--events", is_flag=True,
    help="Show the machine's events instead of the commands. / 显示撮合事件而非指令。",
)  # fmt: skip
@options.as_json
def cat(
    day_log: Path, session: str | None, account: str | None, instrument: str | None,
    from_: str | None, until: str | None, events: bool, as_json: bool,
) -> None:  # fmt: skip
    """Print commands, or events, of a day, one a line; also of a day that still goes on.

    逐行打印当日的指令或事件，进行中的交易日亦可。
    """
    from dataclasses import replace

    from exchange.commands.moments import moment_s
    from exchange.days.log_rows import Chosen, Names, UnknownName
    from ledger.daylog import read_day_log

    found = read_day_log(day_log, unsealed=True)
    names = Names.of(found.registry)
    try:
        chosen = Chosen(
            session=names.number("session", session),
            account=names.number("account", account),
            instrument=names.number("instrument", instrument),
        )
    except UnknownName as error:
        raise click.UsageError(f"{day_log}: {error}") from None
    times = {
        name: moment_s(text, found.trading_day)
        for name, text in (("from_s", from_), ("until_s", until))
        if text is not None
    }
    for row in _rows(found, names, replace(chosen, **times), events):
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else _line(row))


def _rows(
    found: "DayLog", names: "Names", chosen: "Chosen", events: bool
) -> Iterator[dict[str, Any]]:
    from exchange.days.day_events import day_events
    from exchange.days.log_rows import command_rows, event_rows

    if events:
        return event_rows(day_events(found, compiling=note_compiling), names, chosen)
    return command_rows(found, names, chosen)


def _line(row: dict[str, Any]) -> str:
    """A row for a person: time, number and kind, then what the command or event has."""
    moment = datetime.fromtimestamp(row["time_ns"] / 1e9, SHANGHAI)
    rest = "  ".join(
        f"{name} {value}" for name, value in row.items()
        if name not in ("sequence", "time_ns", "kind")
    )  # fmt: skip
    fraction = f"{row['time_ns'] % 10**9:09}"
    return f"{moment:%H:%M:%S}.{fraction}  {row['sequence']:>9}  {row['kind']:<15} {rest}"

"""`suanshi traffic`: the commands and trades of each session in a day."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import note_compiling, print_json, table

if TYPE_CHECKING:
    from exchange.days.engines import EngineName
    from exchange.days.traffic import SessionTraffic

_KINDS = ("NEW", "REPLACE", "CANCEL", "MASS_CANCEL")


@click.command(cls=BilingualCommand)
@options.day_log
@click.option(
    "--free", type=click.IntRange(min=0), default=None,
    help="Commands that a session may send without a trade; shows the excess. / "
    "无成交时可免费发送的指令数；给出后显示超出部分。",
)  # fmt: skip
@click.option(
    "--per-trade", type=click.IntRange(min=0), default=0, show_default=True,
    help="Commands that each trade allows beyond that. / 每笔成交另可发送的指令数。",
)  # fmt: skip
@options.engine
@options.unsealed
@options.as_json
def traffic(
    day_log: Path,
    free: int | None,
    per_trade: int,
    engine: "EngineName",
    unsealed: bool,
    as_json: bool,
) -> None:
    """Count the commands and trades of each session: what a venue may price or refuse.

    统计各席位的指令数与成交数（委托成交比），供交易所计费或限制。
    """
    from exchange.days.engines import open_engine
    from exchange.days.traffic import count_traffic
    from ledger.daylog import read_day_log

    log = read_day_log(day_log, unsealed=unsealed)
    machine = open_engine(engine, log.limits, compiling=note_compiling)
    found = [_row(each, free, per_trade) for each in count_traffic(log, machine)]
    if as_json:
        print_json({"day_log": str(day_log), "day": log.trading_day, "sessions": found})
        return
    click.echo(f"{log.venue}, trading day {log.trading_day} ({day_log})\n")
    names = ["session", "new", "replace", "cancel", "mass cancel", "other", "rejected"]
    names += ["trades", "lots", "commands/trade"] + ([] if free is None else ["excess"])
    click.echo(table(names, [_cells(each) for each in found if each["commands"]]))


def _row(each: "SessionTraffic", free: int | None, per_trade: int) -> dict[str, Any]:
    """The traffic of a session for JSON, with its excess where an allowance is given."""
    from dataclasses import asdict

    ratio = each.commands_per_trade
    row = {**asdict(each), "commands_per_trade": None if ratio is None else round(ratio, 2)}
    return row if free is None else {**row, "excess": each.excess(free, per_trade)}


def _cells(row: dict[str, Any]) -> list[Any]:
    """The traffic of a session for a person."""
    kinds = row["commands_by_kind"]
    known = [kinds.get(name, 0) for name in _KINDS]
    ratio = row["commands_per_trade"]
    numbers = [*known, row["commands"] - sum(known), row["rejected"], row["trades"]]
    numbers += [row["traded_lots"]]
    cells = [row["name"], *(f"{number:,}" for number in numbers)]
    cells.append("no trade" if ratio is None else f"{ratio:,.2f}")
    return [*cells, f"{row['excess']:,}"] if "excess" in row else cells

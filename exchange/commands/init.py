"""`suanshi init` and `check`: a new venue's folder, and a venue proven without a start."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import print_json, table
from exchange.commands.outcome import ExitCode

_VENUE = argument(
    "venue", metavar="VENUE", type=click.Path(path_type=Path),
    help="Folder of the venue. / 交易所目录。",
)  # fmt: skip


@click.command(cls=BilingualCommand)
@_VENUE
@options.as_json
def init(venue: Path, as_json: bool) -> None:
    """Write a new venue: a commented configuration, contracts, members, programmes and keys.

    新建交易所目录：带注释的配置、品种、会员、补贴方案与密钥。
    """
    from exchange.venue.new_venue import new_venue

    path = new_venue(venue)
    if as_json:
        print_json({"config": str(path)})
        return
    click.echo(
        f"wrote {path}; change it, the definition and the members beside it, then:\n"
        f"  suanshi check {venue}\n"
        f"  suanshi run --config {path} --rehearse 60    (60 times real time)"
    )


@click.command(cls=BilingualCommand)
@_VENUE
@options.as_json
def check(venue: Path, as_json: bool) -> ExitCode:
    """Check a venue's files, keys, ports, disk, day, clock and books, without starting it.

    不启动即检查交易所的文件、密钥、端口、磁盘、交易日、时钟与账簿。
    """
    from exchange.venue.checks import checks_of
    from exchange.venue.config import read_config
    from exchange.venue.new_venue import CONFIG_NAME

    config = read_config(venue / CONFIG_NAME if venue.is_dir() else venue)
    found: list[dict[str, Any]] = []
    for name, run in checks_of(config):
        try:
            found.append({"check": name, "ok": True, "found": run()})
        except Exception as error:
            found.append({"check": name, "ok": False, "found": " ".join(str(error).split())})
    healthy = all(each["ok"] for each in found)
    if as_json:
        print_json({"ok": healthy, "checks": found})
    else:
        rows = [("ok" if c["ok"] else "FAILED", c["check"], c["found"]) for c in found]
        click.echo(table(("", "check", "found"), rows, left=3))
    return ExitCode.DONE if healthy else ExitCode.DIFFERENCES

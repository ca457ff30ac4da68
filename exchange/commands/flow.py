"""`suanshi flow`: a generated day log."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import note, note_compiling, print_json
from exchange.commands.outcome import clear_outputs, require_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ledger.daylog.registry import Registry

SYNTHETIC_MAX = 50_000_000
"""A copy of exchange.flow.synthetic.SIZE_MAX, whose module is too slow to import for `--help`."""


@click.command(cls=BilingualCommand)
@options.day_log
@options.seed
@click.option(
    "--day", metavar="YYYY-MM-DD",
    help="Trading day; by default 2026-11-22. / 交易日，默认为 2026-11-22。",
)  # fmt: skip
@click.option(
    "--synthetic",
    metavar="N",
    type=click.IntRange(1, SYNTHETIC_MAX),
    help="Make a synthetic day of N commands for measurements, without real demand. / "
    "生成 N 条指令的合成日，用于性能测量，不含真实需求。",
)
@click.option(
    "--trace",
    metavar="FILE.CSV",
    type=click.Path(path_type=Path),
    help="Job trace to use; by default the one in the package, which has the same columns. / "
    "作业记录文件，列与随包记录相同；默认使用随包记录。",
)
@options.venue
@click.option(
    "--members",
    metavar="FILE.TOML",
    type=click.Path(path_type=Path),
    help="Firms, accounts, sessions and inventory; by default those of the demonstration. / "
    "企业、账户、席位与库存定义；默认使用演示定义。",
)
@options.force
@options.dry_run
@options.as_json
def flow(
    *,
    day_log: Path,
    seed: int,
    day: str | None,
    synthetic: int | None,
    trace: Path | None,
    venue: Path | None,
    members: Path | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a day log from a real day of GPU jobs, or a synthetic one.

    由真实作业需求或合成数据生成一天的日志。
    """
    if synthetic is not None and (day, trace, venue, members) != (None,) * 4:
        raise click.UsageError("--synthetic excludes --day, --trace, --venue and --members")
    require_folder(day_log)
    clear_outputs([day_log], force=force, remove=not dry_run)
    from exchange.days.engines import open_engine
    from exchange.flow.flow import write_day
    from matching.limits import Limits

    open_engine("kernel", Limits(), compiling=note_compiling)
    if synthetic is None:
        registry, commands = _build_real(seed, day, trace, venue, members)
    else:
        registry, commands = _build_synthetic(synthetic, seed)
    document: dict[str, Any] = {
        "day_log": str(day_log),
        "seed": seed,
        "dry_run": dry_run,
        "venue": registry.venue,
        "trading_day": registry.trading_day,
        "note": registry.note,
        "instruments": len(registry.instruments),
        "commands": len(commands),
    }
    if not dry_run:
        document |= _tally_document(write_day(day_log, registry, commands))
    print_json(document) if as_json else _show(document)


def _build_real(
    seed: int, day: str | None, trace: Path | None, venue: Path | None, members: Path | None
) -> "tuple[Registry, npt.NDArray[np.void]]":
    from exchange.definition.calendar import parse_day
    from exchange.definition.contracts import read_venue
    from exchange.definition.members import read_members
    from exchange.flow.flow import TRADING_DAY, build_philly_day
    from exchange.flow.jobs import read_jobs

    note("building the day ...")
    return build_philly_day(
        seed,
        TRADING_DAY if day is None else parse_day(day),
        venue=read_venue(venue),
        members=read_members(members),
        jobs=read_jobs(trace),
    )


def _build_synthetic(count: int, seed: int) -> "tuple[Registry, npt.NDArray[np.void]]":
    from exchange.flow.flow import build_synthetic_day

    return build_synthetic_day(count, seed)


def _tally_document(tally: Any) -> dict[str, Any]:
    tally.count()
    return {
        "events": tally.kinds.total(),
        "trades": tally.trades,
        "volume": tally.volume_lots,
        "events_sha256": tally.sha256.hex(),
    }


def _show(document: dict[str, Any]) -> None:
    import textwrap

    click.echo(textwrap.fill(document["note"], 96) + "\n")
    verb = "would hold" if document["dry_run"] else "holds"
    click.echo(
        f"{document['day_log']} {verb} {document['commands']:,} commands in "
        f"{document['instruments']:,} instruments"
    )
    if not document["dry_run"]:
        click.echo(
            f"{document['trades']:,} trades, {document['volume']:,} lots; "
            f"events sha256 {document['events_sha256']}"
        )

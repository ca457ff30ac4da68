"""`suanshi replay`: a day log run through the machine again."""

import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import Stages, note, note_compiling, print_json, table
from exchange.commands.outcome import ExitCode

if TYPE_CHECKING:
    from exchange.days.engines import EngineName


@click.command(cls=BilingualCommand)
@options.day_log
@options.batch
@options.engine
@options.unsealed
@options.as_json
def replay(
    day_log: Path, batch: int, engine: "EngineName", unsealed: bool, as_json: bool
) -> ExitCode:
    """Run a day log through the matching machine again; report events, speed and rejects.

    由撮合引擎重放日志，报告事件、速度与拒绝情况。
    """
    report = _report(day_log, batch, engine, unsealed)
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report["seal_agrees"] is False:
        note(f"{day_log}: the events differ from those that were sealed")
        return ExitCode.DIFFERENCES
    return ExitCode.DONE


def _report(path: Path, batch: int, engine: "EngineName", unsealed: bool) -> dict[str, Any]:
    from dataclasses import asdict

    from exchange.days.engines import open_engine
    from exchange.days.replay import replay as run
    from ledger.daylog import read_day_log

    start_s = time.perf_counter()
    log = read_day_log(path, unsealed=unsealed)
    log.check_rules()
    read_s = time.perf_counter() - start_s
    if not log.sealed:
        note(
            f"{path}: not sealed: {log.command_count} commands read up to offset {log.end}, "
            f"{log.torn_bytes} bytes after it skipped as torn"
        )
    machine = open_engine(engine, log.limits, compiling=note_compiling)
    start_up_s = time.perf_counter() - start_s - read_s
    with Stages() as stages:
        result = run(
            log,
            machine,
            batch=batch,
            progress=lambda done: stages("replay", done, log.command_count),
        )
    whole_s = read_s + result.replay_s
    sealed_hash = None if log.events_sha256 is None else log.events_sha256.hex()
    return {
        "day_log": str(path),
        "venue": log.venue,
        "trading_day": log.trading_day,
        "rules": log.rules,
        "sealed": log.sealed,
        "torn_bytes": log.torn_bytes,
        "engine": engine,
        "batch": batch,
        **{key: value for key, value in asdict(result).items() if not key.endswith("_s")},
        "seal_agrees": None if sealed_hash is None else sealed_hash == result.events_sha256,
        "read_s": read_s,
        "start_up_s": start_up_s,
        "engine_s": result.engine_s,
        "whole_s": whole_s,
        "commands_per_s": _rate(result.commands, whole_s),
        "engine_commands_per_s": _rate(result.commands, result.engine_s),
        "memory_peak_bytes": _memory_peak_bytes(),
    }


def _rate(commands: int, time_s: float) -> int:
    return round(commands / time_s) if time_s > 0 else 0


def _memory_peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _show(report: dict[str, Any]) -> None:
    agrees = {True: "equal to the seal", False: "NOT equal to the seal", None: "no seal to compare"}
    click.echo(
        f"{report['venue']}, trading day {report['trading_day']}, rules {report['rules']} "
        f"({report['day_log']})\n"
    )
    rows = [
        ("commands", f"{report['commands']:,}"),
        ("events", f"{report['events']:,}"),
        ("trades", f"{report['trades']:,}"),
        ("volume, lots", f"{report['volume_lots']:,}"),
        ("commands/s, whole", f"{report['commands_per_s']:,}"),
        (f"commands/s, {report['engine']} alone", f"{report['engine_commands_per_s']:,}"),
        ("peak memory, MiB", f"{report['memory_peak_bytes'] / 2**20:,.0f}"),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(f"  {name:<{width}}  {value:>14}")
    if report["rejects"]:
        rejects = sorted(report["rejects"].items(), key=lambda pair: -pair[1])
        click.echo("\n" + table(["rejected for", "commands"], rejects))
    click.echo(f"\nevents sha256 {report['events_sha256']} ({agrees[report['seal_agrees']]})")

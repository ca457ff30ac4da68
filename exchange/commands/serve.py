"""`suanshi serve`: a venue on the wire."""

import logging
from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.console import note, note_compiling, print_json
from exchange.definition.file_names import CONNECTION_NAME


@click.command()
@click.option(
    "--config",
    metavar="VENUE.TOML",
    type=click.Path(path_type=Path),
    help="Ports, folders and members; without it a rehearsal on loopback in ./venue.",
)
@click.option(
    "--clock",
    metavar="START*SPEED",
    help="Run a rehearsal's clock, as 2026-11-22T09:00*60 (Shanghai).  [default: real time]",
)
@click.option("--verbose", is_flag=True, help="Say who comes and goes, on stderr.")
@options.dry_run
@options.as_json
def serve(
    config: Path | None, clock: str | None, verbose: bool, dry_run: bool, as_json: bool
) -> None:
    """Serve a trading day over ZeroMQ until SIGTERM, which seals it.

    开市：经网络接受委托、发布行情，收到终止信号后封存当日。
    """
    from exchange.venue.clock import VenueClock, parse_clock
    from exchange.venue.config import read_config
    from exchange.venue.venue import Venue, close_on_signals

    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s: %(message)s")
    setting = read_config(config)
    if dry_run:
        line = f"would serve in {setting.folder}"
        print_json({"would_serve_in": setting.folder}) if as_json else click.echo(line)
        return
    moment = parse_clock(clock) if clock else VenueClock()
    with Venue(setting, moment, make_keys=config is None, compiling=note_compiling) as venue:
        close_on_signals(venue)
        started = _started(venue)
        if as_json:
            click.echo(_line(started))
        else:
            note(_people(started))
        venue.run()
        ended = {"sealed": str(venue.day.writer.path), "events_sha256": venue.events_sha256.hex()}
        click.echo(_line(ended)) if as_json else note(
            f"sealed {ended['sealed']}, events sha256 {ended['events_sha256']}"
        )


def _started(venue: Any) -> dict[str, Any]:
    import msgspec

    return {
        "connection": str(Path(venue.config.folder) / CONNECTION_NAME),
        **msgspec.to_builtins(venue.connection),
        "trading_day": venue.registry.trading_day,
        "sequence": venue.log.next_sequence - 1,
    }


def _people(started: dict[str, Any]) -> str:
    return (
        f"{started['venue']}, trading day {started['trading_day']}, "
        f"{started['sequence']:,} commands so far\n"
        f"orders {started['orders']}  admin {started['admin']}\n"
        f"market {started['market']}  recovery {started['recovery']}\n"
        f"brokers need {started['connection']} and their key; Ctrl-C closes the day"
    )


def _line(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document, ensure_ascii=False)

"""`suanshi serve`: a venue that serves a trading day over the network."""

import logging
from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import note, note_compiling, print_json
from exchange.definition.file_names import CONNECTION_NAME


@click.command(cls=BilingualCommand)
@click.option(
    "--config",
    metavar="VENUE.TOML",
    type=click.Path(path_type=Path),
    help="Configuration with ports, folders and members; without it, a rehearsal on the loopback "
    "interface in ./venue. / 配置文件（端口、目录与会员）；不填则在 ./venue 以本机回环地址演练。",
)
@click.option(
    "--clock",
    metavar="START*SPEED",
    help="Clock of a rehearsal, such as 2026-11-22T09:00*60, in Shanghai; by default real time. / "
    "演练时钟（北京时间），如 2026-11-22T09:00*60 表示 60 倍速；默认为实时。",
)
@options.verbose
@options.dry_run
@options.as_json
def serve(
    config: Path | None, clock: str | None, verbose: bool, dry_run: bool, as_json: bool
) -> None:
    """Serve a trading day over ZeroMQ, until it is stopped or `day close` ends the day.

    开市：经网络接受委托、发布行情；停止后可再次启动并继续同一交易日，由 day close 收市。
    """
    from exchange.venue.builder import build_venue
    from exchange.venue.clock import VenueClock, parse_clock
    from exchange.venue.config import read_config
    from exchange.venue.venue import ignore_signals, stop_on_signals

    log_to_stderr(verbose)
    setting = read_config(config)
    if dry_run:
        line = f"would serve in {setting.folder}"
        print_json({"would_serve_in": setting.folder}) if as_json else click.echo(line)
        return
    moment = parse_clock(clock) if clock else VenueClock()
    with build_venue(setting, moment, make_keys=config is None, compiling=note_compiling) as venue:
        stop_on_signals(venue)
        announce(venue, setting.folder, as_json)
        is_closed = venue.run()
        ignore_signals()
        log, digest = str(venue.day_log.path), venue.event_hash.digest().hex()
        if as_json:
            how = "sealed" if is_closed else "stopped"
            click.echo(json_line({how: log, "events_sha256": digest}))
        elif is_closed:
            note(f"sealed {log}, events sha256 {digest}")
        else:
            note(f"stopped; `suanshi serve` goes on with {log}, `suanshi day close` ends its day")


def log_to_stderr(verbose: bool) -> None:
    """Print the venue's warnings on stderr, and with `verbose` logons and logouts, too."""
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(name)s: %(message)s")


def announce(venue: Any, folder: str, as_json: bool) -> None:
    """Print where a venue listens, now that its sockets are open."""
    started = _started(folder, venue)
    click.echo(json_line(started)) if as_json else note(_started_text(started))


def _started(folder: str, venue: Any) -> dict[str, Any]:
    import msgspec

    return {
        "connection": str(Path(folder) / CONNECTION_NAME),
        **msgspec.to_builtins(venue.connection),
        "trading_day": venue.registry.trading_day,
        "sequence": venue.day_log.last_sequence,
    }


def _started_text(started: dict[str, Any]) -> str:
    return (
        f"{started['venue']}, trading day {started['trading_day']}, "
        f"{started['sequence']:,} commands so far\n"
        f"orders {started['orders']}  admin {started['admin']}\n"
        f"market {started['market']}  recovery {started['recovery']}\n"
        f"brokers need {started['connection']} and their key; Ctrl-C stops the venue, and "
        "`suanshi day close` ends the day"
    )


def json_line(document: dict[str, Any]) -> str:
    """A JSON document in one line."""
    import json

    return json.dumps(document, ensure_ascii=False)

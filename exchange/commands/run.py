"""`suanshi run`: a venue for days on end."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import note, note_compiling

if TYPE_CHECKING:
    from exchange.venue.venue import Venue


@click.command(cls=BilingualCommand)
@click.option(
    "--config",
    metavar="VENUE.TOML",
    type=click.Path(path_type=Path),
    help="Configuration as of `serve`; without it, a rehearsal on the loopback interface in "
    "./venue. / 配置文件，同 serve；不填则在 ./venue 以本机回环地址演练。",
)
@click.option(
    "--clock", metavar="START*SPEED",
    help="Clock of a rehearsal that starts at another time, as of `serve`. / "
    "自指定时刻开始的演练时钟，同 serve。",
)  # fmt: skip
@click.option(
    "--rehearse", metavar="SPEED", type=click.FloatRange(min=0, min_open=True, max=1_000_000),
    help="Rehearse at so many times real time, from now on; without it, real time. / "
    "以该倍速从当前时刻开始演练；不填则为实时。",
)  # fmt: skip
@click.option(
    "--days", "days_max", type=click.IntRange(min=1),
    help="Stop when so many days are closed; without it, never. / "
    "收市若干日后停止；不填则持续运行。",
)  # fmt: skip
@options.verbose
@options.as_json
def run(
    config: Path | None, clock: str | None, rehearse: float | None, days_max: int | None,
    verbose: bool, as_json: bool,
) -> None:  # fmt: skip
    """Serve day after day: at its end each is settled, its deliveries are paid, and the next opens.

    连续运行：每日收市后自动结算、办理交割支付并开启下一交易日。
    """
    import time

    from exchange.commands.serve import announce, json_line, log_to_stderr
    from exchange.venue.clock import VenueClock, parse_clock
    from exchange.venue.config import read_config
    from exchange.venue.trading_days import TradingDays

    log_to_stderr(verbose)
    setting = read_config(config)
    if clock is not None and rehearse is not None:
        raise click.UsageError("--clock and --rehearse contradict each other")
    moment = VenueClock() if rehearse is None else VenueClock(time.time_ns(), rehearse)
    if clock is not None:
        moment = parse_clock(clock)

    def serving(venue: "Venue") -> None:
        announce(venue, setting.folder, as_json)

    def report(line: str) -> None:
        click.echo(json_line({"step": line})) if as_json else note(line)

    TradingDays(
        setting, moment, serving, report, compiling=note_compiling, make_keys=config is None
    ).run(days_max)
    if as_json:
        click.echo(json_line({"ended": setting.folder}))
    else:
        note(f"ended; `suanshi run` goes on with what is in {setting.folder}")

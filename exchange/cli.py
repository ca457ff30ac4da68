"""The command line: all commands of `suanshi`, and their exit.

Importing this module imports click and no other library, so that `--help` is instant.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from exchange.commands.admin.venue import admin
from exchange.commands.bilingual import VERSION_OPTION, BilingualGroup
from exchange.commands.contracts import contracts
from exchange.commands.day import day
from exchange.commands.deliver import claim, deliver
from exchange.commands.demo import demo
from exchange.commands.doctor import doctor
from exchange.commands.flow import flow
from exchange.commands.init import check, init
from exchange.commands.keys import keys
from exchange.commands.ledger.balances import ledger
from exchange.commands.log import log
from exchange.commands.outcome import ExitCode, classify_error, is_closed_pipe
from exchange.commands.repair import repair
from exchange.commands.replay import replay
from exchange.commands.run import run as run_venue
from exchange.commands.serve import serve
from exchange.commands.settle import settle
from exchange.commands.top import top
from exchange.commands.trade.orders import trade
from exchange.commands.traffic import traffic
from exchange.commands.verify import verify
from exchange.commands.voucher import voucher


@click.group(
    cls=BilingualGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="suanshi", prog_name="suanshi", help=VERSION_OPTION)
@click.pass_context
def suanshi(context: click.Context) -> None:
    """Suanshi, an open exchange for compute: match a day, settle it, verify it.

    算市：开放的算力交易所。撮合、结算、复核。
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (
    demo,
    init, check, keys, serve, run_venue, admin, trade, top,
    contracts, flow, replay, traffic, log, repair,
    settle, day, voucher, deliver, claim, verify, ledger, doctor,
):  # fmt: skip
    suanshi.add_command(command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; every error becomes one line on stderr."""
    try:
        code = suanshi.main(arguments, prog_name="suanshi", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SystemExit:  # raised by click if the reader of our output has closed the pipe
        return int(ExitCode.DONE)
    except BaseException as error:
        if is_closed_pipe(error):
            # Python flushes stdout once more at exit and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return int(ExitCode.DONE)
        if os.environ.get("SUANSHI_DEBUG"):
            raise
        code, line = classify_error(error)
        click.echo(f"suanshi: {line}", err=True)
    return int(code or 0)


def main() -> NoReturn:
    """The entry point of `suanshi`."""
    sys.exit(run())

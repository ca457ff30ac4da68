"""`suanshi top`: the market on a full screen."""

from pathlib import Path

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.venue_client import open_client


@click.command(cls=BilingualCommand)
@click.option(
    "--contract", default="",
    help="Show only instruments whose symbol begins with this text. / 仅显示代码以此开头的合约。",
)  # fmt: skip
@wire_options.client("east-1")
def top(contract: str, connection: Path, key: Path, as_json: bool) -> None:
    """Watch best prices, phases and volumes on a full screen; with --json, print them once.

    全屏查看最优报价、交易阶段与当日成交量；加 --json 则输出一次。
    """
    from feeds.protocol.errors import TimedOut
    from feeds.protocol.records import Channel

    if not as_json:
        _require_textual()
    with open_client(connection, key) as client:
        market = client.market
        client.wait_for(lambda: market.has_definitions or None)
        for channel in (Channel.TOP, Channel.STATISTICS, Channel.STATUS):
            market.follow(channel)
        if not as_json:
            from exchange.screen.screen import Screen

            Screen(client, contract).run()
            return
        try:
            known = (market.tops, market.statistics, market.phases)
            count = len(market.definitions)
            client.wait_for(lambda: all(len(each) == count for each in known) or None)
        except TimedOut:
            pass
        from exchange.commands.console import print_json
        from exchange.screen.market_rows import rows

        print_json([row.as_dict() for row in rows(market, contract)])


def _require_textual() -> None:
    from importlib.util import find_spec

    if find_spec("textual") is None:
        raise click.UsageError("the screen needs the extra `tui`; run: pip install 'suanshi[tui]'")

"""`suanshi trade block` and `blocks`: several delivery periods traded as one order."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.moments import moment_s
from exchange.commands.venue_client import (
    basket_number,
    instrument_number,
    open_client,
    show_report,
    stream_report,
    trading_day,
)

if TYPE_CHECKING:
    from feeds.client import Client
    from feeds.protocol.execution_reports import Report


@click.command(cls=BilingualCommand)
@argument("side", type=click.Choice(["buy", "sell"]), help="The side. / 买卖方向。")
@argument(
    "quantity", type=click.IntRange(min=1),
    help="Quantity in lots, in every delivery period. / 每个交割时段的委托数量（手）。",
)  # fmt: skip
@argument(
    "instrument",
    help="Symbol or number of the first delivery period's instrument. / "
    "首个交割时段的合约代码或编号。",
)
@argument(
    "hours", type=click.IntRange(2, 168),
    help="Number of consecutive delivery periods. / 连续交割时段的个数。",
)  # fmt: skip
@wire_options.account
@click.option(
    "--price", type=click.IntRange(min=1), required=True,
    help="Limit of the average price of all periods, in ticks. / "
    "各时段均价的限价（最小变动价位数）。",
)  # fmt: skip
@click.option(
    "--tif", type=click.Choice(["day", "ioc", "fok", "gtd"]), default="day", show_default=True,
    help="Time in force. / 委托有效期类型。",
)  # fmt: skip
@click.option(
    "--watch", "watch_s", type=click.FloatRange(min=0),
    help="Print the block's reports until it ends, or until no report comes for this many "
    "seconds. / 持续显示该连续时段块的回报，直至其终结或连续若干秒无回报。",
)  # fmt: skip
@wire_options.order
@wire_options.client("east-1")
def block(
    side: str,
    quantity: int,
    instrument: str,
    hours: int,
    account: int,
    price: int,
    tif: str,
    until: str | None,
    stp: str,
    watch_s: float | None,
    basket: str | None,
    how: str,
    connection: Path,
    key: Path,
    as_json: bool,
) -> None:
    """Place a block, which trades in all its delivery periods or in none.

    下连续时段块委托：连续多个交割时段要么全部成交，要么都不成交。
    """
    from matching.records import SelfTradePrevention, Side, TimeInForce

    with open_client(connection, key) as client:
        accepted = client.orders.new_block(
            account,
            instrument_number(client, instrument),
            hours,
            Side[side.upper()],
            quantity,
            price,
            tif=TimeInForce[tif.upper()],
            expiry_s=moment_s(until, trading_day(client)) if until else 0,
            stp=SelfTradePrevention[stp.upper()],
            basket=basket_number(client, basket, tif),
            how=how,
        )
        if watch_s is None:
            show_report(accepted, as_json)
            return
        for report in _block_reports(client, accepted, watch_s):
            stream_report(report, as_json)


def _block_reports(client: "Client", accepted: "Report", watch_s: float) -> "Iterator[Report]":
    """The reports of one block, from its acceptance until it ends."""
    filled: set[int] = set()  # instruments whose whole quantity has traded
    for report in client.reports(watch_s):
        if report.cl_ord_id != accepted.cl_ord_id:
            continue
        yield report
        if report.trade_id and report.leaves_qty == 0:
            filled.add(report.instrument)
        if len(filled) == accepted.hours or report.ord_status in ("4", "C"):
            return


@click.command(cls=BilingualCommand)
@argument(
    "where", metavar="CONTRACT|INSTRUMENT",
    help="A contract, for all its blocks; or an instrument, for blocks that begin with it. / "
    "品种（其全部连续时段块），或合约（以其为首个时段的连续时段块）。",
)  # fmt: skip
@wire_options.client("east-1")
def blocks(where: str, connection: Path, key: Path, as_json: bool) -> None:
    """Show the resting blocks of a contract or of a first instrument.

    显示品种（或某一首时段合约）的挂单中连续时段块。
    """
    from exchange.commands.console import print_json, table

    with open_client(connection, key) as client:
        try:
            found = client.blocks(int(where) if where.isdigit() else where)
        except KeyError as error:
            raise click.BadParameter(str(error.args[0])) from None
        resting = found.bids() + found.asks()
        symbols = {n: each.symbol for n, each in client.market.definitions.items()}
    rows = [
        (each.side.name.lower(), symbols[each.instrument], each.hours, each.quantity, each.price)
        for each in resting
    ]
    names = ("side", "first", "hours", "quantity", "price")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    click.echo(table(names, rows))

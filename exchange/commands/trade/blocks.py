"""`suanshi trade block` and `blocks`: hours bought and sold as one, from a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options, wire_options
from exchange.commands.wire_options import basket_of, number_of, open_client, show_report

if TYPE_CHECKING:
    from feeds.client import Client
    from feeds.protocol.execution_reports import Report


@click.command()
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("quantity", type=click.IntRange(min=1))
@click.argument("instrument")
@click.argument("hours", type=click.IntRange(2, 168))
@click.option("--account", type=click.IntRange(min=1), required=True, help="Number of the account.")
@click.option("--price", type=click.IntRange(min=1), required=True,
              help="Limit on the average of all hours, in ticks.")  # fmt: skip
@click.option(
    "--tif", type=click.Choice(["day", "ioc", "fok", "gtd"]), default="day", show_default=True,
    help="How long it stands.",
)  # fmt: skip
@wire_options.until
@wire_options.stp
@click.option("--watch", "watch_s", type=click.FloatRange(min=0),
              help="Show what becomes of it, until nothing came for so many seconds.")  # fmt: skip
@wire_options.basket
@wire_options.how
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def block(
    side: str,
    quantity: int,
    instrument: str,
    hours: int,
    account: int,
    price: int,
    tif: str,
    until: int,
    stp: str,
    watch_s: float | None,
    basket: str | None,
    how: str,
    connection: Path,
    key: Path,
    as_json: bool,
) -> None:
    """Place a block: QUANTITY in each of HOURS delivery periods from INSTRUMENT on, all or none.

    下连续多个交割时段的整体委托，要么全部成交，要么都不成交。
    """
    import json

    from matching.records import SelfTradePrevention, Side, TimeInForce

    with open_client(connection, key) as client:
        accepted = client.orders.new_block(
            account,
            number_of(client, instrument),
            hours,
            Side[side.upper()],
            quantity,
            price,
            tif=TimeInForce[tif.upper()],
            expiry_s=until,
            stp=SelfTradePrevention[stp.upper()],
            basket=basket_of(client, basket, tif),
            how=how,
        )
        if watch_s is None:
            show_report(accepted, as_json)
            return
        for report in _reports_of(client, accepted, watch_s):
            if as_json:
                click.echo(json.dumps(wire_options.document(report)))
            else:
                show_report(report, as_json)


def _reports_of(client: "Client", accepted: "Report", watch_s: float) -> "Iterator[Report]":
    """A block's own reports, its acceptance first, until it is over."""
    whole: set[int] = set()  # hours that have traded all of it
    for report in client.reports(watch_s):
        if report.cl_ord_id != accepted.cl_ord_id:
            continue
        yield report
        if report.trade_id and report.leaves_qty == 0:
            whole.add(report.instrument)
        if len(whole) == accepted.hours or report.ord_status in ("4", "C"):
            return


@click.command()
@click.argument("where")
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def blocks(where: str, connection: Path, key: Path, as_json: bool) -> None:
    """Show the standing blocks of a contract, or those that begin with an instrument.

    显示合约品种（或以某一时段开始）的挂单整体委托。
    """
    from exchange.commands.console import print_json, table

    with open_client(connection, key) as client:
        try:
            found = client.blocks(int(where) if where.isdigit() else where)
        except KeyError as error:
            raise click.BadParameter(str(error.args[0])) from None
        standing = found.bids() + found.asks()
        symbols = {n: each.symbol for n, each in client.market.definitions.items()}
    rows = [
        (each.side.name.lower(), symbols[each.instrument], each.hours, each.quantity, each.price)
        for each in standing
    ]
    names = ("side", "first", "hours", "quantity", "price")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    click.echo(table(names, rows))

"""`suanshi trade`: orders from a terminal."""

from pathlib import Path

import click

from exchange.commands import options, wire_options
from exchange.commands.group import BilingualGroup
from exchange.commands.trade.blocks import block, blocks
from exchange.commands.trade.deliveries import meter, notices
from exchange.commands.wire_options import basket_of, number_of, open_client, show_report


@click.group(cls=BilingualGroup)
def trade() -> None:
    """Place, replace, cancel and watch orders at a venue that is served.

    在运行中的交易所下单、改单、撤单与查看。
    """


trade.add_command(notices)
trade.add_command(meter)
trade.add_command(block)
trade.add_command(blocks)


@trade.command("place")
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("quantity", type=click.IntRange(min=1))
@click.argument("instrument")
@click.option("--account", type=click.IntRange(min=1), required=True, help="Number of the account.")
@click.option("--price", type=click.IntRange(min=0), default=0, help="In ticks; none: market.")
@click.option("--stop", type=click.IntRange(min=0), default=0, help="Trigger, in ticks.")
@click.option("--display", type=click.IntRange(min=0), default=0, help="Of an iceberg.")
@click.option(
    "--tif", type=click.Choice(["day", "gtc", "ioc", "fok", "gtd"]), default="day",
    show_default=True, help="How long it stands.",
)  # fmt: skip
@wire_options.until
@wire_options.stp
@click.option("--post-only", is_flag=True, help="Refuse it rather than trade at once.")
@wire_options.basket
@wire_options.how
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def place(
    side: str,
    quantity: int,
    instrument: str,
    account: int,
    price: int,
    stop: int,
    display: int,
    tif: str,
    until: int,
    stp: str,
    post_only: bool,
    basket: str | None,
    how: str,
    connection: Path,
    key: Path,
    as_json: bool,
) -> None:
    """Place an order; what it says is the venue's answer.

    下单，输出交易所的回报。
    """
    from matching.records import SelfTradePrevention, Side, TimeInForce

    with open_client(connection, key) as client:
        report = client.orders.new(
            account,
            number_of(client, instrument),
            Side[side.upper()],
            quantity,
            price,
            stop=stop,
            display=display,
            tif=TimeInForce[tif.upper()],
            expiry_s=until,
            stp=SelfTradePrevention[stp.upper()],
            post_only=post_only,
            basket=basket_of(client, basket, tif),
            how=how,
        )
        show_report(report, as_json)


@trade.command("replace")
@click.argument("ref", type=click.IntRange(min=1))
@click.argument("quantity", type=click.IntRange(min=0))
@click.option("--price", type=click.IntRange(min=0), default=0, help="In ticks; none: as it is.")
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def replace(
    ref: int, quantity: int, price: int, connection: Path, key: Path, as_json: bool
) -> None:
    """Change an order's whole quantity, filled part included, or its price.

    修改委托的总数量（含已成交部分）或价格。
    """
    with open_client(connection, key) as client:
        show_report(client.orders.replace(ref, quantity, price), as_json)


@trade.command("cancel")
@click.argument("ref", type=click.IntRange(min=0))
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def cancel(ref: int, connection: Path, key: Path, as_json: bool) -> None:
    """Cancel an order; 0 cancels all of the session.

    撤单；编号为0时撤销本会话的全部委托。
    """
    with open_client(connection, key) as client:
        report = client.orders.cancel(ref) if ref else client.orders.cancel_all()
        show_report(report, as_json)


@trade.command("watch")
@click.option("--from", "from_report", type=click.IntRange(min=0), default=0,
              help="Number of the first report; none: only new ones.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0), help="End when nothing came for so long.")
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def watch(
    from_report: int, seconds: float | None, connection: Path, key: Path, as_json: bool
) -> None:
    """Show reports as they come; with --json one object a line.

    持续显示回报。
    """
    import json

    with open_client(connection, key, next_report=from_report) as client:
        for report in client.reports(seconds):
            if as_json:
                click.echo(json.dumps(wire_options.document(report)))
            else:
                show_report(report, as_json)


@trade.command("book")
@click.argument("instrument")
@click.option("--levels", type=click.IntRange(1, 1000), default=10, show_default=True,
              help="Of each side.")  # fmt: skip
@wire_options.connection
@wire_options.key("east-1")
@options.as_json
def book(instrument: str, levels: int, connection: Path, key: Path, as_json: bool) -> None:
    """Show an instrument's book.

    显示合约的盘口。
    """
    from exchange.commands.console import print_json, table

    with open_client(connection, key) as client:
        found = client.book(number_of(client, instrument))
        bids, asks = found.bids(levels), found.asks(levels)
    if as_json:
        sides = {"bids": bids, "asks": asks}
        rows = {
            side: [[x.price, x.quantity, x.orders] for x in each] for side, each in sides.items()
        }
        print_json({"symbol": found.symbol, "instrument": found.instrument, **rows})
        return
    head = (found.symbol, "price", "quantity", "orders")
    lines = [("ask", x.price, x.quantity, x.orders) for x in reversed(asks)]
    lines += [("bid", x.price, x.quantity, x.orders) for x in bids]
    click.echo(table(head, lines))

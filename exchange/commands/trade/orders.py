"""`suanshi trade`: orders from a terminal."""

from pathlib import Path

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.moments import moment_s
from exchange.commands.trade.blocks import block, blocks
from exchange.commands.trade.deliveries import meter, notices
from exchange.commands.venue_client import (
    basket_number,
    instrument_number,
    open_client,
    show_report,
    stream_report,
    trading_day,
)

_INSTRUMENT = argument(
    "instrument",
    help="Symbol or number of the instrument, such as H800.QD.2026112214. / "
    "合约代码或编号，如 H800.QD.2026112214。",
)


@click.group(cls=BilingualGroup)
def trade() -> None:
    """Place, replace, cancel and watch orders at a running venue.

    在运行中的交易所下单、改单、撤单与查看回报。
    """


for command in (notices, meter, block, blocks):
    trade.add_command(command)


@trade.command("place")
@argument("side", type=click.Choice(["buy", "sell"]), help="The side. / 买卖方向。")
@argument("quantity", type=click.IntRange(min=1), help="Quantity in lots. / 委托数量（手）。")
@_INSTRUMENT
@wire_options.account
@click.option(
    "--price", type=click.IntRange(min=0), default=0,
    help="Limit price in ticks; without it, a market order. / "
    "限价（最小变动价位数）；不填则为市价委托。",
)  # fmt: skip
@click.option(
    "--stop", type=click.IntRange(min=0), default=0,
    help="Trigger price of a stop order, in ticks. / 止损触发价（最小变动价位数）。",
)  # fmt: skip
@click.option(
    "--display", type=click.IntRange(min=0), default=0,
    help="Displayed quantity of an iceberg order, in lots. / 冰山委托的显示数量（手）。",
)  # fmt: skip
@click.option(
    "--tif", type=click.Choice(["day", "gtc", "ioc", "fok", "gtd"]), default="day",
    show_default=True, help="Time in force. / 委托有效期类型。",
)  # fmt: skip
@click.option(
    "--post-only", is_flag=True,
    help="Reject the order if it would trade at once. / 只做挂单方：若会立即成交则拒绝。",
)  # fmt: skip
@wire_options.order
@wire_options.client("east-1")
def place(
    side: str,
    quantity: int,
    instrument: str,
    account: int,
    price: int,
    stop: int,
    display: int,
    tif: str,
    until: str | None,
    stp: str,
    post_only: bool,
    basket: str | None,
    how: str,
    connection: Path,
    key: Path,
    as_json: bool,
) -> None:
    """Place an order and print the venue's report.

    下单，并显示交易所的回报。
    """
    from matching.records import SelfTradePrevention, Side, TimeInForce

    with open_client(connection, key) as client:
        report = client.orders.new(
            account,
            instrument_number(client, instrument),
            Side[side.upper()],
            quantity,
            price,
            stop=stop,
            display=display,
            tif=TimeInForce[tif.upper()],
            expiry_s=moment_s(until, trading_day(client)) if until else 0,
            stp=SelfTradePrevention[stp.upper()],
            post_only=post_only,
            basket=basket_number(client, basket, tif),
            how=how,
        )
        show_report(report, as_json)


@trade.command("replace")
@argument(
    "ref", type=click.IntRange(min=1),
    help="Number of the order in its session, as reported. / 回报中的本席位委托编号。",
)  # fmt: skip
@argument(
    "quantity", type=click.IntRange(min=0),
    help="New total quantity in lots, with the filled part. / 新的委托总数量（手），含已成交部分。",
)  # fmt: skip
@click.option(
    "--price", type=click.IntRange(min=0), default=0,
    help="New limit price in ticks; without it, the price stays. / "
    "新的限价（最小变动价位数）；不填则价格不变。",
)  # fmt: skip
@wire_options.client("east-1")
def replace(
    ref: int, quantity: int, price: int, connection: Path, key: Path, as_json: bool
) -> None:
    """Change the total quantity or the price of an order.

    修改委托的总数量或价格。
    """
    with open_client(connection, key) as client:
        show_report(client.orders.replace(ref, quantity, price), as_json)


@trade.command("cancel")
@argument(
    "ref", type=click.IntRange(min=0),
    help="Number of the order in its session; 0: all orders of the session. / "
    "本席位委托编号；0 表示本席位的全部委托。",
)  # fmt: skip
@wire_options.client("east-1")
def cancel(ref: int, connection: Path, key: Path, as_json: bool) -> None:
    """Cancel one order, or all orders of the session.

    撤销一笔委托，或撤销本席位的全部委托。
    """
    with open_client(connection, key) as client:
        report = client.orders.cancel(ref) if ref else client.orders.cancel_all()
        show_report(report, as_json)


@trade.command("watch")
@click.option(
    "--from", "from_report", type=click.IntRange(min=0), default=0,
    help="Number of the first report; without it, only new reports. / "
    "起始回报编号；不填则只显示新回报。",
)  # fmt: skip
@click.option(
    "--seconds", type=click.FloatRange(min=0),
    help="End after this many seconds without a report. / 连续若干秒无回报后结束。",
)  # fmt: skip
@wire_options.client("east-1")
def watch(
    from_report: int, seconds: float | None, connection: Path, key: Path, as_json: bool
) -> None:
    """Print the session's reports as they arrive, one a line.

    持续显示本席位的回报，每行一条。
    """
    with open_client(connection, key, next_report=from_report) as client:
        for report in client.reports(seconds):
            stream_report(report, as_json)


@trade.command("book")
@_INSTRUMENT
@click.option(
    "--levels", type=click.IntRange(1, 1000), default=10, show_default=True,
    help="Number of price levels on each side. / 每边显示的价位数。",
)  # fmt: skip
@wire_options.client("east-1")
def book(instrument: str, levels: int, connection: Path, key: Path, as_json: bool) -> None:
    """Show the order book of an instrument.

    显示合约的盘口。
    """
    from exchange.commands.console import print_json, table

    with open_client(connection, key) as client:
        found = client.book(instrument_number(client, instrument))
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

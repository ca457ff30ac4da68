"""Options of the commands that connect to a venue."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from exchange.commands import options

Function = Callable[..., Any]


def client(key_name: str) -> Callable[[Function], Function]:
    """The options --connection, --key and --json; `key_name` is that of the default key."""

    def decorate(command: Function) -> Function:
        for add in (options.as_json, _key(key_name), _connection):
            command = add(command)
        return command

    return decorate


_connection = click.option(
    "--connection",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("venue/connection.toml"),
    show_default=True,
    help="File with the endpoints and the public key of the venue; `serve` writes it. / "
    "连接文件，含交易所的接入地址与公钥，由 serve 写出。",
)


def _key(name: str) -> Callable[[Function], Function]:
    return click.option(
        "--key",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path(f"venue/keys/{name}.secret"),
        show_default=True,
        help="File with the secret key to log on with. / 登录所用的私钥文件。",
    )


account = click.option(
    "--account", type=click.IntRange(min=1), required=True,
    help="Number of the trading account. / 交易账户编号。",
)  # fmt: skip


def order(command: Function) -> Function:
    """Add the options --until, --stp, --basket and --how of an order or a block."""
    for add in (_how, _basket, _stp, _until):
        command = add(command)
    return command


_until = click.option(
    "--until", metavar="TIME",
    help="Expiry of a gtd order in Shanghai, as 09:00 or 2026-11-22T09:00. / "
    "gtd 委托的失效时间（北京时间），如 09:00 或 2026-11-22T09:00。",
)  # fmt: skip

_stp = click.option(
    "--stp", type=click.Choice(["none", "newest", "oldest", "both", "decrement"]),
    default="newest",
    show_default=True,
    help="Self-trade prevention: the order that is cancelled (or reduced) before it would trade "
    "with an order of the same owner. / 自成交防范：将与本方委托成交时，撤销（或减少）哪一方。",
)  # fmt: skip

_basket = click.option(
    "--basket", metavar="CODE",
    help="Trade any contract of this basket; INSTRUMENT then gives the delivery period. / "
    "组合代码：组合内任一品种均可成交，交割时段以 INSTRUMENT 为准。",
)  # fmt: skip

_how = click.option(
    "--how", type=click.Choice(["split", "whole"]), default="split", show_default=True,
    help="Fill a basket order at the best prices of all its contracts, or whole from the cheapest "
    "one. / 组合委托的成交方式：在各品种间择优分拆，或整笔在最优的一个品种成交。",
)  # fmt: skip

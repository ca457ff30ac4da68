"""`suanshi admin`: its group, and `keys` and `status`, about who may log on and who is."""

from pathlib import Path

import click

from exchange.commands.admin.accounts import fund, halt, withdraw
from exchange.commands.admin.market import (
    basket,
    bust_trade,
    collar,
    list_,
    phase,
    register,
)
from exchange.commands.admin.requests import operator
from exchange.commands.bilingual import BilingualCommand, BilingualGroup
from exchange.commands.console import print_json
from exchange.commands.venue_client import open_client


@click.command("keys", cls=BilingualCommand)
@operator
def keys(connection: Path, key: Path, as_json: bool) -> None:
    """Reload the venue's folder of keys: new keys may log on, revoked keys are logged out.

    重新读取密钥目录：新密钥可登录，已撤销的密钥被强制退出。
    """
    import msgspec

    from feeds.protocol.messages import KeysRequest

    with open_client(connection, key, admin=True) as client:
        found = msgspec.to_builtins(client.request(KeysRequest()))
    names = {kind: found[kind] for kind in ("added", "changed", "revoked", "waiting")}
    if as_json:
        print_json(names)
        return
    for kind, each in names.items():
        click.echo(f"{kind}: {', '.join(each) or 'none'}")


@click.command("status", cls=BilingualCommand)
@operator
def status(connection: Path, key: Path, as_json: bool) -> None:
    """Show the sessions that are logged on, and the venue's counters of rejects.

    显示在线席位与各类拒绝计数。
    """
    import msgspec

    from exchange.commands.console import table
    from feeds.protocol.messages import VenueStatusRequest

    with open_client(connection, key, admin=True) as client:
        found = msgspec.to_builtins(client.request(VenueStatusRequest()))
    if as_json:
        print_json({name: found[name] for name in ("sequence", "sessions", "counters")})
        return
    click.echo(f"{found['sequence']:,} commands; logged on: {', '.join(found['sessions'])}\n")
    click.echo(table(("counter", "count"), sorted(found["counters"].items())))


@click.group(cls=BilingualGroup)
def admin() -> None:
    """Operate a running venue; each request becomes a command in the day log.

    运营管理：每项操作都成为日志中的一条指令。
    """


for each in (
    list_, basket, register, phase, collar, bust_trade,
    fund, withdraw, halt, keys, status,
):  # fmt: skip
    admin.add_command(each)

"""`suanshi admin`: operators' requests to a running venue, each a command in the log."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import wire_options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.console import print_json
from exchange.commands.venue_client import instrument_number, open_client, show_report

_PHASES = ("pre-open", "auction", "continuous", "halted", "closed")

_ACCOUNT = argument(
    "account", type=click.IntRange(min=1), help="Number of the account. / 账户编号。"
)
_FEN = argument("fen", type=click.IntRange(min=1), help="Amount in fen. / 金额（分）。")
_INSTRUMENT = argument("instrument", help="Symbol or number of the instrument. / 合约代码或编号。")
_operator = wire_options.client("operations")


@click.group(cls=BilingualGroup)
def admin() -> None:
    """Operate a running venue; each request becomes a command in the day log.

    运营管理：每项操作都成为日志中的一条指令。
    """


@admin.command("list")
@argument("symbol", help="CONTRACT.YYYYMMDDHH or CONTRACT.YYYYMMDD. / 合约代码：品种加交割时段。")
@_operator
def list_(symbol: str, connection: Path, key: Path, as_json: bool) -> None:
    """List a new instrument.

    新合约挂牌。
    """
    from feeds.protocol.messages import ListInstrument

    with open_client(connection, key, admin=True) as client:
        done = client.request(ListInstrument(symbol=symbol))
    number = getattr(done, "instrument", 0)
    if as_json:
        print_json({"symbol": symbol, "instrument": number})
    else:
        click.echo(f"{symbol} is listed as instrument {number}")


@admin.command("basket")
@argument("code", help="Code of the new basket. / 新组合代码。")
@argument(
    "contracts", nargs=-1, required=True,
    help="Contracts of one product, tick and lot; at equal prices an earlier one trades first. / "
    "同类品种；同价时排列在前者先成交。",
)  # fmt: skip
@_operator
def basket(
    code: str, contracts: tuple[str, ...], connection: Path, key: Path, as_json: bool
) -> None:
    """List a basket of contracts, any of which may fill an order.

    新组合挂牌：组合内任一品种均可成交。
    """
    from feeds.protocol.messages import ListBasket

    with open_client(connection, key, admin=True) as client:
        done = client.request(ListBasket(code=code, contracts=list(contracts)))
    number = getattr(done, "basket", 0)
    if as_json:
        print_json({"code": code, "basket": number, "contracts": list(contracts)})
    else:
        click.echo(f"{code} is listed as basket {number} of {', '.join(contracts)}")


@admin.command("fund")
@_ACCOUNT
@_FEN
@_operator
def fund(account: int, fen: int, connection: Path, key: Path, as_json: bool) -> None:
    """Deposit money into an account.

    为账户入金。
    """
    _send("FUND", connection, key, as_json, account=account, amount_fen=fen)


@admin.command("withdraw")
@_ACCOUNT
@_FEN
@_operator
def withdraw(account: int, fen: int, connection: Path, key: Path, as_json: bool) -> None:
    """Withdraw money that is not reserved from an account.

    从账户出金，不得动用冻结资金。
    """
    _send("WITHDRAW", connection, key, as_json, account=account, amount_fen=fen)


@admin.command("register")
@_ACCOUNT
@_INSTRUMENT
@argument(
    "lots", type=click.IntRange(-(1 << 30), 1 << 30),
    help="Capacity in lots; a negative number deregisters unsold capacity. / "
    "容量（手）；负数表示注销未售出的容量。",
)  # fmt: skip
@_operator
def register(
    account: int, instrument: str, lots: int, connection: Path, key: Path, as_json: bool
) -> None:
    """Register capacity that an account may sell, up to what is installed.

    登记账户可卖出的容量，以已装机数量为限。
    """
    import msgspec

    from feeds.protocol.messages import CapacityRegistered, RegisterCapacity

    with open_client(connection, key, admin=True) as client:
        number = instrument_number(client, instrument)
        done = client.request(RegisterCapacity(account=account, instrument=number, quantity=lots))
    assert isinstance(done, CapacityRegistered)
    if as_json:
        print_json(msgspec.to_builtins(done))
        return
    click.echo(f"account {account} has {done.registered:,} lots of {instrument} registered")


@admin.command("phase")
@_INSTRUMENT
@argument("phase", type=click.Choice(_PHASES), help="The new phase. / 新的交易阶段。")
@click.option(
    "--at", type=click.IntRange(min=0), default=0,
    help="Time of the change, in seconds since the epoch; without it, now. / "
    "变更时间，自 1970 年起的秒数；不填则立即变更。",
)  # fmt: skip
@_operator
def phase(instrument: str, phase: str, at: int, connection: Path, key: Path, as_json: bool) -> None:
    """Change the trading phase of an instrument, now or at a given time.

    变更合约的交易阶段，立即或定时生效。
    """
    from matching.records import Phase

    number = Phase[phase.upper().replace("-", "_")]
    _send("PHASE", connection, key, as_json, instrument=instrument, type=number, expiry_s=at)


@admin.command("collar")
@_INSTRUMENT
@argument(
    "ticks", type=click.IntRange(min=0),
    help="Most ticks from the last trade at which orders trade at once; 0: no collar. / "
    "可立即成交的价格距最新成交价的最大跳数；0 表示不设熔断。",
)  # fmt: skip
@click.option(
    "--seconds", type=click.IntRange(min=1), default=120, show_default=True,
    help="Length of the auction that a price further away starts. / 熔断后集合竞价的时长（秒）。",
)  # fmt: skip
@click.option(
    "--random", "random_s", type=click.IntRange(min=0), default=30, show_default=True,
    help="Most seconds that are added to it at random. / 随机延长的最大秒数。",
)  # fmt: skip
@click.option(
    "--extension", type=click.IntRange(min=0), default=0, show_default=True,
    help="Ticks; where the auction's price would lie further from the last trade, its end is put "
    "off once. 0: never. / 集合竞价价格超过该跳数时延长一次；0 表示不延长。",
)  # fmt: skip
@_operator
def collar(
    instrument: str,
    ticks: int,
    seconds: int,
    random_s: int,
    extension: int,
    connection: Path,
    key: Path,
    as_json: bool,
) -> None:
    """Set how far from the last trade an instrument trades at once, and the auction beyond.

    设置合约的动态熔断幅度及熔断后的集合竞价。
    """
    _send(
        "COLLAR", connection, key, as_json, instrument=instrument,
        price=ticks, quantity=seconds, display=random_s, stop=extension,
    )  # fmt: skip


@admin.command("halt")
@argument(
    "who", metavar="ACCOUNT|firm:NUMBER|session:NAME",
    help="Number of an account, or a firm or session with its prefix. / "
    "账户编号，或带前缀的会员编号、席位名称。",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Resume instead of halting. / 恢复交易。")
@_operator
def halt(who: str, resume: bool, connection: Path, key: Path, as_json: bool) -> None:
    """Halt or resume an account, all accounts of a firm, or a session; a halt cancels the orders.

    暂停或恢复账户、会员的全部账户或席位的交易；暂停时撤销其全部委托。
    """
    from feeds.protocol.messages import FirmAccounts, FirmAccountsRequest, KillSwitch
    from matching.records import CommandFlag

    kind, _, name = who.rpartition(":")
    if kind == "session":
        with open_client(connection, key, admin=True) as client:
            client.request(KillSwitch(session=name, stopped=not resume))
        if as_json:
            print_json({"session": name, "stopped": not resume})
        else:
            click.echo(f"session {name} is {'resumed' if resume else 'stopped'}")
        return
    if not name.isdigit() or kind not in ("", "firm"):
        raise click.UsageError(f"give an account's number, firm:NUMBER or session:NAME, got {who}")
    accounts = [int(name)]
    if kind == "firm":
        with open_client(connection, key, admin=True) as client:
            found = client.request(FirmAccountsRequest(firm=int(name)))
        assert isinstance(found, FirmAccounts)
        accounts = found.accounts
    for account in accounts:
        flags = 0 if resume else CommandFlag.HALT
        _send("HALT_ACCOUNT", connection, key, as_json, account=account, flags=flags)


@admin.command("bust-trade")
@_INSTRUMENT
@argument("trade_id", type=click.IntRange(min=1), help="Number of the trade. / 成交编号。")
@_operator
def bust_trade(instrument: str, trade_id: int, connection: Path, key: Path, as_json: bool) -> None:
    """Bust a trade, for both sides; after gate closure the venue refuses it.

    撤销一笔成交（买卖双方同时撤销）；关闸后不可撤销。
    """
    import msgspec

    from feeds.protocol.messages import BustTrade, TradeBusted

    with open_client(connection, key, admin=True) as client:
        number = instrument_number(client, instrument)
        busted = client.request(BustTrade(instrument=number, trade_id=trade_id))
    assert isinstance(busted, TradeBusted)
    if as_json:
        print_json(msgspec.to_builtins(busted))
        return
    click.echo(
        f"trade {trade_id} is busted: {busted.quantity} lots at {busted.price} ticks; "
        f"account {busted.buyer} bought, account {busted.seller} sold"
    )


@admin.command("keys")
@_operator
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


@admin.command("status")
@_operator
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


def _send(
    kind: str,
    connection: Path,
    key: Path,
    as_json: bool,
    *,
    instrument: str | None = None,
    **fields: Any,
) -> None:
    """Send an administrative command and print its report."""
    from feeds.protocol.commands import command
    from matching.records import CommandKind

    with open_client(connection, key, admin=True) as client:
        if instrument is not None:
            fields["instrument"] = instrument_number(client, instrument)
        show_report(client.ask(command(CommandKind[kind], **fields)), as_json)

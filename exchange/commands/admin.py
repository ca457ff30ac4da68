"""`suanshi admin`: what operators do to a venue that is served; each becomes a logged command."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import options, wire_options
from exchange.commands.console import print_json
from exchange.commands.group import BilingualGroup
from exchange.commands.wire_options import number_of, open_client, show_report

_PHASES = ("pre-open", "auction", "continuous", "halted", "closed")


@click.group(cls=BilingualGroup)
def admin() -> None:
    """Operate a venue that is served; each request becomes a logged command.

    运营管理：每项操作都成为日志中的一条指令。
    """


def _operator(command: Any) -> Any:
    for decorate in (options.as_json, wire_options.key("operations"), wire_options.connection):
        command = decorate(command)
    return command


@admin.command("list")
@click.argument("symbol")
@_operator
def list_(symbol: str, connection: Path, key: Path, as_json: bool) -> None:
    """List an instrument: SYMBOL is CONTRACT.YYYYMMDDHH or CONTRACT.YYYYMMDD.

    挂牌一个合约。
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
@click.argument("code")
@click.argument("contracts", nargs=-1, required=True)
@_operator
def basket(
    code: str, contracts: tuple[str, ...], connection: Path, key: Path, as_json: bool
) -> None:
    """List a basket CODE of like CONTRACTS; of equal prices the first one's is taken.

    挂牌一个篮子：其中任一合约均可成交，同价时以排列在前者优先。
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
@click.argument("account", type=click.IntRange(min=1))
@click.argument("fen", type=click.IntRange(min=1))
@_operator
def fund(account: int, fen: int, connection: Path, key: Path, as_json: bool) -> None:
    """Put money into an account, in fen.

    为账户入金，单位为分。
    """
    _ask("FUND", connection, key, as_json, account=account, amount_fen=fen)


@admin.command("withdraw")
@click.argument("account", type=click.IntRange(min=1))
@click.argument("fen", type=click.IntRange(min=1))
@_operator
def withdraw(account: int, fen: int, connection: Path, key: Path, as_json: bool) -> None:
    """Take money out of an account, in fen; never what is reserved.

    从账户出金，单位为分，不得动用冻结资金。
    """
    _ask("WITHDRAW", connection, key, as_json, account=account, amount_fen=fen)


@admin.command("register")
@click.argument("account", type=click.IntRange(min=1))
@click.argument("instrument")
@click.argument("lots", type=int)
@_operator
def register(
    account: int, instrument: str, lots: int, connection: Path, key: Path, as_json: bool
) -> None:
    """Register capacity that an account may sell; a negative number takes some back.

    登记账户可卖出的容量，负数表示收回。
    """
    _ask(
        "REGISTER", connection, key, as_json, instrument=instrument, account=account, quantity=lots
    )


@admin.command("phase")
@click.argument("instrument")
@click.argument("phase", type=click.Choice(_PHASES))
@click.option("--at", type=click.IntRange(min=0), default=0, help="Seconds since the epoch.")
@_operator
def phase(instrument: str, phase: str, at: int, connection: Path, key: Path, as_json: bool) -> None:
    """Change an instrument's phase, now or at a time.

    变更合约的交易阶段。
    """
    from matching.records import Phase

    number = Phase[phase.upper().replace("-", "_")]
    _ask("PHASE", connection, key, as_json, instrument=instrument, type=number, expiry_s=at)


@admin.command("halt")
@click.argument("who")
@click.option("--resume", is_flag=True, help="Let it go on.")
@click.option("--kill", is_flag=True, help="Cancel its orders too.")
@_operator
def halt(who: str, resume: bool, kill: bool, connection: Path, key: Path, as_json: bool) -> None:
    """Halt an account (number), a firm (firm:NUMBER) or a session (session:NAME).

    暂停账户、会员或会话，可同时撤销其全部委托。
    """
    from feeds.protocol.messages import FirmAccounts, FirmAccountsRequest, KillSwitch

    kind, _, name = who.rpartition(":")
    if kind == "session":
        with open_client(connection, key, admin=True) as client:
            client.request(KillSwitch(session=name, stopped=not resume))
        print_json({"session": name, "stopped": not resume}) if as_json else click.echo(
            f"{name} is {'let go on' if resume else 'stopped'}"
        )
        return
    if not name.isdigit() or kind not in ("", "firm"):
        raise click.UsageError("WHO must be an account's number, firm:NUMBER or session:NAME")
    accounts = [int(name)]
    if kind == "firm":
        with open_client(connection, key, admin=True) as client:
            found = client.request(FirmAccountsRequest(firm=int(name)))
        assert isinstance(found, FirmAccounts)
        accounts = found.accounts
    for account in accounts:
        _halt(account, resume, kill, connection, key, as_json)


def _halt(
    account: int, resume: bool, kill: bool, connection: Path, key: Path, as_json: bool
) -> None:
    from matching.records import CommandFlag, MassCancelScope

    flags = 0 if resume else CommandFlag.HALT
    _ask("HALT_ACCOUNT", connection, key, as_json, account=account, flags=flags)
    if kill and not resume:
        scope = MassCancelScope.ACCOUNT
        _ask("MASS_CANCEL", connection, key, as_json, account=account, type=scope)


@admin.command("bust-trade")
@click.argument("instrument")
@click.argument("trade_id", type=click.IntRange(min=1))
@_operator
def bust_trade(instrument: str, trade_id: int, connection: Path, key: Path, as_json: bool) -> None:
    """Take a trade back, for both sides; refused after gate closure.

    撤销一笔成交；交割闸口关闭后不可撤销。
    """
    import msgspec

    from feeds.protocol.messages import BustTrade, TradeBusted

    with open_client(connection, key, admin=True) as client:
        number = number_of(client, instrument)
        busted = client.request(BustTrade(instrument=number, trade_id=trade_id))
    assert isinstance(busted, TradeBusted)
    if as_json:
        print_json(msgspec.to_builtins(busted))
        return
    click.echo(
        f"trade {trade_id} is taken back: {busted.quantity} lots at {busted.price}; "
        f"account {busted.buyer} bought, account {busted.seller} sold"
    )


@admin.command("keys")
@_operator
def keys(connection: Path, key: Path, as_json: bool) -> None:
    """Have the venue look at its folder of keys again: new keys may log on, revoked ones are out.

    让交易所重新读取密钥目录：新密钥生效，撤销的密钥失效。
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
    """Show who is logged on, and how often the venue refused what.

    显示在线会话与拒绝计数。
    """
    import msgspec

    from exchange.commands.console import table
    from feeds.protocol.messages import VenueStatusRequest

    with open_client(connection, key, admin=True) as client:
        found = msgspec.to_builtins(client.request(VenueStatusRequest()))
    if as_json:
        print_json({name: found[name] for name in ("sequence", "sessions", "counters")})
        return
    click.echo(f"{found['sequence']:,} commands; here: {', '.join(found['sessions'])}\n")
    click.echo(table(("counted", "times"), sorted(found["counters"].items())))


def _ask(
    kind: str,
    connection: Path,
    key: Path,
    as_json: bool,
    *,
    instrument: str | None = None,
    **fields: Any,
) -> None:
    from feeds.protocol.commands import command
    from matching.records import CommandKind

    with open_client(connection, key, admin=True) as client:
        if instrument is not None:
            fields["instrument"] = number_of(client, instrument)
        show_report(client.ask(command(CommandKind[kind], **fields)), as_json)

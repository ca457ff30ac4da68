"""`suanshi admin list`, `basket`, `register`, `phase`, `collar` and `bust-trade`: the market."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.admin.capacity_file import CapacityLine, read_capacity
from exchange.commands.admin.requests import INSTRUMENT, operator, send
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import confirm, print_json
from exchange.commands.moments import moment_s
from exchange.commands.outcome import Refused
from exchange.commands.venue_client import (
    instrument_number,
    open_client,
    trading_day,
)

if TYPE_CHECKING:
    from feeds.client import Client

_PHASES = ("pre-open", "auction", "continuous", "halted", "closed")


@click.command("list", cls=BilingualCommand)
@argument("symbol", help="CONTRACT.YYYYMMDDHH or CONTRACT.YYYYMMDD. / 合约代码：品种加交割时段。")
@operator
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


@click.command("basket", cls=BilingualCommand)
@argument("code", help="Code of the new basket. / 新组合代码。")
@argument(
    "contracts", nargs=-1, required=True,
    help="Contracts of one product, tick and lot; at equal prices an earlier one trades first. / "
    "同类品种；同价时排列在前者先成交。",
)  # fmt: skip
@operator
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


@click.command(
    "register",
    cls=BilingualCommand,
    context_settings={"ignore_unknown_options": True},  # lots may be negative
)
@argument(
    "words", metavar="[ACCOUNT INSTRUMENT LOTS]", nargs=-1,
    help="Account, instrument and lots; a negative number deregisters unsold capacity. / "
    "账户、合约与容量（手）；负数表示注销未售出的容量。",
)  # fmt: skip
@click.option(
    "--file", "file", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV file of many of them, with the columns account,instrument,lots. / "
    "批量登记的 CSV 文件，列为 account,instrument,lots。",
)  # fmt: skip
@operator
def register(
    words: tuple[str, ...], file: Path | None, connection: Path, key: Path, as_json: bool
) -> None:
    """Register capacity that accounts may sell, up to what is installed.

    登记账户可卖出的容量，以已装机数量为限。
    """
    import msgspec

    from feeds.protocol.errors import FrameRefused
    from feeds.protocol.messages import CapacityRegistered, RegisterCapacity

    lines = [_capacity_line(words)] if file is None else read_capacity(file)
    if file is not None and words:
        raise click.UsageError("give ACCOUNT INSTRUMENT LOTS or --file, not both")
    done, refused = [], []
    with open_client(connection, key, admin=True) as client:
        numbers = [instrument_number(client, each.instrument) for each in lines]
        for each, number in zip(lines, numbers, strict=True):
            wanted = RegisterCapacity(
                account=each.account, instrument=number, quantity=each.lots
            )  # fmt: skip
            try:
                answer = client.request(wanted)
            except FrameRefused as error:
                if file is None:
                    raise
                refused.append(f"line {each.line}: {error}")
                continue
            assert isinstance(answer, CapacityRegistered)
            done.append(answer)
            if not as_json:
                click.echo(
                    f"account {each.account} has {answer.registered:,} lots of {each.instrument} "
                    "registered"
                )
    if as_json and file is None:
        print_json(msgspec.to_builtins(done[0]))
    elif as_json:
        print_json({"registered": msgspec.to_builtins(done), "refused": refused})
    if refused:
        raise Refused(
            f"{file}: {len(done)} lines are registered, and not to be sent again; "
            f"{len(refused)} were refused: {'; '.join(refused)}"
        )


def _capacity_line(words: tuple[str, ...]) -> CapacityLine:
    """The account, instrument and lots of a command line. Raises click.UsageError."""
    if len(words) != 3:
        raise click.UsageError("give ACCOUNT INSTRUMENT LOTS, or --file")
    account, instrument, lots = words
    if not (account.isascii() and account.isdigit() and int(account)):
        raise click.UsageError(f"ACCOUNT must be a number from 1, got {account}")
    try:
        quantity = int(lots)
    except ValueError:
        quantity = 1 << 31
    if abs(quantity) > 1 << 30:
        raise click.UsageError(f"LOTS must be a whole number of at most 2^30, got {lots}")
    return CapacityLine(0, int(account), instrument, quantity)


@click.command("phase", cls=BilingualCommand)
@argument(
    "words", metavar="[INSTRUMENT] PHASE", nargs=-1,
    help=f"Instrument, unless an option chooses many, and the new phase: {', '.join(_PHASES)}. / "
    "合约（用选项批量选择时省略）与新的交易阶段。",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="All instruments. / 全部合约。")
@click.option("--contract", metavar="CODE", help="All of a contract. / 某品种的全部合约。")
@click.option("--hub", metavar="CODE", help="All at a hub. / 某枢纽的全部合约。")
@click.option(
    "--at", metavar="TIME",
    help="Time of the change in Shanghai, as 09:00 or 2026-11-22T09:00; without it, now. / "
    "变更时间（北京时间），如 09:00 或 2026-11-22T09:00；不填则立即变更。",
)  # fmt: skip
@operator
def phase(
    words: tuple[str, ...], everything: bool, contract: str | None, hub: str | None,
    at: str | None, connection: Path, key: Path, as_json: bool,
) -> None:  # fmt: skip
    """Change the trading phase of an instrument, or of many, now or at a given time.

    变更一个或多个合约的交易阶段，立即或定时生效。
    """
    many = sum((everything, contract is not None, hub is not None))
    if many > 1 or len(words) != (1 if many else 2):
        raise click.UsageError(
            "give INSTRUMENT PHASE, or PHASE with one of --all, --contract, --hub"
        )
    if words[-1] not in _PHASES:
        raise click.UsageError(f"the phase is one of {', '.join(_PHASES)}, got {words[-1]}")
    with open_client(connection, key, admin=True) as client:
        at_s = 0 if at is None else moment_s(at, trading_day(client))
        if many:
            chosen = instruments_of(client, everything=everything, contract=contract, hub=hub)
        else:
            chosen = {instrument_number(client, words[0]): words[0]}
        when = "" if at is None else f" from {at} on"
        change_phase(client, chosen, words[-1], at_s, as_json, f"{words[-1]}{when}")


def change_phase(
    client: "Client", chosen: dict[int, str], phase: str, at_s: int, as_json: bool, echo: str
) -> None:
    """Send the new phase of instruments; print the answers, or raise Refused for those refused."""
    from feeds.protocol.commands import command
    from feeds.protocol.errors import REJECTED_BECAUSE
    from matching.records import CommandKind, EventKind, Phase, Reason

    number = Phase[phase.upper().replace("-", "_")]
    rows = command(
        CommandKind.PHASE, len(chosen), instrument=list(chosen), type=number, expiry_s=at_s
    )
    rejected = [each for each in client.ask_each(rows) if each.kind == EventKind.REJECTED]
    reasons = Counter(each.reason for each in rejected)
    lines = [
        f"{count:,} {reason.name}: {REJECTED_BECAUSE.get(reason, 'rejected')}"
        for reason, count in reasons.items()
    ]
    changed = len(chosen) - len(rejected)
    if as_json:
        print_json({"changed": changed, "phase": phase, "unchanged": lines})
    elif len(chosen) == 1 and changed:
        click.echo(f"{next(iter(chosen.values()))} is {echo}")
    else:
        click.echo(f"changed: {changed:,} instruments, {echo}")
    stayed = f"unchanged: {len(rejected):,} instruments; {'; '.join(lines)}"
    if rejected and (len(chosen) == 1 or set(reasons) != {Reason.PHASE}):
        raise Refused(stayed)
    if rejected and not as_json:  # those that are gated, or in that phase already
        click.echo(stayed)


@click.command("collar", cls=BilingualCommand)
@INSTRUMENT
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
@operator
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
    echo = f"{instrument} has a collar of {ticks} ticks and auctions of {seconds} s"
    send(
        "COLLAR", connection, key, as_json, echo, instrument=instrument,
        price=ticks, quantity=seconds, display=random_s, stop=extension,
    )  # fmt: skip


@click.command("bust-trade", cls=BilingualCommand)
@INSTRUMENT
@argument("trade_id", type=click.IntRange(min=1), help="Number of the trade. / 成交编号。")
@options.yes
@operator
def bust_trade(
    instrument: str, trade_id: int, yes: bool, connection: Path, key: Path, as_json: bool
) -> None:
    """Bust a trade, for both sides; after gate closure the venue refuses it.

    撤销一笔成交（买卖双方同时撤销）；关闸后不可撤销。
    """
    import msgspec

    from feeds.protocol.messages import BustTrade, TradeBusted

    confirm(f"Take trade {trade_id} of {instrument} back, for both sides?", yes)
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


def instruments_of(
    client: "Client",
    *,
    everything: bool = False,
    contract: str | None = None,
    hub: str | None = None,
) -> dict[int, str]:
    """Symbols by number of all instruments, of those of a contract, or of those at a hub.

    Raises click.UsageError where there is none.
    """
    found = {
        number: each.symbol
        for number, each in client.definitions().items()
        if everything or each.contract == contract or each.contract.rpartition(".")[2] == hub
    }
    if not found:
        raise click.UsageError(f"no instrument is listed of {contract or hub or 'this venue'}")
    return found

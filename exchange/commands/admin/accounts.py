"""`suanshi admin fund`, `withdraw` and `halt`: money of accounts, and who may trade."""

from pathlib import Path

import click

from exchange.commands import options
from exchange.commands.admin.market import change_phase, instruments_of
from exchange.commands.admin.requests import operator, send
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import cny, confirm, print_json
from exchange.commands.venue_client import open_client, report_document

_ACCOUNT = argument(
    "account", type=click.IntRange(min=1), help="Number of the account. / 账户编号。"
)
_FEN = argument("fen", type=click.IntRange(min=1), help="Amount in fen. / 金额（分）。")


@click.command("fund", cls=BilingualCommand)
@_ACCOUNT
@_FEN
@operator
def fund(account: int, fen: int, connection: Path, key: Path, as_json: bool) -> None:
    """Deposit money into an account.

    为账户入金。
    """
    echo = f"{cny(fen)} CNY are paid into account {account}"
    send("FUND", connection, key, as_json, echo, account=account, amount_fen=fen)


@click.command("withdraw", cls=BilingualCommand)
@_ACCOUNT
@_FEN
@options.yes
@operator
def withdraw(account: int, fen: int, yes: bool, connection: Path, key: Path, as_json: bool) -> None:
    """Withdraw money that is not reserved from an account.

    从账户出金，不得动用冻结资金。
    """
    confirm(f"Pay {cny(fen)} CNY out of account {account}?", yes)
    echo = f"{cny(fen)} CNY are paid out of account {account}"
    send("WITHDRAW", connection, key, as_json, echo, account=account, amount_fen=fen)


@click.command("halt", cls=BilingualCommand)
@argument(
    "who", metavar="[ACCOUNT|firm:NUMBER|session:NAME]", required=False,
    help="Number of an account, or a firm or session with its prefix. / "
    "账户编号，或带前缀的会员编号、席位名称。",
)  # fmt: skip
@click.option(
    "--market", is_flag=True,
    help="Halt all instruments instead; `phase --all` opens them again. / "
    "暂停全部合约；由 phase --all 恢复。",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Resume instead of halting. / 恢复交易。")
@options.yes
@operator
def halt(
    who: str | None, market: bool, resume: bool, yes: bool, connection: Path, key: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Halt or resume an account, all accounts of a firm, a session or the market.

    A halt cancels the orders, but those in instruments of a halted market stay.

    暂停或恢复账户、会员的全部账户、席位或全市场的交易；除全市场暂停外，暂停时撤销其全部委托。
    """
    if market == (who is not None):
        raise click.UsageError("give ACCOUNT, firm:NUMBER, session:NAME or --market")
    if who is None:
        if resume:
            raise click.UsageError("say the phase to resume in: `suanshi admin phase --all PHASE`")
        confirm("Halt all instruments of the market?", yes)
        with open_client(connection, key, admin=True) as client:
            chosen = instruments_of(client, everything=True)
            change_phase(client, chosen, "halted", 0, as_json, "halted")
        return
    kind, _, name = who.rpartition(":")
    if kind not in ("", "firm", "session") or (kind != "session" and not name.isdigit()):
        raise click.UsageError(f"give an account's number, firm:NUMBER or session:NAME, got {who}")
    if not resume:
        confirm(f"Halt {who} and cancel all of its orders?", yes)
    if kind == "session":
        _stop_session(name, not resume, connection, key, as_json)
    else:
        _halt_accounts(kind, int(name), not resume, connection, key, as_json)


def _stop_session(name: str, stopped: bool, connection: Path, key: Path, as_json: bool) -> None:
    """Stop a session and cancel its orders, or let it log on again."""
    from feeds.protocol.messages import KillSwitch

    with open_client(connection, key, admin=True) as client:
        client.request(KillSwitch(session=name, stopped=stopped))
    if as_json:
        print_json({"session": name, "stopped": stopped})
    else:
        click.echo(f"session {name} is {'stopped' if stopped else 'resumed'}")


def _halt_accounts(
    kind: str, number: int, halted: bool, connection: Path, key: Path, as_json: bool
) -> None:
    """Halt or resume an account, or with `kind` firm all accounts of one, in one session."""
    from feeds.protocol.commands import command
    from feeds.protocol.messages import FirmAccounts, FirmAccountsRequest
    from matching.records import CommandFlag, CommandKind

    with open_client(connection, key, admin=True) as client:
        accounts = [number]
        if kind == "firm":
            found = client.request(FirmAccountsRequest(firm=number))
            assert isinstance(found, FirmAccounts)
            accounts = found.accounts
        flags = int(CommandFlag.HALT) if halted else 0
        for account in accounts:
            report = client.ask(command(CommandKind.HALT_ACCOUNT, account=account, flags=flags))
            if as_json:
                print_json(report_document(report))
            else:
                done = "halted, and its orders are cancelled" if halted else "resumed"
                click.echo(f"account {account} is {done}")

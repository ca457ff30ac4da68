"""`suanshi ledger`: balances, statements and block trades from the books."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.console import cny, day_text, print_json, table
from exchange.commands.ledger.corrections import explain, reverse
from exchange.commands.ledger.exports import export, snapshot
from exchange.commands.ledger.papers import invoice, posting, receivables

if TYPE_CHECKING:
    from ledger.statements.account import Line


@click.group(cls=BilingualGroup)
def ledger() -> None:
    """Read the books.

    查阅账簿。
    """


@ledger.command("trial-balance")
@options.books
@click.option(
    "--until", metavar="YYYY-MM-DD",
    help="Balances at the end of this day; by default, now. / 截至某日日终的余额，默认为当前余额。",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1),
    help="Balances right after this batch was posted. / 某一批次过账后当时的余额。",
)  # fmt: skip
@options.as_json
def trial_balance(ledger: Path, until: str | None, batch: int | None, as_json: bool) -> None:
    """Show the balance of every account; the balances sum to zero.

    试算平衡表：所有账户余额之和为零。
    """
    from ledger.books.database import open_books
    from ledger.statements.account import trial_balance as run

    with open_books(ledger, read_only=True) as books:
        result = run(books, until=day_text(until), batch=batch)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(result))
        return
    rows = [
        (one.account, cny(one.in_fen), cny(one.out_fen), cny(one.balance_fen))
        for one in result.accounts
    ]
    rows.append(("sum", "", "", cny(result.total_fen)))
    click.echo(table(("account, CNY", "in", "out", "balance"), rows))


@ledger.command()
@options.books
@argument("account", help="Name of the account. / 账户名称。")
@options.since
@options.until
@options.as_json
def statement(
    ledger: Path, account: str, since: str | None, until: str | None, as_json: bool
) -> None:
    """Show the opening balance, the postings and the closing balance of an account.

    账户对账单：期初余额、逐笔分录与期末余额。
    """
    from ledger.books.database import open_books
    from ledger.statements.account import statement as run

    with open_books(ledger, read_only=True) as books:
        result = run(books, account, since=day_text(since), until=day_text(until))
    if as_json:
        from dataclasses import asdict

        print_json(asdict(result))
        return
    rows = [_row(line) for line in result.lines]
    opening = ("", "opening balance", "", "", "", cny(result.opening_fen))
    closing = ("", "closing balance", "", "", "", cny(result.closing_fen))
    head = ("day", "posting", "with", "for", "CNY", "balance")
    click.echo(f"{result.account}\n")
    click.echo(table(head, [opening, *rows, closing], left=4))
    totals = [(kind, cny(amount_fen)) for kind, amount_fen in result.totals_fen.items()]
    click.echo("\n" + table(("by kind", "CNY"), totals))


@ledger.command()
@options.books
@click.option(
    "--account", default="",
    help="Name of one account; by default, all accounts. / 仅显示该账户，默认显示全部账户。",
)  # fmt: skip
@options.since
@options.until
@options.as_json
def blocks(ledger: Path, account: str, since: str | None, until: str | None, as_json: bool) -> None:
    """Show each traded block with its hours, average price and suppliers.

    连续时段块成交：时段数、均价与各供应方的交付部分。
    """
    from ledger.books.database import open_books
    from ledger.delivery.block_trades import traded_blocks

    with open_books(ledger, read_only=True) as books:
        found = traded_blocks(books, account=account, since=day_text(since), until=day_text(until))
    if as_json:
        from dataclasses import asdict

        print_json([asdict(each) for each in found])
        return
    head = ("block", "side", "account", "first hour", "hours", "lots", "average", "CNY", "fee",
            "delivered by")  # fmt: skip
    rows = [
        (f"{each.day}/{each.trade_group}", each.side, each.account, each.first, each.hours,
         each.lots, each.average_ticks, cny(each.value_fen), cny(each.fee_fen),
         ", ".join(f"{by['supplier']}: {by['lots']} x {by['hours']} h" for by in each.suppliers))
        for each in found
    ]  # fmt: skip
    click.echo(table(head, rows, left=4))


def _row(line: "Line") -> tuple[str, ...]:
    reason = line.instrument or ("" if line.agreement is None else f"agreement {line.agreement}")
    return line.day, line.kind, line.other, reason, cny(line.amount_fen), cny(line.balance_fen)


for command in (invoice, posting, receivables, explain, reverse, export, snapshot):
    ledger.add_command(command)

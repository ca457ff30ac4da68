"""`suanshi ledger`: what the books say."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.console import cny, day_text, print_json, table
from exchange.commands.group import BilingualGroup
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
@click.option("--until", metavar="YYYY-MM-DD", help="At the end of this day.  [default: now]")
@click.option("--batch", type=click.IntRange(min=1), help="After this batch, as it was then.")
@options.as_json
def trial_balance(ledger: Path, until: str | None, batch: int | None, as_json: bool) -> None:
    """Show every account's balance; they sum to zero.

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
@click.argument("account")
@click.option("--since", metavar="YYYY-MM-DD", help="From this day.  [default: the first]")
@click.option("--until", metavar="YYYY-MM-DD", help="To the end of this day.  [default: now]")
@options.as_json
def statement(
    ledger: Path, account: str, since: str | None, until: str | None, as_json: bool
) -> None:
    """Show an account's postings between opening and closing balance.

    账户对账单：期初、逐笔、期末。
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
@click.option("--account", default="", help="Only this account's.  [default: all]")
@click.option("--since", metavar="YYYY-MM-DD", help="From this day.  [default: the first]")
@click.option("--until", metavar="YYYY-MM-DD", help="To the end of this day.  [default: now]")
@options.as_json
def blocks(ledger: Path, account: str, since: str | None, until: str | None, as_json: bool) -> None:
    """Show blocks as blocks: hours, average price, and who delivers what of them.

    整体成交：时段数、均价与各供应方的交付部分。
    """
    from ledger.books.database import open_books
    from ledger.delivery.block_trades import traded_blocks

    with open_books(ledger, read_only=True) as books:
        found = traded_blocks(
            books, account=account, since=day_text(since), until=day_text(until)
        )  # fmt: skip
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
    what = line.instrument or ("" if line.agreement is None else f"agreement {line.agreement}")
    return line.day, line.kind, line.other, what, cny(line.amount_fen), cny(line.balance_fen)


for command in (invoice, posting, receivables, explain, reverse, export, snapshot):
    ledger.add_command(command)

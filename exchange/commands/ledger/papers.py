"""`suanshi ledger invoice`, `posting` and `receivables`: documents for members and auditors."""

from pathlib import Path

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import cny, day_text, print_json, table


@click.command(cls=BilingualCommand)
@options.books
@argument("account", help="Name of the buyer's account. / 买方账户名称。")
@click.option(
    "--since", metavar="YYYY-MM-DD", required=True, help="First day of delivery. / 起始交割日。"
)
@click.option(
    "--until", metavar="YYYY-MM-DD", required=True, help="Last day of delivery. / 截止交割日。"
)
@click.option(
    "--vat-bp",
    type=click.IntRange(0, 10_000),
    required=True,
    help="Rate of VAT in force, in hundredths of a percent; prices include VAT. / "
    "现行增值税率（万分之几）；价格含税。",
)
@options.as_json
def invoice(ledger: Path, account: str, since: str, until: str, vat_bp: int, as_json: bool) -> None:
    """Print a buyer's invoice: gross, voucher, net, VAT and fees.

    打印买方账单：总额、算力券抵付、净额、增值税与手续费。
    """
    from dataclasses import asdict

    from ledger.books.database import open_books
    from ledger.statements.invoice import invoice as run

    with open_books(ledger, read_only=True) as books:
        result = run(
            books, account, since=day_text(since), until=day_text(until), vat_bp=vat_bp
        )  # fmt: skip
    if as_json:
        print_json(asdict(result))
        return
    rows = [
        (line.agreement, line.supplier, line.contract, line.delivery_day, cny(line.gross_fen),
         cny(line.voucher_fen), cny(line.net_fen))
        for line in result.lines
    ]  # fmt: skip
    total = (cny(result.gross_fen), cny(result.voucher_fen), cny(result.net_fen))
    head = ("agreement", "supplier", "contract", "day", "gross", "voucher", "net, CNY")
    click.echo(f"{result.account}, {result.since} to {result.until}\n")
    click.echo(table(head, [*rows, ("sum", "", "", "", *total)], left=4))
    click.echo(
        f"\n  VAT of {result.vat_bp / 100:g}% contained: {cny(result.vat_fen)}, without it "
        f"{cny(result.without_vat_fen)}; fees: {cny(result.fees_fen)}"
    )


@click.command(cls=BilingualCommand)
@options.books
@argument("number", type=click.IntRange(min=1), help="Number of the posting. / 分录编号。")
@options.as_json
def posting(ledger: Path, number: int, as_json: bool) -> None:
    """Show the origin of a posting: its batch, trades, commands and delivery.

    查看分录的来源：批次、成交、指令与交割。
    """
    from ledger.books.database import open_books
    from ledger.statements.invoice import drill_down

    with open_books(ledger, read_only=True) as books:
        found = drill_down(books, number)
    if as_json:
        print_json(found)
        return
    trades, deliveries = found.pop("trades"), found.pop("deliveries")
    found["amount, CNY"] = cny(found.pop("amount_fen"))
    rows = [(name.replace("_", " "), "" if value is None else value)
            for name, value in found.items()]  # fmt: skip
    click.echo(table((f"posting {number}", ""), rows))
    for title, lines in (("trades", trades), ("deliveries", deliveries)):
        if lines:
            click.echo(f"\n  {title}\n" + table(list(lines[0]), [list(x.values()) for x in lines]))


@click.command(cls=BilingualCommand)
@options.books
@click.option(
    "--until", metavar="YYYY-MM-DD", required=True,
    help="Debts at the end of this day. / 截至某日日终的欠款。",
)  # fmt: skip
@options.as_json
def receivables(ledger: Path, until: str, as_json: bool) -> None:
    """Show the accounts that owe the venue money, with the amount and the age.

    应收款：欠款账户、金额与账龄。
    """
    from ledger.books.database import open_books
    from ledger.statements.invoice import aged_receivables

    with open_books(ledger, read_only=True) as books:
        found = aged_receivables(books, day_text(until))
    if as_json:
        print_json(found)
    else:
        rows = [(x["account"], x["since"], x["age_days"], cny(x["owed_fen"])) for x in found]
        click.echo(table(("account", "since", "days", "owed, CNY"), rows, left=2))

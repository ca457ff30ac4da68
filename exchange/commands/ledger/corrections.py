"""`suanshi ledger explain` and `reverse`: how an amount was computed, and reversal of a day."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import Stages, day_text, echo_postings, print_json


@click.command(cls=BilingualCommand)
@options.books
@argument(
    "voucher", metavar="VOUCHER-LINE", type=click.IntRange(min=1),
    help="Number of the voucher line in the books. / 账簿中的算力券明细编号。",
)  # fmt: skip
@options.as_json
def explain(ledger: Path, voucher: int, as_json: bool) -> None:
    """Explain in words how the amount of a voucher line was computed.

    用文字说明某笔算力券金额的计算过程。
    """
    from ledger.books.database import open_books
    from ledger.statements.explain import explain as run

    with open_books(ledger, read_only=True) as books:
        result = run(books, voucher)
    if as_json:
        from dataclasses import asdict

        print_json(asdict(result))
    else:
        click.echo("\n".join(result.sentences))


@click.command(cls=BilingualCommand)
@options.books
@argument("day", metavar="YYYY-MM-DD", help="Day to reverse. / 要冲正的日期。")
@options.dry_run
@options.as_json
def reverse(ledger: Path, day: str, dry_run: bool, as_json: bool) -> None:
    """Reverse a day by mirrored postings; the day may then be settled again.

    以镜像分录冲正一天，之后可重新结算。
    """
    from ledger.books.database import open_books
    from ledger.proof.reversal import reverse_day

    name = day_text(day)
    lines: list[tuple[Any, ...]] = []
    with Stages() as stages, open_books(ledger) as books:
        batches = reverse_day(books, name, dry_run=dry_run, lines=lines, progress=stages)
    if as_json:
        print_json({
            "ledger": str(ledger), "day": name, "reversed": list(batches), "dry_run": dry_run,
            **({"postings": lines} if dry_run else {}),
        })  # fmt: skip
    else:
        if dry_run:
            echo_postings(lines)
        would = "would be" if dry_run else "are"
        listed = ", ".join(str(batch) for batch in batches)
        click.echo(f"{ledger}: batches {listed} of {name} {would} reversed")

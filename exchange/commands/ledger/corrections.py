"""`suanshi ledger explain` and `reverse`: why an amount, and how it is taken back."""

from pathlib import Path
from typing import Any

import click

from exchange.commands import options
from exchange.commands.console import Stages, day_text, echo_postings, print_json


@click.command()
@options.books
@click.argument("voucher", metavar="VOUCHER-LINE", type=click.IntRange(min=1))
@options.as_json
def explain(ledger: Path, voucher: int, as_json: bool) -> None:
    """Say in words why a voucher line is the amount that it is.

    用文字说明某笔算力券金额的由来。
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


@click.command()
@options.books
@click.argument("day", metavar="YYYY-MM-DD")
@options.dry_run
@options.as_json
def reverse(ledger: Path, day: str, dry_run: bool, as_json: bool) -> None:
    """Take a day back by mirrored postings; it may then be settled anew.

    以镜像分录冲销一天，之后可重新结算。
    """
    from ledger.books.database import open_books
    from ledger.proof.reversal import reverse_day

    name = day_text(day)
    assert name is not None
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
        click.echo(f"{ledger}: batches {listed} of {name} {would} taken back")

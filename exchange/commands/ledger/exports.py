"""`suanshi ledger export` and `snapshot`: the books for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.console import day_text, print_json
from exchange.commands.outcome import clear_outputs, require_folder

if TYPE_CHECKING:
    from ledger.statements.export import Style


@click.command()
@options.books
@click.argument("target", metavar="TARGET", type=click.Path(path_type=Path))
@click.option(
    "--style", type=click.Choice(["beancount", "hledger", "csv", "parquet"]), required=True,
    help="The file's format; ledger reads hledger's; parquet makes a folder of a day.",
)  # fmt: skip
@click.option("--day", metavar="YYYY-MM-DD", help="Only this day.  [default: all; not of parquet]")
@options.force
@options.dry_run
@options.as_json
def export(
    ledger: Path, target: Path, style: str, day: str | None, force: bool, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the netted postings for plain-text accounting, tables or any engine.

    导出净额分录，供纯文本记账软件或任何引擎读取。
    """
    from ledger.books.database import open_books
    from ledger.statements.export import export_parquet, export_text

    if style == "parquet" and day is None:
        raise click.UsageError("--style parquet needs --day")
    if style != "parquet":
        clear_outputs([target], force=force, remove=not dry_run)
    require_folder(target)
    with open_books(ledger, read_only=True) as books:
        if style == "parquet":
            assert day is not None
            if not dry_run:
                export_parquet(books, target, day_text(day) or day)
        else:
            chosen: Style = (
                "csv" if style == "csv" else ("beancount" if style == "beancount" else "hledger")
            )
            text = export_text(books, chosen, day=day_text(day))
            if not dry_run:
                target.write_text(text, encoding="utf-8")
    _say(ledger, target, dry_run, as_json)


@click.command()
@options.books
@click.argument("target", metavar="COPY.DUCKDB", type=click.Path(path_type=Path))
@options.force
@options.dry_run
@options.as_json
def snapshot(ledger: Path, target: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Copy the books for readers, whole or not at all.

    为读者复制账簿，完整替换。
    """
    from ledger.books.database import open_books
    from ledger.statements.export import snapshot as run

    clear_outputs([target], force=force, remove=False)
    require_folder(target)
    with open_books(ledger, read_only=True) as books:
        if not dry_run:
            run(books, target)
    _say(ledger, target, dry_run, as_json)


def _say(ledger: Path, target: Path, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"ledger": str(ledger), "target": str(target), "dry_run": dry_run})
    else:
        click.echo(f"{target}: {'would be ' if dry_run else ''}written from {ledger}")

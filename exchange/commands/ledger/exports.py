"""`suanshi ledger export` and `snapshot`: the books in the formats of other programs, or copied."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand, argument
from exchange.commands.console import day_text, print_json
from exchange.commands.outcome import clear_outputs, require_folder

if TYPE_CHECKING:
    from ledger.statements.export import Style


@click.command(cls=BilingualCommand)
@options.books
@argument(
    "target", metavar="TARGET", type=click.Path(path_type=Path),
    help="File to write; for parquet, a folder. / 输出文件；parquet 格式为目录。",
)  # fmt: skip
@click.option(
    "--style", type=click.Choice(["beancount", "hledger", "csv", "parquet"]), required=True,
    help="Format of the export; `ledger` reads that of hledger; parquet writes a folder of one "
    "day. / 导出格式；ledger 软件可读 hledger 格式；parquet 将一天写入一个目录。",
)  # fmt: skip
@click.option(
    "--day", metavar="YYYY-MM-DD",
    help="Export this day only; by default all days. Parquet needs it. / "
    "仅导出该日，默认导出全部；parquet 格式必填。",
)  # fmt: skip
@options.force
@options.dry_run
@options.as_json
def export(
    ledger: Path, target: Path, style: str, day: str | None, force: bool, dry_run: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Export the netted postings for plain-text accounting, spreadsheets or query engines.

    导出净额分录，供纯文本记账软件、表格或查询引擎读取。
    """
    from ledger.books.database import open_books
    from ledger.statements.export import export_parquet, export_text

    if style == "parquet" and day is None:
        raise click.UsageError("--style parquet needs --day YYYY-MM-DD")
    if style != "parquet":
        clear_outputs([target], force=force, remove=not dry_run)
    require_folder(target)
    with open_books(ledger, read_only=True) as books:
        if style == "parquet":
            assert day is not None
            if not dry_run:
                export_parquet(books, target, day_text(day))
        else:
            chosen: Style = (
                "csv" if style == "csv" else ("beancount" if style == "beancount" else "hledger")
            )
            text = export_text(books, chosen, day=day_text(day))
            if not dry_run:
                target.write_text(text, encoding="utf-8")
    _print_target(ledger, target, dry_run, as_json)


@click.command(cls=BilingualCommand)
@options.books
@argument(
    "target", metavar="COPY.DUCKDB", type=click.Path(path_type=Path),
    help="File of the copy. / 副本文件。",
)  # fmt: skip
@options.force
@options.dry_run
@options.as_json
def snapshot(ledger: Path, target: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Copy the books for readers; a copy that fails leaves no partial file.

    复制账簿供查阅；复制失败时不留下残缺文件。
    """
    from ledger.books.database import open_books
    from ledger.statements.export import snapshot as run

    clear_outputs([target], force=force, remove=False)
    require_folder(target)
    with open_books(ledger, read_only=True) as books:
        if not dry_run:
            run(books, target)
    _print_target(ledger, target, dry_run, as_json)


def _print_target(ledger: Path, target: Path, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json({"ledger": str(ledger), "target": str(target), "dry_run": dry_run})
    else:
        click.echo(f"{target}: {'would be ' if dry_run else ''}written from {ledger}")

"""Options that several commands share, so that they are called and described alike."""

from pathlib import Path

import click

from exchange.definition.file_names import LEDGER_NAME

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")

dry_run = click.option(
    "--dry-run", is_flag=True, help="Say what would be written, and write nothing."
)

unsealed = click.option(
    "--unsealed", is_flag=True, help="Accept a log whose end is missing or torn; say what it lacks."
)

batch = click.option(
    "--batch",
    type=click.IntRange(min=1, max=1 << 20),
    default=4_096,
    show_default=True,
    help="Commands handed to the machine at a time; changes no result.",
)

engine = click.option(
    "--engine",
    type=click.Choice(["kernel", "reference"]),
    default="kernel",
    show_default=True,
    help="The compiled machine, or the plain one that says what is right.",
)

day_log = click.argument("day_log", metavar="DAY.LOG", type=click.Path(path_type=Path))

venue = click.option(
    "--venue",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Folder or file of a venue's definition in TOML, instead of the one that comes along.",
)

ledger = click.option(
    "--ledger",
    metavar="LEDGER.DUCKDB",
    type=click.Path(path_type=Path),
    help=f"The books.  [default: {LEDGER_NAME} beside the log]",
)

books = click.argument("ledger", metavar="LEDGER.DUCKDB", type=click.Path(path_type=Path))

seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=1,
    show_default=True,
    help="Of everything that is generated; the same seed gives the same bytes.",
)

force = click.option("--force", is_flag=True, help="Replace what an earlier run wrote.")

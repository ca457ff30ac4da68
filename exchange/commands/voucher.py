"""`suanshi voucher`: the life of a voucher, as the programme's office goes about it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.console import cny, day_text, print_json, table
from exchange.commands.group import BilingualGroup
from exchange.definition.file_names import LEDGER_NAME

if TYPE_CHECKING:
    from ledger.books.database import Books
    from ledger.daylog.registry import Registry

_NUMBER = click.argument("number", metavar="APPLICATION", type=click.IntRange(min=1))
_REASON = click.option("--reason", required=True, help="Kept in the books.")


@click.group(cls=BilingualGroup)
def voucher() -> None:
    """Apply for, approve, issue and end compute vouchers.

    算力券：申请、核准、发放与终止。
    """


def _posting(command: Callable[..., Any]) -> Callable[..., Any]:
    """What commands that write have in common."""
    for add in (options.as_json, options.dry_run, options.ledger, options.day_log):
        command = add(command)
    return command


@voucher.command("apply")
@_posting
@click.argument("programme")
@click.argument("firm")
@click.argument("year", type=click.IntRange(1992, 2100))
@click.argument("fen", type=click.IntRange(min=1))
@click.option("--supplier", metavar="FIRM", help="The voucher shall pay for its compute only.")
def apply_(
    day_log: Path, ledger: Path | None, programme: str, firm: str, year: int, fen: int,
    supplier: str | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Apply for a voucher of a programme and year, for an amount in fen.

    为企业申请某项目某年度的算力券，单位为分。
    """
    from ledger.vouchers.applications import apply as run

    with _books(ledger, day_log) as books:
        found = run(
            books, _registry(day_log), programme, firm, year, fen, supplier=supplier,
            dry_run=dry_run,
        )  # fmt: skip
    _say(as_json, dry_run, found.id, "applied", fen)


@voucher.command("approve")
@_posting
@_NUMBER
@click.option("--fen", type=click.IntRange(min=1), help="[default: as much as the caps leave]")
def approve_(
    day_log: Path, ledger: Path | None, number: int, fen: int | None, dry_run: bool, as_json: bool
) -> None:
    """Approve an application, in full or for less.

    核准申请，可少于申请金额。
    """
    from ledger.vouchers.applications import approve as run

    with _books(ledger, day_log) as books:
        granted = run(books, _registry(day_log), number, fen, dry_run=dry_run)
    _say(as_json, dry_run, number, "approved", granted)


@voucher.command("issue")
@_posting
@_NUMBER
@click.option("--until", metavar="YYYY-MM-DD", help="Last day of delivery.  [default: its year]")
def issue_(
    day_log: Path, ledger: Path | None, number: int, until: str | None, dry_run: bool, as_json: bool
) -> None:
    """Issue the voucher that was approved, valid until a day.

    发放已核准的算力券，并定有效期。
    """
    from ledger.vouchers.applications import issue as run

    with _books(ledger, day_log) as books:
        last = run(books, _registry(day_log), number, day_text(until), dry_run=dry_run)
    _say(as_json, dry_run, number, "issued", valid_until=last)


@voucher.command("reject")
@_posting
@_NUMBER
@_REASON
def reject_(
    day_log: Path, ledger: Path | None, number: int, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Refuse an application before a voucher is issued.

    驳回尚未发券的申请。
    """
    from ledger.vouchers.applications import reject as run

    with _books(ledger, day_log) as books:
        run(books, _registry(day_log), number, reason, dry_run=dry_run)
    _say(as_json, dry_run, number, "rejected", reason=reason)


@voucher.command("expire")
@_posting
@click.option(
    "--application", "number", type=click.IntRange(min=1), help="[default: all that are due]"
)
def expire_(
    day_log: Path, ledger: Path | None, number: int | None, dry_run: bool, as_json: bool
) -> None:
    """End what was not used of vouchers whose validity is over.

    终止已过有效期的算力券余额。
    """
    from ledger.vouchers.applications import expire as run

    with _books(ledger, day_log) as books:
        ended = run(books, _registry(day_log), number, dry_run=dry_run)
    if as_json:
        rows = [{"application": one, "amount_fen": fen} for one, fen in ended]
        print_json({"expired": rows, "dry_run": dry_run})
    else:
        would = "would expire" if dry_run else "expired"
        click.echo(table(("application", f"{would}, CNY"), [(one, cny(fen)) for one, fen in ended]))


@voucher.command("reject-claim")
@_posting
@click.argument("line", metavar="VOUCHER-LINE", type=click.IntRange(min=1))
@_REASON
def reject_claim_(
    day_log: Path, ledger: Path | None, line: int, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Refuse a claim that waits to be redeemed.

    驳回待兑付的申领。
    """
    from ledger.vouchers.applications import reject_claim as run

    with _books(ledger, day_log) as books:
        fen = run(books, _registry(day_log), line, reason, dry_run=dry_run)
    _say(as_json, dry_run, line, "rejected", fen, reason=reason)


@voucher.command("list")
@options.books
@options.as_json
def list_(ledger: Path, as_json: bool) -> None:
    """Show all applications and where they stand.

    列出全部申请及其状态。
    """
    from dataclasses import asdict

    from ledger.books.database import open_books
    from ledger.vouchers.applications import applications

    with open_books(ledger, read_only=True) as books:
        found = applications(books)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    head = ("application", "programme", "firm", "year", "state", "until", "applied", "approved",
            "worth", "used, CNY")  # fmt: skip
    rows = [
        (each.id, each.programme, each.firm, each.year, each.state, each.valid_until or "",
         *(cny(fen) for fen in (each.amount_fen, each.approved_fen, each.worth_fen, each.used_fen)))
        for each in found
    ]  # fmt: skip
    click.echo(table(head, rows, left=6))


def _books(ledger: Path | None, day_log: Path) -> "Books":
    from ledger.books.database import open_or_create_books

    return open_or_create_books(ledger or day_log.parent / LEDGER_NAME)


def _registry(day_log: Path) -> "Registry":
    from ledger.daylog import read_day_log

    return read_day_log(day_log, unsealed=True).registry


def _say(
    as_json: bool, dry_run: bool, number: int, state: str, amount_fen: int | None = None,
    **more: Any,
) -> None:  # fmt: skip
    """The step that was written, or would be."""
    if as_json:
        fen = {} if amount_fen is None else {"amount_fen": amount_fen}
        print_json({"number": number, "state": state, **fen, **more, "dry_run": dry_run})
        return
    words = [f"{number} {'would be' if dry_run else 'is'} {state}"]
    words += [f"{cny(amount_fen)} CNY"] if amount_fen is not None else []
    words += [f"{name.replace('_', ' ')} {value}" for name, value in more.items()]
    click.echo(", ".join(words))

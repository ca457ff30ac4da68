"""`suanshi voucher`: applications for vouchers, from filing to expiry."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.console import cny, day_text, print_json, table
from exchange.commands.inputs import ledger_path, read_registry

if TYPE_CHECKING:
    from ledger.books.database import Books
    from ledger.daylog.registry import Registry

_NUMBER = argument(
    "number", metavar="APPLICATION", type=click.IntRange(min=1),
    help="Number of the application. / 申请编号。",
)  # fmt: skip
_REASON = click.option(
    "--reason", required=True, help="Reason, which the books keep. / 理由，记入账簿。"
)


@click.group(cls=BilingualGroup)
def voucher() -> None:
    """Apply for, approve, issue, reject and expire compute vouchers.

    算力券：申请、核准、发放、驳回与失效。
    """


def _posting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments and options of a command that posts to the books."""
    for add in (options.as_json, options.dry_run, options.ledger, options.day_log):
        command = add(command)
    return command


@voucher.command("apply")
@_posting
@argument("programme", help="Id of the programme. / 算力券方案代码。")
@argument("firm", help="Name of the firm that applies. / 申请企业名称。")
@argument("year", type=click.IntRange(1992, 2100), help="Year of the budget. / 预算年度。")
@argument("fen", type=click.IntRange(min=1), help="Amount in fen. / 申请金额（分）。")
@click.option(
    "--supplier", metavar="FIRM",
    help="Bind the voucher to compute of this supplier. / 限定仅可用于该供应方的算力。",
)  # fmt: skip
def apply_(
    day_log: Path, ledger: Path | None, programme: str, firm: str, year: int, fen: int,
    supplier: str | None, dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Apply for a voucher of a programme, for a firm and a year.

    为企业申请某方案某年度的算力券。
    """
    from ledger.vouchers.applications import apply as run

    with _books(ledger, day_log) as books:
        found = run(
            books, _registry(day_log), programme, firm, year, fen, supplier=supplier,
            dry_run=dry_run,
        )  # fmt: skip
    _print_step(as_json, dry_run, found.id, "applied", fen)


@voucher.command("approve")
@_posting
@_NUMBER
@click.option(
    "--fen", type=click.IntRange(min=1),
    help="Amount to approve, in fen; by default as much as the caps leave. / "
    "核准金额（分），默认为限额内的最大金额。",
)  # fmt: skip
def approve_(
    day_log: Path, ledger: Path | None, number: int, fen: int | None, dry_run: bool, as_json: bool
) -> None:
    """Approve an application, in full or in part.

    核准申请，可少于申请金额。
    """
    from ledger.vouchers.applications import approve as run

    with _books(ledger, day_log) as books:
        granted = run(books, _registry(day_log), number, fen, dry_run=dry_run)
    _print_step(as_json, dry_run, number, "approved", granted)


@voucher.command("issue")
@_posting
@_NUMBER
@click.option(
    "--until", metavar="YYYY-MM-DD",
    help="Last day of delivery that it may pay; by default the last of its year. / "
    "可抵付的最后交割日，默认为该年度末日。",
)  # fmt: skip
def issue_(
    day_log: Path, ledger: Path | None, number: int, until: str | None, dry_run: bool, as_json: bool
) -> None:
    """Issue the voucher of an approved application.

    发放已核准的算力券，并确定有效期。
    """
    from ledger.vouchers.applications import issue as run

    with _books(ledger, day_log) as books:
        last = run(books, _registry(day_log), number, day_text(until), dry_run=dry_run)
    _print_step(as_json, dry_run, number, "issued", valid_until=last)


@voucher.command("reject")
@_posting
@_NUMBER
@_REASON
def reject_(
    day_log: Path, ledger: Path | None, number: int, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Reject an application for which no voucher is issued yet.

    驳回尚未发券的申请。
    """
    from ledger.vouchers.applications import reject as run

    with _books(ledger, day_log) as books:
        run(books, _registry(day_log), number, reason, dry_run=dry_run)
    _print_step(as_json, dry_run, number, "rejected", reason=reason)


@voucher.command("expire")
@_posting
@click.option(
    "--application", "number", type=click.IntRange(min=1),
    help="Number of one application; by default all that are due. / "
    "申请编号，默认为全部到期的算力券。",
)  # fmt: skip
def expire_(
    day_log: Path, ledger: Path | None, number: int | None, dry_run: bool, as_json: bool
) -> None:
    """Expire the unused amounts of vouchers whose validity has ended.

    注销已过有效期的算力券余额。
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
@argument(
    "line", metavar="VOUCHER-LINE", type=click.IntRange(min=1),
    help="Number of the voucher line in the books. / 账簿中的算力券明细编号。",
)  # fmt: skip
@_REASON
def reject_claim_(
    day_log: Path, ledger: Path | None, line: int, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Reject a claim that is not redeemed yet.

    驳回待兑付的申请。
    """
    from ledger.vouchers.applications import reject_claim as run

    with _books(ledger, day_log) as books:
        fen = run(books, _registry(day_log), line, reason, dry_run=dry_run)
    _print_step(as_json, dry_run, line, "rejected", fen, reason=reason)


@voucher.command("list")
@options.books
@options.as_json
def list_(ledger: Path, as_json: bool) -> None:
    """Show all applications and their states.

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

    return open_or_create_books(ledger_path(ledger, day_log))


def _registry(day_log: Path) -> "Registry":
    return read_registry(day_log, unsealed=True)


def _print_step(
    as_json: bool, dry_run: bool, number: int, state: str, amount_fen: int | None = None,
    **more: Any,
) -> None:  # fmt: skip
    """Print a step that was written, or with `dry_run` would be written."""
    if as_json:
        fen = {} if amount_fen is None else {"amount_fen": amount_fen}
        print_json({"number": number, "state": state, **fen, **more, "dry_run": dry_run})
        return
    words = [f"{number} {'would be' if dry_run else 'is'} {state}"]
    words += [f"{cny(amount_fen)} CNY"] if amount_fen is not None else []
    words += [f"{name.replace('_', ' ')} {value}" for name, value in more.items()]
    click.echo(", ".join(words))

"""`suanshi settle`: settlement of a day log into the books."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualCommand
from exchange.commands.console import Stages, cny, echo_postings, note_compiling, print_json, table
from exchange.commands.inputs import ledger_path
from exchange.commands.outcome import Refused, require_folder

if TYPE_CHECKING:
    from ledger.books.database import Books
    from ledger.daylog.registry import Registry
    from ledger.statements.summary import Settlement


@click.command(cls=BilingualCommand)
@options.day_log
@options.ledger
@click.option(
    "--carry", is_flag=True,
    help="Carry open positions to later days; without it, they count as delivered in full. / "
    "结转未交割持仓；不加则视为已足额交割。",
)  # fmt: skip
@click.option(
    "--assume-delivered", is_flag=True,
    help="Count open positions of a served day as delivered in full, as if its centres had run "
    "all that was sold: for a rehearsal that no later day follows. / "
    "将实盘日的未交割持仓视为已足额交割，仅用于无后续交易日的演练。",
)  # fmt: skip
@click.option(
    "--postings", is_flag=True,
    help="Print every posting; --dry-run always does. / 显示全部分录；--dry-run 时总是显示。",
)  # fmt: skip
@options.dry_run
@options.as_json
def settle(
    day_log: Path, ledger: Path | None, carry: bool, assume_delivered: bool, postings: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Settle a day: post money, fees, deliveries and vouchers to the books.

    结算一天：将资金、手续费、交割与算力券记入账簿。
    """
    path = ledger_path(ledger, day_log)
    lines: list[tuple[Any, ...]] | None = [] if postings or dry_run else None
    if carry and assume_delivered:
        raise click.UsageError("--carry and --assume-delivered contradict each other")
    result = settle_log(
        day_log, path, deliver=not carry, assume_delivered=assume_delivered, dry_run=dry_run,
        lines=lines,
    )  # fmt: skip
    if as_json:
        document = settlement_document(result, day_log, path)
        print_json(document if lines is None else {**document, "lines": lines})
    else:
        if lines:
            echo_postings(lines)
        show_settlement(result, path)


def settlement_document(result: "Settlement", day_log: Path, path: Path) -> dict[str, Any]:
    """A settlement as a JSON document."""
    from dataclasses import asdict

    return {"day_log": str(day_log), "ledger": str(path), **asdict(result)}


def settle_log(
    day_log: Path, path: Path, *, deliver: bool, dry_run: bool, assume_delivered: bool = False,
    lines: list[tuple[Any, ...]] | None = None,
) -> "Settlement":  # fmt: skip
    """Settle a day log into the books at `path`; `lines` receives the postings.

    Raises Refused for a served log whose open positions would count as delivered, unless
    `assume_delivered` says so.
    """
    from exchange.days.day_events import day_events
    from ledger.day_settlement import settle as run
    from ledger.daylog import read_day_log

    log = read_day_log(day_log)
    if deliver and not assume_delivered and _was_served(log.registry):
        raise Refused(
            f"{day_log}: was served, and its deliveries are still to be metered; "
            f"`suanshi day close {day_log}` settles it and carries them "
            "(--assume-delivered books all as delivered in full, and no day can follow)"
        )
    require_folder(path)
    if not path.exists():  # else the day may be settled already, which needs no replay
        log.check_rules()
    with Stages() as stages, _books(path, dry_run) as books:
        events = day_events(
            log, lambda done: stages("replay", done, log.command_count), note_compiling
        )
        return run(
            books,
            log.registry,
            events,  # replayed only if the day is not settled yet
            log.sha256,
            deliver=deliver,
            dry_run=dry_run,
            progress=stages,
            lines=lines,
        )


def _was_served(registry: "Registry") -> bool:
    """Whether a venue wrote the log: only its sessions have keys."""
    return any(session.key for session in registry.sessions)


def _books(path: Path, dry_run: bool) -> "Books":
    from ledger.books.database import memory_books, open_or_create_books

    return memory_books() if dry_run and not path.exists() else open_or_create_books(path)


def show_settlement(result: "Settlement", path: Path) -> None:
    """Print a settlement for a person."""
    if result.already_settled:
        click.echo(f"{path}: {result.day} is settled already from this log; nothing was changed\n")
    elif result.dry_run:
        click.echo(f"{path}: {result.day} would be settled as below; nothing was written\n")
    rows = [
        ("instruments that traded", f"{result.instruments:,}"),
        ("trades", f"{result.trades:,}"),
        ("volume, lots", f"{result.volume:,}"),
        ("turnover, CNY", cny(result.turnover_fen)),
        ("fees, CNY", cny(result.fees_fen)),
        ("deposits, CNY", cny(result.deposits_fen)),
        ("paid to suppliers, CNY", cny(result.delivered_fen)),
        ("service agreements", f"{result.agreements:,}"),
        ("vouchers, CNY", cny(result.vouchers_fen)),
        ("postings", f"{result.postings:,}"),
        ("trial balance, CNY", cny(result.trial_balance_fen)),
    ]
    click.echo(table((f"trading day {result.day}", ""), rows))
    click.echo(f"\n  batch sha256 {result.sha256}")

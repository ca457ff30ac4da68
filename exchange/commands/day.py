"""`suanshi day`: open a day from the day before, close it into the books, show its status."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from exchange.commands import options
from exchange.commands.bilingual import BilingualGroup, argument
from exchange.commands.console import (
    Stages,
    cny,
    confirm,
    day_text,
    echo_postings,
    note,
    note_compiling,
    print_json,
    table,
)
from exchange.commands.inputs import ledger_path, read_registry
from exchange.commands.outcome import Refused, clear_outputs, require_folder
from exchange.commands.venue_client import open_client
from exchange.definition.file_names import CONNECTION_NAME

if TYPE_CHECKING:
    from exchange.days.carry_forward import CarriedDay
    from exchange.days.payment_queue import Outcome

T = TypeVar("T")

OPERATOR_KEY = "keys/operations.secret"

VENUE_ENDS_S = 60.0
"""Longest wait for a venue to close its day, and then to end."""


@click.group(cls=BilingualGroup)
def day() -> None:
    """Open and close trading days.

    开市与收市。
    """


@day.command("open")
@argument(
    "before", metavar="BEFORE.LOG", type=click.Path(path_type=Path),
    help="The log of the day before, which must be settled; or an opening that a build of other "
    "rules wrote, to be taken over. / 前一交易日的日志，须已结算；或其他规则版本写出的开市日志。",
)  # fmt: skip
@options.day_log
@options.ledger
@click.option(
    "--day", "which", metavar="YYYY-MM-DD",
    help="The new trading day; by default the day after that of BEFORE.LOG. / "
    "新交易日，默认为 BEFORE.LOG 的次日。",
)  # fmt: skip
@options.force
@options.dry_run
@options.as_json
def open_(
    before: Path, day_log: Path, ledger: Path | None, which: str | None, force: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write the opening commands of a day: balances, capacity, positions and live orders.

    写出新交易日日志的开头：期初资金、容量、持仓与仍有效的委托。
    """
    from ledger.daylog import DayLogWriter

    clear_outputs([day_log], force=force, remove=False)
    require_folder(day_log)
    head = _opening(before, ledger, day_text(which), record=not dry_run, instead=force)
    opened = head.registry.trading_day
    if not dry_run:
        clear_outputs([day_log], force=force)
        with DayLogWriter.create(day_log, venue=head.registry.venue, trading_day=opened) as out:
            out.append_registry(head.registry)
            out.append(head.commands)
            out.sync()
    result = {
        "day_log": str(day_log), "day": opened, "commands": len(head.commands),
        "orders": head.orders, "cash_fen": head.funded_fen,
        "instruments": len(head.registry.instruments), "dry_run": dry_run,
    }  # fmt: skip
    _print_day(result, as_json, "would be written" if dry_run else "opened")


@day.command()
@options.day_log
@options.ledger
@click.option(
    "--connection", type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where the day is still served: the venue's file; by default {CONNECTION_NAME} in the "
    f"folder of the log. / 当日仍在交易时的连接文件，默认为日志所在目录中的 {CONNECTION_NAME}。",
)  # fmt: skip
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False),
    help="Where the day is still served: the secret key of an operator; by default "
    f"{OPERATOR_KEY} there. / 当日仍在交易时运营人员的私钥，默认为该目录中的 {OPERATOR_KEY}。",
)  # fmt: skip
@options.yes
@options.dry_run
@options.as_json
def close(
    day_log: Path, ledger: Path | None, connection: Path | None, key: Path | None, yes: bool,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """End the day: its venue seals the log; settle it, carry its open positions, pay what waits.

    收市：由交易所封存日志，结算当日、结转未交割持仓，并办理排队中的支付。
    """
    from exchange.commands.settle import settle_log, settlement_document, show_settlement

    path = ledger_path(ledger, day_log)
    lines: list[tuple[Any, ...]] | None = [] if dry_run else None
    if not dry_run:  # a log that is not sealed cannot be settled, not even on trial
        folder = day_log.parent
        _seal(day_log, connection or folder / CONNECTION_NAME, key or folder / OPERATOR_KEY, yes)
    result = _when_books_are_free(
        lambda: settle_log(day_log, path, deliver=False, dry_run=dry_run, lines=lines)
    )
    outcomes = [] if dry_run else _pay_queued(day_log, path)
    if as_json:
        more: dict[str, Any] = {"queued": [asdict(each) for each in outcomes]}
        if lines is not None:
            more["lines"] = lines
        print_json({**settlement_document(result, day_log, path), **more})
    else:
        if lines:
            echo_postings(lines)
        show_settlement(result, path)
        for each in outcomes:
            click.echo(f"  queued payment {each.payment} {each.text or 'is paid'}")
    refused = [each for each in outcomes if not each.paid]
    if refused:
        raise Refused(
            f"{day_log}: the day is closed, but {len(refused)} queued payments were refused, the "
            f"first, {refused[0].payment}: {refused[0].text}"
        )


def _pay_queued(day_log: Path, path: Path) -> "list[Outcome]":
    """Carry out the payments that wait for this close, unless the next day is open already."""
    from exchange.days.payment_queue import PaymentQueue
    from ledger.books.database import open_books
    from ledger.books.open_day import last_settled_day, opened_day

    queue = PaymentQueue(path)
    if not any(queue.waiting()):
        return []
    registry = read_registry(day_log)
    with Stages() as stages, open_books(path) as books:
        if opened_day(books) or last_settled_day(books) != registry.trading_day:
            return []
        return queue.pay_all(books, registry, stages)


@day.command()
@options.day_log
@options.ledger
@options.as_json
def status(day_log: Path, ledger: Path | None, as_json: bool) -> None:
    """Show the status of a day: its log, its settlement and what is still open.

    查看当日状态：日志、结算与未了结事项。
    """
    from exchange.days.payment_queue import PaymentQueue
    from ledger.books.database import open_books
    from ledger.books.open_day import opened_day
    from ledger.books.queries import statements
    from ledger.daylog import read_day_log

    log = read_day_log(day_log, unsealed=True)
    path = ledger_path(ledger, day_log)
    result: dict[str, Any] = {
        "day_log": str(day_log), "day": log.trading_day, "sealed": log.sealed,
        "commands": log.command_count, "rules": log.rules, "settled": False,
    }  # fmt: skip
    if path.exists():
        with open_books(path, read_only=True) as books:
            (found,) = books.records(statements("status")["status"], {"day": log.trading_day})
            result |= found
            result["open_day"] = opened_day(books)
            overdue = statements("status")["overdue"]
            result["overdue"] = books.records(overdue, {"day": log.trading_day})
        result["queued_payments"] = len(list(PaymentQueue(path).waiting()))
    _print_day(result, as_json, "")


def _seal(day_log: Path, connection: Path, key: Path, yes: bool) -> None:
    """Have the log sealed, if it is not: by the venue that serves the day, else here."""
    from exchange.days.engines import open_engine
    from exchange.days.sealing import seal_day
    from ledger.daylog import read_day_log
    from ledger.daylog.file_lock import holder_of

    log = read_day_log(day_log, unsealed=True)
    if log.sealed:
        return
    log.check_rules()
    if holder := holder_of(day_log):
        for path in (connection, key):
            if not path.exists():
                raise Refused(f"{day_log}: {holder}; to have that venue close it: no file {path}")
        confirm(f"End {log.trading_day} for good, while its venue serves it?", yes)
        _ask_to_close(log.trading_day, connection, key)
        until_s = time.monotonic() + VENUE_ENDS_S
        while holder := holder_of(day_log):
            if time.monotonic() > until_s:
                raise Refused(f"{day_log}: sealed, but {holder}; close it once more when that ends")
            time.sleep(0.05)
    else:
        confirm(f"End {log.trading_day} for good, whose venue has stopped?", yes)
        with Stages() as stages:
            engine = open_engine("kernel", log.limits, compiling=note_compiling)
            seal_day(log, engine, lambda done: stages("replay", done, log.command_count))
    note(f"sealed {day_log}")


def _when_books_are_free(settle: Callable[[], T]) -> T:
    """Settle; wait for a venue that closes its day by itself, and has the books open meanwhile."""
    from ledger.books.errors import BooksLockedError

    until_s = time.monotonic() + VENUE_ENDS_S
    while True:
        try:
            return settle()
        except BooksLockedError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.2)


def _ask_to_close(trading_day: str, connection: Path, key: Path) -> None:
    """Ask a running venue to close its day; returns when the log is sealed."""
    from feeds.protocol.messages import CloseDay

    with open_client(connection, key, admin=True, timeout_s=VENUE_ENDS_S) as client:
        client.request(CloseDay(trading_day=trading_day))


def _opening(
    before: Path, ledger: Path | None, which: str | None, *, record: bool, instead: bool
) -> "CarriedDay":
    """The day that follows a log, or the one whose opening a build of other rules wrote to it.

    `record`: note in the books that it is open; `instead`: even where they have another one.
    """
    from datetime import date, timedelta

    from exchange.days.carry_forward import (
        carry_forward,
        check_carried_rules,
        is_others_opening,
        take_over,
    )
    from ledger.books.database import open_books
    from ledger.day_opening import open_day
    from ledger.daylog import read_day_log

    log = read_day_log(before, unsealed=True)
    if is_others_opening(log):
        if which not in (None, log.trading_day):
            raise Refused(f"{before}: is the opening of {log.trading_day}, not of {which}")
        return take_over(log)
    if not log.sealed:
        read_day_log(before)  # raises
    check_carried_rules(log)
    tomorrow = date.fromisoformat(log.trading_day) + timedelta(days=1)
    opened = date.fromisoformat(which or tomorrow.isoformat())
    with Stages() as stages:
        tables = _final_state(log, stages)
    with open_books(ledger_path(ledger, before), read_only=not record) as books:
        carried = carry_forward(log, tables, books, opened)
        if record:
            open_day(books, log.venue, opened.isoformat(), log.sha256, instead=instead)
        return carried


def _final_state(log: Any, stages: Stages) -> Any:
    """The machine's state after the log's last command."""
    from exchange.days.engines import open_engine
    from exchange.days.replay import Replay, check_seal

    engine = open_engine("kernel", log.limits, compiling=note_compiling)
    run = Replay(log, engine, progress=lambda done: stages("replay", done, log.command_count))
    for _ in check_seal(run, log):
        pass
    return engine.state_tables()


def _print_day(result: dict[str, Any], as_json: bool, verb: str) -> None:
    if as_json:
        print_json(result)
        return
    overdue = result.pop("overdue", [])
    rows = [
        (name.removesuffix("_fen").replace("_", " ") + (", CNY" if name.endswith("_fen") else ""),
         cny(value) if name.endswith("_fen") else value)
        for name, value in result.items()
    ]  # fmt: skip
    click.echo(table((f"day {result['day']}", verb), rows))
    for each in overdue:
        click.echo(
            f"  ALARM: {cny(each['fen'])} CNY of {each['lots']:,} lots delivered on {each['day']} "
            f"are in escrow: {each['reason']}"
        )

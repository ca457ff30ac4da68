"""The close of a day, between its last command and the opening of the next day.

Each step looks in the books for what is still to be done, so a close that was killed at any point
is taken up where it ended, and nothing is done twice.
"""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from exchange.days.day_events import day_events
from exchange.days.payment_queue import PaymentQueue
from exchange.days.payments import Claims, Delivery, pay
from ledger.books.database import Books, open_or_create_books
from ledger.books.errors import LedgerError
from ledger.books.queries import statements
from ledger.day_settlement import settle
from ledger.daylog import DayLog
from ledger.daylog.registry import Registry
from ledger.delivery.dispatch import deliver, nominate
from ledger.delivery.dispatch_notices import SUFFIX, write_notices
from ledger.delivery.meter_files import Meterings
from ledger.delivery.meter_readings import READINGS_SUFFIX
from ledger.vouchers.claims import waiting_claims

Report = Callable[[str], None]

LATE_DAYS = 7
"""Days for which a venue goes on to answer readings of a delivered day, that they come too late."""


def close_day(log: DayLog, ledger: Path, delivery: Path, meter_days: int, report: Report) -> None:
    """Settle a sealed day, nominate what it delivers, and pay what is due and what is queued.

    `delivery` is the folder of notices and readings; a delivery day is paid by its readings
    `meter_days` later, and what was not metered by then is refunded. `report` gets a line for each
    step that did something. Raises LedgerError as the ledger's functions do.
    """
    day, registry = log.trading_day, log.registry
    with open_or_create_books(ledger) as books:
        settled = settle(books, registry, day_events(log), log.sha256, deliver=False)
        if not settled.already_settled:
            report(f"settled {day}: {settled.trades:,} trades")
        _nominate(books, registry, day, report)
        for outcome in PaymentQueue(ledger).pay_all(books, registry):
            text = "paid" if outcome.paid else f"refused: {outcome.text}"
            report(f"queued payment {outcome.payment}: {text}")
        _pay_metered(books, registry, delivery, meter_days, report)
        _pay_claims(books, registry, report)
        _publish_notices(books, delivery, day)
        _report_overdue(books, registry, meter_days, report)


def _nominate(books: Books, registry: Registry, day: str, report: Report) -> None:
    """Nominate the delivery days, up to the trading day, of open positions: their gates are
    closed."""
    for (delivered,) in books.rows(statements("metering")["open_delivery_days"]):
        if delivered <= day:
            count = nominate(books, registry, delivered)
            report(f"nominated {delivered}: {count:,} agreements")


def _pay_metered(
    books: Books, registry: Registry, delivery: Path, meter_days: int, report: Report
) -> None:
    """Pay the delivery days whose readings are complete; a reading that cannot count is left
    out."""
    last = date.fromisoformat(registry.trading_day) - timedelta(days=meter_days)
    for (delivered,) in books.rows(statements("metering")["waiting_days"]):
        if delivered > last.isoformat():
            continue
        readings = delivery / f"{delivered}{READINGS_SUFFIX}"
        if readings.exists():
            payment = Delivery(day=delivered, leave_out=True)
            done = pay(books, registry, payment, readings, note=report).result
        else:
            none = Meterings(f"no readings of {delivered}", (), (), ())
            done = deliver(books, registry, delivered, none)
        report(f"paid the deliveries of {delivered}: {getattr(done, 'metered', 0):,} readings")


def _pay_claims(books: Books, registry: Registry, report: Report) -> None:
    if not len(next(iter(waiting_claims(books).values()))):
        return
    paid = pay(books, registry, Claims(), None).result
    assert isinstance(paid, tuple)
    report(f"paid {paid[0]:,} claims")


def _publish_notices(books: Books, delivery: Path, day: str) -> None:
    """Write the notices of days that wait for delivery, or that were published lately."""
    known = {path.name.removesuffix(SUFFIX) for path in delivery.glob(f"*{SUFFIX}")}
    recent = (date.fromisoformat(day) - timedelta(days=LATE_DAYS)).isoformat()
    waiting = {day for (day,) in books.rows(statements("metering")["waiting_days"])}
    for each in sorted(waiting | {day for day in known if day > recent}):
        try:
            write_notices(books, each, delivery)
        except LedgerError:
            if each in waiting:
                raise


def _report_overdue(books: Books, registry: Registry, meter_days: int, report: Report) -> None:
    """Raise the alarm over money that is in escrow after its time."""
    due = date.fromisoformat(registry.trading_day) - timedelta(days=meter_days - 1)
    for each in books.records(statements("status")["overdue"], {"day": due.isoformat()}):
        report(
            f"ALARM: {each['fen']:,} fen of {each['lots']:,} lots delivered on {each['day']} are "
            f"in escrow: {each['reason']}"
        )

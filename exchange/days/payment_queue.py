"""Payments that were asked for while a day was open, and wait for its close.

The cash of an open day must not move. So a payment is queued beside the books, durably and with its
meter file, and carried out once when that day is settled, before the next one opens.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from exchange.days.payments import Claims, Delivery, Payment, SupplierYear, pay
from ledger.books.database import Books
from ledger.books.errors import DayOpenError, InputError, LedgerError
from ledger.books.progress import Progress
from ledger.daylog.durable_files import sync_folder, write_durably
from ledger.daylog.registry import Registry
from ledger.delivery.meter_readings import READINGS_SUFFIX

QUEUE_SUFFIX = ".queue"
"""Suffix of the folder of the payments that wait, beside the books."""


class _Entry(Struct, frozen=True, kw_only=True):
    """File of a queued payment."""

    payment: Payment
    last_batch: int  # of the books when it was queued
    source: str = ""  # the meter file that was copied


@dataclass(frozen=True)
class QueuedPayment:
    """A payment that waits for the close of a day."""

    path: Path
    payment: Payment
    last_batch: int
    source: Path

    @property
    def copy(self) -> Path:
        """Its copy of the meter file; there is none for claims."""
        return self.path.with_suffix(".csv")

    @property
    def meter(self) -> Path:
        """The meter file to pay by: the copy; or a venue's readings, where answered ones have been
        added to them since."""
        is_venues = self.source.name.endswith(READINGS_SUFFIX) and self.source.exists()
        if is_venues and self.source.read_bytes().startswith(self.copy.read_bytes()):
            return self.source
        return self.copy


@dataclass(frozen=True)
class Outcome:
    """The result of a queued payment at the close of a day."""

    payment: str  # its file
    paid: bool
    text: str  # the reason where it was refused


class PaymentQueue:
    """The payments that wait beside some books, in the order in which they were asked for.

    Each is a JSON file, with a copy of its meter file. What was paid is moved to the folder `paid`,
    what the books refused to `refused`.
    """

    def __init__(self, ledger: Path) -> None:
        self.folder = ledger.with_suffix(QUEUE_SUFFIX)

    def add(self, books: Books, payment: Payment, meter: Path | None) -> Path:
        """Queue a payment; returns its file, which is durable."""
        self.folder.mkdir(exist_ok=True)
        last_batch = int(books.scalar("SELECT coalesce(max(id), 0) FROM batches"))
        names = [path.stem for path in self.folder.rglob("*.json")]
        path = self.folder / f"{max(map(int, names), default=0) + 1:06}.json"
        if meter is not None:
            write_durably(path.with_suffix(".csv"), meter.read_bytes())
        source = "" if meter is None else str(meter.absolute())
        entry = _Entry(payment=payment, last_batch=last_batch, source=source)
        write_durably(path, msgspec.json.encode(entry))
        return path

    def waiting(self) -> Iterator[QueuedPayment]:
        """Yield the payments that wait. Raises InputError for a file that is not one."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
            except msgspec.DecodeError as error:
                raise InputError(f"{path}: is not a queued payment: {error}") from None
            yield QueuedPayment(path, entry.payment, entry.last_batch, Path(entry.source))

    def pay_all(
        self, books: Books, registry: Registry, progress: Progress | None = None
    ) -> list[Outcome]:
        """Carry out what waits, once; `registry` is that of the day that was closed.

        A payment that the books refuse is set aside, and keeps none of the others back.
        """
        outcomes = []
        for queued in self.waiting():
            paid, text = True, ""
            if not _is_paid(books, registry, queued):
                try:
                    pay(books, registry, queued.payment, queued.meter, progress=progress)
                except DayOpenError:
                    raise
                except LedgerError as error:
                    paid, text = False, str(error)
            self._set_aside(queued, "paid" if paid else "refused")
            outcomes.append(Outcome(queued.path.name, paid, text))
        return outcomes

    def _set_aside(self, queued: QueuedPayment, folder: str) -> None:
        target = self.folder / folder
        target.mkdir(exist_ok=True)
        queued.path.replace(target / queued.path.name)
        with suppress(FileNotFoundError):
            queued.copy.replace(target / queued.copy.name)
        sync_folder(self.folder)


def _is_paid(books: Books, registry: Registry, queued: QueuedPayment) -> bool:
    """Whether a close that was interrupted has paid it already: then its batch is in the books."""
    payment = queued.payment
    if isinstance(payment, Claims):
        kind, source = "claims", f"claims on {registry.trading_day}"
    elif isinstance(payment, SupplierYear):
        kind, source = "claims", f"{payment.programme}:{payment.year}"
    else:
        kind = "delivery" if isinstance(payment, Delivery) else "shortfall"
        meter = queued.meter
        source = sha256(meter.read_bytes()).hexdigest() if meter.exists() else ""
    return bool(
        books.scalar(
            "SELECT count(*) FROM standing WHERE kind = $kind AND input_sha256 = $source "
            "AND id > $after",
            {"kind": kind, "source": source, "after": queued.last_batch},
        )
    )

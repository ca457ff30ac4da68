"""Payments of deliveries, findings and claims: each is a batch, dated the last settled day."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from ledger.books.database import Books
from ledger.books.errors import InputError
from ledger.books.progress import Progress
from ledger.daylog.registry import Registry
from ledger.delivery.dispatch import DeliveryResult, claim, deliver
from ledger.delivery.meter_files import Meterings, read_meterings
from ledger.delivery.shortfall import ShortfallResult, post_shortfalls
from ledger.vouchers.supplier_year import SupplierGrant, pay_suppliers


class Delivery(Struct, frozen=True, kw_only=True, tag="delivery"):
    """Payment of a delivery day by its meter readings."""

    day: str
    part: bool = False
    leave_out: bool = False  # go on without lines that cannot count


class Findings(Struct, frozen=True, kw_only=True, tag="findings"):
    """Refund of what was found missing after its payment."""

    penalty: bool = True
    leave_out: bool = False


class Claims(Struct, frozen=True, kw_only=True, tag="claims"):
    """Payment of all open claims."""


class SupplierYear(Struct, frozen=True, kw_only=True, tag="supplier-year"):
    """Payment of a year's subsidy of a programme for suppliers."""

    programme: str
    year: int


Payment: TypeAlias = Delivery | Findings | Claims | SupplierYear


@dataclass(frozen=True)
class Paid:
    """The result of a payment: the totals of the ledger, and the lines of its meter file."""

    result: DeliveryResult | ShortfallResult | tuple[int, int] | list[SupplierGrant]
    meterings: Meterings | None = None
    postings: tuple[tuple[Any, ...], ...] = ()  # of claims; other results have their own


def pay(
    books: Books,
    registry: Registry,
    payment: Payment,
    meter: Path | None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Paid:
    """Carry out a payment; `registry` is that of the last settled day, `note` gets the lines of the
    meter file that do not count.

    Raises LedgerError as the ledger's functions do, DayOpenError among them.
    """
    if isinstance(payment, Delivery):
        found = _read_meter_file(books, meter, payment.leave_out, note, findings=False)
        delivered = deliver(
            books, registry, payment.day, found, part=payment.part, dry_run=dry_run,
            progress=progress,
        )  # fmt: skip
        return Paid(delivered, found)
    if isinstance(payment, Findings):
        found = _read_meter_file(books, meter, payment.leave_out, note, findings=True)
        missing = post_shortfalls(
            books, registry, found, penalty=payment.penalty, dry_run=dry_run, progress=progress
        )
        return Paid(missing, found)
    lines: list[tuple[Any, ...]] = []
    if isinstance(payment, Claims):
        claimed = claim(books, registry, dry_run=dry_run, lines=lines, progress=progress)
        return Paid(claimed, None, tuple(lines))
    grants = pay_suppliers(
        books, registry, payment.programme, payment.year, dry_run=dry_run, lines=lines
    )
    return Paid(grants, None, tuple(lines))


def _read_meter_file(
    books: Books, meter: Path | None, leave_out: bool, note: Callable[[str], None], *,
    findings: bool,
) -> Meterings:  # fmt: skip
    """The valid lines of a meter file; each invalid or repeated line is noted.

    Raises InputError where a line is invalid, unless `leave_out` is given.
    """
    assert meter is not None
    found = read_meterings(books, meter, findings=findings)
    for line in (*found.refused, *found.repeated):
        note(line)
    if found.refused and not leave_out:
        raise InputError(
            f"{meter}: {len(found.refused)} lines cannot count, the first: {found.refused[0]}; "
            "nothing was posted (--leave-out goes on without them)"
        )
    return found


def document(payment: Payment, paid: Paid) -> dict[str, Any]:
    """The result of a payment as a JSON document."""
    about: dict[str, Any] = {}
    if paid.meterings is not None:
        about |= {"refused": paid.meterings.refused, "repeated": paid.meterings.repeated}
    if isinstance(paid.result, DeliveryResult | ShortfallResult):
        return about | asdict(paid.result)
    if isinstance(payment, SupplierYear):
        about |= {"programme": payment.programme, "year": payment.year}
        about["grants"] = [asdict(each) for each in paid.result if isinstance(each, SupplierGrant)]
    else:
        about["claims"], about["paid_fen"] = paid.result
    return about | {"postings": paid.postings}

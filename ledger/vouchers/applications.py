"""Applications: a firm applies for a voucher, and the programme approves and issues it.

This holds for programmes with `application` in their TOML; other programmes decide on agreements
directly. A firm has one voucher of a programme and year at a time. Approved amounts fit into the
firm's cap and the programme's pool of the year, so that an issued voucher can be paid. The view
`voucher_steps` of the books lists all allowed steps.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from ledger.books.batches import BatchHeader, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.errors import DayOrderError, InputError, LedgerError
from ledger.books.names import Names
from ledger.books.open_day import last_settled_day
from ledger.books.queries import statements
from ledger.books.registry_check import check_venue, trading_day
from ledger.daylog.registry import Firm, Programme, Registry
from ledger.vouchers.claims import waiting_claims
from ledger.vouchers.eligibility import firm_fits


@dataclass(frozen=True)
class Application:
    """An application and its current state; amounts in fen."""

    id: int
    programme: str
    firm: str
    year: int
    supplier: str | None
    amount_fen: int  # applied for
    turn: int
    state: str
    approved_fen: int
    worth_fen: int  # issued, less the expired part
    used_fen: int  # reserved or paid out of it
    valid_until: str | None
    reason: str | None


class _Steps(NamedTuple):
    """A batch of steps that is being written."""

    books: Books
    registry: Registry
    names: Names
    batch: int


def applications(books: Books) -> list[Application]:
    """All applications, oldest first."""
    return [Application(**row) for row in books.records(statements("issuing")["applications"])]


def apply(
    books: Books, registry: Registry, programme_id: str, firm_name: str, year: int,
    amount_fen: int, *, supplier: str | None = None, dry_run: bool = False,
) -> Application:  # fmt: skip
    """Apply for a voucher of a programme and year, for compute of one supplier or of any.

    Raises LedgerError where the programme takes no application, where the firm is not eligible or
    is related to the supplier, or where it has another voucher of that programme and year.
    """
    programme, firm = _programme(registry, programme_id), _firm(registry, firm_name)
    if amount_fen < 1:
        raise InputError(f"an application is for at least 1 fen, got {amount_fen}")
    _check_eligible(registry, programme, firm, supplier, year)
    for each in applications(books):
        same = (each.programme, each.firm, each.year) == (programme_id, firm_name, year)
        if same and each.state in ("applied", "approved", "issued"):
            raise LedgerError(
                f"application {each.id} of {firm_name} for {programme_id} {year} is {each.state}: "
                "a firm has one voucher of a programme and year at a time"
            )
    with _steps_batch(books, registry, f"application of {firm_name}", dry_run) as steps:
        number = int(books.scalar("SELECT coalesce(max(id), 0) + 1 FROM applications"))
        books.run(
            "issuing", "apply", batch=steps.batch, id=number, version=programme.version, year=year,
            programme=steps.names[f"programme:{programme_id}"], fen=amount_fen,
            firm=steps.names[f"firm:{firm_name}"],
            supplier=steps.names[f"firm:{supplier}"] if supplier else None,
        )  # fmt: skip
        _write(steps, number, 1, "applied", amount_fen)
    return Application(
        number, programme_id, firm_name, year, supplier, amount_fen, 1, "applied", 0, 0, 0, None,
        None,
    )  # fmt: skip


def approve(
    books: Books, registry: Registry, number: int, amount_fen: int | None = None,
    *, dry_run: bool = False,
) -> int:  # fmt: skip
    """Approve an application; returns the approved fen.

    `amount_fen` None approves as much as the caps leave. Raises LedgerError, naming the cap, where
    a larger amount is given.
    """
    found = _application(books, number, "approved")
    programme = _programme(registry, found.programme)
    most, rule = found.amount_fen, "what was applied for"
    others = [each for each in applications(books) if each.id != number]
    for cap, what, own in (
        (programme.per_firm_year_cap_fen, "the cap of a firm and year", (found.firm,)),
        (programme.pool_year_fen, "the pool of the year", ()),
    ):
        taken = sum(
            _committed_fen(each) for each in others
            if (each.programme, each.year) == (found.programme, found.year)
            and (not own or each.firm in own)
        )  # fmt: skip
        if cap is not None and cap - taken < most:
            most, rule = cap - taken, f"{what}, {cap} fen, of which {taken} are taken"
    granted = most if amount_fen is None else amount_fen
    if not 1 <= granted <= most:
        raise LedgerError(
            f"application {number}: {granted} fen cannot be approved: from 1 to {max(most, 0)} "
            f"by {rule}"
        )
    with _steps_batch(books, registry, f"approval {number}", dry_run) as steps:
        _write(steps, number, found.turn + 1, "approved", granted)
    return granted


def issue(
    books: Books, registry: Registry, number: int, valid_until: str | None = None,
    *, dry_run: bool = False,
) -> str:  # fmt: skip
    """Issue the voucher of an approved application; returns its last day of delivery.

    Without `valid_until`, it is valid to the end of its year or programme. Raises LedgerError where
    firm and supplier have become related, or the firm is no longer eligible.
    """
    found = _application(books, number, "issued")
    programme, firm = _programme(registry, found.programme), _firm(registry, found.firm)
    _check_eligible(registry, programme, firm, found.supplier, found.year)
    last = min(f"{found.year}-12-31", programme.effective_until or "9999-12-31")
    until = valid_until or last
    if not registry.trading_day <= until <= last:
        raise LedgerError(
            f"application {number}: a voucher issued on {registry.trading_day} is valid until "
            f"{last} at the latest, and not until {until}"
        )
    with _steps_batch(books, registry, f"issue {number}", dry_run) as steps:
        _write(steps, number, found.turn + 1, "issued", found.approved_fen, until=until)
    return until


def reject(
    books: Books, registry: Registry, number: int, reason: str, *, dry_run: bool = False
) -> None:
    """Reject an application before a voucher is issued, and record the reason."""
    found = _application(books, number, "rejected")
    with _steps_batch(books, registry, f"rejection {number}", dry_run) as steps:
        _write(steps, number, found.turn + 1, "rejected", found.amount_fen, reason=reason)


def expire(
    books: Books, registry: Registry, number: int | None = None, *, dry_run: bool = False
) -> list[tuple[int, int]]:
    """End the unused part of a voucher, or of all that are no longer valid; returns numbers and
    fen.

    A reservation for a delivery within the validity remains.
    """
    day = registry.trading_day
    if number is not None:
        due = [_application(books, number, "expired")]
        if due[0].valid_until is not None and due[0].valid_until >= day:
            raise LedgerError(f"application {number}: valid until {due[0].valid_until}, not over")
    else:
        due = [
            each for each in applications(books)
            if each.state == "issued" and (each.valid_until or day) < day
        ]  # fmt: skip
    if not due:
        return []
    ended = []
    with _steps_batch(books, registry, f"expiry on {day}", dry_run) as steps:
        for each in due:
            left = each.worth_fen - each.used_fen if each.state == "issued" else 0
            _write(steps, each.id, each.turn + 1, "expired", left)
            ended.append((each.id, left))
    return ended


def reject_claim(
    books: Books, registry: Registry, voucher: int, reason: str, *, dry_run: bool = False
) -> int:
    """Reject a waiting claim; returns its amount in fen."""
    waiting = waiting_claims(books)
    rows = (waiting["voucher"] == voucher).nonzero()[0]
    if not len(rows):
        found = books.rows(statements("issuing")["line"], {"voucher": voucher})
        if not found:
            raise LedgerError(f"{books.path}: no voucher line {voucher}")
        life, state = found[0]
        _require_step(books, f"voucher line {voucher}", life, state, "rejected")
        raise AssertionError("a line that may be rejected waits")
    row = rows[0]
    amount_fen = int(waiting["amount_fen"][row])
    with _steps_batch(books, registry, f"rejection of claim {voucher}: {reason}", dry_run) as steps:
        books.execute(
            "INSERT INTO voucher_events VALUES ($batch, $voucher, $turn, 'rejected', $day, $fen)",
            {"batch": steps.batch, "voucher": voucher, "turn": int(waiting["turn"][row]) + 1,
             "day": registry.trading_day, "fen": amount_fen},
        )  # fmt: skip
    return amount_fen


def _committed_fen(each: Application) -> int:
    """Amount of an application that counts against its caps."""
    return each.approved_fen if each.state == "approved" else each.worth_fen


def _application(books: Books, number: int, after: str) -> Application:
    """An application that may enter the state `after`."""
    found = [each for each in applications(books) if each.id == number]
    if not found:
        raise LedgerError(f"{books.path}: no application {number}")
    _require_step(books, f"application {number}", "application", found[0].state, after)
    return found[0]


def _require_step(books: Books, what: str, life: str, before: str, after: str) -> None:
    """Raise LedgerError where that step is not allowed, naming the steps that are."""
    steps = books.rows(statements("issuing")["steps"], {"life": life, "before": before})
    if after not in [state for state, _ in steps]:
        ways = "; ".join(f"{state} ({rule})" for state, rule in steps) or "nothing: it has ended"
        raise LedgerError(f"{what} is {before} and cannot be {after}; what can follow: {ways}")


def _programme(registry: Registry, programme_id: str) -> Programme:
    """The version of a programme that is in force on the registry's day."""
    day = registry.trading_day
    versions = [each for each in registry.programmes if each.id == programme_id]
    if not versions:
        raise LedgerError(f"day {day}: no programme `{programme_id}`")
    found = [
        each for each in versions if each.effective_from <= day <= (each.effective_until or day)
    ]
    if not (found or versions)[0].application:
        raise LedgerError(
            f"programme {programme_id} takes no applications: each agreement is decided on"
        )
    if not found:
        raise LedgerError(f"programme {programme_id} is not in force on {day}")
    return found[0]


def _firm(registry: Registry, name: str) -> Firm:
    found = [each for each in registry.firms if each.name == name]
    if not found:
        raise LedgerError(f"day {registry.trading_day}: no firm {name!r}")
    return found[0]


def _check_eligible(
    registry: Registry, programme: Programme, firm: Firm, supplier: str | None, year: int
) -> None:
    """Raise LedgerError, naming the rule, where a firm is not eligible."""
    last = int((programme.effective_until or "9999")[:4])
    if not max(int(programme.effective_from[:4]), int(registry.trading_day[:4])) <= year <= last:
        raise LedgerError(
            f"programme {programme.id}: no vouchers of {year} on {registry.trading_day}"
        )
    if (rule := firm_fits(programme, firm)) is not None:
        raise LedgerError(f"firm {firm.name!r} is not eligible for {programme.id}: {rule}")
    if supplier is None:
        return
    other = _firm(registry, supplier)
    if other.id == firm.id or (other.group and other.group == firm.group):
        raise LedgerError(
            f"firm {firm.name!r} and supplier {supplier!r} are related: {programme.id} pays nothing"
        )


@contextmanager
def _steps_batch(books: Books, registry: Registry, what: str, dry_run: bool) -> Iterator[_Steps]:
    """A batch dated the registry's day, which must not be before the last settled day."""
    day = trading_day(registry)
    check_venue(books, registry.venue)
    last = last_settled_day(books)
    if last is not None and day < last:
        raise DayOrderError(f"{books.path}: {last} is settled already, {day} comes too late")
    with books.transaction(keep=not dry_run):
        steps = _Steps(books, registry, Names(books), next_batch(books))
        yield steps
        steps.names.write(books, steps.batch)
        seal_batch(books, steps.batch, BatchHeader("vouchers", day, registry.venue, what))


def _write(
    steps: _Steps, number: int, turn: int, state: str, amount_fen: int,
    *, until: str | None = None, reason: str | None = None,
) -> None:  # fmt: skip
    day: Any = date.fromisoformat(steps.registry.trading_day)
    steps.books.run(
        "issuing", "step", batch=steps.batch, application=number, turn=turn, state=state, day=day,
        fen=amount_fen, until=until, reason=reason,
    )  # fmt: skip

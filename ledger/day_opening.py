"""Opening of a trading day: the books note that its log begins with the cash that they have now."""

from ledger.books.batches import BatchHeader, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.errors import DayOpenError, LedgerError
from ledger.books.open_day import OPENING, opened_day


def open_day(
    books: Books, venue: str, day: str, before_sha256: str, *, instead: bool = False
) -> None:
    """Note that a day opens with the cash of the books; from then to its settlement nothing else
    moves cash.

    `before_sha256` names the log of the day before. The same opening again changes nothing. Raises
    DayOpenError where another day is open; with `instead`, that opening is reversed: for one whose
    log was never served.
    """
    opened = opened_day(books)
    if opened == day:
        return
    if opened is not None and not instead:
        raise DayOpenError(f"{books.path}: {opened} is open; close it before {day} opens")
    with books.transaction():
        if opened is not None:
            reverse_opening(books, opened)
        revision = 1 + books.scalar(
            "SELECT count(*) FROM batches WHERE kind = 'opening' AND day = $day::DATE", {"day": day}
        )
        header = BatchHeader(OPENING, day, venue, before_sha256, revision)
        seal_batch(books, next_batch(books), header)


def reverse_opening(books: Books, day: str) -> int:
    """Reverse the opening of a day that is not settled; returns its batch's number.

    Only for an opening whose log is not in use: what was served can no longer be settled. Raises
    LedgerError where the day is not open.
    """
    if opened_day(books) != day:
        raise LedgerError(f"{books.path}: {day} is not open, so its opening cannot be reversed")
    ((batch, venue, sha256, revision),) = books.rows(
        "SELECT id, venue, sha256, revision FROM standing WHERE kind = 'opening' "
        "AND day = $day::DATE",
        {"day": day},
    )
    header = BatchHeader("reversal", day, venue, sha256, revision, batch)
    seal_batch(books, next_batch(books), header)
    return int(batch)

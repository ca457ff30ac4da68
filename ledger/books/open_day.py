"""The day that was opened from the books: until it is settled, nothing else moves cash.

The log of a day begins with the cash that the books have at its opening, and its settlement begins
with the same. Whatever was posted in between would make the two differ for ever.
"""

from ledger.books.database import Books
from ledger.books.errors import DayOpenError

OPENING = "opening"
"""Kind of the batch that a day's opening writes; it has no rows."""

_OPENED = """
    SELECT max(day)::VARCHAR FROM standing AS o WHERE kind = 'opening'
        AND NOT EXISTS (FROM standing AS s WHERE s.kind = 'settlement' AND s.day = o.day)
"""
_MOVES_CASH = """
    SELECT count(*) FROM balances JOIN names AS n ON n.id = account
    WHERE balances.batch = $batch AND n.name LIKE 'cash:%'
"""


def opened_day(books: Books) -> str | None:
    """The day, YYYY-MM-DD, that was opened and is not settled; None where there is none."""
    day: str | None = books.scalar(_OPENED)
    return day


def last_settled_day(books: Books) -> str | None:
    """The last day, YYYY-MM-DD, with a standing settlement; None where there is none."""
    day: str | None = books.scalar(
        "SELECT max(day)::VARCHAR FROM standing WHERE kind = 'settlement'"
    )
    return day


def check_open_day(books: Books, batch: int, kind: str, day: str) -> None:
    """Raise DayOpenError where a batch, whose rows are written, may not stand beside a day that is
    open: a settlement of another day, or any other batch that moves cash."""
    opened = opened_day(books)
    if opened is None or kind == OPENING or (kind == "settlement" and day == opened):
        return
    if kind == "settlement":
        raise DayOpenError(
            f"{books.path}: {opened} is open, with the cash of the day before; {day} cannot be "
            "settled beside it"
        )
    if books.scalar(_MOVES_CASH, {"batch": batch}):
        raise DayOpenError(
            f"{books.path}: {opened} is open, and began with the cash in these books; this {kind} "
            f"moves cash, so it waits until `suanshi day close` has settled {opened}"
        )

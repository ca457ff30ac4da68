"""Reversal: a batch is cancelled by mirrored postings, and its day can be settled again.

Nothing is changed or removed. A reversal posts every line of a batch in the opposite direction and
names that batch, whose other rows no longer count. The last batch is reversed first, because later
batches build on earlier ones. The day can then be settled again, in the next revision.
"""

from typing import Any

import numpy as np

from ledger.books.batches import NULL, NULL_INTEGER, BatchHeader, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.errors import DayOpenError, LedgerError
from ledger.books.journal import Journal, journal_lines
from ledger.books.names import Names
from ledger.books.open_day import OPENING, opened_day
from ledger.books.progress import Progress, no_progress


def reverse_day(
    books: Books, day: str, *, dry_run: bool = False, lines: list[tuple[Any, ...]] | None = None,
    progress: Progress | None = None,
) -> tuple[int, ...]:  # fmt: skip
    """Reverse all standing batches of a day; returns their numbers.

    Its opening stands: the log of the day goes on to begin with that cash. `lines` receives the
    mirrored postings. Raises LedgerError where the day has no standing batch, or where a batch of
    another day builds on it.
    """
    rows = books.rows(
        "SELECT id, kind::VARCHAR, day::VARCHAR, revision, venue, sha256 "
        "FROM standing ORDER BY id DESC"
    )
    own = [row for row in rows if row[2] == day and row[1] != OPENING]
    if not own and opened_day(books) == day:
        raise LedgerError(f"{books.path}: {day} is open and not settled; nothing can be reversed")
    if not own:
        raise LedgerError(f"{books.path}: {day} has no standing batch, so nothing can be reversed")
    on_top = [row for row in rows if row[0] > own[-1][0] and row[2] != day]
    if on_top:
        batch, kind, other = on_top[0][:3]
        if opened_day(books) == other:
            raise DayOpenError(
                f"{books.path}: {other} is open, and began with the cash that {day} left; correct "
                f"{day} by findings after the close of {other}"
            )
        raise LedgerError(
            f"{books.path}: batch {batch} ({kind} of {other}) builds on {day}; "
            "reverse that day first"
        )
    report = progress or no_progress
    with books.transaction(keep=not dry_run):
        for number, (batch, _, _, revision, venue, sha256) in enumerate(own):
            report("batches", number, len(own))
            _reverse(books, batch, BatchHeader("reversal", day, venue, sha256, revision, batch))
        if lines is not None:
            last = next_batch(books)
            lines += journal_lines(books, tuple(range(last - len(own), last)))
    return tuple(row[0] for row in own)


def _reverse(books: Books, batch: int, header: BatchHeader) -> None:
    """Post a batch's lines in the opposite direction, the last line first."""
    number = next_batch(books)
    journal = Journal(books, Names(books))
    lines = books.arrays(
        "SELECT kind::VARCHAR AS kind, from_account, to_account, amount_fen, "
        "coalesce(instrument, $none_integer) AS instrument, "
        "coalesce(agreement, $none) AS agreement, coalesce(sequence, $none) AS sequence "
        "FROM postings WHERE batch = $batch ORDER BY id DESC",
        {"batch": batch, "none": NULL, "none_integer": NULL_INTEGER},
    )
    kinds = lines["kind"]
    new = np.ones(len(kinds), dtype=np.bool_)
    new[1:] = kinds[1:] != kinds[:-1]
    starts = np.flatnonzero(new)
    ends = [*starts[1:], len(kinds)]
    for start, end in zip(starts, ends, strict=False):
        own = {name: column[start:end] for name, column in lines.items()}
        journal.add(
            str(kinds[start]), own["to_account"], own["from_account"], own["amount_fen"],
            instrument=own["instrument"], agreement=own["agreement"], sequence=own["sequence"],
        )  # fmt: skip
    postings = journal.post(books, number, header.day)
    seal_batch(books, number, header, {"postings": postings})

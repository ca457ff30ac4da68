"""A batch that is being written: its number, names, postings, voucher states and hashes."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Self

from ledger.books.batches import BatchHeader, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.directory import Directory, read_directory
from ledger.books.errors import DayOrderError
from ledger.books.journal import Journal
from ledger.books.names import FEES, PENALTIES, Names
from ledger.books.open_day import last_settled_day
from ledger.books.registry_check import check_venue, trading_day
from ledger.daylog.registry import Registry
from ledger.vouchers.states import VoucherStates


@dataclass(frozen=True)
class OpenBatch:
    """A batch of one day inside a transaction, before it is sealed."""

    books: Books
    directory: Directory
    journal: Journal
    states: VoucherStates
    number: int
    day: str
    hashes: dict[str, Future[str]] = field(default_factory=dict)  # of tables written so far

    @classmethod
    def create(cls, books: Books, directory: Directory, journal: Journal, number: int) -> Self:
        """A batch without rows, dated the trading day of the directory's registry."""
        day = trading_day(directory.registry)
        return cls(books, directory, journal, VoucherStates(books, number, day), number, day)


def begin_batch(books: Books, registry: Registry) -> OpenBatch:
    """Begin a batch dated the last settled day.

    Raises DayOrderError where `registry` is that of another day.
    """
    day = trading_day(registry)
    check_venue(books, registry.venue)
    last = last_settled_day(books)
    if last != day:
        raise DayOrderError(
            f"{books.path}: the last settled day is {last or 'none'}, not {day}; give its log"
        )
    names = Names(books)
    for name in (FEES, PENALTIES):
        names[name]
    directory = read_directory(registry, names)
    return OpenBatch.create(books, directory, Journal(books, names), next_batch(books))


def close_batch(batch: OpenBatch, kind: str, input_sha256: str) -> None:
    """Draft advances and repayments, write names and postings, and seal the batch."""
    write_postings(batch)
    header = BatchHeader(kind, batch.day, batch.directory.registry.venue, input_sha256)
    seal_batch(batch.books, batch.number, header, batch.hashes)


def write_postings(batch: OpenBatch) -> None:
    """Draft advances and repayments, and write names and postings: all that precedes the seal."""
    batch.journal.draft_advances()
    batch.directory.names.write(batch.books, batch.number)
    postings = batch.journal.post(batch.books, batch.number, batch.day)
    batch.hashes.update(batch.states.hashes(), postings=postings)

"""Audit: checks that must hold in any books, by the books alone."""

from ledger.books.batches import GENESIS, BatchHeader, chain_sha256, filled_tables, lines_sha256
from ledger.books.database import Books, missing_triggers
from ledger.books.progress import Progress, no_progress
from ledger.books.queries import statements


def audit(books: Books, progress: Progress | None = None) -> list[str]:
    """All faults found in the books, as sentences; an empty list is good.

    Checks the triggers against changes, the chain of hashes, the trial balance, flat clearing,
    escrow equal to the worth of positions, no negative cash, pools within their caps, funders'
    payments equal to grants, states of vouchers, and the certificate of every voucher, position and
    price.
    """
    report = progress or no_progress
    questions = statements("audit")
    report("hashes", 0, 1)
    faults = missing_triggers(books) + _chain_faults(books)
    for number, sql in enumerate(questions.values()):
        report("audit", number, len(questions))
        faults += [text for (text,) in books.rows(sql)]
    report("certificate", 0, 1)
    return faults + certificate(books)


def certificate(books: Books) -> list[str]:
    """Rows of vouchers, positions and prices that do not follow from the rows before them."""
    faults = []
    for what, sql in statements("certificate").items():
        about = "voucher" if what.startswith("voucher") else "batch"
        faults += [f"certificate: {about} {number}: {fault}" for number, fault in books.rows(sql)]
    return faults


def _chain_faults(books: Books) -> list[str]:
    """Faults in the batches' hashes: of their rows, of each batch, and of their order."""
    faults = []
    previous = GENESIS
    filled = filled_tables(books)
    rows = books.rows(
        "SELECT id, kind::VARCHAR, day::VARCHAR, venue, input_sha256, revision, reverses, "
        "lines_sha256, previous_sha256, sha256 FROM batches ORDER BY id"
    )
    for number, (batch, *header, lines, stored_previous, sha256) in enumerate(rows, 1):
        if batch != number:
            faults.append(f"batches: number {number} is missing, {batch} follows")
        if lines != lines_sha256(books, batch, filled=filled.get(batch, set())):
            faults.append(f"batch {batch}: its lines do not have the hash that was sealed")
        if stored_previous != previous:
            faults.append(f"batch {batch}: is not chained to the batch before it")
        if sha256 != chain_sha256(stored_previous, BatchHeader(*header), lines):
            faults.append(f"batch {batch}: its row does not have the hash that it states")
        previous = sha256
    return faults

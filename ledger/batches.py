"""Batches: one transaction's lines of one day, and the chain of hashes that seals them.

A batch's hash covers the hash of its input (the day log), the hash of its lines in canonical
order and the hash of the batch before it: whoever changes one fen has to rewrite every hash
after it, and cannot rewrite the log.
"""

import hashlib
from dataclasses import asdict, dataclass

import numpy as np

from ledger.books import TABLES, Books, columns_of

LINES = tuple(table for table in TABLES if table not in ("ledger_schema", "batches"))
"""Tables whose rows belong to batches."""

KEYS = {
    "firms": ("batch", "id"),
    "accounts": ("batch", "id"),
    "instruments": ("batch", "id"),
    "programmes": ("batch", "turn"),
    "funders": ("batch", "programme", "version", "turn"),
    "trades": ("batch", "trade_id"),
    "instrument_days": ("batch", "instrument"),
    "positions": ("batch", "account", "instrument"),
    "postings": ("id",),
    "agreements": ("id",),
    "deliveries": ("batch", "agreement", "instrument"),
    "vouchers": ("id",),
    "voucher_events": ("voucher", "turn"),
}
"""What names a row of each table, and so orders its rows."""

assert set(KEYS) == set(LINES)

GENESIS = "0" * 64
"""What stands before the first batch."""

_CHUNK = 4_096  # lines hashed as one text


@dataclass(frozen=True)
class Head:
    """What a batch is: of which kind and day, and what it was made from."""

    kind: str
    day: str
    venue: str
    input_sha256: str
    revision: int = 1


def next_batch(books: Books) -> int:
    """The number that the next batch gets."""
    return int(books.scalar("SELECT coalesce(max(id), 0) + 1 FROM batches"))


def lines_sha256(books: Books, batch: int) -> str:
    """Hash of all rows of a batch, table by table in the order of the schema."""
    whole = hashlib.sha256()
    for table in LINES:
        digest = _numbers_sha256 if table == "trades" else _texts_sha256
        whole.update(f"{table} {digest(books, table, batch)}\n".encode())
    return whole.hexdigest()


def chain_sha256(previous: str, head: Head, lines: str) -> str:
    """Hash of a batch: everything that stands in its row, and so all batches before it."""
    named = (head.kind, head.day, str(head.revision), head.venue, head.input_sha256)
    return hashlib.sha256("\n".join((previous, *named, lines)).encode()).hexdigest()


def seal_batch(books: Books, batch: int, head: Head) -> None:
    """Write the row of a batch whose lines are all there."""
    lines = lines_sha256(books, batch)
    before = books.rows("SELECT sha256 FROM batches ORDER BY id DESC LIMIT 1")
    previous = before[0][0] if before else GENESIS
    books.execute(
        "INSERT INTO batches VALUES ($batch, $kind, $day, $revision, $venue, $input_sha256, "
        "$lines, $previous, $sha256)",
        {
            "batch": batch,
            **asdict(head),
            "lines": lines,
            "previous": previous,
            "sha256": chain_sha256(previous, head, lines),
        },
    )


def _numbers_sha256(books: Books, table: str, batch: int) -> str:
    """Hash of a table of numbers, column by column as int64: much faster than as text."""
    columns = books.arrays(
        f"SELECT * EXCLUDE batch FROM {table} WHERE batch = $batch ORDER BY trade_id",
        {"batch": batch},
    )
    digest = hashlib.sha256()
    for name, column in columns.items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(column, dtype="<i8").data)
    return digest.hexdigest()


def _texts_sha256(books: Books, table: str, batch: int) -> str:
    """Hash of the hashes of chunks of rows in the order of their key, each row as one text."""
    values = ", ".join(f"coalesce({name}::VARCHAR, chr(30))" for name in columns_of(table))
    return str(
        books.scalar(
            f"""
            WITH line AS (
                SELECT
                    concat_ws(chr(31), {values}) AS text,
                    row_number() OVER (ORDER BY {", ".join(KEYS[table])}) - 1 AS k
                FROM {table} WHERE batch = $batch
            ),
            chunk AS (
                SELECT k // {_CHUNK} AS c, sha256(string_agg(text, chr(10) ORDER BY k)) AS digest
                FROM line GROUP BY c
            )
            SELECT sha256(coalesce(string_agg(digest, '' ORDER BY c), '')) FROM chunk
            """,
            {"batch": batch},
        )
    )

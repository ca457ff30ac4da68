"""Batches: the rows of one transaction, and the chain of hashes that seals them.

A batch's hash covers the hash of its input (the day log), the hash of its rows in canonical order
and the hash of the batch before it. To change one fen unnoticed, one must rewrite every later hash
and also the log.
"""

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.open_day import check_open_day
from ledger.books.schema import TABLES, types_of

BATCH_TABLES = tuple(table for table in TABLES if table not in ("ledger_schema", "batches"))
"""Tables whose rows belong to batches."""

TABLE_KEYS = {
    "names": ("id",),
    "firms": ("batch", "number"),
    "accounts": ("batch", "number"),
    "contracts": ("batch", "contract"),
    "contract_chips": ("batch", "contract", "chip"),
    "instruments": ("batch", "number"),
    "programmes": ("batch", "turn"),
    "funders": ("batch", "programme", "version", "turn"),
    "trades": ("batch", "trade_id"),
    "block_trades": ("batch", "trade_id"),
    "busts": ("batch", "trade_id", "buyer", "seller"),
    "instrument_days": ("batch", "instrument"),
    "positions": ("batch", "instrument", "account"),
    "postings": ("id",),
    "balances": ("batch", "account"),
    "agreements": ("id",),
    "nominations": ("batch", "agreement", "instrument"),
    "block_nominations": ("batch", "agreement", "instrument", "trade_batch", "trade_group"),
    "deliveries": ("batch", "agreement", "instrument"),
    "meterings": ("batch", "meter"),
    "shortfalls": ("batch", "finding"),
    "applications": ("id",),
    "application_events": ("application", "turn"),
    "vouchers": ("id",),
    "voucher_shares": ("batch", "voucher", "pool"),
    "voucher_events": ("voucher", "turn"),
    "supplier_grants": ("batch", "programme", "supplier", "pool"),
    "supplier_agreements": ("batch", "agreement"),
}
"""Key columns of each table; rows are hashed and compared in their order."""

assert set(TABLE_KEYS) == set(BATCH_TABLES)

_TEXTS = frozenset({
    "names", "firms", "accounts", "contracts", "contract_chips", "instruments", "programmes",
    "funders", "meterings", "shortfalls", "applications", "application_events",
})  # fmt: skip
"""Tables with text columns, hashed as text. The others are hashed as numbers, which is much faster.
"""

GENESIS = "0" * 64
"""Previous hash of the first batch."""

_WIDTHS = {
    "BIGINT": "<i8", "INTEGER": "<i4", "TINYINT": "i1", "DATE": "<i8", "ENUM": "<i2",
    "BOOLEAN": "i1",
}  # fmt: skip
_LARGE = {"INTEGER": "INTEGER", "TINYINT": "TINYINT", "ENUM": "SMALLINT", "BOOLEAN": "TINYINT"}

NULL = -(2**63)
"""Value of NULL in a hash. In narrower columns it is the least number of their width."""

NULL_INTEGER = -(2**31)

_NULLS = {"INTEGER": NULL_INTEGER, "TINYINT": -128, "ENUM": -(2**15), "BOOLEAN": -128}

Columns = Mapping[str, NDArray[Any]]

KnownHashes = Mapping[str, Future[str]]
"""Hashes of tables that `begin_digest` was given the rows of, so that they need not be read back.
"""

_hashing = ThreadPoolExecutor(1, "hashing")


@dataclass(frozen=True)
class BatchHeader:
    """Kind and day of a batch, and the input that it was made from."""

    kind: str
    day: str
    venue: str
    input_sha256: str
    revision: int = 1
    reverses: int | None = None


def next_batch(books: Books) -> int:
    """The number of the next batch."""
    return int(books.scalar("SELECT coalesce(max(id), 0) + 1 FROM batches"))


def next_revision(books: Books, day: str) -> int:
    """The revision in which a day is settled next: one more than its settlements so far."""
    sql = "SELECT count(*) + 1 FROM batches WHERE kind = 'settlement' AND day = $day::DATE"
    return int(books.scalar(sql, {"day": day}))


def filled_tables(books: Books) -> dict[int, set[str]]:
    """Names of the tables in which each batch has rows, by the batch's number."""
    found: dict[int, set[str]] = {}
    for table in BATCH_TABLES:
        for (batch,) in books.rows(f"SELECT DISTINCT batch FROM {table}"):
            found.setdefault(batch, set()).add(table)
    return found


def begin_digest(table: str, columns: Columns) -> Future[str]:
    """Begin to hash a batch's rows of a table on another thread; numbers are as in `_as_numbers`.

    Hashing releases the interpreter's lock, as loading does. The columns must not change
    afterwards.
    """
    return _hashing.submit(_columns_digest, table, columns)


def lines_sha256(
    books: Books, batch: int, known: KnownHashes | None = None, filled: set[str] | None = None
) -> str:
    """Hash of all rows of a batch, table by table in the order of the schema.

    Tables in `known` are not read again. Where `filled` is given, only its tables are read.
    """
    known = known or {}
    whole = hashlib.sha256()
    for table in BATCH_TABLES:
        if table in known:
            digest = known[table].result()
        elif filled is not None and table not in filled:
            digest = _empty_digest(table)
        elif table in _TEXTS:
            digest = _texts_sha256(books, table, batch)
        else:
            digest = _columns_digest(table, _as_numbers(books, table, batch))
        whole.update(f"{table} {digest}\n".encode())
    return whole.hexdigest()


def chain_sha256(previous: str, header: BatchHeader, lines: str) -> str:
    """Hash of a batch: it covers the batch's own row and, by `previous`, all batches before it."""
    named = (
        header.kind, header.day, str(header.revision), header.venue, header.input_sha256,
        str(header.reverses or ""),
    )  # fmt: skip
    return hashlib.sha256("\n".join((previous, *named, lines)).encode()).hexdigest()


def seal_batch(
    books: Books, batch: int, header: BatchHeader, known: KnownHashes | None = None
) -> None:
    """Write the row of a batch, whose other rows are all written.

    Raises DayOpenError where it may not stand beside the day that is open.
    """
    check_open_day(books, batch, header.kind, header.day)
    lines = lines_sha256(books, batch, known, books.filled)
    before = books.rows("SELECT sha256 FROM batches ORDER BY id DESC LIMIT 1")
    previous = before[0][0] if before else GENESIS
    books.execute(
        "INSERT INTO batches VALUES ($batch, $kind, $day, $revision, $venue, $input_sha256, "
        "$reverses, $lines, $previous, $sha256)",
        {
            "batch": batch,
            **asdict(header),
            "lines": lines,
            "previous": previous,
            "sha256": chain_sha256(previous, header, lines),
        },
    )


def _columns_digest(table: str, columns: Columns) -> str:
    """SHA-256 of a table of numbers, column by column, little-endian, rows in the order of the key.

    Each number is as wide as in the schema. With SHA instructions of the processor, SHA-256 is
    twice as fast as BLAKE2b.
    """
    keys = [columns[name] for name in TABLE_KEYS[table] if name != "batch"]
    order = slice(None) if _in_order(keys) else np.lexsort(keys[::-1])
    digest = hashlib.sha256()
    for name, kind in types_of(table).items():
        if name != "batch":
            digest.update(name.encode())
            column = columns[name][order].astype(_WIDTHS[kind], copy=False)
            digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()


@cache
def _empty_digest(table: str) -> str:
    """Digest of a table without rows of the batch."""
    if table in _TEXTS:
        return hashlib.sha256().hexdigest()
    none = np.zeros(0, dtype=np.int64)
    return _columns_digest(table, dict.fromkeys(types_of(table), none))


def _in_order(keys: list[NDArray[Any]]) -> bool:
    """Whether rows are in the order of their keys already, which is the usual case."""
    undecided = np.ones(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in keys:
        if (undecided & (key[1:] < key[:-1])).any():
            return False
        undecided &= key[1:] == key[:-1]
        if not undecided.any():
            break
    return True


def _as_numbers(books: Books, table: str, batch: int) -> Columns:
    """The rows of a batch as arrays of numbers.

    An enumeration's value counts as its position in the schema, a day as days since the epoch, NULL
    as the least number.
    """
    number = {"DATE": "date_diff('day', DATE '1970-01-01', {})", "ENUM": "enum_code({})"}
    listed = ", ".join(
        f"coalesce({number.get(kind, '{}').format(name)}::{_LARGE.get(kind, 'BIGINT')}, "
        f"{_NULLS.get(kind, NULL)}) AS {name}"
        for name, kind in types_of(table).items()
        if name != "batch"
    )
    return books.arrays(f"SELECT {listed} FROM {table} WHERE batch = $batch", {"batch": batch})


def _texts_sha256(books: Books, table: str, batch: int) -> str:
    """SHA-256 of a table's rows as text, one line each, in the order of the key."""
    rows = books.rows(
        f"SELECT * FROM {table} WHERE batch = $batch ORDER BY {', '.join(TABLE_KEYS[table])}",
        {"batch": batch},
    )
    digest = hashlib.sha256()
    for row in rows:
        texts = ("\x1e" if value is None else str(value) for value in row)
        digest.update(("\x1f".join(texts) + "\n").encode())
    return digest.hexdigest()

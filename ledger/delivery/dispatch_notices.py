"""Dispatch notices: what each supplier must deliver to whom, from the books to a venue's folder.

A venue does not open the books, which have one writer at a time. It reads a file for each day of
delivery, sends its lines to the suppliers' sessions, and checks readings against it. The file is
always replaced as a whole.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ledger.books.database import Books
from ledger.books.errors import InputError, LedgerError
from ledger.books.queries import statements
from ledger.daylog.durable_files import write_durably

SUFFIX = ".notices.json"


class Chip(Struct, frozen=True, forbid_unknown_fields=True):
    """A chip that may deliver a line, and the number of GPUs that make up the line's quantity."""

    chip: str
    dense_fp16_tflops: int
    gpus: int


class BlockLots(Struct, frozen=True, forbid_unknown_fields=True):
    """Lots of a line that belong to a block, and all lots of the block in that hour."""

    block: str
    lots: int
    of: int


class NoticeLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Lots to deliver to a buyer in a period; `waits` is true until they are delivered."""

    agreement: int
    buyer: str
    symbol: str
    code: str  # of the contract
    product: str
    start_s: int
    end_s: int
    quantity: int
    chips: tuple[Chip, ...]
    blocks: tuple[BlockLots, ...]
    waits: bool


class Notice(Struct, frozen=True, forbid_unknown_fields=True):
    """A supplier's lines of a day, in the order of time."""

    supplier: str
    day: str
    lines: tuple[NoticeLine, ...]


class NoticesFile(Struct, frozen=True, forbid_unknown_fields=True):
    """All notices of a venue and a day of delivery."""

    venue: str
    day: str
    notices: tuple[Notice, ...]


def notices(books: Books, day: str) -> list[dict[str, Any]]:
    """Dispatch notices of a delivery day, one a supplier.

    A line names its blocks: how many of its lots are of the block, and how many lots the block has
    in that hour (fewer means that the block is split). For a PFLOPS-day, each listed chip has the
    number of GPUs that make up the quantity at its rating; a chip without a rating cannot deliver.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for row in books.records(statements("metering")["notices"], {"day": day}):
        supplier, by_hour = row.pop("supplier"), row["product"] == "gpu-hour"
        row["chips"] = [c for c in row["chips"] if by_hour or c["dense_fp16_tflops"]]
        for chip in row["chips"]:
            whole = row["quantity"] * 1000
            chip["gpus"] = row["quantity"] if by_hour else -(-whole // chip["dense_fp16_tflops"])
        found.setdefault(supplier, []).append(row)
    return [
        {"supplier": supplier, "day": day, "lines": lines}
        for supplier, lines in sorted(found.items())
    ]


def write_notices(books: Books, day: str, folder: Path) -> Path:
    """Write a day's notices into a venue's delivery folder; returns the file.

    Raises LedgerError where nothing of the day is nominated, or where the file cannot be written.
    """
    found = notices(books, day)
    if not found:
        raise LedgerError(f"{books.path}: nothing is nominated for {day}")
    venue = books.scalar("SELECT min(venue) FROM batches")
    document = msgspec.convert({"venue": venue, "day": day, "notices": found}, NoticesFile)
    target = folder / f"{day}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(target, msgspec.json.format(msgspec.json.encode(document), indent=1))
    except OSError as error:
        raise LedgerError(f"{target}: cannot be written: {error.strerror}") from error
    return target


def read_notices(path: Path, venue: str) -> NoticesFile:
    """Read a file of notices. Raises InputError where it is invalid, or of another venue or day."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=NoticesFile)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    day = path.name.removesuffix(SUFFIX)
    for what, own, other in (("venue", venue, found.venue), ("day", day, found.day)):
        if own != other:
            raise InputError(f"{path}: `{what}` must be {own}, got {other}")
    return found

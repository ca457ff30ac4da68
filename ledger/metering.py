"""Meter files: what was delivered, as suppliers' meters say, line by line and checked.

A CSV with the columns `meter` (the meter's own number of the line, once for ever), `agreement`,
`instrument`, `unit` (gpu-hour or pflops-day), `chip`, `gpus` and `available_s` (seconds that they
were up). A GPU-hour is a GPU up for an hour; a PFLOPS-day is any listed chip at its rating, for as
long as it is up: rated, never measured, operations.
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.books import Books
from ledger.errors import InputError
from ledger.queries import statements

COLUMNS = ("meter", "agreement", "instrument", "unit", "chip", "gpus", "available_s")
MILLION = 1_000_000
GPUS_MAX = 10**6


@dataclass(frozen=True)
class Metering:
    """One line of a meter file that counts; in a file of findings, what did not come after all."""

    meter: str
    agreement: int
    instrument: int
    chip: str
    gpus: int
    available_s: int
    delivered_millionths: int


@dataclass(frozen=True)
class Meterings:
    """A meter file: lines that count, and those that do not, with the rule that says why."""

    sha256: str
    lines: tuple[Metering, ...]
    repeated: tuple[str, ...]  # the same line again: counted once
    refused: tuple[str, ...]


def read_meterings(books: Books, path: str | Path, *, findings: bool = False) -> Meterings:
    """A meter file against the nominations that wait for delivery.

    With `findings` a file of the same columns that says what of the delivered was found missing:
    its lines are judged against what was delivered. Raises InputError where the file cannot be
    read or lacks a column.
    """
    target = Path(path)
    try:
        content = target.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InputError(f"{target}: {reason}") from error
    rows = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise InputError(f"{target}: the column `{missing[0]}` is missing")
    known = _Known(books, findings)
    lines: dict[str, Metering] = {}
    repeated, refused = [], []
    for number, row in enumerate(rows, 2):
        answer = known.judge(row)
        place = f"{target.name}: line {number}"
        if isinstance(answer, str):
            refused.append(f"{place}: {answer}")
        elif answer.meter in lines or answer.meter in known.metered:
            if (lines.get(answer.meter) or known.metered.get(answer.meter)) == answer:
                repeated.append(f"{place}: `{answer.meter}` again, counted once")
            else:
                refused.append(f"{place}: `{answer.meter}` was metered before, differently")
        else:
            lines[answer.meter] = answer
    return Meterings(
        hashlib.sha256(content).hexdigest(), tuple(lines.values()), tuple(repeated), tuple(refused)
    )


class _Known:
    """What the books know, to judge lines by."""

    def __init__(self, books: Books, findings: bool) -> None:
        self.findings = findings
        queries = statements("metering")
        self.lines = {
            (agreement, symbol): (instrument, product, contract, length_s, waits)
            for agreement, symbol, instrument, product, contract, length_s, waits in books.rows(
                queries["lines"]
            )
        }
        self.instruments = {symbol for (symbol,) in books.rows(queries["instruments"])}
        self.agreements = {agreement for agreement, _ in self.lines}
        self.ratings = {
            (contract, chip): rating for contract, chip, rating in books.rows(queries["ratings"])
        }
        counted = books.rows(queries["findings" if findings else "metered"])
        self.metered = {row[0]: Metering(*row) for row in counted}

    def judge(self, row: dict[str, Any]) -> Metering | str:
        """The line that counts, or why it does not."""
        if row["meter"] is None or not str(row["meter"]).strip():
            return "`meter` is empty"
        numbers = {}
        for name, most in (("agreement", 2**62), ("gpus", GPUS_MAX), ("available_s", 10**6)):
            text = str(row[name] or "")
            if not text.isascii() or not text.isdigit():
                return f"`{name}` must be a whole number, not negative, got {text!r}"
            numbers[name] = int(text)
            if numbers[name] > most:
                return f"`{name}` must be at most {most}, got {text}"
        symbol, meter = row["instrument"], str(row["meter"]).strip()
        if symbol not in self.instruments:
            return f"instrument {symbol!r} is not known"
        if numbers["agreement"] not in self.agreements:
            return f"agreement {numbers['agreement']} is not known"
        line = self.lines.get((numbers["agreement"], symbol))
        if line is None:
            return f"agreement {numbers['agreement']} has nothing nominated in {symbol}"
        instrument, product, contract, length_s, waits = line
        if row["unit"] != product:
            return f"{symbol} is in units of {product}, got {row['unit']!r}"
        rating = self.ratings.get((contract, row["chip"]))
        if rating is None:
            return f"{symbol} is not delivered by chip {row['chip']!r}"
        if numbers["available_s"] > length_s:
            return f"{symbol} lasts {length_s} s, got {numbers['available_s']} of availability"
        worth = numbers["gpus"] * numbers["available_s"] * MILLION
        delivered = (
            worth // length_s if product == "gpu-hour" else worth * rating // (1000 * length_s)
        )
        found = Metering(
            meter, numbers["agreement"], instrument, row["chip"], numbers["gpus"],
            numbers["available_s"], delivered,
        )  # fmt: skip
        if self.findings:
            late = f"agreement {numbers['agreement']} is not delivered yet: nothing can be missing"
            return late if waits else found
        if not waits and self.metered.get(meter) != found:
            return f"agreement {numbers['agreement']} is delivered already: this comes too late"
        return found

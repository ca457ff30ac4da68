"""Meter files: delivered quantities by suppliers' meters, checked line by line.

A CSV with the columns `meter` (the meter's own number of the line, unique for ever), `agreement`,
`instrument`, `unit` (gpu-hour or pflops-day), `chip`, `gpus` and `available_s` (seconds of uptime).
A GPU-hour is one GPU up for an hour. A PFLOPS-day is compute of listed chips by rating and uptime:
rated operations, not measured ones. Readings over the wire are in such a file too
(`ledger.delivery.meter_readings`) and pass the same checks (`MeterValidator`).
"""

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ledger.books.database import Books
from ledger.books.errors import InputError
from ledger.books.queries import statements
from ledger.delivery.meter_readings import CHAIN, check_chain

COLUMNS = ("meter", "agreement", "instrument", "unit", "chip", "gpus", "available_s")
MILLION = 1_000_000
GPUS_MAX = 10**6
_MOST = {"agreement": 2**53, "gpus": GPUS_MAX, "available_s": 10**6}
_DIGITS_MAX = 20


@dataclass(frozen=True)
class Metering:
    """A valid line of a meter file; in a file of findings, a quantity that was not delivered after
    all.
    """

    meter: str
    agreement: int
    instrument: int
    chip: str
    gpus: int
    available_s: int
    delivered_millionths: int


class Refused(NamedTuple):
    """The rule that a line breaks: its name and a sentence."""

    reason: str
    text: str


class Line(NamedTuple):
    """A nominated line of an agreement, as far as meters need it."""

    instrument: int
    product: str
    length_s: int
    waits: bool  # whether it is still to be delivered
    ratings: dict[str, int]  # in TFLOPS, of the chips that may deliver it


@dataclass(frozen=True)
class Meterings:
    """A meter file: valid lines, repeated ones, and refused ones with the rule."""

    sha256: str
    lines: tuple[Metering, ...]
    repeated: tuple[str, ...]  # repeated lines, counted once
    refused: tuple[str, ...]


def read_meterings(books: Books, path: str | Path, *, findings: bool = False) -> Meterings:
    """Read a meter file and check it against the nominations that wait for delivery.

    With `findings`, the file has the same columns and lists delivered quantities that were found
    missing; its lines are checked against the deliveries. Raises InputError where the file cannot
    be read, lacks a column, or was written by a venue and has changed since.
    """
    target = Path(path)
    content, rows = _read(target)
    validator = meter_validator(books, findings)
    lines: dict[str, Metering] = {}
    repeated, refused = [], []
    for number, row in enumerate(rows, 2):
        answer = validator.validate(row)
        place = f"{target.name}: line {number}"
        if isinstance(answer, Refused):
            refused.append(f"{place}: {answer.text}")
        elif answer.meter in lines or answer.meter in validator.metered:
            if (lines.get(answer.meter) or validator.metered.get(answer.meter)) == answer:
                repeated.append(f"{place}: `{answer.meter}` again, counted once")
            else:
                refused.append(f"{place}: `{answer.meter}` was metered before, differently")
        else:
            lines[answer.meter] = answer
    return Meterings(
        hashlib.sha256(content).hexdigest(), tuple(lines.values()), tuple(repeated), tuple(refused)
    )


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """The rows of a meter file, only its own columns. Raises InputError."""
    return [{name: row[name] or "" for name in COLUMNS} for row in _read(Path(path))[1]]


def _read(target: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """Content and rows of a meter file that has all columns."""
    try:
        content = target.read_bytes()
        text = content.decode("utf-8-sig")
        rows = csv.DictReader(text.splitlines())
        names = rows.fieldnames or ()
        for name in COLUMNS:
            if names.count(name) != 1:
                what = "is missing" if name not in names else "is there more than once"
                raise InputError(f"{target}: the column `{name}` {what}")
        return content, list(check_chain(target.name, text) if CHAIN in names else rows)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise InputError(f"{target}: {reason}") from error
    except csv.Error as error:
        raise InputError(f"{target}: is no CSV: {error}") from error


def meter_validator(books: Books, findings: bool) -> "MeterValidator":
    """A validator with the nominations and meterings of the books."""
    queries = statements("metering")
    ratings: dict[int, dict[str, int]] = {}
    for contract, chip, rating in books.rows(queries["ratings"]):
        ratings.setdefault(contract, {})[chip] = rating
    lines = {
        (agreement, symbol): Line(instrument, product, length_s, waits, ratings.get(contract, {}))
        for agreement, symbol, instrument, product, contract, length_s, waits in books.rows(
            queries["lines"]
        )
    }
    counted = books.rows(queries["findings" if findings else "metered"])
    return MeterValidator(
        lines, {symbol for (symbol,) in books.rows(queries["instruments"])},
        {row[0]: Metering(*row) for row in counted}, findings,
    )  # fmt: skip


class MeterValidator:
    """Checks lines of meter files against nominations and earlier meterings."""

    def __init__(
        self, lines: dict[tuple[int, str], Line], instruments: set[str],
        metered: dict[str, Metering], findings: bool = False,
    ) -> None:  # fmt: skip
        self.metered = metered
        self._lines = lines
        self._instruments = instruments
        self._agreements = {agreement for agreement, _ in lines}
        self._findings = findings

    def validate(self, row: dict[str, Any]) -> Metering | Refused:
        """The valid line, or the rule that it breaks."""
        meter = str(row["meter"] or "").strip()
        if not meter:
            return Refused("NUMBER", "`meter` is empty")
        numbers = {}
        for name, most in _MOST.items():
            text = str("" if row[name] is None else row[name])
            if not text.isascii() or not text.isdigit():
                text = f"`{name}` must be a whole number, not negative, got {text[:40]!r}"
                return Refused("NUMBER", text)
            if len(text) > _DIGITS_MAX or int(text) > most:
                return Refused("NUMBER", f"`{name}` must be at most {most}, got {text[:40]}")
            numbers[name] = int(text)
        return self._validate_line(meter, row, **numbers)

    def _validate_line(
        self, meter: str, row: dict[str, Any], agreement: int, gpus: int, available_s: int
    ) -> Metering | Refused:
        symbol = row["instrument"]
        if symbol not in self._instruments:
            return Refused("UNKNOWN_INSTRUMENT", f"instrument {symbol!r} is not known")
        if agreement not in self._agreements:
            return Refused("UNKNOWN_AGREEMENT", f"agreement {agreement} is not known")
        line = self._lines.get((agreement, symbol))
        if line is None:
            text = f"agreement {agreement} has nothing nominated in {symbol}"
            return Refused("NOT_NOMINATED", text)
        if row["unit"] != line.product:
            text = f"{symbol} is in units of {line.product}, got {row['unit']!r}"
            return Refused("UNIT", text)
        rating = line.ratings.get(row["chip"])
        if rating is None:
            return Refused("CHIP", f"{symbol} is not delivered by chip {row['chip']!r}")
        if rating == 0 and line.product != "gpu-hour":
            return Refused("CHIP", f"chip {row['chip']} has no rating, so it makes no {symbol}")
        if available_s > line.length_s:
            text = f"{symbol} lasts {line.length_s} s, got {available_s} of availability"
            return Refused("TOO_LONG", text)
        worth = gpus * available_s * MILLION
        delivered = (
            worth // line.length_s if line.product == "gpu-hour"
            else worth * rating // (1000 * line.length_s)
        )  # fmt: skip
        found = Metering(
            meter, agreement, line.instrument, row["chip"], gpus, available_s, delivered
        )
        if self._findings:
            text = f"agreement {agreement} is not delivered yet: nothing can be missing"
            return Refused("EARLY", text) if line.waits else found
        if not line.waits and self.metered.get(meter) != found:
            text = f"agreement {agreement} is delivered already: this comes too late"
            return Refused("LATE", text)
        return found

"""Readings: meter lines received over the wire, in a file in the order of receipt.

It is a meter file (`ledger.delivery.meter_files`) with four more columns: the quantity that the
venue counted, session and time of the reading, and `chain`. A link of the chain is the beginning of
the SHA-256 of the previous link and the rest of the line. So the file can be settled as it is, a
changed or missing line is found, and an incomplete line is recognised: it is the last line and was
never acknowledged.
"""

import csv
import hashlib
import io
import os
from pathlib import Path
from typing import Self

from ledger.books.errors import InputError
from ledger.daylog.durable_files import sync_folder

READINGS_SUFFIX = ".readings.csv"
"""Suffix of the file of a delivery day."""

CHAIN = "chain"
CHAIN_DIGITS = 16
COLUMNS = (
    "meter", "agreement", "instrument", "unit", "chip", "gpus", "available_s",
    "delivered_millionths", "session", "time_ns", CHAIN,
)  # fmt: skip
HEAD = ",".join(COLUMNS)

Row = dict[str, str]


def check_chain(name: str, text: str) -> list[Row]:
    """The rows of a file of readings. Raises InputError where a line is not as it was written."""
    whole, torn = _rows(name, text)
    if torn:
        raise InputError(f"{name}: line {len(whole) + 2} is not whole: the venue repairs that")
    return whole


def _rows(name: str, text: str) -> tuple[list[Row], str]:
    """The complete and verified rows, and the text after the last of them."""
    if not text.startswith(f"{HEAD}\n"):
        if f"{HEAD}\n".startswith(text):
            return [], text
        raise InputError(f"{name}: line 1 must be `{HEAD}`")
    lines = text[len(HEAD) + 1 :].split("\n")
    torn = lines.pop()
    rows, before = [], ""
    for number, line in enumerate(lines, 2):
        text_before_chain, _, chain = line.rpartition(",")
        values = next(csv.reader([line]), [])
        if len(values) != len(COLUMNS) or chain != _link(before, text_before_chain):
            raise InputError(f"{name}: line {number} is not as the venue wrote it")
        rows.append(dict(zip(COLUMNS, values, strict=True)))
        before = chain
    return rows, torn


def _link(before: str, text_before_chain: str) -> str:
    return hashlib.sha256(f"{before}\n{text_before_chain}".encode()).hexdigest()[:CHAIN_DIGITS]


class ReadingsFile:
    """A file of readings that a venue appends to. A line torn by a crash is cut off."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises InputError where it is damaged, OSError of the system."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        try:
            self.rows, torn = _rows(str(path), content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8") from error
        self._chain = self.rows[-1][CHAIN] if self.rows else ""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._end = len(content) - len(torn.encode())
        if torn:
            path.with_suffix(".torn").write_text(torn, encoding="utf-8")
            os.ftruncate(self._descriptor, self._end)
        if not self._end:
            self._write(f"{HEAD}\n")
            sync_folder(path.parent)

    def append(self, rows: list[Row]) -> None:
        """Append rows and fill in their `chain`. The rows are durable when this returns.

        After an OSError none of the rows is in the file.
        """
        chain, text = self._chain, []
        for row in rows:
            text_before_chain = _line([row[name] for name in COLUMNS[:-1]])
            chain = _link(chain, text_before_chain)
            row[CHAIN] = chain
            text.append(f"{text_before_chain},{chain}\n")
        self._write("".join(text))
        self._chain = chain
        self.rows += rows

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _write(self, text: str) -> None:
        content = text.encode()
        try:
            if os.write(self._descriptor, content) != len(content):
                raise OSError("there is no room for all of it")
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(content)


def _line(values: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()

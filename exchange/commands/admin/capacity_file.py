"""Files of capacity to register: a line an account and instrument."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

import click

CAPACITY_COLUMNS = ("account", "instrument", "lots")


class CapacityLine(NamedTuple):
    """A line of a file of capacity: lots more of an instrument for an account, or less."""

    line: int
    account: int
    instrument: str
    lots: int


def read_capacity(path: Path) -> list[CapacityLine]:
    """The lines of a CSV file with the columns account, instrument and lots.

    Raises click.UsageError that names file, line and rule, for the first line that is wrong.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != CAPACITY_COLUMNS:
            raise click.UsageError(f"{path}: the first line must be {','.join(CAPACITY_COLUMNS)}")
        lines = []
        for number, row in enumerate(rows, 2):
            account, instrument, lots = (str(row[name] or "").strip() for name in CAPACITY_COLUMNS)
            if not (account.isascii() and account.isdigit()):
                raise click.UsageError(f"{path}: line {number}: account must be a number")
            if not re.fullmatch(r"-?[0-9]{1,10}", lots) or int(lots) == 0:
                raise click.UsageError(f"{path}: line {number}: lots must be a whole number, not 0")
            if not instrument:
                raise click.UsageError(f"{path}: line {number}: instrument is missing")
            lines.append(CapacityLine(number, int(account), instrument, int(lots)))
    return lines

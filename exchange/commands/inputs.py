"""The books and the registry that belong to a day log."""

from pathlib import Path
from typing import TYPE_CHECKING

from exchange.definition.file_names import LEDGER_NAME

if TYPE_CHECKING:
    from ledger.daylog.registry import Registry


def ledger_path(ledger: Path | None, day_log: Path) -> Path:
    """The path of the books: the one given, or that in the folder of the log."""
    return ledger or day_log.parent / LEDGER_NAME


def read_registry(day_log: Path, *, unsealed: bool = False) -> "Registry":
    """The registry of a day log. Raises DayLogError if the log cannot be used."""
    from ledger.daylog import read_day_log

    return read_day_log(day_log, unsealed=unsealed).registry

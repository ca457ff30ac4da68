"""The day log, book of original entry: layout, writer, reader, scan for damage."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.daylog.day_log import DayLog
    from ledger.daylog.layout import (
        DayLogDamaged,
        DayLogError,
        DayLogNotSealed,
        DayLogOtherRules,
        DayLogUnreadable,
        DayLogUnwritable,
    )
    from ledger.daylog.reader import read_day_log
    from ledger.daylog.writer import DayLogWriter

__all__ = [
    "DayLog",
    "DayLogDamaged",
    "DayLogError",
    "DayLogNotSealed",
    "DayLogOtherRules",
    "DayLogUnreadable",
    "DayLogUnwritable",
    "DayLogWriter",
    "read_day_log",
]

_MODULES = {"DayLog": "day_log", "DayLogWriter": "writer", "read_day_log": "reader"}


def __getattr__(name: str) -> Any:
    """Import the module of a name when the name is first used: a registry needs no numpy."""
    if name not in __all__:
        raise AttributeError(f"module 'ledger.daylog' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ledger.daylog.{_MODULES.get(name, 'layout')}"), name)

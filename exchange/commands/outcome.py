"""Exit codes of the commands, and the one line that each error becomes on stderr."""

import errno
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import click


class ExitCode(IntEnum):
    """The exit codes of all commands, as the README lists them."""

    DONE = 0
    DIFFERENCES = 1
    BAD_INPUT = 2
    NOT_SEALED = 3
    REFUSED = 4
    BUG = 70
    INTERRUPTED = 130


class Refused(Exception):
    """The command cannot start or finish; the message names the obstacle and the next step."""


def clear_outputs(paths: Sequence[Path], *, force: bool, remove: bool = True) -> None:
    """Raise Refused if one of the outputs exists; with `force` and `remove`, remove it instead.

    Call it before any work is done.
    """
    for path in paths:
        if not path.exists():
            continue
        if not force:
            raise Refused(f"{path}: exists already; --force replaces it, or choose another place")
        if remove:
            path.unlink()


def require_folder(path: Path) -> None:
    """Raise Refused if the folder of an output does not exist."""
    if not path.parent.is_dir():
        raise Refused(f"{path}: the folder {path.parent} does not exist; make it first")


def classify_error(error: BaseException) -> tuple[ExitCode, str]:
    """The exit code of an error and the line for people; BUG if the error is not foreseen."""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "suanshi"
        return ExitCode.BAD_INPUT, f"{error.format_message()} (see `{where} --help`)"
    if isinstance(error, click.ClickException):
        return ExitCode.BAD_INPUT, error.format_message()
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return ExitCode.INTERRUPTED, "interrupted"
    if isinstance(error, Refused):
        return ExitCode.REFUSED, str(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return ExitCode.REFUSED, f"{place}{error.strerror or error}"
    if isinstance(error, MemoryError):
        return ExitCode.REFUSED, f"out of memory: {error}"
    return _classify_library_error(error)


def _classify_library_error(error: BaseException) -> tuple[ExitCode, str]:
    """Classify an error of a library, which is imported only now to keep the start fast."""
    from exchange.days.replay import SealDisagrees
    from exchange.days.sealing import DayNotOpened
    from exchange.definition.calendar import BadDay
    from exchange.definition.toml_file import BadFile
    from exchange.venue.clock import BadClock
    from exchange.venue.errors import DayRefused
    from feeds.protocol.errors import WireError
    from feeds.protocol.keys import BadKey
    from ledger.books.errors import LedgerError, NotBooksError
    from ledger.daylog import (
        DayLogDamaged,
        DayLogError,
        DayLogNotSealed,
        DayLogOtherRules,
        DayLogUnwritable,
    )

    line = " ".join(str(error).split())
    if isinstance(error, DayLogNotSealed):
        return ExitCode.NOT_SEALED, f"{line}; `suanshi day close` seals a day that is to end"
    if isinstance(error, DayLogDamaged):
        return ExitCode.BAD_INPUT, f"{line}; `suanshi repair` keeps what is proven before it"
    if isinstance(error, SealDisagrees):
        return ExitCode.DIFFERENCES, line
    if isinstance(error, DayLogUnwritable | DayLogOtherRules | DayRefused | DayNotOpened):
        return ExitCode.REFUSED, line
    if isinstance(error, DayLogError | BadFile | BadDay | BadClock | BadKey | NotBooksError):
        return ExitCode.BAD_INPUT, line
    if isinstance(error, LedgerError | WireError):
        return ExitCode.REFUSED, line
    return ExitCode.BUG, f"internal error, please report it: {type(error).__name__}: {line}"


def is_closed_pipe(error: BaseException) -> bool:
    """Whether the reader of our output has closed the pipe, as `| head` does."""
    return isinstance(error, OSError) and error.errno == errno.EPIPE

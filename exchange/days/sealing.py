"""The end of a day whose venue was stopped: its log is sealed as the venue would have done."""

from collections.abc import Callable

from exchange.days.replay import Machine, Replay
from ledger.daylog import DayLog, DayLogWriter


class DayNotOpened(Exception):
    """The venue was stopped before it had written the opening of the day."""


def seal_day(log: DayLog, machine: Machine, progress: Callable[[int], None] | None = None) -> str:
    """Seal a log that ends without a SEAL; returns the hash of its events, hexadecimal.

    What an interrupted write left after the last whole block is set aside, as a venue does that
    goes on with the day. Raises DayNotOpened where commands of the opening are missing,
    DayLogUnwritable where the log is held by a venue, DayLogOtherRules for other rules.
    """
    if not log.is_opened:
        raise DayNotOpened(
            f"{log.path}: stopped before the day was opened, so there is nothing to close; "
            "`suanshi serve` opens it"
        )
    run = Replay(log, machine, progress=progress)
    for _ in run:
        pass
    digest = run.result().events_sha256
    with DayLogWriter.resume(log) as writer:
        writer.seal(bytes.fromhex(digest))
    return digest

"""The events of a day, as the books settle them: from its log, by the kernel, as sealed."""

from collections.abc import Callable, Iterator
from pathlib import Path

from exchange.days.engines import open_engine
from exchange.days.replay import Records, Replay, check_seal
from ledger.daylog import DayLog


def day_events(
    log: DayLog,
    progress: Callable[[int], None] | None = None,
    compiling: Callable[[Path], None] | None = None,
) -> Iterator[Records]:
    """Yield the events of a log, EVENT[n], each valid until the next; nothing runs before the first
    is asked for.

    `progress` is called with the number of commands done, `compiling` as `open_engine` calls it.
    Raises DayLogOtherRules for other rules, SealDisagrees after the last where the SEAL differs.
    """
    log.check_rules()
    engine = open_engine("kernel", log.limits, compiling=compiling)
    yield from check_seal(Replay(log, engine, progress=progress), log)

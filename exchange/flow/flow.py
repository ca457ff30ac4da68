"""Generated trading days: the functions that build one and write it as a sealed day log.

`build_philly_day` builds the day of the demonstration, with real demand. `build_synthetic_day`
builds a day of any size, for measurements. data/README.md lists what in such a day is real and
what is generated.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from exchange.days.engines import open_engine
from exchange.days.replay import BATCH_COMMANDS, EventTally, Machine
from exchange.flow.synthetic import build_synthetic_day
from exchange.flow.trace_day import TRADING_DAY, build_philly_day
from ledger.daylog import DayLogWriter
from ledger.daylog.registry import Registry
from matching.limits import Limits

__all__ = ["TRADING_DAY", "build_philly_day", "build_synthetic_day", "write_day"]


def write_day(
    path: str | Path,
    registry: Registry,
    commands: npt.NDArray[np.void],
    *,
    machine: Machine | None = None,
) -> EventTally:
    """Write a sealed day log; returns the tally of the events of the day.

    The commands run through `machine` (by default a fresh kernel with the registry's limits) to
    compute the hash of the events for the SEAL. Raises DayLogUnwritable if the path exists or the
    disk is full, and then leaves no file.
    """
    path = Path(path)
    tally = EventTally()
    machine = machine or open_engine("kernel", Limits(**registry.limits))
    with DayLogWriter.create(path, venue=registry.venue, trading_day=registry.trading_day) as log:
        try:
            log.append_registry(registry)
            for start in range(0, len(commands), BATCH_COMMANDS):
                batch = commands[start : start + BATCH_COMMANDS]
                log.append(batch)
                tally.add(machine.process(batch))
            log.seal(tally.sha256)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return tally

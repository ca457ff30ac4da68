"""A venue for days on end: it serves a day, closes it, opens the next one, and goes on."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exchange.definition.file_names import DELIVERY_FOLDER
from exchange.venue.builder import build_venue
from exchange.venue.clock import VenueClock
from exchange.venue.closing import close_day
from exchange.venue.config import VenueConfig, ledger_of
from exchange.venue.day import newest_log
from exchange.venue.folder_lock import FolderLock
from exchange.venue.venue import Venue, day_end_ns, stop_on_signals
from ledger.books.errors import DiskFullError
from ledger.daylog import DayLog, DayLogUnwritable

RETRY_S = 5.0
"""Time after a failure of the disk until the next attempt to go on."""

WAIT_S = 0.2
"""Longest wait, in seconds, before the end of a day that has not begun is looked for again."""


@dataclass
class TradingDays:
    """The cycle of days of a venue's folder.

    `serving` is called with each venue when its sockets are open, `report` with a line for each
    step of a close. Every step is taken up again after SIGKILL: the folder and the books say which
    is next.
    """

    config: VenueConfig
    clock: VenueClock
    serving: Callable[[Venue], None]
    report: Callable[[str], None]
    compiling: Callable[[Path], None] | None = None
    make_keys: bool = False
    _is_stopped: bool = False

    def run(self, days_max: int | None = None) -> None:
        """Serve days, until SIGTERM or SIGINT stops it, or so many days are closed.

        A disk that is full or fails stops the day, without an answer about what is not durable; an
        alarm is reported, and the day goes on when the disk can be written again. Raises what
        `build_venue` and `close_day` raise else.
        """
        closed = 0
        while not self._is_stopped:
            self._stop_on_signals()
            try:
                newest = self._close_newest()
                if newest is not None:
                    closed += 1
                    if days_max is not None and closed >= days_max:
                        return
                    self._wait_for_end(newest)
                if not self._is_stopped and not self._serve():
                    return
            except (DayLogUnwritable, DiskFullError, OSError) as error:
                self.report(f"ALARM: {error}; trying again every {RETRY_S:g} s")
                self._pause(RETRY_S)

    def _serve(self) -> bool:
        """Serve the day that is open, or open one; returns whether it was closed."""
        self.clock.stand_still()
        with build_venue(
            self.config, self.clock, make_keys=self.make_keys, compiling=self.compiling
        ) as venue:
            stop_on_signals(venue)
            self.serving(venue)
            return venue.run(closes_ns=day_end_ns(venue.registry.trading_day))

    def _close_newest(self) -> DayLog | None:
        """Close the newest day, or finish its close, if it is sealed; returns its log."""
        folder = Path(self.config.folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            newest, _ = newest_log(folder)
            if newest is None or not newest.sealed:
                return None
            close_day(
                newest, ledger_of(self.config), folder / DELIVERY_FOLDER, self.config.meter_days,
                self.report,
            )  # fmt: skip
            return newest
        finally:
            lock.close()

    def _wait_for_end(self, closed: DayLog) -> None:
        """Wait, in real time, until a day that was closed early has passed and the next begins."""
        if self.clock.start_ns is not None:
            return
        end_ns = day_end_ns(closed.trading_day)
        while not self._is_stopped and self.clock.now_ns() < end_ns:
            time.sleep(WAIT_S)

    def _pause(self, seconds: float) -> None:
        """Wait so long, but not once it is stopped."""
        self._stop_on_signals()
        until_s = time.monotonic() + seconds
        while not self._is_stopped and time.monotonic() < until_s:
            time.sleep(WAIT_S)

    def _stop_on_signals(self) -> None:
        """Between two days, a signal is obeyed when the close is complete."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        self._is_stopped = True

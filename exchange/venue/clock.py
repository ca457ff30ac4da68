"""The venue's clock: real time, or a rehearsal that starts at any time and runs at any speed."""

import time
from dataclasses import dataclass
from datetime import datetime

from exchange.definition.calendar import SHANGHAI
from matching.records import NANOSECONDS

SPEED_MAX = 1_000_000.0


class BadClock(ValueError):
    """A clock's text is wrong; the message says what was expected."""


@dataclass
class VenueClock:
    """Nanoseconds since the epoch, never before `last_ns`, the last time that was stamped."""

    start_ns: int | None = None  # None: real time
    speed: float = 1.0
    last_ns: int = 0

    def __post_init__(self) -> None:
        self._begin_ns = time.monotonic_ns()
        if self.start_ns is not None:
            self.start_ns = max(self.start_ns, self.last_ns)

    def now_ns(self) -> int:
        """Return the venue's time, which also becomes `last_ns`."""
        if self.start_ns is None:
            now_ns = time.time_ns()
        else:
            passed_ns = time.monotonic_ns() - self._begin_ns
            now_ns = self.start_ns + int(passed_ns * self.speed)
        self.last_ns = max(self.last_ns, now_ns)
        return self.last_ns

    def monotonic_ns(self) -> int:
        """Return real time for intervals; it runs at the same speed for every clock."""
        return time.monotonic_ns()

    def not_before(self, time_ns: int) -> None:
        """Continue from a time that is stamped in the day log already."""
        self.last_ns = max(self.last_ns, time_ns)
        if self.start_ns is not None:
            self.start_ns = max(self.start_ns, time_ns)
            self._begin_ns = time.monotonic_ns()

    def stand_still(self) -> None:
        """Let no time have passed since the last stamp, in a rehearsal: its time does not run while
        kernels are compiled or a day is closed."""
        self.not_before(self.last_ns)

    def wait_ms(self) -> int:
        """Return the real time in ms to the venue's next whole second, between 1 and 200."""
        left_ns = NANOSECONDS - self.last_ns % NANOSECONDS
        return max(1, min(200, int(left_ns / self.speed / 1_000_000)))


def parse_clock(text: str) -> VenueClock:
    """Return the clock of START*SPEED; START is a time in Shanghai, YYYY-MM-DDTHH:MM[:SS].

    Raises BadClock for anything else.

    >>> parse_clock("2026-11-22T09:00*60").speed
    60.0
    """
    start, star, speed = text.partition("*")
    try:
        moment = datetime.fromisoformat(start)
        factor = float(speed) if star else 1.0
    except ValueError:
        raise BadClock(f"clock: `{text}` is not START*SPEED, as 2026-11-22T09:00*60") from None
    if not 0 < factor <= SPEED_MAX:
        raise BadClock(f"clock: the speed must be above 0 and at most {SPEED_MAX:g}, got {speed}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SHANGHAI)
    return VenueClock(int(moment.timestamp()) * NANOSECONDS, factor)

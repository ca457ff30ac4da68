"""The venue's calendar: days and hours of Shanghai, as seconds since the epoch.

Shanghai is eight hours ahead of UTC all year, so every day has 24 hours of 3,600 s. Days before
1992 are refused, because China had daylight saving time until 1991. The market has no holidays:
compute is delivered every day, so every day is a trading day.
"""

from datetime import date, timedelta, timezone

UTC_OFFSET_S = 8 * 3_600
SHANGHAI = timezone(timedelta(seconds=UTC_OFFSET_S))
HOUR_S = 3_600
DAY_S = 86_400
FIRST_YEAR = 1992
_EPOCH = date(1970, 1, 1)


class BadDay(ValueError):
    """A text that is not a day; the message names the text and the expected form."""


def parse_day(text: str) -> date:
    """The day of "YYYY-MM-DD".

    Raises BadDay for any other text, and for days outside 1992 to 2100.

    >>> parse_day("2026-11-22")
    datetime.date(2026, 11, 22)
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadDay(f"day: `{text}` is not a day; write YYYY-MM-DD") from None
    if day.isoformat() != text:
        raise BadDay(f"day: `{text}` is not a day; write YYYY-MM-DD")
    if not FIRST_YEAR <= day.year <= 2100:
        raise BadDay(f"day: `{text}` is outside {FIRST_YEAR} to 2100")
    return day


def day_start_s(day: date) -> int:
    """The second at which a day begins in Shanghai, since the epoch.

    >>> day_start_s(date(2026, 11, 22))
    1795276800
    """
    return (day - _EPOCH).days * DAY_S - UTC_OFFSET_S


def day_of(time_s: int) -> date:
    """The day in Shanghai of a second since the epoch.

    >>> day_of(1795276799), day_of(1795276800)
    (datetime.date(2026, 11, 21), datetime.date(2026, 11, 22))
    """
    return _EPOCH + timedelta(days=(time_s + UTC_OFFSET_S) // DAY_S)


def hour_of(time_s: int) -> int:
    """The clock hour in Shanghai, 0 to 23, of a second since the epoch.

    >>> hour_of(1795276800 + 14 * 3_600)
    14
    """
    return (time_s + UTC_OFFSET_S) % DAY_S // HOUR_S

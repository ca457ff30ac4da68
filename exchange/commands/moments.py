"""Times as people type them."""

import re

import click

SECONDS_DIGITS = 9
"""Digits from which on a number counts as seconds since the epoch: 900 may mean anything."""

_CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?")


def moment_s(text: str, trading_day: str) -> int:
    """Seconds since the epoch of a time in Shanghai: 09:00 or 09:00:30 on the trading day,
    2026-11-22T09:00, or the seconds themselves.

    Raises click.UsageError for any other text.

    >>> moment_s("09:00", "2026-11-22") == moment_s("2026-11-22T09:00", "2026-11-23") == 1795309200
    True
    """
    from datetime import datetime

    from exchange.definition.calendar import SHANGHAI, day_start_s, parse_day

    if text.isascii() and text.isdigit() and len(text) >= SECONDS_DIGITS:
        return int(text)
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        if hours < 24 and minutes < 60 and seconds < 60:
            start_s = day_start_s(parse_day(trading_day))
            return start_s + hours * 3_600 + minutes * 60 + seconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text}: write a time as 09:00 or 2026-11-22T09:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=SHANGHAI)
    return int(moment.timestamp())

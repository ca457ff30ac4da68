"""Refusals: each is counted, and enough of them are logged."""

import logging
from collections import Counter

LOGGED = 20
"""Of each kind these are logged one by one, then only one in so many: a flood fills no disk."""

_ONE_IN = 1_000


def refused(
    counters: Counter[str],
    log: logging.Logger,
    what: str,
    who: str,
    own: Counter[str] | None = None,
) -> None:
    """Count a refusal, and log it; by a session's `own` count, nobody's flood hides another's."""
    name = f"refused: {what}"
    counters[name] += 1
    if own is not None:
        own[name] += 1
    count = (counters if own is None else own)[name]
    if count <= LOGGED or count % _ONE_IN == 0:
        log.warning("refused %s: %s (%d so far)", who, what, count)

"""Refusals of peers that have no session: each is counted, and enough of them are logged."""

import logging
from collections import Counter

LOGGED = 20
"""Of each kind these are logged one by one, then only one in so many: a flood fills no disk."""

_ONE_IN = 1_000


def refused(counters: Counter[str], log: logging.Logger, what: str, who: str) -> None:
    """Count a refusal, and log it."""
    counters[f"refused: {what}"] += 1
    count = counters[f"refused: {what}"]
    if count <= LOGGED or count % _ONE_IN == 0:
        log.warning("refused %s: %s (%d so far)", who, what, count)

"""Log of refusals: every one is counted, and enough of them are logged."""

import logging
from collections import Counter

LOGGED = 20
"""Refusals of a kind that are logged one by one; then one in many is, so that no disk fills."""

_ONE_IN = 1_000


def log_refusal(
    counters: Counter[str],
    log: logging.Logger,
    what: str,
    peer: str,
    own: Counter[str] | None = None,
) -> None:
    """Count a refusal in `counters`, and log it if few of its kind were logged.

    With a session's `own` counts, the flood of one session does not hide another's refusals.
    """
    name = f"refused: {what}"
    counters[name] += 1
    if own is not None:
        own[name] += 1
    count = (counters if own is None else own)[name]
    if count <= LOGGED or count % _ONE_IN == 0:
        log.warning("refused %s: %s (%d so far)", peer, what, count)

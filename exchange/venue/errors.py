"""Errors of a venue: a day that cannot be served, a request that is not carried out."""

from feeds.protocol.messages import RefusalReason


class DayRefused(Exception):
    """The trading day cannot be served now; the message says what stands in the way."""


class RequestRefused(Exception):
    """An operator's request is not carried out; the message says why."""

    def __init__(self, reason: RefusalReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason

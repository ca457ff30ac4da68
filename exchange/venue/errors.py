"""Errors of a venue that cannot serve a day."""


class DayRefused(Exception):
    """The trading day cannot be served now; the message says what stands in the way."""

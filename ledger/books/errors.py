"""Errors of the ledger: each carries one line that names the thing, the place and the rule.

A command prints that line as it is.
"""


class LedgerError(Exception):
    """Base of all errors of the ledger. `str(error)` is meant for people."""


class NotBooksError(LedgerError):
    """The file is missing, is not a ledger, or is one of another version."""


class BooksLockedError(LedgerError):
    """Another process has the books open for writing."""


class DiskFullError(LedgerError):
    """The disk is full. The transaction was rolled back."""


class AppendOnlyError(LedgerError):
    """A statement tried to change or to remove rows."""


class InputDiffersError(LedgerError):
    """The day was settled already from another input."""


class DayOrderError(LedgerError):
    """A later day was settled already."""


class DayOpenError(LedgerError):
    """A day is open, and began with the cash of the books: nothing else may move it now."""


class InputError(LedgerError):
    """Events and registry do not fit together, or an amount does not fit."""


class UnknownAccountError(LedgerError):
    """The books have no such account."""

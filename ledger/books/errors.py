"""What can be wrong with books and days; each carries one line for people.

The line names the thing, the place and the rule, so that a command prints it as it is.
"""


class LedgerError(Exception):
    """Base of all refusals of the ledger. Whoever catches it may show `str(error)` to a person."""


class NotBooksError(LedgerError):
    """The file is missing, is not a ledger, or is one of another version."""


class BooksLockedError(LedgerError):
    """Another process has the books open for writing."""


class DiskFullError(LedgerError):
    """The disk took no more; the transaction was rolled back."""


class AppendOnlyError(LedgerError):
    """Somebody tried to change or to remove what is written."""


class InputDiffersError(LedgerError):
    """The day is settled already, from another input."""


class DayOrderError(LedgerError):
    """A later day is settled already."""


class InputError(LedgerError):
    """Events and registry do not fit together, or an amount does not fit."""


class UnknownAccountError(LedgerError):
    """The books have no such account."""

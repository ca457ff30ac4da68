"""A deliberate fault: one change of a file of matching/ that breaks a rule."""

from typing import NamedTuple


class Fault(NamedTuple):
    """The old text stands exactly once in its file."""

    file: str
    old: str
    new: str
    why: str

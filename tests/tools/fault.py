"""A deliberate fault: one change of a file of matching/ that breaks a rule."""

from typing import NamedTuple


class Fault(NamedTuple):
    """A change of text in a file; `old` occurs exactly once in it."""

    file: str
    old: str
    new: str
    why: str

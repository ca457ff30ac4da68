"""Progress reports of long work, such as a settlement or a verification."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage that begins, the number of steps done and the number of all steps."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Ignore a report; stands in where the caller gave no `Progress`."""

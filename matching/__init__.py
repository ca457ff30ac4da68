"""The matching machine: commands in, events out; integers and arrays only."""

from typing import TYPE_CHECKING, Any

from matching.limits import Limits
from matching.records import COMMAND, EVENT

if TYPE_CHECKING:
    from matching.engine import Engine

__all__ = ["COMMAND", "EVENT", "Engine", "Limits"]


def __getattr__(name: str) -> Any:
    """Load the compiled engine at its first use: records and limits need no compiler."""
    if name == "Engine":
        from matching.engine import Engine

        return Engine
    raise AttributeError(f"module 'matching' has no attribute {name!r}")

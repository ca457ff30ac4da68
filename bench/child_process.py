"""Environment for processes that run a module of this repository."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


def child_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with `changes`, and with this repository importable."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(ROOT), *([inherited] if inherited else [])])
    return {**os.environ, "PYTHONPATH": path, **(changes or {})}

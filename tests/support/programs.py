"""Outside programs that some tests run: a C compiler, Node, plain-text accounting."""

import shutil
import sys
from pathlib import Path


def find_program(name: str) -> str | None:
    """Path of a program on PATH or beside this Python (where pip puts scripts); None: missing."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))

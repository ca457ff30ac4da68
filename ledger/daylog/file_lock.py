"""Exclusive locks on open files: one process at a time writes a day log or serves a folder.

A lock ends with the process that holds it, however it ends, and leaves nothing behind.
"""

import fcntl
import os
from datetime import datetime
from pathlib import Path


class FileHeld(Exception):
    """Another descriptor holds the lock; the message says whose, as far as the system tells."""


def lock_exclusively(descriptor: int) -> None:
    """Lock an open file until its descriptor is closed.

    Raises FileHeld where it is locked already, by this process or another one; OSError where the
    file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileHeld(f"held by {_holder(descriptor)}") from None


def holder_of(path: Path) -> str:
    """The holder of the lock of a file, in words; empty where nobody holds it."""
    with path.open("rb") as file:
        try:
            lock_exclusively(file.fileno())
        except FileHeld as held:
            return str(held)
    return ""


def _holder(descriptor: int) -> str:
    """The process that holds the lock of a file, and when that process started."""
    inode = str(os.fstat(descriptor).st_ino)
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
        held = [line.split() for line in locks.splitlines() if " FLOCK " in line]
        pid = next(words[4] for words in held if words[5].rpartition(":")[2] == inode)
        started = datetime.fromtimestamp(Path(f"/proc/{pid}").stat().st_ctime).astimezone()
    except (OSError, StopIteration):
        return "another process"  # of another machine or container
    return f"process {pid}, which started at {started.isoformat(' ', 'seconds')}"

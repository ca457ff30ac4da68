"""The lock of a venue's folder: one process at a time serves it."""

from pathlib import Path

from exchange.venue.errors import DayRefused
from ledger.daylog.file_lock import FileHeld, lock_exclusively

LOCK_NAME = "venue.lock"


class FolderLock:
    """A venue's folder for one process: what is found in it cannot change meanwhile."""

    def __init__(self, folder: Path) -> None:
        """Raises DayRefused where another venue serves the folder."""
        self._file = (folder / LOCK_NAME).open("a")
        try:
            lock_exclusively(self._file.fileno())
        except (FileHeld, OSError) as error:
            self._file.close()
            why = str(error) if isinstance(error, FileHeld) else error.strerror
            raise DayRefused(f"{folder}: {why}; one venue at a time serves a folder") from None

    def close(self) -> None:
        """Let another process serve the folder."""
        self._file.close()

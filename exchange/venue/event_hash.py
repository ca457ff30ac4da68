"""The hash of the day's events, which the SEAL of the day log carries."""

import hashlib


class EventHash:
    """SHA-256 of EVENT records in order; it does not depend on how they are batched.

    `update` only queues, because brokers who wait for answers come first.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._queued: list[bytes] = []

    def update(self, events: bytes) -> None:
        """Queue the bytes of the next events."""
        self._queued.append(events)

    def hash_queued(self) -> None:
        """Hash the events that are queued."""
        for events in self._queued:
            self._sha256.update(events)
        self._queued.clear()

    def digest(self) -> bytes:
        """Return the hash of all events so far, as a replay of the day log makes it."""
        self.hash_queued()
        return self._sha256.digest()

"""Replica of one channel of one instrument: an image, then every increment in order.

A missing number makes the replica incomplete; the next frame or the venue's heartbeat shows it. The
replica counts the frames that were lost. With the next image it is complete again.
"""

from abc import ABC, abstractmethod

from feeds.protocol.records import MarketFlag, MarketHead, read_market_head

HELD_FRAMES_MAX = 10_000
"""Increments kept while an image is on its way; after more, another image is requested."""

_UNKNOWN = -1


class ChannelReplica(ABC):
    """Numbers and images, which all channels share. A subclass interprets the records."""

    def __init__(self, instrument: int) -> None:
        self.instrument = instrument
        self.is_complete = False
        """Whether it shows the market up to the last frame that came."""
        self.next_sequence = 0
        self.received = 0
        self.missed = 0  # frames that were sent and did not come
        self.repairs = 0  # images applied
        self.command = 0  # sequence in the day log of the last command that it shows
        self._held: list[bytes] = []
        self._image: list[bytes] = []
        self._newest_sent = _UNKNOWN  # the greatest number that was certainly sent

    @property
    def missing_from(self) -> int:
        """The first number of an image request. Only channels whose image is frames use it."""
        return self.next_sequence

    def receive(self, frame: bytes) -> bool:
        """Process a frame of the channel; False if an image is needed."""
        head = read_market_head(frame)
        if head.flags & MarketFlag.IMAGE:
            return self._receive_image(frame, head)
        self._count(head.sequence)
        if not self.is_complete or head.sequence > self.next_sequence:
            self._hold(frame)
            return False
        return head.sequence < self.next_sequence or self._apply(frame, head)

    def expect(self, sequence: int) -> bool:
        """Process the number that a heartbeat announces as the next; False if frames were lost."""
        if self._newest_sent != _UNKNOWN:
            self._mark_sent(sequence - 1)
        if sequence > self.next_sequence:
            self.is_complete = False
        return self.is_complete

    @abstractmethod
    def _clear(self) -> None:
        """Remove all contents, before an image is applied."""

    @abstractmethod
    def _apply_records(self, frame: bytes) -> bool:
        """Apply the records of a frame; False if they do not fit the contents."""

    def _matches_checksum(self, expected: int) -> bool:
        """Whether the contents have the venue's checksum. A channel without one always matches."""
        return True

    def _count(self, sequence: int) -> None:
        """Count an increment that came."""
        if self._newest_sent == _UNKNOWN:
            self._newest_sent = sequence - 1
        if sequence > self._newest_sent:
            self._mark_sent(sequence - 1)
            self._newest_sent = sequence
            self.received += 1

    def _mark_sent(self, newest: int) -> None:
        """Note that all frames up to `newest` were sent. Those that have not come are lost."""
        self.missed += max(0, newest - self._newest_sent)
        self._newest_sent = max(self._newest_sent, newest)

    def _hold(self, frame: bytes) -> None:
        """Keep an increment until an image comes."""
        self.is_complete = False
        if len(self._held) >= HELD_FRAMES_MAX:
            self._held.clear()
        self._held.append(frame)

    def _receive_image(self, frame: bytes, head: MarketHead) -> bool:
        """Collect the frames of an image; the last one replaces the contents by it."""
        if self.is_complete and head.sequence <= self.next_sequence:
            return True
        if self._image and read_market_head(self._image[0]).sequence != head.sequence:
            self._image.clear()  # the rest of an image whose end was lost
        self._image.append(frame)
        if head.flags & MarketFlag.MORE:
            return True
        self._clear()
        applied = all(self._apply_records(part) for part in self._image)
        self._image.clear()
        self.next_sequence = head.sequence
        self.is_complete = applied and self._matches_checksum(head.checksum)
        self.repairs += 1
        if self._newest_sent == _UNKNOWN:
            self._newest_sent = head.sequence - 1
        return self.is_complete and self._apply_held()

    def _apply_held(self) -> bool:
        """Apply the increments that came during the image; False if a gap is left."""
        held, self._held = self._held, []
        for index, frame in enumerate(held):
            head = read_market_head(frame)
            if head.sequence > self.next_sequence:
                self.is_complete = False
                self._held = held[index:]
                return False
            if head.sequence == self.next_sequence and not self._apply(frame, head):
                return False
        return True

    def _apply(self, frame: bytes, head: MarketHead) -> bool:
        """Apply the next increment; False if it does not fit."""
        self.is_complete = self._apply_records(frame)
        self.next_sequence += 1
        self.command = head.command
        if self.is_complete and not head.flags & MarketFlag.MORE:
            self.is_complete = self._matches_checksum(head.checksum)
        return self.is_complete

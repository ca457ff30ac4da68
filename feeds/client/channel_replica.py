"""One channel of one instrument as a client keeps it: an image, then every increment in order.

A number that is missing, here or in the venue's heartbeat, makes it less than whole; it counts
what was lost, and is whole again with the next image.
"""

from abc import ABC, abstractmethod

from feeds.protocol.records import MARKET_HEAD, MarketFlag

HELD_MAX = 10_000
"""Increments held while an image is on its way; beyond it another image is asked for."""

_UNKNOWN = -1


class Replica(ABC):
    """What all channels have in common; a subclass knows what its records mean."""

    def __init__(self, instrument: int) -> None:
        self.instrument = instrument
        self.is_whole = False
        """Whether it shows the market up to the last frame that came."""
        self.sequence = 0  # of the next frame
        self.received = 0
        self.missed = 0  # frames that were sent and did not come
        self.repairs = 0  # images taken
        self.command = 0  # the last command of the day log that it shows
        self._held: list[bytes] = []
        self._image: list[bytes] = []
        self._newest = _UNKNOWN  # the greatest number that was sent for certain

    @property
    def wanted_from(self) -> int:
        """The number from which frames are wanted again, where an image is made of them."""
        return self.sequence

    def take(self, frame: bytes) -> bool:
        """Take in a frame of the channel; False where an image is needed."""
        head = MARKET_HEAD.unpack_from(frame)
        sequence, flags = head[2], head[6]
        if flags & MarketFlag.IMAGE:
            return self._take_image(frame, sequence, bool(flags & MarketFlag.MORE))
        self._count(sequence)
        if not self.is_whole or sequence > self.sequence:
            self._hold(frame)
            return False
        return sequence < self.sequence or self._apply(frame, head)

    def expect(self, sequence: int) -> bool:
        """The venue says which frame is next; False where some were lost."""
        if self._newest != _UNKNOWN:
            self._sent(sequence - 1)
        if sequence > self.sequence:
            self.is_whole = False
        return self.is_whole

    @abstractmethod
    def _clear(self) -> None:
        """Forget all, before an image."""

    @abstractmethod
    def _put(self, frame: bytes) -> bool:
        """Take in the records of a frame; False where they cannot be."""

    def _agrees(self, code: int) -> bool:
        """Whether the venue's checksum is that of what stands here."""
        return True

    def _count(self, sequence: int) -> None:
        """An increment came."""
        if self._newest == _UNKNOWN:
            self._newest = sequence - 1
        if sequence > self._newest:
            self._sent(sequence - 1)
            self._newest = sequence
            self.received += 1

    def _sent(self, newest: int) -> None:
        """Frames up to this one were sent; what did not come by now will not come."""
        self.missed += max(0, newest - self._newest)
        self._newest = max(self._newest, newest)

    def _hold(self, frame: bytes) -> None:
        self.is_whole = False
        if len(self._held) >= HELD_MAX:
            self._held.clear()
        self._held.append(frame)

    def _take_image(self, frame: bytes, sequence: int, more: bool) -> bool:
        """Gather the frames of an image; with the last one it stands for all that was before."""
        if self.is_whole and sequence <= self.sequence:
            return True
        if self._image and MARKET_HEAD.unpack_from(self._image[0])[2] != sequence:
            self._image.clear()  # of one that was broken off
        self._image.append(frame)
        if more:
            return True
        self._clear()
        whole = all(self._put(part) for part in self._image)
        self._image.clear()
        self.sequence = sequence
        self.is_whole = whole and self._agrees(MARKET_HEAD.unpack_from(frame)[8])
        self.repairs += 1
        if self._newest == _UNKNOWN:
            self._newest = sequence - 1
        return self.is_whole and self._apply_held()

    def _apply_held(self) -> bool:
        """Apply what came while the image was on its way; False where a gap is left."""
        held, self._held = self._held, []
        for place, frame in enumerate(held):
            head = MARKET_HEAD.unpack_from(frame)
            if head[2] > self.sequence:
                self.is_whole = False
                self._held = held[place:]
                return False
            if head[2] == self.sequence and not self._apply(frame, head):
                return False
        return True

    def _apply(self, frame: bytes, head: tuple[int, ...]) -> bool:
        self.is_whole = self._put(frame)
        self.sequence += 1
        self.command = head[3]
        if self.is_whole and not head[6] & MarketFlag.MORE:
            self.is_whole = self._agrees(head[8])
        return self.is_whole

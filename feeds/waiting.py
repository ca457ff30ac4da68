"""Waiting for the sockets of a venue: `zmq_poll` on a list made once, the busy ones first."""

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import zmq

from feeds.draining import libzmq
from feeds.sockets import Socket

ITEM = np.dtype(
    [("socket", "<u8"), ("descriptor", "<i4"), ("events", "<i2"), ("revents", "<i2")], align=True
)
"""zmq_pollitem_t."""

_HALVES = ITEM.itemsize // 2


class Waiter:
    """Busy sockets, the most often ready first, and rare ones with who handles them."""

    def __init__(
        self,
        busy: "Sequence[Socket]",
        rare: "Sequence[tuple[Socket | int, Callable[[], None]]]",
    ) -> None:
        self._busy = len(busy)
        self._sources = [*busy, *(source for source, _ in rare)]
        self._handlers = [handler for _, handler in rare]
        self._items = np.zeros(len(self._sources), ITEM)
        for item, source in zip(self._items, self._sources, strict=True):
            if isinstance(source, int):
                item["descriptor"] = source
            else:
                item["socket"] = int(source.underlying)
        self._items["events"] = zmq.POLLIN
        self._said = self._items.view(np.int16).data
        self._address = self._items.ctypes.data
        library = libzmq()
        self._poll = None if library is None else library.zmq_poll
        if self._poll is not None:
            self._poll.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long)

    def wait(self, wait_ms: int) -> list[int]:
        """Wait so long at most; handles what is rare, and returns the places of busy sockets.

        Without time to wait, only busy sockets are asked: whoever waits so does it a few times on
        end at most.
        """
        found = self._ready(len(self._sources) if wait_ms else self._busy, wait_ms)
        while found and found[-1] >= self._busy:
            self._handlers[found.pop() - self._busy]()
        return found

    def _ready(self, count: int, wait_ms: int) -> list[int]:
        """Places of the first `count` sources that are ready, in order; none after a signal."""
        if self._poll is None:
            return self._ready_plainly(count, wait_ms)
        left = self._poll(self._address, count, wait_ms)
        found: list[int] = []
        place = 0
        while left > 0:
            if self._said[place * _HALVES + _HALVES - 1]:
                found.append(place)
                left -= 1
            place += 1
        return found

    def _ready_plainly(self, count: int, wait_ms: int) -> list[int]:
        """The same where libzmq cannot be called directly."""
        poller = zmq.Poller()
        for source in self._sources[:count]:
            poller.register(source, zmq.POLLIN)
        told = {source for source, _ in poller.poll(wait_ms)}
        return [place for place, source in enumerate(self._sources) if source in told]

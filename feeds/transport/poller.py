"""Waiting for the sockets of a venue: `poll` on descriptors that were asked for once.

A ZeroMQ socket's descriptor says that something has happened, its events what; sending may use the
sign up. So before anybody sleeps, all sockets are asked, in one compiled call.
"""

import select
from collections.abc import Callable, Sequence

import numpy as np
import zmq
from numba import carray

from feeds.transport.compiler import entry
from feeds.transport.libzmq import call, function, pointer
from feeds.transport.sockets import Socket

_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)
GETSOCKOPT, VALUE_AT, COUNT, SOCKETS = range(4)
"""Cells of the header of `ready`: the last is where the sockets' addresses begin."""
_VALUE = 2  # words: what `zmq_getsockopt` writes, and how long that is


@entry
def ready(header_at):
    """Which of the sockets whose addresses stand in a header have something to read: bits."""
    h = carray(pointer(header_at), SOCKETS, np.int64)
    sockets = carray(pointer(header_at + 8 * SOCKETS), h[COUNT], np.int64)
    value = carray(pointer(h[VALUE_AT]), _VALUE, np.int64)
    found = 0
    for place in range(len(sockets)):
        value[0], value[1] = 0, 4
        call(h[GETSOCKOPT], sockets[place], _EVENTS, h[VALUE_AT], h[VALUE_AT] + 8)
        if value[0] & _POLLIN:
            found |= 1 << place
    return found


class Poller:
    """Sockets that the venue itself reads, and others with who handles them."""

    def __init__(
        self,
        own: Sequence[Socket],
        others: "Sequence[tuple[Socket, Callable[[], None]]]",
        descriptor: int,
        on_wake: Callable[[], None],
    ) -> None:
        """`descriptor`: of the eventfd that ends a wait; then `on_wake` is called."""
        self._own = len(own)
        self._sockets = [*own, *(socket for socket, _ in others)]
        self._handlers = [handler for _, handler in others]
        self._descriptor, self._on_wake = descriptor, on_wake
        self._value = np.zeros(_VALUE, np.int64)
        addresses = [int(socket.underlying) for socket in self._sockets]
        getsockopt = function("zmq_getsockopt")
        self._is_compiled = getsockopt != 0
        head = [getsockopt, self._value.ctypes.data, len(addresses)]
        self._header = np.array([*head, *addresses], np.int64)
        self._header_at = self._header.ctypes.data
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._bits: dict[int, int] = {}  # of the sockets' descriptors
        for place, socket in enumerate(self._sockets):
            found = int(socket.getsockopt(zmq.FD))
            self._bits[found] = 1 << place
            self._poll.register(found, select.POLLIN)

    def wait(self, wait_ms: int) -> int:
        """Wait so long at most; has the others handled, and returns which own sockets may be ready.

        A bit for each, from the first one. Whose descriptor gave a sign after the wait is not asked
        again: reading it will show.
        """
        found = self._ready()
        if wait_ms and not found:
            for descriptor, _ in self._poll.poll(wait_ms):
                if descriptor == self._descriptor:
                    self._on_wake()
                else:
                    found |= self._bits[descriptor]
        rest = found >> self._own
        place = 0
        while rest:
            if rest & 1:
                self._handlers[place]()
            rest >>= 1
            place += 1
        return found & ((1 << self._own) - 1)

    def _ready(self) -> int:
        if self._is_compiled:
            return int(ready(self._header_at))
        asked = [socket.getsockopt(zmq.EVENTS) for socket in self._sockets]
        return sum(1 << place for place, events in enumerate(asked) if int(events) & _POLLIN)

"""Waiting for the sockets of a venue: `poll` on their descriptors.

The descriptor of a ZeroMQ socket is readable when something has happened, and its option ZMQ_EVENTS
says what; sending may consume the signal. So before a wait, the events of all sockets are read, in
one compiled call.
"""

import select
from collections.abc import Callable, Sequence

import numpy as np
import zmq

from feeds.transport.compiler import entry
from feeds.transport.libzmq import call, function
from feeds.transport.sockets import Socket
from matching.memory.handle import Handle, HandleLayout, handle_at

_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)

POLL_CALL = np.dtype(
    [
        ("zmq_getsockopt", "<i8"),  # address of the function
        ("option_address", "<i8"),
        ("option", "<i8"),  # value of ZMQ_EVENTS
        ("option_bytes", "<i8"),
    ]
)
_LAYOUT = HandleLayout("Poll", {"call": POLL_CALL, "sockets": np.dtype("<i8")})
_poll_at = handle_at(_LAYOUT)


@entry
def readable(handle):
    """The sockets that have something to read, as bits by their place."""
    h = _poll_at(handle)
    cells = h.call[0]
    function, address = cells["zmq_getsockopt"], cells["option_address"]
    found = 0
    for place in range(len(h.sockets)):
        cells["option"], cells["option_bytes"] = 0, 4
        call(function, h.sockets[place], _EVENTS, address, address + 8)
        if cells["option"] & _POLLIN:
            found |= 1 << place
    return found


class Poller:
    """Waits for sockets that the venue reads itself, and for others that have a handler."""

    def __init__(
        self,
        own: Sequence[Socket],
        others: "Sequence[tuple[Socket, Callable[[], None]]]",
        descriptor: int,
        on_wake: Callable[[], None],
    ) -> None:
        """`descriptor`: an eventfd that ends a wait; then `on_wake` is called."""
        self._own = len(own)
        self._sockets = [*own, *(socket for socket, _ in others)]
        self._handlers = [handler for _, handler in others]
        self._descriptor, self._on_wake = descriptor, on_wake
        addresses = np.array([int(socket.underlying) for socket in self._sockets], np.int64)
        cells = np.zeros(1, POLL_CALL)
        cells["zmq_getsockopt"] = function("zmq_getsockopt")
        cells["option_address"] = cells["option"].ctypes.data
        self._is_compiled = bool(cells["zmq_getsockopt"][0])
        self._handle = Handle(_LAYOUT, {"call": cells, "sockets": addresses})
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._bits: dict[int, int] = {}  # by descriptor of a socket
        for place, socket in enumerate(self._sockets):
            found = int(socket.getsockopt(zmq.FD))
            self._bits[found] = 1 << place
            self._poll.register(found, select.POLLIN)

    def wait(self, wait_ms: int) -> int:
        """Wait at most so long, call handlers, and return which own sockets may be readable.

        The result has a bit for each, by its place. The events of a socket whose descriptor became
        readable are not read: reading the socket will tell.
        """
        found = self._readable()
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

    def _readable(self) -> int:
        if self._is_compiled:
            return int(readable(self._handle.argument))
        events = [int(socket.getsockopt(zmq.EVENTS)) for socket in self._sockets]
        return sum(1 << place for place, each in enumerate(events) if each & _POLLIN)

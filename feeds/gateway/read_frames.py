"""Reading a ROUTER until nothing is left, compiled: libzmq is called without Python in between.

A frame costs about as much to read as to copy then. Whatever is not a plain order frame of an open
session is only set apart here; Python looks at it afterwards.
"""

import zmq

from feeds.transport.compiler import entry
from feeds.transport.libzmq import call

EMPTY, FULL, STRANGER = 0, 1, 2
FRAME_CELLS = 9_000  # words kept free for one more frame: the size limit and a little more
START, SIZE, OWNER, ROUTE, APART = range(5)
"""Columns of a row about a frame: see `drain`."""
STRANGE, PARTS = 1, 2
"""Why a frame is set apart: not an order of an open session, or of several parts."""

_DONTWAIT, _RCVMORE = int(zmq.NOBLOCK), int(zmq.RCVMORE)
_ROUTE = 0xFF_FFFF_FFFF


@entry
def drain(recv, getsockopt, socket, data, address, used, scratch, scratch_address, routes, numbers,
          frames, count, records, records_max):  # fmt: skip
    """Read frames into `data` from word `used` on.

    Returns how many frames, words and records there are now, why it ended, and how many of the
    frames just read were set apart.

    A row of `frames` is: start in words, bytes, session, route, why it is set apart (0: it is not).
    `routes` are the known peers, sorted; `numbers` their sessions. STRANGER: the id of an unknown
    peer was read, and stands in `scratch`; its frame is still to be read.
    """
    set_apart = 0
    while True:
        if count >= len(frames) or records >= records_max or used + FRAME_CELLS > len(data):
            return count, used, records, FULL, set_apart
        size = call(recv, socket, scratch_address, 16, _DONTWAIT)
        if size < 0:
            return count, used, records, EMPTY, set_apart
        route = scratch[0] & _ROUTE
        low, high = 0, len(routes)
        while low < high:
            middle = (low + high) // 2
            if routes[middle] < route:
                low = middle + 1
            else:
                high = middle
        if size != 5 or low >= len(routes) or routes[low] != route:
            scratch[3] = size
            return count, used, records, STRANGER, set_apart
        size = call(recv, socket, address + 8 * used, 8 * (FRAME_CELLS - 1), _DONTWAIT)
        scratch[1] = 0
        scratch[2] = 4
        call(getsockopt, socket, _RCVMORE, scratch_address + 8, scratch_address + 16)
        apart = 0
        while scratch[1] & 1:
            apart = PARTS
            call(recv, socket, scratch_address, 0, _DONTWAIT)
            call(getsockopt, socket, _RCVMORE, scratch_address + 8, scratch_address + 16)
        number = numbers[low]
        if apart == 0 and (number == 0 or size % 8 != 0 or size < 16 or data[used] & 0xFF != 1):
            apart = STRANGE
        frames[count, START] = used
        frames[count, SIZE] = size
        frames[count, OWNER] = number
        frames[count, ROUTE] = route
        frames[count, APART] = apart
        set_apart += apart != 0
        count += 1
        records += size // 64
        used += (size + 7) // 8

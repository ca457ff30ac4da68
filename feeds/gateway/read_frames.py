"""Reading a ROUTER until it is empty, in compiled code that calls libzmq without Python.

So reading a frame costs about as much as copying it. A frame that is not an order frame of a
session that is logged on is only marked as irregular; Python handles it afterwards.
"""

import zmq

from feeds.gateway.gate_layout import (
    MULTIPART,
    NOT_ORDERS,
    SCRATCH,
    gate_at,
)
from feeds.protocol.records import FRAME, RECORD_BYTES, FrameKind
from feeds.transport.compiler import entry, inline, kernel
from feeds.transport.libzmq import call
from feeds.transport.sockets import ROUTE_BYTES

EMPTY, FULL, UNKNOWN_PEER = 0, 1, 2
"""Reading stopped: the socket is empty, a table is full, or the next frame's peer is not known."""

FRAME_WORDS = 9_000
"""Words that must be free for one more frame: the largest frame and a little more."""

_DONTWAIT, _RCVMORE = int(zmq.NOBLOCK), int(zmq.RCVMORE)
_COMMANDS, _HEAD_BYTES = int(FrameKind.COMMANDS), FRAME.itemsize
_ROUTE_MASK = (1 << (8 * ROUTE_BYTES)) - 1
_ROUTE_BYTES_MAX = 16
_HAS_MORE_AT = SCRATCH.fields["has_more"][1]  # type: ignore[index]
_OPTION_BYTES_AT = SCRATCH.fields["option_bytes"][1]  # type: ignore[index]


@inline
def find_peer(h, route):
    """Index of a route in `peers`, or of the first larger one."""
    low, high = 0, len(h.peers)
    while low < high:
        middle = (low + high) // 2
        if h.peers[middle]["route"] < route:
            low = middle + 1
        else:
            high = middle
    return low


@inline
def has_more_parts(h):
    """Whether the message that is being read has another part."""
    cells, scratch = h.call[0], h.scratch[0]
    scratch["has_more"] = 0
    scratch["option_bytes"] = 4
    address = cells["scratch_address"]
    call(
        cells["zmq_getsockopt"], cells["socket"], _RCVMORE, address + _HAS_MORE_AT,
        address + _OPTION_BYTES_AT,
    )  # fmt: skip
    return scratch["has_more"] & 1 != 0


@inline
def skip_parts(h):
    """Read and drop all further parts of a message; returns whether there were any."""
    cells, found = h.call[0], False
    while has_more_parts(h):
        found = True
        call(cells["zmq_recv"], cells["socket"], cells["scratch_address"], 0, _DONTWAIT)
    return found


@kernel
def read_frames(h):
    """Read frames behind those that `call` counts, until `call.stop`; counts them there.

    UNKNOWN_PEER: the routing id of a peer that is not in `peers` was read and is in `scratch`; the
    frame itself is still to be read.
    """
    cells, scratch = h.call[0], h.scratch[0]
    recv, socket, scratch_address = cells["zmq_recv"], cells["socket"], cells["scratch_address"]
    count, used, records = cells["frame_count"], cells["word_count"], cells["record_count"]
    while True:
        if (
            count >= len(h.frames)
            or records >= cells["records_max"]
            or used + FRAME_WORDS > len(h.words)
        ):
            cells["stop"] = FULL
            break
        size = call(recv, socket, scratch_address, _ROUTE_BYTES_MAX, _DONTWAIT)
        if size < 0:
            cells["stop"] = EMPTY
            break
        route = scratch["route"] & _ROUTE_MASK
        place = find_peer(h, route)
        if size != ROUTE_BYTES or place >= len(h.peers) or h.peers[place]["route"] != route:
            scratch["route_bytes"] = size
            cells["stop"] = UNKNOWN_PEER
            break
        address = cells["words_address"] + 8 * used
        size = call(recv, socket, address, 8 * (FRAME_WORDS - 1), _DONTWAIT)
        session = h.peers[place]["session"]
        irregular = 0
        if skip_parts(h):
            irregular = MULTIPART
        elif (
            session == 0 or size % 8 != 0 or size < _HEAD_BYTES or h.words[used] & 0xFF != _COMMANDS
        ):
            irregular = NOT_ORDERS
        frame = h.frames[count]
        frame["start"], frame["bytes"] = used, size
        frame["session"], frame["route"] = session, route
        frame["irregular"] = irregular
        cells["irregular_count"] += irregular != 0
        count += 1
        records += size // RECORD_BYTES
        used += (size + 7) // 8
    cells["frame_count"], cells["word_count"], cells["record_count"] = count, used, records


@entry
def read_port(gate):
    """`read_frames`, called from Python."""
    read_frames(gate_at(gate))

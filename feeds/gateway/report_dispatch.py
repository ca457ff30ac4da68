"""Events to whoever is to hear of them, in one compiled pass: sorted by report stream, numbered,
and sent where the stream's reader is up to date.
"""

import numpy as np
import zmq
from numba import carray

from feeds.protocol.records import FRAME_RECORDS_MAX, FrameKind
from feeds.transport.compiler import entry, inline
from feeds.transport.libzmq import call, pointer
from matching.records import EventKind

COUNT, SENT, SOCKET, ROUTE, MODE = range(5)
"""Words of a stream's row: reports made, told, and its reader's ROUTER, id there and mode."""
ROW = 8

NOBODY, AWAY, HERE = range(3)
"""Modes: nobody reads the stream; its reader is not there or behind; reports may go out at once."""

STREAM, START, NEW, TOLD = range(4)
"""Columns of a touched row: the stream, the word where its new reports start, how many, whether
that was all."""

NO_ROOM = -1

_BUSTED = int(EventKind.BUSTED)
_REPORTS, _MAX = int(FrameKind.REPORTS), int(FRAME_RECORDS_MAX)
_MORE, _LAST = int(zmq.SNDMORE | zmq.NOBLOCK), int(zmq.NOBLOCK)
_LOW = 0xFFFF_FFFF


@inline
def told(row, out, start, count, send, out_at, route, route_at):
    """Number a stream's new reports and send them if that is all there is to it."""
    first = row[COUNT] + 1
    row[COUNT] += count
    if row[MODE] == NOBODY:
        row[SENT] = row[COUNT]
        return 1
    if send == 0 or row[MODE] != HERE or row[SENT] != first - 1 or count > _MAX:
        return 0
    out[start - 2] = _REPORTS | (count << 16)
    out[start - 1] = first
    route[0] = row[ROUTE]
    if (
        call(send, row[SOCKET], route_at, 5, _MORE) < 0
        or call(send, row[SOCKET], out_at + 8 * (start - 2), 16 + 64 * count, _LAST) < 0
    ):
        row[MODE] = AWAY
        return 0
    row[SENT] += count
    return 1


@entry
def tell(events, first, end, until, streams, table, counts, touched, out, send, out_at, route,
         route_at):  # fmt: skip
    """Hand out events, rows of words, from `first` on, up to the command `until`.

    Returns how many streams got some, the first event left, and whether a bust is why: more streams
    hear of it than its session has. `streams[session]` are the two that a session's events belong
    to (its own, its firm's drop copy; -1: none). Their new reports stand in `out` with room for a
    frame's head before. NO_ROOM where `out` is too small.
    """
    used, total, last = 0, 0, first
    while last < end and events[last, 0] <= until and events[last, 7] & 0xFF != _BUSTED:
        session = events[last, 5] & _LOW
        if session < len(streams):  # a refusal names one that does not exist too
            for way in range(2):
                stream = streams[session, way]
                if stream >= 0:
                    if counts[stream] == 0:
                        touched[used, STREAM] = stream
                        used += 1
                    counts[stream] += 1
                    total += 1
        last += 1
    place = 0
    for index in range(used):
        stream = touched[index, STREAM]
        touched[index, START] = place + 2
        touched[index, NEW] = counts[stream]
        place += 2 + 8 * counts[stream]
        counts[stream] = touched[index, START]
    if place <= len(out):
        for at in range(first, last):
            session = events[at, 5] & _LOW
            if session < len(streams):
                for way in range(2):
                    stream = streams[session, way]
                    if stream >= 0:
                        word = counts[stream]
                        for each in range(8):
                            out[word + each] = events[at, each]
                        counts[stream] = word + 8
    for index in range(used):
        stream = touched[index, STREAM]
        counts[stream] = 0
        if place <= len(out):
            touched[index, TOLD] = told(
                table[stream], out, touched[index, START], touched[index, NEW], send, out_at, route,
                route_at,
            )  # fmt: skip
    if place > len(out):
        return NO_ROOM, first, False
    return used, last, last < end and events[last, 0] <= until


(
    EVENTS_AT, EVENTS_LONG, STREAMS_AT, STREAMS_LONG, TABLE_AT, TABLE_LONG, COUNTS_AT, TOUCHED_AT,
    OUT_AT, OUT_LONG, ROUTE_AT, SEND, CELLS,
) = range(13)  # fmt: skip
"""Cells of the header of `tell_at`."""


@entry
def tell_at(header_at, first, end, until):
    """`tell` with everything at addresses that stand in a header."""
    h = carray(pointer(header_at), CELLS, np.int64)
    return tell(
        carray(pointer(h[EVENTS_AT]), (h[EVENTS_LONG], 8), np.int64), first, end, until,
        carray(pointer(h[STREAMS_AT]), (h[STREAMS_LONG], 2), np.int64),
        carray(pointer(h[TABLE_AT]), (h[TABLE_LONG], ROW), np.int64),
        carray(pointer(h[COUNTS_AT]), h[TABLE_LONG], np.int64),
        carray(pointer(h[TOUCHED_AT]), (h[TABLE_LONG], 4), np.int64),
        carray(pointer(h[OUT_AT]), h[OUT_LONG], np.int64), h[SEND], h[OUT_AT],
        carray(pointer(h[ROUTE_AT]), 1, np.int64), h[ROUTE_AT],
    )  # fmt: skip

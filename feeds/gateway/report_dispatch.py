"""Dispatch of events to report streams, in one compiled pass.

Events are sorted by report stream and numbered. The new reports of a stream are sent at once if
its reader has received all earlier ones.
"""

import numpy as np
import zmq

from feeds.gateway.gate_layout import ORDER_TO_TRADE
from feeds.protocol.records import FRAME, FRAME_RECORDS_MAX, RECORD_BYTES, FrameKind
from feeds.transport.compiler import entry, inline, kernel
from feeds.transport.libzmq import call
from feeds.transport.sockets import ROUTE_BYTES
from matching.memory.handle import HandleLayout, handle_at
from matching.records import EVENT, EventKind

UNREAD, BEHIND, CURRENT = 0, 1, 2
"""Mode of a stream: it has no reader; its reader is not connected or has not received all reports;
new reports may be sent at once."""

STREAM = np.dtype(
    [
        ("count", "<i8"),  # reports made
        ("sent", "<i8"),  # of them, on the present connection
        ("socket", "<i8"),  # address of its reader's ROUTER
        ("route", "<i8"),  # of its reader, there
        ("mode", "<i8"),
    ]
)
"""State of a report stream that the kernels share."""

NEW_REPORTS = np.dtype(
    [
        ("stream", "<i8"),
        ("start", "<i8"),  # index of the first word in `out`
        ("count", "<i8"),
        ("is_done", "<i8"),  # they were sent, or the stream has no reader
    ]
)
"""The reports that one dispatch added to a stream."""

DISPATCH_CALL = np.dtype(
    [
        ("zmq_send", "<i8"),  # address of the function; 0: send nothing
        ("out_address", "<i8"),
        ("route_address", "<i8"),
        ("first", "<i8"),  # event; afterwards the first that was not dispatched
        ("end", "<i8"),
        ("is_bust", "<i8"),  # whether that event is a bust, which the caller dispatches
        ("per_trade", "<i8"),  # commands that a trade allows a session; -1: no limit, none counted
    ]
)
"""Arguments and results of `dispatch`."""

_WORD = np.dtype("<i8")
DISPATCH_LAYOUT = HandleLayout(
    "Dispatch",
    {
        "call": DISPATCH_CALL,  # one record
        "events": EVENT,
        "session_streams": _WORD,  # two a session: its own, its firm's drop copy; -1: none
        "streams": STREAM,
        "order_to_trade": ORDER_TO_TRADE,  # by session
        "new_counts": _WORD,  # by stream; all 0 between two calls
        "new_reports": NEW_REPORTS,
        "out": _WORD,  # reports by stream, with room for a frame's head before each stream's
        "route": _WORD,  # one: the routing id to send to
    },
    views={"event_words": ("events", _WORD)},
)
_dispatch_at = handle_at(DISPATCH_LAYOUT)

NO_ROOM = -1
"""`out` is too small for the reports of one dispatch; nothing was changed."""

WAYS = 2
"""Streams of a session."""

_BUSTED, _FILLED = int(EventKind.BUSTED), int(EventKind.FILLED)
_REPORTS, _RECORDS_MAX = int(FrameKind.REPORTS), int(FRAME_RECORDS_MAX)
_HEAD_WORDS, _RECORD_WORDS = FRAME.itemsize // 8, RECORD_BYTES // 8

_MORE, _LAST = int(zmq.SNDMORE | zmq.NOBLOCK), int(zmq.NOBLOCK)


@inline
def send_reports(h, stream, start, count, first_number):
    """Send reports in one frame to a stream's reader; returns whether it took them."""
    cells = h.call[0]
    send, address = cells["zmq_send"], cells["out_address"] + 8 * (start - _HEAD_WORDS)
    h.out[start - 2] = _REPORTS | (count << 16)
    h.out[start - 1] = first_number
    h.route[0] = stream["route"]
    size = 8 * (_HEAD_WORDS + _RECORD_WORDS * count)
    return (
        call(send, stream["socket"], cells["route_address"], ROUTE_BYTES, _MORE) >= 0
        and call(send, stream["socket"], address, size, _LAST) >= 0
    )


@inline
def number_and_send(h, new):
    """Number a stream's new reports, and send them if its reader is current."""
    stream = h.streams[new["stream"]]
    count, first_number = new["count"], stream["count"] + 1
    stream["count"] += count
    new["is_done"] = 0
    if stream["mode"] == UNREAD:
        stream["sent"] = stream["count"]
        new["is_done"] = 1
    elif (
        h.call[0]["zmq_send"] != 0
        and stream["mode"] == CURRENT
        and stream["sent"] == first_number - 1
        and count <= _RECORDS_MAX
    ):
        if send_reports(h, stream, new["start"], count, first_number):
            stream["sent"] += count
            new["is_done"] = 1
        else:
            stream["mode"] = BEHIND


@inline
def count_reports(h, until):
    """Count the reports that each stream gets; returns the end of the events, and the streams.

    Ends before an event of a command after `until`, and before a bust.
    """
    used, at, end = 0, h.call[0]["first"], h.call[0]["end"]
    while at < end:
        event = h.events[at]
        if np.int64(event["sequence"]) > until or event["kind"] == _BUSTED:
            break
        session = np.int64(event["session"])
        if WAYS * session < len(h.session_streams):  # a rejection may name one that does not exist
            for way in range(WAYS):
                stream = h.session_streams[WAYS * session + way]
                if stream >= 0:
                    if h.new_counts[stream] == 0:
                        h.new_reports[used]["stream"] = stream
                        used += 1
                    h.new_counts[stream] += 1
        at += 1
    return at, used


@inline
def copy_reports(h, end):
    """Copy each event to its streams' parts of `out`; `new_counts` has the next word of each."""
    for at in range(h.call[0]["first"], end):
        session = np.int64(h.events[at]["session"])
        if WAYS * session < len(h.session_streams):
            for way in range(WAYS):
                stream = h.session_streams[WAYS * session + way]
                if stream >= 0:
                    start = h.new_counts[stream]
                    for word in range(_RECORD_WORDS):
                        h.out[start + word] = h.event_words[_RECORD_WORDS * at + word]
                    h.new_counts[stream] = start + _RECORD_WORDS


@inline
def count_trades(h, end):
    """Count each session's trades, which allow it more commands.

    The two fills of a trade follow each other; between two orders of one session it counts once.
    """
    per_trade = h.call[0]["per_trade"]
    last_trade, last_session = np.int64(-1), np.int64(-1)
    for at in range(h.call[0]["first"], end):
        event = h.events[at]
        session = np.int64(event["session"])
        if event["kind"] == _FILLED and session < len(h.order_to_trade):
            trade = np.int64(event["trade_id"])
            if trade != last_trade or session != last_session:
                h.order_to_trade[session]["trades"] += 1
                h.order_to_trade[session]["left"] += per_trade
            last_trade, last_session = trade, session


@kernel
def dispatch_events(h, until):
    """Dispatch events up to the command `until`; returns how many streams got reports.

    Those are the first of `new_reports`. A bust ends the pass, because more streams get it than
    those of its session. Returns NO_ROOM if `out` is too small.
    """
    cells = h.call[0]
    end, used = count_reports(h, until)
    place = 0
    for index in range(used):
        new = h.new_reports[index]
        new["start"] = place + _HEAD_WORDS
        new["count"] = h.new_counts[new["stream"]]
        place += _HEAD_WORDS + _RECORD_WORDS * new["count"]
        h.new_counts[new["stream"]] = new["start"]
    has_room = place <= len(h.out)
    if has_room:
        copy_reports(h, end)
        if cells["per_trade"] >= 0:
            count_trades(h, end)
    for index in range(used):
        h.new_counts[h.new_reports[index]["stream"]] = 0
        if has_room:
            number_and_send(h, h.new_reports[index])
    if not has_room:
        return NO_ROOM
    cells["first"] = end
    cells["is_bust"] = end < cells["end"] and np.int64(h.events[end]["sequence"]) <= until
    return used


@entry
def dispatch(handle, until):
    """`dispatch_events`, called from Python."""
    return np.int64(dispatch_events(_dispatch_at(handle), until))

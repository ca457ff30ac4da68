"""Events by who is to hear of them, in one compiled pass."""

from feeds.compile import entry
from matching.records import EventKind

_BUSTED = int(EventKind.BUSTED)

NO_ROOM = -1
BUSTS = -2


@entry
def split(events, streams, counts, touched, out, capacity):
    """Sort events by report stream, keeping their order; returns how many streams got some.

    `streams[session]` are the two streams that a
    session's events belong to (its own, its firm's drop copy; -1: none). `touched` receives rows
    of stream, first row in `out` and number of rows. NO_ROOM where `out` is too small; BUSTS where
    a trade was taken back, which more streams hear of than the event's session has.
    """
    used = 0
    total = 0
    busts = 0
    for row in range(len(events)):
        if events[row]["kind"] == _BUSTED:
            busts += 1
        session = events[row]["session"]
        for way in range(2):
            # A refusal names the session as the command did, one that does not exist too.
            stream = streams[session, way] if session < len(streams) else -1
            if stream < 0:
                continue
            if counts[stream] == 0:
                touched[used, 0] = stream
                used += 1
            counts[stream] += 1
            total += 1
    place = 0
    for index in range(used):
        stream = touched[index, 0]
        touched[index, 1] = place
        touched[index, 2] = counts[stream]
        place += counts[stream]
        counts[stream] = touched[index, 1]
    if total <= capacity and busts == 0:
        for row in range(len(events)):
            session = events[row]["session"]
            for way in range(2):
                stream = streams[session, way] if session < len(streams) else -1
                if stream < 0:
                    continue
                out[counts[stream]] = events[row]
                counts[stream] += 1
    for index in range(used):
        counts[touched[index, 0]] = 0
    if busts:
        return BUSTS
    return used if total <= capacity else NO_ROOM

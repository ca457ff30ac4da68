"""Removal of cancels and replaces that a broker would not have sent, because it saw the order end.

A day is drafted without knowing what trades. A broker that reads its reports does not cancel an
order that is already filled; a cancel comes too late only if it crosses the report on the way.
Removing a refused command changes nothing else in the day, so one run of the machine is enough to
find all of them.
"""

import numpy as np
import numpy.typing as npt

from exchange.days.replay import Machine
from matching.records import NANOSECONDS, CommandKind, EventKind, Reason

Records = npt.NDArray[np.void]


def select_sendable(commands: Records, machine: Machine, delay_s: int) -> npt.NDArray[np.bool_]:
    """A mask of the commands to keep: all except those about orders whose end the broker saw.

    A broker sees the end of an order `delay_s` seconds after it happens. Commands about orders
    that never existed are kept, because they are deliberate mistakes. `machine` must be fresh.
    """
    events = machine.process(commands)
    kinds = events["kind"]
    late = events[(kinds == EventKind.REJECTED) & (events["reason"] == Reason.UNKNOWN_ORDER)]
    ended = (kinds == EventKind.REJECTED) & (events["target_ref"] == 0)
    for kind in (EventKind.FILLED, EventKind.CANCELLED, EventKind.EXPIRED):
        ended |= (kinds == kind) & (events["leaves"] == 0)
    ends = events[ended]
    keys = _key(ends["session"], ends["user_ref"])
    order = np.argsort(keys, kind="stable")
    keys, times_ns = keys[order], ends["time_ns"][order]
    # If one ref ended several times (an order that was sent again), the last end counts.
    at = np.searchsorted(keys, _key(late["session"], late["target_ref"]), side="right") - 1
    known = (at >= 0) & (keys[at] == _key(late["session"], late["target_ref"]))
    seen = known & (late["time_ns"] - times_ns[at] > delay_s * NANOSECONDS)
    kept = np.ones(len(commands), np.bool_)
    kept[late["sequence"][seen].astype(np.int64) - 1] = False
    has_target = np.isin(commands["kind"], (CommandKind.CANCEL, CommandKind.REPLACE))
    assert np.all(has_target[~kept])
    return kept


def _key(session: npt.NDArray[np.uint32], ref: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    return session.astype(np.int64) << 32 | ref.astype(np.int64)

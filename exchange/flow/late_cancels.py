"""Races: which cancels and replaces a broker would really have sent.

A day is drafted without knowing what trades. A broker that reads its reports does not cancel what
is already filled; only when both cross on the way does its cancel come too late. Taking out a
refused command changes nothing else in the day, so one run of the machine tells which to keep.
"""

import numpy as np
import numpy.typing as npt

from exchange.days.replay import Machine
from matching.records import NANOSECONDS, CommandKind, EventKind, Reason

Records = npt.NDArray[np.void]


def seen_by_brokers(commands: Records, machine: Machine, delay_s: int) -> npt.NDArray[np.bool_]:
    """Which commands to keep: all but those about orders whose end the broker had seen.

    An end is seen `delay_s` after it happened. Commands about orders that never were are kept:
    those are mistakes. `machine` must be fresh.
    """
    events = machine.process(commands)
    kinds = events["kind"]
    late = events[(kinds == EventKind.REJECTED) & (events["reason"] == Reason.UNKNOWN_ORDER)]
    over = (kinds == EventKind.REJECTED) & (events["target_ref"] == 0)
    for kind in (EventKind.FILLED, EventKind.CANCELLED, EventKind.EXPIRED):
        over |= (kinds == kind) & (events["leaves"] == 0)
    ends = events[over]
    keys = _key(ends["session"], ends["user_ref"])
    order = np.argsort(keys, kind="stable")
    keys, times_ns = keys[order], ends["time_ns"][order]
    # Of several ends under one ref (an order sent again), the last counts.
    at = np.searchsorted(keys, _key(late["session"], late["target_ref"]), side="right") - 1
    known = (at >= 0) & (keys[at] == _key(late["session"], late["target_ref"]))
    seen = known & (late["time_ns"] - times_ns[at] > delay_s * NANOSECONDS)
    kept = np.ones(len(commands), np.bool_)
    kept[late["sequence"][seen].astype(np.int64) - 1] = False
    about = np.isin(commands["kind"], (CommandKind.CANCEL, CommandKind.REPLACE))
    assert np.all(about[~kept])
    return kept


def _key(session: npt.NDArray[np.uint32], ref: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    return session.astype(np.int64) << 32 | ref.astype(np.int64)

"""Nanoseconds of each kind of command alone, on a workload's warm books: where the time goes.

Each stream is of one kind, and when all have run the books are as they were: `cancel` takes out
what `new` put in, `trade` what `front` did. Orders are drawn as a plain workload's.
"""

from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.flow import Recording
from bench.measure import BATCH, seconds, split, warmed
from bench.opening import session_of, tight_of
from bench.orders import OrderWriter
from bench.refs import Refs
from bench.workloads import PLAIN
from matching import COMMAND, Engine
from matching.records import CommandKind, EventKind, Side, TimeInForce

Commands = NDArray[np.void]

COUNT = BATCH
SPARE_REFS = 2_048  # of a session: the recording does not come to its last ones
KINDS = {
    "unknown": "cancels of what is not there",
    "new": "limit orders that wait",
    "reduce": "replaces that keep their place",
    "move": "replaces with another price",
    "cancel": "cancels, in another order",
    "front": "limit orders at a better price than any",
    "trade": "IOCs that fill one order each",
}


def by_kind(recording: Recording, repeats: int) -> dict[str, dict[str, float]]:
    """For each kind: median nanoseconds a command (process CPU time), and events a command.

    Raises RuntimeError where a command was refused that should not be.
    """
    engine = warmed(recording)
    streams = _streams(recording, engine)
    took: dict[str, list[float]] = {name: [] for name in KINDS}
    events = dict.fromkeys(KINDS, 0)
    for _ in range(repeats + 1):
        for name in KINDS:
            took[name].append(seconds(engine.process, split(streams[name]), 1) / COUNT * 1e9)
    for name in KINDS:
        answers = engine.process(streams[name])
        events[name] = len(answers)
        if name != "unknown" and (answers["kind"] == EventKind.REJECTED).any():
            reasons = np.unique(answers["reason"]).tolist()
            raise RuntimeError(f"{recording.workload.name}: `{name}` was refused: {reasons}")
    return {
        name: {"ns": round(median(took[name][1:]), 1), "events": round(events[name] / COUNT, 2)}
        for name in KINDS
    }


def _streams(recording: Recording, engine: Engine) -> dict[str, Commands]:
    """The commands of each kind."""
    workload = replace(recording.workload, mix=PLAIN)
    dice = np.random.default_rng(recording.seed)
    best = _best(engine, workload.size.instruments)
    never = np.zeros(COUNT, bool)
    new = _rows(recording, CommandKind.NEW)
    OrderWriter(workload, dice, best.sum(axis=1) // 2).write_new(new, never, never)
    new["account"] -= tight_of(recording.workload, new["account"]) > 0  # which would be refused
    new["session"] = session_of(workload, new["account"])
    sign = 1 - 2 * new["side"].astype(np.int32)
    new["price"] -= sign * workload.lots_max
    new["quantity"] += 1
    spare = Refs(workload.sessions, recording.limits.refs - SPARE_REFS)
    new["user_ref"] = spare.give(new["session"])
    reduce = _aimed(recording, CommandKind.REPLACE, new)
    reduce["quantity"] = new["quantity"] - 1
    move = reduce.copy()
    move["price"] = new["price"] - sign
    front = new.copy()
    front["side"], front["quantity"] = Side.SELL, 1
    front["price"] = best[front["instrument"], 0] + 1
    trade = front.copy()
    trade["side"], trade["tif"] = Side.BUY, TimeInForce.IOC
    trade["user_ref"] -= SPARE_REFS
    cancel = dice.permutation(_aimed(recording, CommandKind.CANCEL, new))
    return {
        "unknown": cancel,
        "new": new,
        "reduce": reduce,
        "move": move,
        "cancel": cancel,
        "front": front,
        "trade": trade,
    }


def _best(engine: Engine, instruments: int) -> NDArray[np.int64]:
    """Best buy and sell price of each instrument; row 0 is none's."""
    rows = [engine.depth(number + 1, 1) for number in range(instruments)]
    return np.array([(0, 0), *((buys[0][0], sells[0][0]) for buys, sells in rows)])


def _rows(recording: Recording, kind: CommandKind) -> Commands:
    rows = np.zeros(COUNT, COMMAND)
    rows["kind"] = kind
    rows["time_ns"] = recording.warm["time_ns"][-1]
    return rows


def _aimed(recording: Recording, kind: CommandKind, orders: Commands) -> Commands:
    rows = _rows(recording, kind)
    rows["session"], rows["target_ref"] = orders["session"], orders["user_ref"]
    rows["user_ref"] = recording.limits.refs - 1
    return rows

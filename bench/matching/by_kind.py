"""Nanoseconds of each kind of command alone, on the books of a workload.

Each stream has commands of one kind. When all streams have run, the books are as before: `cancel`
removes the orders of `new`, and `trade` fills those of `front`. Orders are drawn as in a plain
workload.
"""

from dataclasses import replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.matching.measure import warmed_engine
from bench.matching.timing import BATCH_COMMANDS, Commands, split, warm_seconds
from bench.workloads.definitions import PLAIN
from bench.workloads.opening import limit_in_reach, session_of
from bench.workloads.order_writer import OrderWriter
from bench.workloads.recording import Recording
from bench.workloads.refs import Refs
from matching import COMMAND, Engine
from matching.records import CommandKind, EventKind, Side, TimeInForce

COUNT = BATCH_COMMANDS
SPARE_REFS = 2_048  # last refs of a session, which the recording does not reach
KINDS = {
    "unknown": "cancels of orders that do not exist",
    "new": "limit orders that rest",
    "reduce": "replaces that keep their priority",
    "move": "replaces with another price",
    "cancel": "cancels, in another sequence than the orders",
    "front": "limit orders at a better price than any",
    "trade": "IOCs that fill one order each",
}


def by_kind(recording: Recording, repeats: int) -> dict[str, dict[str, float]]:
    """Return for each kind the median nanoseconds (process CPU time) and the events a command.

    The first pass is not counted. Raises RuntimeError where a command is rejected, except those of
    `unknown`.
    """
    engine = warmed_engine(recording)
    streams = _streams(recording, engine)
    took: dict[str, list[float]] = {name: [] for name in KINDS}
    events = dict.fromkeys(KINDS, 0)
    for _ in range(repeats + 1):
        for name in KINDS:
            took[name].append(warm_seconds(engine.process, split(streams[name])) / COUNT * 1e9)
    for name in KINDS:
        answers = engine.process(streams[name])
        events[name] = len(answers)
        if name != "unknown" and (answers["kind"] == EventKind.REJECTED).any():
            reasons = np.unique(answers["reason"]).tolist()
            raise RuntimeError(f"{recording.workload.name}: `{name}` was rejected: {reasons}")
    return {
        name: {"ns": round(median(took[name][1:]), 1), "events": round(events[name] / COUNT, 2)}
        for name in KINDS
    }


def _streams(recording: Recording, engine: Engine) -> dict[str, Commands]:
    """Return the commands of each kind, which are valid in the order of KINDS."""
    workload = replace(recording.workload, mix=PLAIN)
    rng = np.random.default_rng(recording.seed)
    best = _best_prices(engine, workload.size.instruments)
    never = np.zeros(COUNT, bool)
    new = _rows(recording, CommandKind.NEW)
    OrderWriter(workload, rng, best.sum(axis=1) // 2).write_new(new, never, never)
    # An account that is close to a limit would have orders rejected: take the one before it.
    new["account"] -= limit_in_reach(recording.workload, new["account"]) > 0
    new["session"] = session_of(workload, new["account"])
    sign = 1 - 2 * new["side"].astype(np.int32)
    new["price"] -= sign * workload.lots_max
    new["quantity"] += 1
    spare = Refs(workload.sessions, recording.limits.refs - SPARE_REFS)
    new["user_ref"] = spare.take(new["session"])
    reduce = _commands_on(recording, CommandKind.REPLACE, new)
    reduce["quantity"] = new["quantity"] - 1
    move = reduce.copy()
    move["price"] = new["price"] - sign
    front = new.copy()
    front["side"], front["quantity"] = Side.SELL, 1
    front["price"] = best[front["instrument"], 0] + 1
    trade = front.copy()
    trade["side"], trade["tif"] = Side.BUY, TimeInForce.IOC
    trade["user_ref"] -= SPARE_REFS
    cancel = rng.permutation(_commands_on(recording, CommandKind.CANCEL, new))
    return {
        "unknown": cancel,
        "new": new,
        "reduce": reduce,
        "move": move,
        "cancel": cancel,
        "front": front,
        "trade": trade,
    }


def _best_prices(engine: Engine, instruments: int) -> NDArray[np.int64]:
    """Return best bid and ask by instrument number, `int64[instruments + 1, 2]`; row 0 is 0."""
    rows = [engine.depth(number + 1, 1) for number in range(instruments)]
    return np.array([(0, 0), *((buys[0][0], sells[0][0]) for buys, sells in rows)])


def _rows(recording: Recording, kind: CommandKind) -> Commands:
    rows = np.zeros(COUNT, COMMAND)
    rows["kind"] = kind
    rows["time_ns"] = recording.warm["time_ns"][-1]
    return rows


def _commands_on(recording: Recording, kind: CommandKind, orders: Commands) -> Commands:
    """Return a cancel or replace for each of these orders."""
    rows = _rows(recording, kind)
    rows["session"], rows["target_ref"] = orders["session"], orders["user_ref"]
    rows["user_ref"] = recording.limits.refs - 1
    return rows

"""Turn a workload into commands: made by running the engine, a few hundred commands at a time.

Between two chunks the events tell what rests, so that cancels are uniform over it. Prices stand at
geometric distances from a mid that walks; how many orders cross is steered so that the number of
resting orders stays where it should. The same workload, count and seed give the same bytes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.live import Ints, LiveOrders
from bench.opening import limits_of, opening
from bench.orders import OrderWriter
from bench.refs import Refs
from bench.workloads import Workload
from matching import COMMAND, Engine, Limits
from matching.records import CommandKind, EventFlag, EventKind, Reason

Commands = NDArray[np.void]

CHUNK_MAX = 1_024
WARM_COMMANDS_MAX = 1_000_000
STEPS_A_TURNOVER = 40  # of the mid, while as many commands come as orders rest in its book
COMMAND_NS = 1_000
START_NS = 1_795_305_600 * 10**9

NEW, CANCEL, IOC, REPLACE, BLOCK = range(5)
KINDS = np.array(
    [CommandKind.NEW, CommandKind.CANCEL, CommandKind.NEW, CommandKind.REPLACE, CommandKind.NEW]
)


@dataclass
class Tally:
    """What the events of a stream add up to."""

    events: int = 0
    trades: int = 0
    sha256: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)  # by reason
    resting: list[int] = field(default_factory=list)  # live orders after each chunk
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)

    def add(self, events: NDArray[np.void], resting: int) -> None:
        """Count the events of a chunk, after which so many orders are live."""
        self._digest.update(events.tobytes())
        self.sha256 = self._digest.hexdigest()
        self.events += len(events)
        kind = events["kind"]
        taker = (events["flags"] & EventFlag.TAKER) != 0
        self.trades += int(((kind == EventKind.FILLED) & taker).sum())
        for code, count in _counts(kind):
            self.kinds[EventKind(code).name] += count
        for code, count in _counts(events["reason"][kind == EventKind.REJECTED]):
            self.rejects[Reason(code).name] += count
        self.resting.append(resting)


def _counts(codes: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Each code that occurs, and how often."""
    counts = np.bincount(codes)
    return ((int(code), int(counts[code])) for code in np.flatnonzero(counts))


@dataclass(frozen=True)
class Recording:
    """A stream of commands, how to come to where it starts, and what its events were."""

    workload: Workload
    seed: int
    limits: Limits
    warm: Commands  # from an empty machine to the resting orders
    stream: Commands  # what is measured
    resting: int  # at the start of the stream
    tally: Tally  # of the stream


def record(workload: Workload, count: int, seed: int) -> Recording:
    """Make the commands of a workload, `count` of them after warming up."""
    turns = min(4 * workload.resting, WARM_COMMANDS_MAX)
    flow = Flow(workload, workload.resting + workload.blocks + turns + count, seed)
    flow.fill(workload.resting)
    flow.run(turns)
    start, resting = flow.at, len(flow.live)
    flow.tally = Tally()
    flow.run(count)
    return Recording(
        workload=workload,
        seed=seed,
        limits=flow.engine.limits,
        warm=flow.commands[:start],
        stream=flow.commands[start:],
        resting=resting,
        tally=flow.tally,
    )


class Flow:
    """Writes a workload's commands into an array, one chunk after the other."""

    def __init__(self, workload: Workload, count: int, seed: int) -> None:
        """Open the market, with room for `count` commands after that."""
        first = np.concatenate([*opening(workload)], dtype=COMMAND)
        total = len(first) + count
        limits = limits_of(workload, total)
        self.commands = np.zeros(total, COMMAND)
        self.engine = Engine(limits)
        self.blocks: set[tuple[int, int]] = set()  # sessions and refs of those that stand
        self.live = LiveOrders(workload.sessions, limits.refs, limits.orders + CHUNK_MAX)
        self.at = 0  # commands made so far
        self.tally = Tally()
        self.mids = np.full(workload.size.instruments + 1, workload.worth_ticks)
        self._workload = workload
        self._dice = np.random.default_rng(seed)
        self._refs = Refs(workload.sessions)
        self._made_by = np.zeros((workload.sessions + 1) * limits.refs, np.int32)  # row by key
        self._writer = OrderWriter(workload, self._dice, self.mids)
        self._chunk = max(8, min(workload.resting // 32, CHUNK_MAX))
        self.commands[: len(first)] = first
        self.commands["sequence"] = np.arange(1, total + 1)
        self.commands["time_ns"] = START_NS + np.arange(total) * COMMAND_NS
        self._open_market(len(first))

    def _open_market(self, count: int) -> None:
        for at in range(0, count, CHUNK_MAX):
            events = self.engine.process(self.commands[at : min(at + CHUNK_MAX, count)])
            assert not (events["kind"] == EventKind.REJECTED).any(), "the opening is accepted"
        self.at = count

    def fill(self, count: int) -> None:
        """So many orders that rest."""
        for size in _sizes(count, CHUNK_MAX):
            act = np.full(size, NEW)
            self._play(act, np.zeros(size, bool))
        for size in _sizes(self._workload.blocks, CHUNK_MAX):
            self._play(np.full(size, BLOCK), np.zeros(size, bool))

    def run(self, count: int) -> None:
        """So many commands of the mix."""
        mix = self._workload.mix
        borders = np.cumsum([mix.new, mix.cancel, mix.ioc])
        for size in _sizes(count, self._chunk):
            self.walk(size)
            # A machine that has rounding errors in its shares still plays no fifth act.
            act = np.minimum(np.searchsorted(borders, self._dice.random(size), side="right"), 3)
            if not mix.replace:
                act[act == REPLACE] = CANCEL
            act[: self._workload.blocks - len(self.blocks)] = BLOCK
            crosses = (act == NEW) & (self._dice.random(size) < self._crossing())
            self._play(act, crosses | (act == IOC))

    def _crossing(self) -> float:
        """The share of new orders that cross: more of them when too many orders rest."""
        surplus = (len(self.live) - self._workload.resting) / self._chunk
        return float(np.clip(0.09 + 0.03 * surplus, 0.0, 0.5))

    def walk(self, size: int) -> None:
        """Move the mids: a random walk in the middle half of the band."""
        books = self._workload.size
        rate = size / books.instruments * STEPS_A_TURNOVER / books.resting
        steps = self._dice.poisson(rate, books.instruments)
        self.mids[1:] += 2 * self._dice.binomial(steps, 0.5) - steps
        reach = self._workload.band_ticks // 4
        worth = self._workload.worth_ticks
        np.clip(self.mids, worth - reach, worth + reach, out=self.mids)

    def _play(self, act: Ints, crosses: NDArray[np.bool_]) -> None:
        """Write a chunk, process it and learn from its events."""
        chunk = self.commands[self.at : self.at + len(act)]
        chunk["kind"] = KINDS[act]
        new = np.flatnonzero((act == NEW) | (act == IOC))
        chunk[new] = self._writer.write_new(chunk[new], crosses[new], act[new] == IOC)
        blocks = np.flatnonzero(act == BLOCK)
        if len(blocks):
            chunk[blocks] = self._writer.write_blocks(chunk[blocks])
        self._aim(chunk, act)
        chunk["user_ref"] = self._refs.give(chunk["session"])
        keys = self.live.key(chunk["session"], chunk["user_ref"])
        self._made_by[keys] = np.arange(self.at, self.at + len(chunk))
        events = self.engine.process(chunk)
        self.live.update(events[(events["flags"] & EventFlag.BLOCK) == 0])
        self._count_blocks(events[(events["flags"] & EventFlag.BLOCK) != 0])
        self.tally.add(events, len(self.live))
        self.at += len(chunk)

    def _count_blocks(self, events: Commands) -> None:
        """Which blocks stand: all or none of their hours trade."""
        kinds, keys = events["kind"], zip(events["session"], events["user_ref"], strict=True)
        for kind, (session, ref) in zip(kinds.tolist(), keys, strict=True):
            if kind == EventKind.ACCEPTED:
                self.blocks.add((int(session), int(ref)))
            else:
                self.blocks.discard((int(session), int(ref)))

    def _aim(self, chunk: Commands, act: Ints) -> None:
        """Cancels and replaces: of different live orders, each as likely."""
        aimed = np.flatnonzero((act == CANCEL) | (act == REPLACE))
        targets = self.live.sample(self._dice, len(aimed))
        chunk["session"][aimed], chunk["target_ref"][aimed] = self.live.split(targets)
        replaces = act[aimed] == REPLACE
        rows, made = aimed[replaces], self.commands[self._made_by[targets[replaces]]]
        chunk[rows] = self._writer.write_replaces(chunk[rows], made)


def _sizes(count: int, chunk: int) -> list[int]:
    """The sizes of the chunks of so many commands."""
    return [min(chunk, count - at) for at in range(0, count, chunk)]

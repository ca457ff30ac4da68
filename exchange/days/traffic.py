"""Traffic of a day: the commands that each session sent, and the trades that came of them.

A pure function of the day log, so anybody can recompute it. A venue may price it, and may refuse
new orders of a session that sends too much and trades too little (`[order_to_trade]` in
`venue.toml`); the counts here are those by which it does.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exchange.days.replay import Machine, Replay, by_name, check_seal
from ledger.daylog import DayLog
from ledger.daylog.registry import Registry
from matching.records import CommandKind, EventKind

Records = NDArray[np.void]


@dataclass(frozen=True, kw_only=True)
class SessionTraffic:
    """Commands and trades of one session in a day."""

    session: int
    name: str
    firm: int
    commands: int
    commands_by_kind: dict[str, int]
    rejected: int  # commands that the machine rejected
    ordered_lots: int  # of all new orders; of a block in all its hours
    trades: int
    traded_lots: int

    @property
    def commands_per_trade(self) -> float | None:
        """Commands divided by trades; None without a trade."""
        return self.commands / self.trades if self.trades else None

    def excess(self, free: int, per_trade: int) -> int:
        """Commands beyond a free allowance and so many for each trade; 0: none.

        >>> traffic = SessionTraffic(
        ...     session=2, name="east-1", firm=1, commands=1_300, commands_by_kind={}, rejected=0,
        ...     ordered_lots=0, trades=5, traded_lots=9)
        >>> [traffic.excess(free, 50) for free in (1_000, 1_050)]
        [50, 0]
        """
        return max(0, self.commands - free - per_trade * self.trades)


class TrafficCount:
    """Counts the traffic of a day from its commands and its events, in pieces of any size.

    Orders that are carried into the day are nobody's commands of this day. A trade counts once for
    each session in it, also where both of its orders are of the same session. A bust takes nothing
    back.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kinds: dict[int, Counter[int]] = {each.id: Counter() for each in registry.sessions}
        self._rejected, self._ordered = Counter[int](), Counter[int]()
        self._trades, self._traded = Counter[int](), Counter[int]()

    def add_commands(self, commands: Records) -> None:
        """Count the next COMMAND[n] of the log."""
        sent = commands[
            (commands["session"] > 0) & (commands["sequence"] > self._registry.opening_commands)
        ]
        pairs = sent["session"].astype(np.int64) << 8 | sent["kind"]
        for pair, count in zip(*_counts(pairs), strict=True):
            self._kinds.setdefault(pair >> 8, Counter())[pair & 0xFF] += count
        new = sent[sent["kind"] == CommandKind.NEW]
        lots = np.maximum(new["quantity"], 0).astype(np.int64) * np.maximum(new["hours"], 1)
        _add(self._ordered, new["session"], lots)

    def add_events(self, events: Records) -> None:
        """Count the next EVENT[n]; both fills of a trade are in one piece."""
        rejected = events[
            (events["kind"] == EventKind.REJECTED)
            & (events["sequence"] > self._registry.opening_commands)
        ]
        _add(self._rejected, rejected["session"], np.ones(len(rejected), np.int64))
        fills = events[events["kind"] == EventKind.FILLED]
        maker, taker = fills[0::2], fills[1::2]
        assert np.array_equal(maker["trade_id"], taker["trade_id"])
        other = maker["session"] != taker["session"]
        for own in (taker, maker[other]):
            _add(self._trades, own["session"], np.ones(len(own), np.int64))
            _add(self._traded, own["session"], own["quantity"].astype(np.int64))

    def result(self) -> list[SessionTraffic]:
        """The traffic of every session of the registry, in order of their numbers."""
        return [
            SessionTraffic(
                session=each.id,
                name=each.name,
                firm=each.firm,
                commands=self._kinds[each.id].total(),
                commands_by_kind=by_name(self._kinds[each.id], CommandKind),
                rejected=self._rejected[each.id],
                ordered_lots=self._ordered[each.id],
                trades=self._trades[each.id],
                traded_lots=self._traded[each.id],
            )
            for each in sorted(self._registry.sessions, key=lambda session: session.id)
        ]


def count_traffic(log: DayLog, machine: Machine) -> list[SessionTraffic]:
    """Return the traffic of each session in a day, from its log and a new machine.

    Raises SealDisagrees where the machine's events are not those that were sealed.
    """
    count = TrafficCount(log.registry)
    for block in log.blocks():
        count.add_commands(block)
    for events in check_seal(Replay(log, machine), log):
        count.add_events(events)
    return count.result()


def _counts(values: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    found, counts = np.unique(values, return_counts=True)
    return found.tolist(), counts.tolist()


def _add(counter: Counter[int], sessions: NDArray[np.uint32], amounts: NDArray[np.int64]) -> None:
    """Add the sum of amounts of each session."""
    found, places = np.unique(sessions, return_inverse=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, places, amounts)
    for session, amount in zip(found.tolist(), sums.tolist(), strict=True):
        counter[session] += amount

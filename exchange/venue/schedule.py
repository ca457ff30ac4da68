"""CLOCK commands: the times that the venue tells the engine, second by second."""

from collections.abc import Callable
from secrets import randbits

import numpy as np
from numpy.typing import NDArray

from ledger.daylog.registry import Registry
from matching.records import COMMAND, NANOSECONDS, CommandKind

Commands = NDArray[np.void]

_NO_COMMANDS = np.zeros(0, COMMAND)


class Schedule:
    """The seconds of a day at which a CLOCK command is due.

    Every whole second is due unless a later one has begun already; the closure of a gate is always
    due, also where the venue comes to it late. Each has a seed of its own, from which the engine
    draws the random ends of auctions: nobody knows it before it is logged.
    """

    def __init__(
        self, registry: Registry, draw_seed: Callable[[], int] = lambda: randbits(63)
    ) -> None:
        self._draw_seed = draw_seed
        gates_s = {instrument.gate_s for instrument in registry.instruments}
        self._gates_s = sorted(gates_s, reverse=True)  # the next one last

    def due(self, now_ns: int, last_time_ns: int) -> Commands:
        """Return CLOCK commands, COMMAND[n] with times, for what is due since `last_time_ns`."""
        last_s = last_time_ns // NANOSECONDS
        now_s = now_ns // NANOSECONDS
        if now_s <= last_s:
            return _NO_COMMANDS
        seconds = []
        while self._gates_s and self._gates_s[-1] <= now_s:
            gate_s = self._gates_s.pop()
            if gate_s > last_s:
                seconds.append(gate_s)
        if not seconds or seconds[-1] != now_s:
            seconds.append(now_s)
        commands = np.zeros(len(seconds), COMMAND)
        commands["kind"] = CommandKind.CLOCK
        commands["time_ns"] = np.array(seconds, np.int64) * NANOSECONDS
        commands["amount_fen"] = [self._draw_seed() for _ in seconds]
        return commands

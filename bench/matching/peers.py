"""Other matching engines that pip installs, on the same resting orders and the same commands.

Adapters do no more than call: a limit order, an IOC (as the peer would do it: an order and a cancel
of what is left), a cancel. Neither peer knows accounts, money or prevention, so they run a plain
workload, and the number of trades must be the engine's. Both are slow by design (Python lists), so
each runs for a few seconds, as far as it comes.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.flow import Recording
from bench.measure import seconds, split, warmed
from matching import Engine
from matching.records import CommandKind, TimeInForce
from matching.state_tables import COLUMNS

BUDGET_S = 5.0
SLICE = 64
LIMIT, IOC, CANCEL = range(3)

Key = tuple[int, int]  # session and user_ref
Message = tuple[int, Key, int, int, int]  # act, order, side, price, quantity


class Peer(Protocol):
    """An engine with one book. `limit` and `ioc` return how many orders they hit."""

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """A limit order."""

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """A limit order whose remainder is cancelled."""

    def cancel(self, key: Key) -> None:
        """Cancel, where it is there."""


class LightMatchingEngine:
    """lightmatchingengine: dictionaries of lists by price; the best price by min() and max()."""

    def __init__(self) -> None:
        module = import_module("lightmatchingengine.lightmatchingengine")
        self._engine = module.LightMatchingEngine()
        self._ids: dict[Key, int] = {}

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Its trades are one for the order and one for each that it hits."""
        order, trades = self._engine.add_order("X", price, quantity, side + 1)
        self._ids[key] = order.order_id
        return sum(trade.order_id != order.order_id for trade in trades)

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """It has no IOC."""
        order, trades = self._engine.add_order("X", price, quantity, side + 1)
        if order.leaves_qty > 0:
            self._engine.cancel_order(order.order_id, "X")
        return sum(trade.order_id != order.order_id for trade in trades)

    def cancel(self, key: Key) -> None:
        """By its own number."""
        # What was filled is still in its map, and cancelling that fails an assertion.
        with suppress(AssertionError):
            self._engine.cancel_order(self._ids[key], "X")


class OrderMatching:
    """order-matching: lists by price, sorted at each change; an order is found by search."""

    def __init__(self) -> None:
        import_module("loguru").logger.disable("order_matching")
        self._engine = import_module("order_matching.matching_engine").MatchingEngine(seed=1)
        self._order = import_module("order_matching.order").LimitOrder
        self._orders = import_module("order_matching.orders").Orders
        side = import_module("order_matching.enums").Side
        self._sides = (side.BUY, side.SELL)
        self._now = datetime(2026, 11, 22)

    def rest(self, key: Key, side: int, price: int, quantity: int) -> None:
        """Enter an order that meets nothing; placing ten thousand of them takes minutes."""
        self._engine.unprocessed_orders.append(self._made(key, side, price, quantity))

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """It matches what is placed when told to."""
        return self._place(self._made(key, side, price, quantity))

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """It has no IOC."""
        order = self._made(key, side, price, quantity)
        hit = self._place(order)
        if order.size > 0:
            self._engine.cancel_order(order.order_id)
        return hit

    def cancel(self, key: Key) -> None:
        """An order that is not there is a ValueError."""
        with suppress(ValueError):
            self._engine.cancel_order(str(key))

    def _made(self, key: Key, side: int, price: int, quantity: int) -> Any:
        self._now += timedelta(microseconds=1)
        return self._order(
            side=self._sides[side],
            price=price,
            size=quantity,
            timestamp=self._now,
            order_id=str(key),
            trader_id="x",
        )

    def _place(self, order: Any) -> int:
        self._engine.place(self._orders([order]))
        return len(self._engine.match(timestamp=self._now).trades)


PEERS: dict[str, Callable[[], Peer]] = {
    "lightmatchingengine": LightMatchingEngine,
    "order-matching": OrderMatching,
}
NEEDS = {"order-matching": "order-matching[polars]"}


def peers(recording: Recording, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row for each peer that can be imported; `say` tells of the others."""
    rows = []
    for name, peer in PEERS.items():
        try:
            rows.append(compare(name, peer(), recording))
        except ImportError as error:
            say(f"peer {name} left out ({error}): pip install '{NEEDS.get(name, name)}'")
    return rows


def compare(name: str, peer: Peer, recording: Recording) -> dict[str, Any]:
    """Run a peer for a few seconds, and the engine, one command a call, just as far.

    Raises RuntimeError where they do not agree on the number of trades.
    """
    engine = warmed(recording)
    enter = getattr(peer, "rest", peer.limit)
    for message in _resting(engine):
        enter(*message)
    trades = done = 0
    took_s = 0.0
    while done < len(recording.stream) and took_s < BUDGET_S:
        messages = _messages(recording.stream[done : done + SLICE])
        start = time.process_time()
        trades += play(peer, messages)
        took_s += time.process_time() - start
        done += len(messages)
    commands = recording.stream[:done]
    before = _trades(engine)
    engine_s = seconds(engine.process, split(commands, 1), 1)
    expected = _trades(engine) - before
    if trades != expected:
        raise RuntimeError(f"{name}: {trades} trades where the engine has {expected}")
    return {
        "peer": name,
        "version": version(name),
        "workload": recording.workload.name,
        "commands": done,
        "trades": trades,
        "commands_per_s": round(done / took_s),
        "engine_one_by_one_per_s": round(done / engine_s),
    }


def play(peer: Peer, messages: Iterable[Message]) -> int:
    """Send messages to a peer; the number of trades."""
    trades = 0
    for act, key, side, price, quantity in messages:
        if act == LIMIT:
            trades += peer.limit(key, side, price, quantity)
        elif act == IOC:
            trades += peer.ioc(key, side, price, quantity)
        else:
            peer.cancel(key)
    return trades


def _trades(engine: Engine) -> int:
    """Trades of an engine since its start."""
    return int(engine.state_tables()["machine"][0, COLUMNS["machine"].index("trades")])


def _messages(commands: NDArray[np.void]) -> list[Message]:
    """A plain workload's commands as Python tuples."""
    fields = ["kind", "tif", "session", "user_ref", "target_ref", "side", "price", "quantity"]
    messages: list[Message] = []
    for kind, tif, session, ref, target, side, price, quantity in commands[fields].tolist():
        if kind == CommandKind.CANCEL:
            messages.append((CANCEL, (session, target), 0, 0, 0))
        elif kind == CommandKind.NEW:
            act = IOC if tif == TimeInForce.IOC else LIMIT
            messages.append((act, (session, ref), side, price, quantity))
        else:
            raise ValueError(f"peers run plain workloads: no command of kind {kind}")
    return messages


def _resting(engine: Engine) -> Iterable[tuple[Key, int, int, int]]:
    """The orders of an engine's book in the order in which they were accepted."""
    wanted = ("session", "user_ref", "side", "price", "leaves")
    places = [COLUMNS["orders"].index(name) for name in wanted]
    for session, ref, side, price, leaves in engine.state_tables()["orders"][:, places].tolist():
        yield (session, ref), side, price, leaves

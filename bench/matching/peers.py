"""Other matching engines from PyPI, on the same resting orders and the same commands.

An adapter only translates calls: a limit order, an IOC (for these peers an order, and a cancel of
what is left of it), a cancel. No peer has accounts, money or self-trade prevention. They play a
plain workload, and must make as many trades as the engine. All are slow by design (Python lists),
so each plays as much of the stream as it can in a few seconds.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import IntEnum
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.matching.measure import warmed_engine
from bench.matching.timing import Progress, split, warm_seconds
from bench.workloads.recording import Recording
from matching import Engine
from matching.records import CommandKind, TimeInForce
from matching.state_tables import COLUMNS

BUDGET_S = 5.0
SLICE = 64


class Action(IntEnum):
    """The request of a message to a peer."""

    LIMIT = 0
    IOC = 1
    CANCEL = 2


Key = tuple[int, int]  # session and user_ref
Message = tuple[Action, Key, int, int, int]  # action, order, side, price, quantity


class Peer(Protocol):
    """An engine with one book. `limit` and `ioc` return how many trades they make."""

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order."""

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order, and cancel what is left of it."""

    def cancel(self, key: Key) -> None:
        """Cancel an order, if it is still live."""


class LightMatchingEngine:
    """lightmatchingengine: dictionaries of lists by price; min() and max() find the best price."""

    def __init__(self) -> None:
        module = import_module("lightmatchingengine.lightmatchingengine")
        self._engine = module.LightMatchingEngine()
        self._ids: dict[Key, int] = {}

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order."""
        order, trades = self._add(side, price, quantity)
        self._ids[key] = order.order_id
        return trades

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order and cancel the rest, because this engine has no IOC."""
        order, trades = self._add(side, price, quantity)
        if order.leaves_qty > 0:
            self._engine.cancel_order(order.order_id, "X")
        return trades

    def cancel(self, key: Key) -> None:
        """Cancel an order by the peer's own id."""
        # A filled order stays in its map, and cancelling it fails an assertion.
        with suppress(AssertionError):
            self._engine.cancel_order(self._ids[key], "X")

    def _add(self, side: int, price: int, quantity: int) -> tuple[Any, int]:
        """Return the order and its number of trades."""
        order, reports = self._engine.add_order("X", price, quantity, side + 1)
        # One of the reports is the order's own, the others are one for each order that it hits.
        return order, sum(report.order_id != order.order_id for report in reports)


class OrderMatching:
    """order-matching: lists by price, sorted at each change; orders are found by linear search."""

    def __init__(self) -> None:
        import_module("loguru").logger.disable("order_matching")
        self._engine = import_module("order_matching.matching_engine").MatchingEngine(seed=1)
        self._order = import_module("order_matching.order").LimitOrder
        self._orders = import_module("order_matching.orders").Orders
        side = import_module("order_matching.enums").Side
        self._sides = (side.BUY, side.SELL)
        self._now = datetime(2026, 11, 22)

    def rest(self, key: Key, side: int, price: int, quantity: int) -> None:
        """Enter an order that does not trade, without `place`.

        Placing ten thousand orders would take minutes.
        """
        self._engine.unprocessed_orders.append(self._create(key, side, price, quantity))

    def limit(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order."""
        return self._place(self._create(key, side, price, quantity))

    def ioc(self, key: Key, side: int, price: int, quantity: int) -> int:
        """Enter a limit order and cancel the rest, because this engine has no IOC."""
        order = self._create(key, side, price, quantity)
        trades = self._place(order)
        if order.size > 0:
            self._engine.cancel_order(order.order_id)
        return trades

    def cancel(self, key: Key) -> None:
        """Cancel an order, if it is still live."""
        with suppress(ValueError):  # raised for an unknown order
            self._engine.cancel_order(str(key))

    def _create(self, key: Key, side: int, price: int, quantity: int) -> Any:
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
        """Place an order and match, which this engine does only when called; returns the trades."""
        self._engine.place(self._orders([order]))
        return len(self._engine.match(timestamp=self._now).trades)


PEERS: dict[str, Callable[[], Peer]] = {
    "lightmatchingengine": LightMatchingEngine,
    "order-matching": OrderMatching,
}
PACKAGES = {"order-matching": "order-matching[polars]"}  # for pip, where the name does not do


def peers(recording: Recording, progress: Progress) -> list[dict[str, Any]]:
    """Return a row for each peer that can be imported; `progress` gets a line for the others."""
    rows = []
    for name, peer in PEERS.items():
        try:
            rows.append(compare(name, peer(), recording))
        except ImportError as error:
            progress(f"peer {name} left out ({error}): pip install '{PACKAGES.get(name, name)}'")
    return rows


def compare(name: str, peer: Peer, recording: Recording) -> dict[str, Any]:
    """Play the stream on a peer for a few seconds, and the same commands on the engine.

    The engine gets one command a call. Returns both rates. Raises RuntimeError where the numbers
    of trades differ.
    """
    engine = warmed_engine(recording)
    enter = getattr(peer, "rest", peer.limit)
    for message in _resting_orders(engine):
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
    trades_before = _trades(engine)
    engine_s = warm_seconds(engine.process, split(commands, 1))
    expected = _trades(engine) - trades_before
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
    """Send messages to a peer; returns the number of trades."""
    trades = 0
    for action, key, side, price, quantity in messages:
        if action is Action.LIMIT:
            trades += peer.limit(key, side, price, quantity)
        elif action is Action.IOC:
            trades += peer.ioc(key, side, price, quantity)
        else:
            peer.cancel(key)
    return trades


def _trades(engine: Engine) -> int:
    """Return the trades of an engine since its start."""
    return int(engine.state_tables()["machine"][0, COLUMNS["machine"].index("trades")])


def _messages(commands: NDArray[np.void]) -> list[Message]:
    """Return a plain workload's commands as Python tuples."""
    fields = ["kind", "tif", "session", "user_ref", "target_ref", "side", "price", "quantity"]
    messages: list[Message] = []
    for kind, tif, session, ref, target, side, price, quantity in commands[fields].tolist():
        if kind == CommandKind.CANCEL:
            messages.append((Action.CANCEL, (session, target), 0, 0, 0))
        elif kind == CommandKind.NEW:
            action = Action.IOC if tif == TimeInForce.IOC else Action.LIMIT
            messages.append((action, (session, ref), side, price, quantity))
        else:
            raise ValueError(f"peers run plain workloads: no command of kind {kind}")
    return messages


def _resting_orders(engine: Engine) -> Iterable[tuple[Key, int, int, int]]:
    """Yield key, side, price and leaves of an engine's orders in the order of acceptance."""
    wanted = ("session", "user_ref", "side", "price", "leaves")
    places = [COLUMNS["orders"].index(name) for name in wanted]
    for session, ref, side, price, leaves in engine.state_tables()["orders"][:, places].tolist():
        yield (session, ref), side, price, leaves

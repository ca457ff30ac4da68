"""A reader that sees nothing but events, as a ledger or a market data feed does.

It asserts that each event is consistent with those before, and rebuilds from events what they
determine: live orders, displayed depth, positions and money.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from matching.records import EventFlag, EventKind, Phase, Reason, Side
from tests.support.basket_reader import BasketReader
from tests.support.block_reader import BlockReader


@dataclass
class KnownOrder:
    """A live order as its events describe it."""

    account: int
    instrument: int
    side: int
    price: int
    leaves: int
    cumulative: int
    shown: int


class EventReader:
    """Follows a machine by its events."""

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], KnownOrder] = {}
        self.blocks = BlockReader()
        self.baskets = BasketReader()
        self.funded: Counter[int] = Counter()
        self.paid: Counter[int] = Counter()
        self.earned: Counter[int] = Counter()
        self.net: Counter[tuple[int, int]] = Counter()
        self.registered: dict[tuple[int, int], int] = {}
        self.tick_fen: dict[int, int] = {}
        self.phase: dict[int, int] = {}
        self.trade_id = 0
        self.fees_fen = 0
        self.maker: Any = None
        self.refresh_due: tuple[int, int] | None = None

    def read(self, events: Any) -> None:
        """Check the events of one command or of many."""
        for event in events:
            kind = EventKind(event["kind"])
            due = self.refresh_due
            if due and kind != EventKind.FILLED:
                assert kind == EventKind.REFRESHED, "an iceberg's slice is used up"
            if kind in (EventKind.REJECTED, EventKind.MASS_CANCELLED):
                continue
            if event["flags"] & (EventFlag.BLOCK | EventFlag.BASKET):
                self.read_group_event(event)
                continue
            name = "read_" + kind.name.lower()
            getattr(self, name, self.ignore_event)(event)

        self.blocks.assert_none_is_half_done()
        self.baskets.assert_none_is_under_way()

    def read_group_event(self, event: Any) -> None:
        """Check an event of a block or of an order for a basket; its fills move money and
        positions like others."""
        if event["flags"] & EventFlag.BASKET:
            self.baskets.read(event)
            if event["kind"] == EventKind.FILLED:
                assert event["trade_group"] - self.blocks.trade_group in (0, 1)
                self.blocks.trade_group = int(event["trade_group"])
        else:
            self.blocks.read(event)
        if event["kind"] == EventKind.FILLED:
            self.match_pair(event, bool(event["flags"] & EventFlag.TAKER))
            self.book(event, int(event["instrument"]), int(event["quantity"]))

    def ignore_event(self, event: Any) -> None:
        """Ignore a setting that the reader does not need."""

    def key(self, event: Any) -> tuple[int, int]:
        return int(event["session"]), int(event["user_ref"])

    # Orders

    def read_accepted(self, event: Any) -> None:
        key = self.key(event)
        assert key not in self.orders
        assert event["leaves"] == event["quantity"]
        assert event["cumulative"] == 0
        is_waiting = bool(event["flags"] & EventFlag.WAITING)
        assert self.phase[int(event["instrument"])] in (
            Phase.PRE_OPEN,
            Phase.AUCTION,
            Phase.CONTINUOUS,
        )
        assert not (is_waiting and event["shown"])
        self.orders[key] = KnownOrder(
            account=int(event["account"]),
            instrument=int(event["instrument"]),
            side=int(event["side"]),
            price=int(event["price"]),
            leaves=int(event["leaves"]),
            cumulative=0,
            shown=int(event["shown"]),
        )

    def live_order(self, event: Any) -> KnownOrder:
        """The live order of an event; account, instrument and side never change."""
        order = self.orders[self.key(event)]
        assert (order.account, order.instrument, order.side) == (
            event["account"],
            event["instrument"],
            event["side"],
        )
        return order

    def read_replaced(self, event: Any) -> None:
        order = self.live_order(event)
        assert event["cumulative"] == order.cumulative
        assert event["quantity"] == event["cumulative"] + event["leaves"]
        if not event["flags"] & EventFlag.REQUEUED:
            assert event["leaves"] <= order.leaves
            assert event["price"] == order.price
            assert event["shown"] == min(order.shown, event["leaves"])
        order.price, order.leaves = int(event["price"]), int(event["leaves"])
        order.shown = int(event["shown"])

    def read_triggered(self, event: Any) -> None:
        order = self.live_order(event)
        assert event["quantity"] == event["leaves"] == order.leaves
        order.shown = int(event["shown"])

    def read_refreshed(self, event: Any) -> None:
        order = self.live_order(event)
        assert self.key(event) == self.refresh_due
        assert event["quantity"] == event["shown"] <= event["leaves"] == order.leaves
        order.shown = int(event["shown"])
        self.refresh_due = None

    def read_cancelled(self, event: Any) -> None:
        order = self.live_order(event)
        assert event["reason"] >= Reason.REQUESTED
        assert event["quantity"] >= 1
        assert event["leaves"] == order.leaves - event["quantity"]
        assert event["cumulative"] == order.cumulative
        assert event["shown"] == min(order.shown, event["leaves"])
        order.leaves, order.shown = int(event["leaves"]), int(event["shown"])
        if order.leaves == 0:
            del self.orders[self.key(event)]

    def read_expired(self, event: Any) -> None:
        assert event["leaves"] == 0
        self.read_cancelled(event)

    def read_filled(self, event: Any) -> None:
        order = self.live_order(event)
        quantity = int(event["quantity"])
        taker = bool(event["flags"] & EventFlag.TAKER)
        auction = bool(event["flags"] & EventFlag.AUCTION)
        self.match_pair(event, taker)
        assert event["leaves"] == order.leaves - quantity
        assert event["cumulative"] == order.cumulative + quantity
        order.leaves, order.cumulative = int(event["leaves"]), int(event["cumulative"])
        order.shown = min(order.shown, order.leaves) if taker or auction else order.shown - quantity
        if order.shown == 0 and order.leaves and not taker:
            self.refresh_due = self.key(event)
        if order.price:
            good = (
                event["price"] <= order.price
                if order.side == Side.BUY
                else (event["price"] >= order.price)
            )
            assert good, "a fill beyond the limit"
        if not taker and not auction:
            assert event["price"] == order.price
        self.book(event, order.instrument, quantity)
        if order.leaves == 0:
            del self.orders[self.key(event)]

    def match_pair(self, event: Any, taker: bool) -> None:
        """Check that maker and taker of a trade follow each other and agree."""
        if not taker:
            self.trade_id += 1
            self.maker = event
        else:
            for name in ("trade_id", "price", "quantity", "instrument"):
                assert event[name] == self.maker[name]
            assert event["side"] != self.maker["side"]
        assert event["trade_id"] == self.trade_id

    def book(self, event: Any, instrument: int, quantity: int) -> None:
        """Move money and position of one side of a trade; a bust has a negative quantity."""
        sign = 1 if quantity > 0 else -1
        worth_fen = int(event["price"]) * quantity * self.tick_fen[instrument]
        fee_fen = sign * int(event["fee_fen"])
        assert int(event["fee_fen"]) >= 0
        self.fees_fen += fee_fen
        account = int(event["account"])
        if event["side"] == Side.BUY:
            self.paid[account] += worth_fen + fee_fen
            self.net[account, instrument] += quantity
        else:
            self.earned[account] += worth_fen - fee_fen
            self.net[account, instrument] -= quantity

    def read_busted(self, event: Any) -> None:
        """Take back one side of an earlier trade; no order changes."""
        assert 1 <= event["trade_id"] <= self.trade_id
        self.book(event, int(event["instrument"]), -int(event["quantity"]))

    # Administrative events

    def read_listed(self, event: Any) -> None:
        self.tick_fen[int(event["instrument"])] = int(event["quantity"])

    def read_phase_changed(self, event: Any) -> None:
        self.phase[int(event["instrument"])] = int(event["flags"])

    def read_funded(self, event: Any) -> None:
        self.funded[int(event["account"])] += int(event["amount_fen"])

    def read_withdrawn(self, event: Any) -> None:
        self.funded[int(event["account"])] -= int(event["amount_fen"])

    def read_registered(self, event: Any) -> None:
        key = int(event["account"]), int(event["instrument"])
        if event["flags"] & EventFlag.CARRIED:
            self.net[key] += int(event["quantity"])
            self.net[int(event["request_ref"]), key[1]] -= int(event["quantity"])
            assert self.net[key] == event["leaves"]
            return
        self.registered[key] = self.registered.get(key, 0) + int(event["quantity"])
        assert self.registered[key] == event["leaves"]

    # State

    def depth(self, instrument: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Price and displayed quantity, best first, of both sides."""
        sides: tuple[Counter[int], Counter[int]] = Counter(), Counter()
        for order in self.orders.values():
            if order.instrument == instrument and order.shown:
                sides[order.side][order.price] += order.shown
        return sorted(sides[0].items(), reverse=True), sorted(sides[1].items())

"""A reader of events of orders for baskets: each ends with its command, within its limit."""

from dataclasses import dataclass
from typing import Any

from matching.records import EventFlag, EventKind, Reason, Side


@dataclass
class KnownOrder:
    """An order for a basket as its events describe it, and what it has traded."""

    account: int
    instrument: int
    side: int
    hours: int
    price: int
    quantity: int
    group: int = 0
    lots: int = 0
    total: int = 0  # price x quantity


class BasketReader:
    """Follows the order for a basket that is under way, of which there is one at most."""

    def __init__(self) -> None:
        self.order: KnownOrder | None = None
        self.key = (0, 0)

    def read(self, event: Any) -> None:
        """Check an event with the flag BASKET."""
        key, kind = (int(event["session"]), int(event["user_ref"])), EventKind(event["kind"])
        if kind == EventKind.ACCEPTED:
            self.assert_none_is_under_way()
            assert event["request_ref"] > 0
            assert event["leaves"] == event["quantity"]
            assert event["cumulative"] == event["shown"] == 0
            names = ("account", "instrument", "side", "hours", "price", "quantity")
            self.key, self.order = key, KnownOrder(*(int(event[name]) for name in names))
            return
        order = self.order
        assert order is not None
        assert (key, order.account, order.side) == (self.key, event["account"], event["side"])
        is_block = bool(event["flags"] & EventFlag.BLOCK)
        if kind == EventKind.FILLED:
            assert order.hours or not is_block
            self.read_filled(order, event)
            return
        assert is_block == (order.hours > 0)
        assert (kind, event["reason"]) == (EventKind.CANCELLED, Reason.REMAINDER)
        assert (order.instrument, order.hours) == (event["instrument"], event["hours"])
        assert event["quantity"] == order.quantity - event["cumulative"]
        assert event["cumulative"] == order.lots
        assert order.lots == 0 or order.hours == 0, "a block that traded in part"
        assert event["leaves"] == 0
        self.order = None

    def read_filled(self, order: KnownOrder, event: Any) -> None:
        """Check a fill; the order ends with its last one."""
        quantity, price = int(event["quantity"]), int(event["price"])
        assert event["flags"] & EventFlag.TAKER
        assert order.group in (0, event["trade_group"])
        order.group = int(event["trade_group"])
        before = order.lots % order.quantity
        assert event["cumulative"] == before + quantity
        assert event["leaves"] == order.quantity - before - quantity
        order.lots += quantity
        order.total += quantity * price
        if order.hours == 0:
            good = price <= order.price if order.side == Side.BUY else price >= order.price
            assert good, "a fill beyond the limit"
        if order.lots == order.quantity * max(1, order.hours):
            limit = order.price * order.lots
            assert order.total <= limit if order.side == Side.BUY else order.total >= limit
            self.order = None

    def assert_none_is_under_way(self) -> None:
        """Assert that the order has ended, as it must between commands."""
        assert self.order is None

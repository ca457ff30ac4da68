"""The state of a market of the reference: sessions, accounts, instruments, live orders, events.

A MarketState keeps the counts that belong to a live order with it, and collects events.
"""

from collections import Counter
from collections.abc import Callable

from matching.limits import REFS_PER_PAGE, Limits
from matching.records import ACCEPTED_MAX, NANOSECONDS, TRADES_MAX, EventKind, Reason
from matching.reference.accounts import Account, Session
from matching.reference.agenda import Agenda
from matching.reference.book import Instrument, Order
from matching.reference.events import Event, command_event, order_event
from matching.reference.fields import Command

ENDS_OF_TIME = (Reason.END_OF_TIME, Reason.END_OF_DAY, Reason.GATE_CLOSURE)
"""Reasons for which an order expires; for the others it is cancelled."""


class MarketState:
    """All sessions, accounts, instruments and live orders, and the clock."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.now_ns = 0
        self.trades = 0
        self.trade_groups = 0  # blocks and orders for baskets that traded
        self.accepted = 0
        self.ticks = 0
        self.seed = 0  # of random ends
        self.sessions: dict[int, Session] = {}
        self.accounts: dict[int, Account] = {}
        self.instruments: dict[int, Instrument] = {}
        self.baskets: dict[int, list[Instrument]] = {}  # members in the order of listing
        self.busts: set[int] = set()  # trades taken back
        self.tripped: set[int] = set()  # accounts whose quotes are to be withdrawn
        self.holds_withdrawals = False  # while the other side of a quote is still to come
        self.orders: dict[tuple[int, int], Order] = {}  # live, by session and ref
        self.blocks: dict[tuple[int, int], Order] = {}  # those of them that are blocks
        self.ref_pages: Counter[tuple[int, int]] = Counter()  # live orders by session and page
        self.session_orders: Counter[int] = Counter()  # live orders of each session
        self.session_blocks: Counter[int] = Counter()  # those of them that are blocks
        self.session_ref_pages: Counter[int] = Counter()  # pages of its live orders
        self.agenda = Agenda()
        self.events: list[tuple[int, ...]] = []
        self.stamp = (0, 0)  # sequence and time of the command under way

    # Events

    def emit(self, event: Event) -> None:
        """Add an event, with the stamp of the command under way."""
        self.events.append((*self.stamp, *event))

    def report(self, kind: int, order: Order, quantity: int, **changes: int) -> None:
        """Add an event of an order as it is now; `changes` replace fields by name."""
        self.emit(order_event(kind, order, quantity, **changes))

    def accept(self, command: Command, **fields: int) -> Reason:
        """Add the event of an accepted administrative command; returns Reason.NONE."""
        self.emit(command_event(command.kind, command, **fields))
        return Reason.NONE

    # Live orders

    def add_order(self, order: Order) -> None:
        """Add a live order under its session and ref, with the next acceptance sequence."""
        self.accepted += 1
        order.accepted = self.accepted
        self.orders[order.session, order.user_ref] = order
        self.session_orders[order.session] += 1
        if order.block_hours:
            self.blocks[order.session, order.user_ref] = order
            self.session_blocks[order.session] += 1
        page = order.session, order.user_ref // REFS_PER_PAGE
        self.ref_pages[page] += 1
        if self.ref_pages[page] == 1:
            self.session_ref_pages[order.session] += 1

    def remove_order(self, order: Order) -> None:
        """Remove the order from the book and from the live orders, and free its ref."""
        order.instrument.remove(order)
        del self.orders[order.session, order.user_ref]
        self.session_orders[order.session] -= 1
        if self.blocks.pop((order.session, order.user_ref), None) is not None:
            self.session_blocks[order.session] -= 1
        page = order.session, order.user_ref // REFS_PER_PAGE
        self.ref_pages[page] -= 1
        if self.ref_pages[page] == 0:
            del self.ref_pages[page]
            self.session_ref_pages[order.session] -= 1

    def check_room(self, order: Order) -> Reason:
        """The reason for which one more order does not fit its session's shares or, behind them,
        the pools of all; or NONE."""
        limits, session = self.limits, order.session
        new_pages = int((session, order.user_ref // REFS_PER_PAGE) not in self.ref_pages)
        new_blocks = int(order.block_hours > 0)
        if (
            self.session_orders[session] >= limits.session_orders
            or self.session_blocks[session] + new_blocks > limits.session_blocks
            or self.session_ref_pages[session] + new_pages > limits.session_ref_pages
        ):
            return Reason.SESSION_LIMIT
        has_pages = len(self.ref_pages) + new_pages <= limits.ref_pages
        has_blocks = len(self.blocks) + new_blocks <= limits.blocks
        fits = has_pages and has_blocks and len(self.orders) < limits.orders
        return Reason.NONE if fits and self.has_numbers() else Reason.POOL_FULL

    def has_numbers(self) -> bool:
        """Whether the day has an acceptance sequence left, and trade ids for an order's trades."""
        return self.accepted < ACCEPTED_MAX and self.trades < TRADES_MAX

    def is_past(self, time_s: int) -> bool:
        """Whether a time that is set (not 0) is not after the clock."""
        return time_s > 0 and time_s * NANOSECONDS <= self.now_ns

    def reduce(self, order: Order, quantity: int, reason: int, request: int = 0) -> None:
        """Take quantity off an order without a trade; an order with nothing open ends."""
        kind = EventKind.EXPIRED if reason in ENDS_OF_TIME else EventKind.CANCELLED
        order.set_leaves(order.leaves - quantity)
        if order.leaves == 0:
            self.remove_order(order)
        self.report(kind, order, quantity, number=request, reason=reason)

    def orders_by_acceptance(self, is_wanted: Callable[[Order], bool]) -> list[Order]:
        """The live orders that are wanted, in acceptance sequence."""
        return sorted(filter(is_wanted, self.orders.values()), key=lambda order: order.accepted)

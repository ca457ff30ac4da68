"""The reference: the whole rule set in plain Python, to be read by a person in one sitting.

It is the specification. The compiled engine must say the same events for the same commands, to
the byte; where the two differ, RULES.md decides. Nothing here is clever or fast. Read in this
order: this file (what orders may ask for), reference_market.py (how they run),
reference_book.py, reference_accounts.py and reference_agenda.py (what it is kept in),
reference_blocks.py (hours as one), reference_baskets.py (any of several), reference_admin.py and
reference_fields.py (the venue's commands, and which make no sense).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matching import state_tables as state
from matching.limits import Limits
from matching.records import (
    COMMAND,
    EVENT,
    NANOSECONDS,
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    TimeInForce,
)
from matching.reference.accounts import Account, Session, deposit_fen
from matching.reference.admin import ADMIN
from matching.reference.baskets import new_basket_order
from matching.reference.blocks import Block, new_block, replace_block, try_blocks
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.fields import IN_BASKET, WITH_STOP, Command, malformed
from matching.reference.market import Market
from matching.reference.state import state_tables

VENUE = Session(firm=0, operator=True)
"""Session 0. It belongs to no firm, so it can own no orders."""

PACKED_EVENT = np.dtype(
    {
        "names": [
            "sequence", "time_ns", "number", "amount", "price", "quantity", "leaves",
            "cumulative", "session", "user_ref", "account", "instrument",
            "kind", "side", "reason", "flags", "trade_group",
        ],
        "formats": [
            "<u8", "<i8", "<u4", "<i4", "<i4", "<i4", "<i4",
            "<i4", "<u4", "<u4", "<u4", "<u4",
            "u1", "u1", "u1", "u1", "<u4",
        ],
    }
)  # fmt: skip
"""An EVENT with one name for each of its bytes, as Market.emit gives them."""

assert PACKED_EVENT.itemsize == EVENT.itemsize


class ReferenceEngine:
    """The machine: commands in, events out."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._market = Market(limits)

    def process(self, commands: NDArray[np.void]) -> NDArray[np.void]:
        """The events that these commands cause, in order; every command has none, one or many."""
        market = self._market
        market.events = []
        for row in commands.astype(COMMAND, copy=False).tolist():
            self._process(Command._make(row))
        return np.array(market.events, dtype=PACKED_EVENT).view(EVENT)

    def _process(self, command: Command) -> None:
        """Let time pass, then do what is asked or say why not."""
        market = self._market
        market.stamp = command.sequence, command.time_ns
        if command.time_ns < market.now_ns:
            self._reject(command, Reason.MALFORMED)
            return
        market.now_ns = command.time_ns
        while market.do_next_due():
            try_blocks(market)
        reason = self._execute(command)
        if reason:
            self._reject(command, reason)
        else:
            try_blocks(market)

    def _execute(self, command: Command) -> Reason:
        sender = VENUE if command.session == 0 else self._market.sessions.get(command.session)
        operator = sender is not None and sender.operator
        if malformed(command, self.limits, operator):
            return Reason.MALFORMED
        if command.kind == CommandKind.CLOCK:
            return Reason.NONE
        if sender is None:
            return Reason.UNKNOWN_SESSION
        if command.kind in ADMIN:
            return ADMIN[command.kind](self._market, command) if operator else Reason.NOT_ENTITLED
        if command.kind == CommandKind.NEW:
            return self._new(command, sender)
        if command.kind == CommandKind.CANCEL:
            return self._cancel(command)
        if command.kind == CommandKind.REPLACE:
            return self._replace(command)
        return self._mass_cancel(command, sender)

    def _reject(self, command: Command, reason: Reason) -> None:
        self._market.emit(
            EventKind.REJECTED,
            number=command.target_ref,
            price=command.price,
            quantity=command.quantity,
            session=command.session,
            user_ref=command.user_ref,
            account=command.account,
            instrument=command.instrument,
            side=command.side,
            reason=reason,
        )

    # New orders

    def _new(self, command: Command, sender: Session) -> Reason:
        market = self._market
        account = market.accounts.get(command.account)
        instrument = market.instruments.get(command.instrument)
        if account is None:
            return Reason.UNKNOWN_ACCOUNT
        if sender.firm != account.firm:
            return Reason.NOT_ENTITLED
        if account.halted:
            return Reason.ACCOUNT_HALTED
        if instrument is None:
            return Reason.UNKNOWN_INSTRUMENT
        if command.flags & IN_BASKET:
            return new_basket_order(market, command, account, instrument)
        if command.hours:
            return new_block(market, command, account, instrument)
        order = _order_of(command, account, instrument)
        reason = self._refuse_new(order, command.quantity)
        if reason:
            return reason
        market.admit(order)
        order.set_leaves(command.quantity)
        order.shown = order.slice
        if order.tif == TimeInForce.GTD:
            market.agenda.add_expiry(instrument.id, order.expiry_s)
        flags = EventFlag.WAITING if order.waiting else 0
        market.say(EventKind.ACCEPTED, order, command.quantity, flags=flags)
        market.enter(order)
        return Reason.NONE

    def _refuse_new(self, order: Order, quantity: int) -> Reason:
        """Why the market, the account's means or the machine's memory refuse a new order."""
        market, instrument = self._market, order.instrument
        if instrument.phase in (Phase.HALTED, Phase.CLOSED):
            return Reason.PHASE
        if (order.session, order.user_ref) in market.orders:
            return Reason.DUPLICATE_REF
        if instrument.phase != Phase.CONTINUOUS and not _collectable(order):
            return Reason.ORDER_TYPE
        reason = self._refuse_times_and_prices(instrument, order.expiry_s, order.price, order.stop)
        if reason:
            return reason
        reason = _refuse_means(order, order.price, total=quantity, growth=quantity)
        if reason:
            return reason
        if order.post_only and instrument.would_meet(order):
            return Reason.POST_ONLY
        if order.tif == TimeInForce.FOK and not instrument.could_fill(order, quantity):
            return Reason.FOK
        if not market.has_room(order.session, order.user_ref):
            return Reason.POOL_FULL
        return Reason.NONE

    def _refuse_times_and_prices(
        self, instrument: Instrument, expiry_s: int, price: int, stop: int
    ) -> Reason:
        """Whether a time is past, or a price outside the band; 0 is neither."""
        if expiry_s > 0 and expiry_s * NANOSECONDS <= self._market.now_ns:
            return Reason.TIME_PAST
        for ticks in (price, stop):
            if ticks and not instrument.low <= ticks <= instrument.high:
                return Reason.BAND
        return Reason.NONE

    # Cancels

    def _cancel(self, command: Command) -> Reason:
        order = self._market.orders.get((command.session, command.target_ref))
        if order is None:
            return Reason.UNKNOWN_ORDER
        self._market.take_off(order, order.leaves, Reason.REQUESTED, command.user_ref)
        return Reason.NONE

    def _mass_cancel(self, command: Command, sender: Session) -> Reason:
        """Cancel all orders of a session, account or instrument: the sender's own, or any."""
        market = self._market
        session = command.target_ref if sender.operator else command.session
        account = market.accounts.get(command.account)
        instrument = market.instruments.get(command.instrument)
        if command.type == MassCancelScope.SESSION:
            if session not in market.sessions:
                return Reason.UNKNOWN_SESSION
        elif command.type == MassCancelScope.ACCOUNT:
            if account is None:
                return Reason.UNKNOWN_ACCOUNT
            if account.firm != sender.firm and not sender.operator:
                return Reason.NOT_ENTITLED
        elif instrument is None:
            return Reason.UNKNOWN_INSTRUMENT

        def wanted(order: Order) -> bool:
            if command.type == MassCancelScope.SESSION:
                return order.session == session
            if not sender.operator and order.session != command.session:
                return False
            if command.type == MassCancelScope.ACCOUNT:
                return order.account is account
            return instrument is not None and order.covers(instrument)

        orders = market.in_acceptance(wanted)
        for order in orders:
            market.take_off(order, order.leaves, Reason.MASS_CANCEL, command.user_ref)
        market.emit(
            EventKind.MASS_CANCELLED,
            quantity=len(orders),
            session=command.session,
            user_ref=command.user_ref,
            account=command.account,
            instrument=command.instrument,
            side=command.type,
        )
        return Reason.NONE

    # Replaces

    def _replace(self, command: Command) -> Reason:
        """Change an order; less quantity at the same price keeps its place, all else loses it."""
        market = self._market
        order = market.orders.get((command.session, command.target_ref))
        if order is None:
            return Reason.UNKNOWN_ORDER
        if isinstance(order, Block):
            return replace_block(market, order, command)
        if order.account.halted:
            return Reason.ACCOUNT_HALTED
        if order.instrument.phase in (Phase.HALTED, Phase.CLOSED):
            return Reason.PHASE
        if not _replaceable(order, command):
            return Reason.ORDER_TYPE
        price, stop = command.price or order.price, command.stop or order.stop
        reason = self._refuse_times_and_prices(
            order.instrument, command.expiry_s, command.price, command.stop
        )
        if reason:
            return reason
        requeue = bool(command.flags & CommandFlag.REQUEUE)
        total = command.quantity + (order.cumulative if requeue else 0)
        if total <= order.cumulative:
            market.take_off(order, order.leaves, Reason.REQUESTED, command.user_ref)
            return Reason.NONE
        growth = total - order.cumulative - order.leaves
        keeps_place = not requeue and growth < 0 and (price, stop) == (order.price, order.stop)
        reason = _refuse_means(order, price, total, growth)
        if reason:
            return reason
        if order.post_only and not keeps_place and self._would_meet(order, price):
            return Reason.POST_ONLY
        self._change(order, command, total - order.cumulative, keeps_place)
        return Reason.NONE

    def _would_meet(self, order: Order, price: int) -> bool:
        """Whether a resting order at another price would meet anything, were it to run."""
        instrument = order.instrument
        runs = instrument.phase == Phase.CONTINUOUS
        return runs and instrument.would_meet(replace(order, price=price))

    def _change(self, order: Order, command: Command, leaves: int, keeps_place: bool) -> None:
        """Apply an accepted replace, and let the order run again where it lost its place."""
        market = self._market
        flags = EventFlag.WAITING if order.waiting else 0
        if not keeps_place:
            flags |= EventFlag.REQUEUED
            market.forget(order)
            market.admit(order)
        order.price = command.price or order.price
        order.stop = command.stop or order.stop
        order.display = command.display or order.display
        if command.expiry_s:
            order.expiry_s = command.expiry_s
            market.agenda.add_expiry(order.instrument.id, order.expiry_s)
        order.set_leaves(leaves)
        if not keeps_place:
            order.shown = order.slice
        total = order.cumulative + order.leaves
        market.say(EventKind.REPLACED, order, total, number=command.user_ref, flags=flags)
        if not keeps_place:
            market.enter(order)

    # What tests and readers ask

    def depth(
        self, instrument: int, levels: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Price and shown quantity of the best levels: buys, then sells."""
        book = self._market.instruments[instrument]
        both = [
            [
                (price, sum(order.shown for order in level.values()))
                for price, level in book.levels(side)
            ][:levels]
            for side in (BUY, SELL)
        ]
        return both[0], both[1]

    def queue(self, instrument: int, side: int, price: int) -> list[tuple[int, int]]:
        """The orders of a level by priority, each as (session, user_ref)."""
        level = self._market.instruments[instrument].sides[side].get(price, {})
        return [(order.session, order.user_ref) for order in level.values()]

    def leaves(self, session: int, user_ref: int) -> int | None:
        """What is open of an order, hidden quantity included; None where it is not live."""
        order = self._market.orders.get((session, user_ref))
        return None if order is None else order.leaves

    def free_fen(self, account: int) -> int:
        """Money of an account that is neither spent nor held."""
        return self._market.accounts[account].free_fen

    def available(self, account: int, instrument: int) -> int:
        """Lots of an instrument that an account may still offer for sale."""
        return self._market.accounts[account].position(instrument).available

    def state_tables(self) -> state.Tables:
        """The whole state as tables of integers."""
        return state_tables(self._market)

    def state_hash(self) -> bytes:
        """SHA-256 of the state, the same for every engine in the same state."""
        return state.state_hash(self.state_tables())


def _order_of(command: Command, account: Account, instrument: Instrument) -> Order:
    return Order(
        session=command.session,
        user_ref=command.user_ref,
        account=account,
        instrument=instrument,
        side=command.side,
        type=command.type,
        tif=command.tif,
        stp=command.stp,
        post_only=bool(command.flags & CommandFlag.POST_ONLY),
        price=command.price,
        stop=command.stop,
        display=command.display,
        expiry_s=command.expiry_s,
        waiting=command.type in WITH_STOP,
    )


def _collectable(order: Order) -> bool:
    """Whether pre-open and auction take the order: not what must trade or rest at once."""
    must_trade = order.type == OrderType.MARKET or order.tif in (TimeInForce.IOC, TimeInForce.FOK)
    return not must_trade and not order.post_only


def _replaceable(order: Order, command: Command) -> bool:
    """Whether the order has what the command wants to change; 0 leaves a field as it is."""
    return (
        (command.price == 0 or order.price > 0)
        and (command.stop == 0 or order.waiting)
        and (command.display == 0 or order.display > 0)
        and (command.expiry_s == 0 or order.tif == TimeInForce.GTD)
    )


def _refuse_means(order: Order, price: int, total: int, growth: int) -> Reason:
    """Why an account cannot have this order, at this price with `growth` more lots open.

    `total` is the whole order, its filled part included; sizes are judged by it, means by the
    difference to what the order holds already.
    """
    account, instrument = order.account, order.instrument
    position = account.position(instrument.id)
    notional_fen = instrument.worst_notional_fen(price, total)
    if total > min(instrument.quantity_max, account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    if account.notional_max_fen and notional_fen > account.notional_max_fen:
        return Reason.NOTIONAL_LIMIT
    toward = position.net if order.side == BUY else -position.net
    if growth > 0 and toward + position.open[order.side] + growth > account.position_max:
        return Reason.POSITION_LIMIT
    if order.side == SELL:
        if growth > position.available:
            return Reason.CAPACITY
        needed_fen = deposit_fen(position, instrument.deposit_fen, growth) - position.deposit_fen
        return Reason.DEPOSIT if needed_fen > account.free_fen else Reason.NONE
    needed_fen = instrument.reserve_fen(price, order.leaves + growth, order.fraction)
    return Reason.FUNDS if needed_fen - order.reserved_fen > account.free_fen else Reason.NONE

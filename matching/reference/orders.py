"""Commands of the reference for orders: new, cancel, mass cancel, replace.

Each function takes a well-formed command of a known sender and returns the reason for its
rejection, or Reason.NONE when it is done and reported.
"""

from collections.abc import Callable
from dataclasses import replace

from matching.records import (
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
from matching.reference.accounts import Session, deposit_fen
from matching.reference.baskets import new_basket_order
from matching.reference.blocks import Block, new_block, replace_block
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.events import command_event
from matching.reference.fields import BASKET_FLAGS, Command
from matching.reference.market import Market
from matching.reference.quotes import protect, quote

# New orders


def new_order(market: Market, command: Command, sender: Session) -> Reason:
    """A new order, block or order for a basket."""
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
    if command.flags & BASKET_FLAGS:
        return new_basket_order(market, command, account, instrument)
    if command.hours:
        return new_block(market, command, account, instrument)
    order = Order.of(command, account, instrument)
    reason = _check_new(market, order, command)
    if reason:
        return reason
    market.add_order(order)
    order.set_leaves(command.quantity)
    order.shown = order.next_slice
    if order.tif == TimeInForce.GTD:
        market.agenda.add_expiry(instrument.id, order.expiry_s)
    flags = EventFlag.WAITING if order.waiting else 0
    market.report(EventKind.ACCEPTED, order, command.quantity, flags=flags)
    market.start_order(order)
    return Reason.NONE


def _check_new(market: Market, order: Order, command: Command) -> Reason:
    """The reason for which market, account or memory reject a new order, or NONE."""
    instrument, quantity = order.instrument, command.quantity
    if instrument.phase in (Phase.HALTED, Phase.CLOSED):
        return Reason.PHASE
    if (order.session, order.user_ref) in market.orders:
        return Reason.DUPLICATE_REF
    if instrument.phase != Phase.CONTINUOUS and not _is_for_auctions(order):
        return Reason.ORDER_TYPE
    reason = _check_time_and_prices(market, instrument, order.expiry_s, order.price, order.stop)
    if reason:
        return reason
    reason = _check_means(order, order.price, total=quantity, growth=quantity)
    if reason:
        return reason
    reason = market.check_room(order)
    if reason:
        return reason
    if order.post_only and instrument.would_cross(order):
        return Reason.POST_ONLY
    minimum = quantity if order.tif == TimeInForce.FOK else 0
    if order.tif == TimeInForce.IOC:
        minimum = command.display
    if minimum and not instrument.can_fill(order, minimum):
        return Reason.FOK
    return Reason.NONE


def _is_for_auctions(order: Order) -> bool:
    """Whether pre-open and auction take the order: not if it must trade or rest at once."""
    must_trade = order.type == OrderType.MARKET or order.tif in (TimeInForce.IOC, TimeInForce.FOK)
    return not must_trade and not order.post_only


def _check_time_and_prices(
    market: Market, instrument: Instrument, expiry_s: int, price: int, stop: int
) -> Reason:
    """The reason to reject a time that is past or a price outside the band; 0 is not checked."""
    if market.is_past(expiry_s):
        return Reason.TIME_PAST
    for ticks in (price, stop):
        if ticks and not instrument.is_in_band(ticks):
            return Reason.BAND
    return Reason.NONE


def _check_means(order: Order, price: int, total: int, growth: int) -> Reason:
    """The reason for which the account cannot have this order, at this price with `growth` more
    lots open, or NONE.

    `total` is the whole order, its filled part included: sizes are checked with it. Capacity and
    money are checked with the difference to what the order holds already.
    """
    account, instrument = order.account, order.instrument
    position = account.position(instrument.id)
    notional_fen = instrument.worst_notional_fen(price, total)
    if total > min(instrument.quantity_max, account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    if account.notional_max_fen and notional_fen > account.notional_max_fen:
        return Reason.NOTIONAL_LIMIT
    held = position.net if order.side == BUY else -position.net
    if growth > 0 and held + position.open[order.side] + growth > account.position_max:
        return Reason.POSITION_LIMIT
    if order.side == SELL:
        if growth > position.available:
            return Reason.CAPACITY
        needed_fen = deposit_fen(position, instrument.deposit_fen, growth) - position.deposit_fen
        return Reason.DEPOSIT if needed_fen > account.free_fen else Reason.NONE
    needed_fen = instrument.reserve_fen(price, order.leaves + growth, order.fraction)
    return Reason.FUNDS if needed_fen - order.reserved_fen > account.free_fen else Reason.NONE


# Cancels


def cancel_order(market: Market, command: Command, _: Session) -> Reason:
    """Cancel an order of the sender's session."""
    order = market.orders.get((command.session, command.target_ref))
    if order is None:
        return Reason.UNKNOWN_ORDER
    market.reduce(order, order.leaves, Reason.REQUESTED, command.user_ref)
    return Reason.NONE


def mass_cancel(market: Market, command: Command, sender: Session) -> Reason:
    """Cancel all orders of a session, account or instrument: the sender's own, an operator any."""
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

    def is_wanted(order: Order) -> bool:
        """Return whether the mass cancel's scope covers the order."""
        if command.type == MassCancelScope.SESSION:
            return order.session == session
        if not sender.operator and order.session != command.session:
            return False
        if command.type == MassCancelScope.ACCOUNT:
            return order.account is account
        return instrument is not None and order.covers(instrument)

    orders = market.orders_by_acceptance(is_wanted)
    for order in orders:
        market.reduce(order, order.leaves, Reason.MASS_CANCEL, command.user_ref)
    kind = EventKind.MASS_CANCELLED
    market.emit(command_event(kind, command, quantity=len(orders), side=command.type))
    return Reason.NONE


# Replaces


def replace_order(market: Market, command: Command, _: Session) -> Reason:
    """Change an order; less quantity at the same price keeps its place, all else loses it."""
    order = market.orders.get((command.session, command.target_ref))
    if order is None:
        return Reason.UNKNOWN_ORDER
    if isinstance(order, Block):
        return replace_block(market, order, command)
    if order.instrument.phase in (Phase.HALTED, Phase.CLOSED):
        return Reason.PHASE
    if not _is_replaceable(order, command):
        return Reason.ORDER_TYPE
    price, stop = command.price or order.price, command.stop or order.stop
    reason = _check_time_and_prices(
        market, order.instrument, command.expiry_s, command.price, command.stop
    )
    if reason:
        return reason
    requeue = bool(command.flags & CommandFlag.REQUEUE)
    total = command.quantity + (order.cumulative if requeue else 0)
    if total <= order.cumulative:
        market.reduce(order, order.leaves, Reason.REQUESTED, command.user_ref)
        return Reason.NONE
    growth = total - order.cumulative - order.leaves
    keeps_place = not requeue and growth < 0 and (price, stop) == (order.price, order.stop)
    reason = _check_means(order, price, total, growth)
    if reason:
        return reason
    if not keeps_place and not market.has_numbers():
        return Reason.POOL_FULL
    if order.post_only and not keeps_place and _would_cross_at(order, price):
        return Reason.POST_ONLY
    _change(market, order, command, total - order.cumulative, keeps_place)
    return Reason.NONE


def _is_replaceable(order: Order, command: Command) -> bool:
    """Whether the order has the fields that the command changes; 0 leaves a field as it is."""
    return (
        (command.price == 0 or order.price > 0)
        and (command.stop == 0 or order.waiting)
        and (command.display == 0 or order.display > 0)
        and (command.expiry_s == 0 or order.tif == TimeInForce.GTD)
    )


def _would_cross_at(order: Order, price: int) -> bool:
    """Whether a resting order, if it ran at another price, would meet an opposite order."""
    instrument = order.instrument
    runs = instrument.phase == Phase.CONTINUOUS
    return runs and instrument.would_cross(replace(order, price=price))


def _change(market: Market, order: Order, command: Command, leaves: int, keeps_place: bool) -> None:
    """Apply an accepted replace, and run the order again where it lost its place."""
    flags = EventFlag.WAITING if order.waiting else 0
    if not keeps_place:
        flags |= EventFlag.REQUEUED
        market.remove_order(order)
        market.add_order(order)
    order.price = command.price or order.price
    order.stop = command.stop or order.stop
    order.display = command.display or order.display
    if command.expiry_s:
        order.expiry_s = command.expiry_s
        market.agenda.add_expiry(order.instrument.id, order.expiry_s)
    order.set_leaves(leaves)
    if not keeps_place:
        order.shown = order.next_slice
    total = order.cumulative + order.leaves
    market.report(EventKind.REPLACED, order, total, number=command.user_ref, flags=flags)
    if not keeps_place:
        market.start_order(order)


ORDER_COMMANDS: dict[int, Callable[[Market, Command, Session], Reason]] = {
    CommandKind.NEW: new_order,
    CommandKind.CANCEL: cancel_order,
    CommandKind.REPLACE: replace_order,
    CommandKind.MASS_CANCEL: mass_cancel,
    CommandKind.QUOTE: quote,
    CommandKind.PROTECT: protect,
}

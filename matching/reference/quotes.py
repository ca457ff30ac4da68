"""Quotes of the reference: bid and ask of an instrument, set and replaced as one, and their
protection.

The two sides of a quote are orders like others, named by a ref and the next one.
"""

from collections.abc import Iterator
from typing import NamedTuple

from matching.limits import REFS_PER_PAGE
from matching.records import ACCEPTED_MAX, CommandFlag, EventFlag, EventKind, Phase, Reason
from matching.reference.accounts import Account, Protection, Session, deposit_fen
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.events import amount_fields, command_event
from matching.reference.fields import Command
from matching.reference.market import Market


class QuoteSide(NamedTuple):
    """One side as a QUOTE asks for it: its ref, its live order if it has one, the price, and the
    quantity to be open."""

    side: int
    ref: int
    order: Order | None
    price: int
    quantity: int

    @property
    def growth(self) -> int:
        """Lots to be open more than now."""
        return self.quantity - (self.order.leaves if self.order else 0)

    @property
    def keeps_place(self) -> bool:
        """Whether the order stays where it is, with no more quantity."""
        same = self.order is not None and self.order.price == self.price
        return same and self.quantity > 0 and self.growth <= 0

    @property
    def enters(self) -> bool:
        """Whether an order comes to the book, new or from another place."""
        return self.quantity > 0 and not self.keeps_place


def quote(market: Market, command: Command, sender: Session) -> Reason:
    """QUOTE: set or replace both sides, or withdraw those without quantity."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if account.firm != sender.firm:
        return Reason.NOT_ENTITLED
    if account.halted or (account.protection and account.protection.tripped):
        return Reason.ACCOUNT_HALTED
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.phase in (Phase.HALTED, Phase.CLOSED):
        return Reason.PHASE
    sides = list(_sides(market, command))
    known = [_is_side_of(one.order, account, instrument, one.side) for one in sides]
    withdraws = not any(one.quantity for one in sides)
    if not all(known) or (withdraws and not any(one.order for one in sides)):
        return Reason.UNKNOWN_ORDER
    reason = _check_means(account, instrument, sides) or _check_room(market, command, sides)
    if reason:
        return reason
    if command.flags & CommandFlag.POST_ONLY and _would_trade(instrument, sides):
        return Reason.POST_ONLY
    _carry_out(market, command, account, instrument, sides)
    return Reason.NONE


def _sides(market: Market, command: Command) -> Iterator[QuoteSide]:
    """The bid, then the ask, that a command asks for."""
    asked = (command.price, command.quantity), (command.stop, command.display)
    for side, (price, quantity) in zip((BUY, SELL), asked, strict=True):
        ref = command.target_ref + side
        yield QuoteSide(side, ref, market.orders.get((command.session, ref)), price, quantity)


def _is_side_of(order: Order | None, account: Account, instrument: Instrument, side: int) -> bool:
    """Whether a live order, if there is one, is this side of a quote of the account here."""
    if order is None:
        return True
    same = order.account is account and order.instrument is instrument and order.side == side
    return order.quote and same


def _check_means(account: Account, instrument: Instrument, sides: list[QuoteSide]) -> Reason:
    """The first reason for which the account cannot have both sides together, or NONE."""
    wanted = [one for one in sides if one.quantity]
    reasons = [_check_side(account, instrument, one) for one in wanted]
    if any(reasons):
        return Reason(min(filter(None, reasons)))
    bid, ask = sides
    position = account.position(instrument.id)
    ask_fen = deposit_fen(position, instrument.deposit_fen, ask.growth) - position.deposit_fen
    held_fen = bid.order.reserved_fen if bid.order else 0
    fraction = bid.order.fraction if bid.order else 0
    bid_fen = instrument.reserve_fen(bid.price, bid.quantity, fraction) - held_fen
    if ask_fen > 0 and ask_fen + min(bid_fen, 0) > account.free_fen:
        return Reason.DEPOSIT
    if bid_fen > 0 and bid_fen + ask_fen > account.free_fen:
        return Reason.FUNDS
    return Reason.NONE


def _check_side(account: Account, instrument: Instrument, one: QuoteSide) -> Reason:
    """The first reason for which band, sizes, position or capacity forbid one side, or NONE."""
    position = account.position(instrument.id)
    total = one.quantity + (one.order.cumulative if one.order else 0)
    if not instrument.is_in_band(one.price):
        return Reason.BAND
    if total > min(instrument.quantity_max, account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    notional_fen = instrument.worst_notional_fen(one.price, total)
    if account.notional_max_fen and notional_fen > account.notional_max_fen:
        return Reason.NOTIONAL_LIMIT
    held = position.net if one.side == BUY else -position.net
    if one.growth > 0 and held + position.open[one.side] + one.growth > account.position_max:
        return Reason.POSITION_LIMIT
    if one.side == SELL and one.growth > 0 and one.growth > position.available:
        return Reason.CAPACITY
    return Reason.NONE


def _check_room(market: Market, command: Command, sides: list[QuoteSide]) -> Reason:
    """The reason for which the orders to come do not fit the session's shares or, behind them, the
    pools of all; or NONE."""
    limits, session = market.limits, command.session
    new = [one.ref for one in sides if one.enters and one.order is None]
    pages = {(session, ref // REFS_PER_PAGE) for ref in new} - market.ref_pages.keys()
    if new and (
        market.session_orders[session] + len(new) > limits.session_orders
        or market.session_ref_pages[session] + len(pages) > limits.session_ref_pages
    ):
        return Reason.SESSION_LIMIT
    entering = sum(one.enters for one in sides)
    has_room = (
        len(market.orders) + len(new) <= limits.orders
        and len(market.ref_pages) + len(pages) <= limits.ref_pages
        and market.accepted + entering <= ACCEPTED_MAX
    )
    has_numbers = entering == 0 or market.has_numbers()
    return Reason.NONE if has_room and has_numbers else Reason.POOL_FULL


def _would_trade(instrument: Instrument, sides: list[QuoteSide]) -> bool:
    """Whether a side that enters would meet an order that is not of the quote itself."""
    own = [one.order for one in sides]
    return instrument.phase == Phase.CONTINUOUS and any(
        _reaches(one, order)
        for one in sides
        if one.enters
        for _, level in instrument.levels(1 - one.side)
        for order in level.values()
        if order not in own
    )


def _reaches(one: QuoteSide, order: Order) -> bool:
    """Whether a side's price reaches an order of the other side."""
    return one.price >= order.price if one.side == BUY else one.price <= order.price


def _carry_out(
    market: Market,
    command: Command,
    account: Account,
    instrument: Instrument,
    sides: list[QuoteSide],
) -> None:
    """Withdraw and shrink, take both sides that change out of the book, then enter the bid and,
    when it has run, the ask."""
    for one in sides:
        if one.order and one.quantity == 0:
            market.reduce(one.order, one.order.leaves, Reason.REQUESTED, command.user_ref)
        elif one.order and one.keeps_place:
            _set_terms(one.order, command)
            one.order.set_leaves(one.quantity)
            _report_replaced(market, one.order, command, 0)
    entering = [one for one in sides if one.enters]
    for one in entering:
        if one.order:
            instrument.remove(one.order)
    for one in entering:
        market.holds_withdrawals = one is not entering[-1]
        _enter(market, command, account, instrument, one)


def _set_terms(order: Order, command: Command) -> None:
    """Give a side the terms of the command that are not price and quantity."""
    order.stp = command.stp
    order.post_only = bool(command.flags & CommandFlag.POST_ONLY)


def _report_replaced(market: Market, order: Order, command: Command, flags: int) -> None:
    total = order.cumulative + order.leaves
    kind = EventKind.REPLACED
    market.report(kind, order, total, number=command.user_ref, flags=flags)


def _enter(
    market: Market, command: Command, account: Account, instrument: Instrument, one: QuoteSide
) -> None:
    """Enter one side, as a new order or as a replaced one that lost its place."""
    order = one.order
    if order is None:
        order = Order.of(command, account, instrument, quote=True)
        order.user_ref, order.side = one.ref, one.side
        order.stop = order.display = 0
    else:
        market.remove_order(order)
    _set_terms(order, command)
    order.price = one.price
    market.add_order(order)
    order.set_leaves(one.quantity)
    order.shown = order.next_slice
    if one.order is None:
        market.report(EventKind.ACCEPTED, order, one.quantity, number=command.user_ref)
    else:
        _report_replaced(market, order, command, EventFlag.REQUEUED)
    market.start_order(order)


def protect(market: Market, command: Command, sender: Session) -> Reason:
    """PROTECT: set the bounds of what an account's quotes may trade within a time, or none; and
    begin again."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if account.firm != sender.firm:
        return Reason.NOT_ENTITLED
    bounds = command.quantity, command.display, command.amount_fen
    account.protection = Protection(*bounds, command.expiry_s) if any(bounds) else None
    market.emit(
        command_event(
            EventKind.PROTECTED,
            command,
            quantity=command.quantity,
            leaves=command.display,
            cumulative=command.expiry_s,
            **amount_fields(command.amount_fen),
        )
    )
    return Reason.NONE

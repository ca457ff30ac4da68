"""Baskets of the reference: orders that any of several like instruments may fill.

The checks of an order for a basket, the members that it may use, and its trades. It is over when
its command is; it never stands in a book.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from matching.records import (
    FEE_MAX_FEN,
    RATE_UNIT,
    CommandFlag,
    EventFlag,
    EventKind,
    Phase,
    Reason,
    TimeInForce,
)
from matching.reference.accounts import Account, deposit_fen
from matching.reference.book import BUY, NOTIONAL_MAX_FEN, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.fields import Command
from matching.reference.market import Market


@dataclass(eq=False, slots=True)
class Candidate:
    """One hour of one member, in which an order may trade: its room, its prices, its trades."""

    instrument: Instrument
    limit_room: int  # lots that the account's position limit leaves
    room: int  # of these, lots for which it has the capacity; trades reduce it
    low: int  # lowest price to trade at: that of the collar, and of one hour that of the limit
    high: int
    base: int  # last price before the order
    prices: list[int] = field(default_factory=list)  # of its trades

    def makers(self, order: "BasketOrder") -> Iterator[Order]:
        """The resting orders that the order may trade with here, the best first."""
        return self.instrument.makers(order, self.low, self.high)


Candidates = list[Candidate]
"""The hours of one member, or the members of one hour."""


@dataclass(eq=False, slots=True)
class BasketOrder(Order):
    """An order for a basket; `leaves` and `cumulative` are those of the hour under way."""

    hours: int = 0  # of a block; 0: it is no block
    whole: bool = False

    @property
    def trades_in_group(self) -> bool:
        """All its fills share a trade group."""
        return True

    @property
    def fill_flags(self) -> int:
        """Its fills carry BASKET; those of a block in one member carry BLOCK too."""
        is_block = self.hours > 0 and self.whole
        return EventFlag.BASKET | (EventFlag.BLOCK if is_block else 0)

    @property
    def total_lots(self) -> int:
        """Lots of all hours together."""
        return self.leaves * max(1, self.hours)

    def cost(self, price: int) -> int:
        """The price as a cost to the order: the lower, the better."""
        return price if self.side == BUY else -price

    def take_filled(self, instrument: Instrument, quantity: int) -> None:
        """Take filled lots off the hour's quantity; the order holds neither money nor positions."""
        position = self.account.position(instrument.id)
        self.account.hold_deposit(position, instrument.deposit_fen)
        self.leaves -= quantity


def new_basket_order(
    market: Market, command: Command, account: Account, named: Instrument
) -> Reason:
    """A new order for a basket, of an account that may trade. It trades at once or never."""
    whole = bool(command.flags & CommandFlag.WHOLE)
    order = BasketOrder.of(
        command, account, named, leaves=command.quantity, hours=command.hours, whole=whole
    )
    members = _find_members(market, order, command.target_ref)
    if not members:
        return Reason.UNKNOWN_INSTRUMENT
    members, reason = _open_members(market, order, members)
    if reason:
        return reason
    reason = _check_size(order, members)
    if reason:
        return reason
    hours, reason = _check_means(order, members)
    if reason:
        return reason
    reason = market.check_room(order)
    if reason:
        return reason
    plan = _plan(order, hours)
    can_fill = bool(plan) and order.leaves <= sum(lots for _, lots in _offers(order, plan[0]))
    if order.tif == TimeInForce.FOK and not can_fill:
        return Reason.FOK
    market.add_order(order)
    _report(market, order, EventKind.ACCEPTED, order.leaves, number=command.target_ref)
    _execute(market, order, plan)
    return Reason.NONE


# Members that the order may use


def _find_members(market: Market, order: BasketOrder, number: int) -> list[Candidates]:
    """The members of a basket that have all hours of the order.

    The order names its first hour by an instrument of any member: as many periods as this is
    behind its member, the order begins behind every member. Empty where no member has that hour.
    """
    basket = market.baskets.get(number, [])
    steps, first = 0, order.instrument
    while first not in basket:
        if first.follows is None:
            return []
        steps, first = steps + 1, first.follows
    members = [_hours_of(member, steps, order) for member in basket]
    return [[_candidate(order, hour) for hour in hours] for hours in members if hours]


def _hours_of(member: Instrument, steps: int, order: BasketOrder) -> list[Instrument]:
    """The order's hours in a member, `steps` periods behind it; none if it lacks one of them."""
    hours = [member]
    while len(hours) < steps + max(1, order.hours):
        after = hours[-1].after
        if after is None:
            return []
        hours.append(after)
    return hours[steps:] if order.hours <= max(1, hours[steps].longest) else []


def _candidate(order: BasketOrder, hour: Instrument) -> Candidate:
    """An hour of a member, with the room that the account has there before the order trades."""
    account, position = order.account, order.account.position(hour.id)
    held = position.net if order.side == BUY else -position.net
    limit_room = account.position_max - held - position.open[order.side]
    low, high = hour.collar_range()
    if order.hours == 0 and order.side == BUY:
        high = min(high, order.price)
    elif order.hours == 0:
        low = max(low, order.price)
    return Candidate(
        instrument=hour,
        limit_room=max(0, limit_room),
        room=max(0, limit_room if order.side == BUY else min(limit_room, position.available)),
        low=low,
        high=high,
        base=hour.last or hour.reference,
    )


def _open_members(
    market: Market, order: BasketOrder, members: list[Candidates]
) -> tuple[list[Candidates], Reason]:
    """The members in continuous trading in all hours, or the reason to reject the order.

    The limit must lie in all bands of one of them.
    """

    def in_phases(*phases: Phase) -> list[Candidates]:
        return [hours for hours in members if all(one.instrument.phase in phases for one in hours)]

    if not in_phases(Phase.PRE_OPEN, Phase.AUCTION, Phase.CONTINUOUS):
        return [], Reason.PHASE
    if (order.session, order.user_ref) in market.orders:
        return [], Reason.DUPLICATE_REF
    trading = in_phases(Phase.CONTINUOUS)
    if not trading:
        return [], Reason.ORDER_TYPE
    if not any(all(one.instrument.is_in_band(order.price) for one in hours) for hours in trading):
        return [], Reason.BAND
    return trading, Reason.NONE


def _check_size(order: BasketOrder, members: list[Candidates]) -> Reason:
    """The reason to reject size or notional, or NONE: of all hours, wherever they may trade."""
    hours = [one.instrument for member in members for one in member]
    rate = max(hour.dearer_rate for hour in hours)
    highest_fen = max(hour.high for hour in hours) * hours[0].tick_fen
    notional_max_fen = min(NOTIONAL_MAX_FEN, FEE_MAX_FEN * RATE_UNIT // max(rate, 1))
    lots_max = min(QUANTITY_MAX, notional_max_fen // highest_fen)
    if order.total_lots > min(lots_max, order.account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    notional_fen = order.price * order.total_lots * hours[0].tick_fen
    notional_max_fen = order.account.notional_max_fen
    return Reason.NOTIONAL_LIMIT if 0 < notional_max_fen < notional_fen else Reason.NONE


def _check_means(order: BasketOrder, members: list[Candidates]) -> tuple[list[Candidates], Reason]:
    """By hour, the members that the account may use, or the reason to reject the order.

    The deposit or fee needed is that of the dearest of these members.
    """
    if not _has_room(order, members, [[one.limit_room for one in hours] for hours in members]):
        return [], Reason.POSITION_LIMIT
    if not _has_room(order, members, [[one.room for one in hours] for hours in members]):
        return [], Reason.CAPACITY
    if order.whole:
        members = [hours for hours in members if all(one.room >= order.leaves for one in hours)]
    by_hour = [[one for one in hour if one.room] for hour in zip(*members, strict=True)]
    tick_fen = members[0][0].instrument.tick_fen
    if order.side == SELL:
        of_members = [[_deposit_fen(order, one) for one in hours if one.room] for hours in members]
        of_hours = [[_deposit_fen(order, one) for one in hour] for hour in by_hour]
        needed_fen = max(map(sum, of_members)) if order.whole else sum(map(max, of_hours))
        reason = Reason.DEPOSIT
    else:
        notional_fen = order.price * order.total_lots * tick_fen
        rate = max(one.instrument.dearer_rate for hour in by_hour for one in hour)
        needed_fen = notional_fen - (-notional_fen * rate // RATE_UNIT)
        reason = Reason.FUNDS
    return by_hour, reason if needed_fen > order.account.free_fen else Reason.NONE


def _has_room(order: BasketOrder, members: list[Candidates], rooms: list[list[int]]) -> bool:
    """Whether the order fits: WHOLE in one member, SPLIT in each hour in all members together."""
    if order.whole:
        return any(min(of_member) >= order.leaves for of_member in rooms)
    return all(sum(of_hour) >= order.leaves for of_hour in zip(*rooms, strict=True))


def _deposit_fen(order: BasketOrder, one: Candidate) -> int:
    """Deposit that the account would hold in addition, if the whole order sold here."""
    position = order.account.position(one.instrument.id)
    per_lot_fen = one.instrument.deposit_fen
    return deposit_fen(position, per_lot_fen, order.leaves) - position.deposit_fen


# Trading


def _plan(order: BasketOrder, hours: list[Candidates]) -> list[Candidates]:
    """By hour, the candidates to trade in; empty where the order cannot trade as it must.

    WHOLE: the member of the best total, the first of equal ones. A block must find its quantity in
    every hour, within its limit; an order for one hour takes what there is.
    """
    if order.whole:
        alone = [[[one] for one in member] for member in zip(*hours, strict=True)]
        costs = [(total, plan) for plan in alone if (total := _cost(order, plan)) is not None]
        return min(costs, key=lambda cost: cost[0])[1] if costs else []
    if order.hours == 0 or _cost(order, hours) is not None:
        return hours
    return []


def _cost(order: BasketOrder, hours: list[Candidates]) -> int | None:
    """Sum of price x quantity over all hours, negative for a sell; None where an hour has too
    little or the sum is beyond the limit."""
    costs = [_hour_cost(order, hour) for hour in hours]
    if None in costs:
        return None
    total = sum(cost for cost in costs if cost is not None)
    return total if total <= order.cost(order.price) * order.total_lots else None


def _hour_cost(order: BasketOrder, hour: Candidates) -> int | None:
    """Sum of price x quantity of one hour, negative for a sell; None where it has too little."""
    wanted, total = order.leaves, 0
    for cost, lots in sorted(_offers(order, hour)):
        total += cost * min(lots, wanted)
        wanted -= min(lots, wanted)
    return total if wanted == 0 else None


def _offers(order: BasketOrder, hour: Candidates) -> Iterator[tuple[int, int]]:
    """Cost and lots of each order to trade with, hidden quantity included, up to each room."""
    for one in hour:
        room = one.room
        for maker in one.makers(order):
            lots = min(maker.leaves, room)
            yield order.cost(maker.price), lots
            room -= lots


def _execute(market: Market, order: BasketOrder, plan: list[Candidates]) -> None:
    """Trade hour by hour, the best price first; then end the remainder; then run the stops."""
    quantity = order.leaves
    if plan and any(lots for _, lots in _offers(order, plan[0])):
        market.trade_groups += 1
    for hour in plan:
        order.leaves, order.cumulative = quantity, 0
        while order.leaves:
            fronts = [
                (order.cost(maker.price), rank, one, maker)
                for rank, one in enumerate(hour)
                if one.room and (maker := next(one.makers(order), None)) is not None
            ]
            if not fronts:
                break
            _, _, one, maker = min(fronts, key=lambda front: front[:2])
            lots = min(order.leaves, one.room, maker.shown)
            one.room -= lots
            price = maker.price
            if market.trade(maker, order, lots):
                one.prices.append(price)
    if order.leaves:
        left, order.leaves = order.leaves, 0
        _report(market, order, EventKind.CANCELLED, left, reason=Reason.REMAINDER)
    market.remove_order(order)
    market.withdraw_quotes()
    for hour in plan:
        for one in hour:
            stops = market.triggered_stops(one.instrument, one.prices, one.base)
            market.run_stops(one.instrument, stops, one.base)


def _report(
    market: Market, order: BasketOrder, kind: EventKind, quantity: int, **changes: int
) -> None:
    """Report that the order was accepted, or that its remainder ended."""
    flags = EventFlag.BASKET | (EventFlag.BLOCK if order.hours else 0)
    market.report(kind, order, quantity, flags=flags, trade_group=order.hours, **changes)

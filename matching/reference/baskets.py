"""Baskets of the reference: orders that any of several like instruments may fill.

What an order for a basket may ask for, which members it may use, and how it trades. It is over when
its command is; nothing of it is ever seen in a book.
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
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.accounts import Account, deposit_fen
from matching.reference.book import BUY, NOTIONAL_MAX_FEN, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.fields import Command
from matching.reference.market import Market


@dataclass(eq=False, slots=True)
class Place:
    """One hour of one member, as an order sees it: what it may still take, and at which prices."""

    instrument: Instrument
    limit_room: int  # lots that the account's position limit leaves it
    room: int  # of these, what it has the capacity for; what it trades comes off
    low: int  # prices that it may trade at: those of the collar and, of one hour, of its limit
    high: int
    base: int  # last price before it
    prices: list[int] = field(default_factory=list)  # of its trades


Member = list[Place]
"""The hours of a member, or the members of an hour."""


@dataclass(eq=False, slots=True)
class BasketOrder(Order):
    """An order for a basket; `leaves` and `cumulative` are of the hour under way."""

    hours: int = 0  # of a block; 0: it is none
    whole: bool = False

    @property
    def lots(self) -> int:
        """What it wants in all hours together."""
        return self.leaves * max(1, self.hours)

    def passes_over(self, other: Order) -> bool:
        """Whether it does not see an order: one of its owner, under any prevention."""
        return self.stp != SelfTradePrevention.NONE and self.account.related(other.account)

    def seen(self, place: Place) -> Iterator[Order]:
        """The resting orders that it may trade with in a place, the best first."""
        for price, level in place.instrument.levels(1 - self.side):
            if not place.low <= price <= place.high:
                return
            yield from [maker for maker in level.values() if not self.passes_over(maker)]

    def cost(self, price: int) -> int:
        """What a price means to it: the lower, the better."""
        return price if self.side == BUY else -price

    def fill_in(self, place: Place, price: int, quantity: int, rate: int) -> int:
        """Trade in a place; returns the fee. Fractions of a fen go from trade to trade."""
        instrument = place.instrument
        notional_fen = price * quantity * instrument.tick_fen
        fee_fen, self.fraction = divmod(self.fraction + notional_fen * rate, RATE_UNIT)
        position = self.account.position(instrument.id)
        if self.side == BUY:
            position.net += quantity
            self.account.pay(notional_fen + fee_fen)
        else:
            position.net -= quantity
            self.account.earned_fen += notional_fen - fee_fen
        self.account.hold_deposit(position, instrument.deposit_fen)
        self.leaves -= quantity
        self.cumulative += quantity
        place.room -= quantity
        place.prices.append(price)
        return fee_fen


def new_basket_order(
    market: Market, command: Command, account: Account, named: Instrument
) -> Reason:
    """A new order for a basket, of an account that may trade. It trades now or never."""
    order = BasketOrder(
        session=command.session,
        user_ref=command.user_ref,
        account=account,
        instrument=named,
        side=command.side,
        type=command.type,
        tif=command.tif,
        stp=command.stp,
        post_only=False,
        price=command.price,
        stop=0,
        display=0,
        expiry_s=0,
        leaves=command.quantity,
        hours=command.hours,
        whole=bool(command.flags & CommandFlag.WHOLE),
    )
    members = _members(market, order, command.target_ref)
    if not members:
        return Reason.UNKNOWN_INSTRUMENT
    members, reason = _open_members(market, order, members)
    if reason:
        return reason
    reason = _refuse_size(order, members)
    if reason:
        return reason
    hours, reason = _within_means(order, members)
    if reason:
        return reason
    way = _way(order, hours)
    can_trade_whole = bool(way) and order.leaves <= sum(_lots_seen(order, way[0]))
    if order.tif == TimeInForce.FOK and not can_trade_whole:
        return Reason.FOK
    if not market.has_room(order.session, order.user_ref):
        return Reason.POOL_FULL
    market.admit(order)
    _say(market, order, EventKind.ACCEPTED, number=command.target_ref)
    _run(market, order, way)
    return Reason.NONE


# Which members it may use


def _members(market: Market, order: BasketOrder, number: int) -> list[Member]:
    """The members that have all the hours it wants; none for an hour that no member has."""
    basket = market.baskets.get(number, [])
    steps, first = 0, order.instrument
    while first not in basket:
        if first.follows is None:
            return []
        steps, first = steps + 1, first.follows
    found = [_hours(member, steps, order) for member in basket]
    return [[_place(order, hour) for hour in hours] for hours in found if hours]


def _hours(member: Instrument, steps: int, order: BasketOrder) -> list[Instrument]:
    """A member's hours, from so many steps behind it on; none if it has fewer than it wants."""
    hours = [member]
    while len(hours) < steps + max(1, order.hours):
        after = hours[-1].after
        if after is None:
            return []
        hours.append(after)
    return hours[steps:] if order.hours <= max(1, hours[steps].longest) else []


def _place(order: BasketOrder, hour: Instrument) -> Place:
    account, position = order.account, order.account.position(hour.id)
    toward = position.net if order.side == BUY else -position.net
    limit_room = account.position_max - toward - position.open[order.side]
    low, high = hour.collar_range()
    if order.hours == 0 and order.side == BUY:
        high = min(high, order.price)
    elif order.hours == 0:
        low = max(low, order.price)
    return Place(
        instrument=hour,
        limit_room=max(0, limit_room),
        room=max(0, limit_room if order.side == BUY else min(limit_room, position.available)),
        low=low,
        high=high,
        base=hour.last or hour.reference,
    )


def _open_members(
    market: Market, order: BasketOrder, members: list[Member]
) -> tuple[list[Member], Reason]:
    """The members in continuous trading in all hours, of which one has its price in all bands."""

    def of_phases(*phases: Phase) -> list[Member]:
        return [one for one in members if all(hour.instrument.phase in phases for hour in one)]

    if not of_phases(Phase.PRE_OPEN, Phase.AUCTION, Phase.CONTINUOUS):
        return [], Reason.PHASE
    if (order.session, order.user_ref) in market.orders:
        return [], Reason.DUPLICATE_REF
    trading = of_phases(Phase.CONTINUOUS)
    if not trading:
        return [], Reason.ORDER_TYPE
    if not any(
        all(place.instrument.low <= order.price <= place.instrument.high for place in member)
        for member in trading
    ):
        return [], Reason.BAND
    return trading, Reason.NONE


def _refuse_size(order: BasketOrder, members: list[Member]) -> Reason:
    """The size and notional limits: of all hours together, wherever it may come to trade."""
    hours = [place.instrument for member in members for place in member]
    rate = max(hour.dearer_rate for hour in hours)
    highest_fen = max(hour.high for hour in hours) * hours[0].tick_fen
    notional_max_fen = min(NOTIONAL_MAX_FEN, FEE_MAX_FEN * RATE_UNIT // max(rate, 1))
    lots_max = min(QUANTITY_MAX, notional_max_fen // highest_fen)
    if order.lots > min(lots_max, order.account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    notional_fen = order.price * order.lots * hours[0].tick_fen
    notional_max_fen = order.account.notional_max_fen
    return Reason.NOTIONAL_LIMIT if 0 < notional_max_fen < notional_fen else Reason.NONE


def _within_means(order: BasketOrder, members: list[Member]) -> tuple[list[Member], Reason]:
    """By hour, the members that it may use; or why the account cannot have this order.

    Deposit and fee are asked for as the dearest of these members would have them.
    """
    if not _has_room(order, members, [[place.limit_room for place in one] for one in members]):
        return [], Reason.POSITION_LIMIT
    if not _has_room(order, members, [[place.room for place in one] for one in members]):
        return [], Reason.CAPACITY
    if order.whole:
        members = [one for one in members if all(place.room >= order.leaves for place in one)]
    hours = [[place for place in hour if place.room] for hour in zip(*members, strict=True)]
    tick_fen = members[0][0].instrument.tick_fen
    if order.side == SELL:
        asked = [[_deposit_fen(order, place) for place in one if place.room] for one in members]
        by_hour = [[_deposit_fen(order, place) for place in hour] for hour in hours]
        needed_fen = max(map(sum, asked)) if order.whole else sum(map(max, by_hour))
        reason = Reason.DEPOSIT
    else:
        notional_fen = order.price * order.lots * tick_fen
        rate = max(place.instrument.dearer_rate for hour in hours for place in hour)
        needed_fen = notional_fen - (-notional_fen * rate // RATE_UNIT)
        reason = Reason.FUNDS
    return hours, reason if needed_fen > order.account.free_fen else Reason.NONE


def _has_room(order: BasketOrder, members: list[Member], rooms: list[list[int]]) -> bool:
    """Whether one member alone, or in each hour all together, have room for the order."""
    if order.whole:
        return any(min(of_member) >= order.leaves for of_member in rooms)
    return all(sum(of_hour) >= order.leaves for of_hour in zip(*rooms, strict=True))


def _deposit_fen(order: BasketOrder, place: Place) -> int:
    """How much more deposit all of the order would ask for, if it sold here."""
    position = order.account.position(place.instrument.id)
    per_lot_fen = place.instrument.deposit_fen
    return deposit_fen(position, per_lot_fen, order.leaves) - position.deposit_fen


# How it trades


def _way(order: BasketOrder, hours: list[Member]) -> list[Member]:
    """By hour, the places it is to trade in; none where it cannot trade as it must.

    WHOLE: the member of the best total, the first of equals. A block must find its quantity in
    every hour, within its limit; an order for one hour takes what there is.
    """
    if order.whole:
        alone = [[[place] for place in member] for member in zip(*hours, strict=True)]
        costs = [(total, way) for way in alone if (total := _cost(order, way)) is not None]
        return min(costs, key=lambda cost: cost[0])[1] if costs else []
    if order.hours == 0 or _cost(order, hours) is not None:
        return hours
    return []


def _cost(order: BasketOrder, hours: list[Member]) -> int | None:
    """Sum of price x quantity over all hours, negative for a sell, if they have it within its
    limit; else None."""
    costs = [_hour_cost(order, places) for places in hours]
    if None in costs:
        return None
    total = sum(cost for cost in costs if cost is not None)
    return total if total <= order.cost(order.price) * order.lots else None


def _hour_cost(order: BasketOrder, places: Member) -> int | None:
    lots = sorted(_lots_at_prices(order, places))
    wanted, total = order.leaves, 0
    for cost, quantity in lots:
        total += cost * min(quantity, wanted)
        wanted -= min(quantity, wanted)
    return total if wanted == 0 else None


def _lots_at_prices(order: BasketOrder, places: Member) -> Iterator[tuple[int, int]]:
    """What each place has for it, hidden quantity too, as far as its room goes."""
    for place in places:
        room = place.room
        for maker in order.seen(place):
            quantity = min(maker.leaves, room)
            yield order.cost(maker.price), quantity
            room -= quantity


def _lots_seen(order: BasketOrder, places: Member) -> list[int]:
    return [quantity for _, quantity in _lots_at_prices(order, places)]


def _run(market: Market, order: BasketOrder, way: list[Member]) -> None:
    """Trade hour by hour, the best price first; then end what is left; then the stops."""
    quantity = order.leaves
    if way and _lots_seen(order, way[0]):
        market.trade_groups += 1
    for places in way:
        order.leaves, order.cumulative = quantity, 0
        while order.leaves:
            fronts = [
                (order.cost(maker.price), rank, place, maker)
                for rank, place in enumerate(places)
                if place.room and (maker := next(order.seen(place), None)) is not None
            ]
            if not fronts:
                break
            _, _, place, maker = min(fronts, key=lambda front: front[:2])
            _trade(market, maker, order, place)
    if order.leaves:
        left, order.leaves = order.leaves, 0
        _say(market, order, EventKind.CANCELLED, quantity=left, reason=Reason.REMAINDER)
    market.forget(order)
    for places in way:
        for place in places:
            instrument, base = place.instrument, place.base
            market.run_stops(instrument, market.reached(instrument, place.prices, base), base)


def _trade(market: Market, maker: Order, order: BasketOrder, place: Place) -> None:
    """One trade with a resting order, at its price; an iceberg's next slice goes to the back."""
    instrument, price = place.instrument, maker.price
    quantity = min(order.leaves, place.room, maker.shown)
    market.trades += 1
    maker.shown -= quantity
    instrument.last = price
    as_block = order.hours > 0 and order.whole  # all hours of one member
    own = EventFlag.TAKER | EventFlag.BASKET | (EventFlag.BLOCK if as_block else 0)
    for one, flags in ((maker, 0), (order, own)):
        if one is order:
            fee_fen = order.fill_in(place, price, quantity, instrument.taker_rate)
        else:
            fee_fen = maker.fill(price, quantity, instrument.maker_rate)
            if maker.leaves == 0:
                market.forget(maker)
        market.emit(
            EventKind.FILLED,
            number=market.trades,
            amount=fee_fen,
            price=price,
            quantity=quantity,
            leaves=one.leaves,
            cumulative=one.cumulative,
            session=one.session,
            user_ref=one.user_ref,
            account=one.account.id,
            instrument=instrument.id,
            side=one.side,
            flags=flags,
            group=market.trade_groups,
        )
    if maker.leaves and maker.shown == 0:
        instrument.leave(maker)
        maker.shown = maker.slice
        instrument.rest(maker)
        market.say(EventKind.REFRESHED, maker, maker.shown)


def _say(
    market: Market,
    order: BasketOrder,
    kind: EventKind,
    *,
    quantity: int = 0,
    number: int = 0,
    reason: int = 0,
) -> None:
    """Say that the order was accepted, or that what is left of it ended."""
    market.emit(
        kind,
        number=number,
        price=order.price,
        quantity=quantity or order.leaves,
        leaves=order.leaves,
        cumulative=order.cumulative,
        session=order.session,
        user_ref=order.user_ref,
        account=order.account.id,
        instrument=order.instrument.id,
        side=order.side,
        reason=reason,
        flags=EventFlag.BASKET | (EventFlag.BLOCK if order.hours else 0),
        group=order.hours,
    )

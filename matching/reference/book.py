"""The book of the reference: an instrument, its orders by price and time, its waiting stops."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from sortedcontainers import SortedDict

from matching.records import FEE_MAX_FEN, RATE_UNIT, CommandFlag, Phase, SelfTradePrevention, Side
from matching.reference.accounts import Account
from matching.reference.fields import LASTING, WITH_LIMIT, WITH_STOP, Command

BUY, SELL = Side.BUY, Side.SELL
NOTIONAL_MAX_FEN = 1 << 53
QUANTITY_MAX = (1 << 31) - 1

Level = dict[int, "Order"]
"""The orders at one price by acceptance sequence; the order of the dict is the queue."""


@dataclass(eq=False, slots=True)
class Order:
    """A live order. Prices in ticks, 0 for none; quantities in lots.

    `leaves` is the open quantity, `shown` the part of it that the market sees, `fraction` the part
    of the fee that has not been charged yet, in millionths of a fen.
    """

    session: int
    user_ref: int
    account: Account
    instrument: "Instrument"
    side: int
    type: int
    tif: int
    stp: int
    post_only: bool
    price: int
    stop: int
    display: int
    expiry_s: int
    accepted: int = 0
    leaves: int = 0
    shown: int = 0
    cumulative: int = 0
    fraction: int = 0
    reserved_fen: int = 0
    waiting: bool = False
    resting: bool = False
    quote: bool = False  # one side of a quote

    @classmethod
    def of(
        cls, command: Command, account: Account, instrument: "Instrument", **fields: Any
    ) -> Self:
        """The order that a command NEW asks for, with nothing open yet."""
        return cls(
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
            display=command.display if command.tif in LASTING else 0,
            expiry_s=command.expiry_s,
            waiting=command.type in WITH_STOP,
            **fields,
        )

    @property
    def can_rest(self) -> bool:
        """Whether the remainder stays in the book after the order has run."""
        return self.type in WITH_LIMIT and self.tif in LASTING

    @property
    def next_slice(self) -> int:
        """Lots shown when it joins the back of its level; 0 while it waits or without a limit."""
        if self.waiting or self.price == 0:
            return 0
        return min(self.display or self.leaves, self.leaves)

    @property
    def block_hours(self) -> int:
        """Number of hours of a block; 0 for an order that is no block."""
        return 0

    @property
    def trades_in_group(self) -> bool:
        """Whether all its fills share a trade group, as those of blocks and baskets do."""
        return False

    @property
    def fill_flags(self) -> int:
        """Flags of its own fills, besides those of the trade."""
        return 0

    def accepts(self, price: int) -> bool:
        """Whether its limit admits a trade at this price."""
        if self.price == 0:
            return True
        return price <= self.price if self.side == BUY else price >= self.price

    def is_triggered_by(self, low: int, high: int) -> bool:
        """Whether trades at prices from `low` to `high` trigger its stop."""
        return self.stop <= high if self.side == BUY else self.stop >= low

    def is_kept_from(self, other: "Order") -> bool:
        """Whether its self-trade prevention forbids a trade with an order of the same owner."""
        return self.stp != SelfTradePrevention.NONE and self.account.is_related(other.account)

    def covers(self, instrument: "Instrument") -> bool:
        """Whether it is an order for this instrument."""
        return self.instrument is instrument

    def set_leaves(self, leaves: int) -> None:
        """Change the open quantity; shown quantity, open position and held money follow."""
        position = self.account.position(self.instrument.id)
        position.open[self.side] += leaves - self.leaves
        self.leaves = leaves
        self.shown = min(self.shown, leaves)
        if self.side == BUY:
            self.reserve(self.instrument.reserve_fen(self.price, leaves, self.fraction))
        self.account.hold_deposit(position, self.instrument.deposit_fen)

    def reserve(self, needed_fen: int) -> None:
        """Hold this much of the buyer's money instead of what the order holds now."""
        self.account.reserve(needed_fen - self.reserved_fen)
        self.reserved_fen = needed_fen

    def fill(self, instrument: "Instrument", price: int, quantity: int, rate: int) -> int:
        """Trade: move position and money, and return the fee charged, in fen.

        The fee of an order is the floor of its exact sum so far: each fill is charged the
        difference, and the fraction waits for the next fill.
        """
        notional_fen = price * quantity * instrument.tick_fen
        fee_fen, self.fraction = divmod(self.fraction + notional_fen * rate, RATE_UNIT)
        position = self.account.position(instrument.id)
        if self.side == BUY:
            position.net += quantity
            self.account.pay(notional_fen + fee_fen)
        else:
            position.net -= quantity
            self.account.earned_fen += notional_fen - fee_fen
        self.cumulative += quantity
        self.take_filled(instrument, quantity)
        return fee_fen

    def take_filled(self, instrument: "Instrument", quantity: int) -> None:
        """Take filled lots off the open quantity, and hold what the rest needs."""
        assert instrument is self.instrument
        self.set_leaves(self.leaves - quantity)


def _sides() -> tuple[SortedDict, SortedDict]:
    return SortedDict(), SortedDict()


@dataclass(eq=False, slots=True)
class Instrument:
    """A listed instrument: its settings, the two sides of its book, and its waiting stops."""

    id: int
    reference: int  # ticks
    tick_fen: int
    low: int = 0  # band, both edges allowed; 0: none yet
    high: int = 0
    ticks: int = 0  # allotted to the band
    maker_rate: int = 0  # millionths of the notional
    taker_rate: int = 0
    deposit_fen: int = 0  # per lot sold short
    collar: int = 0  # ticks; 0: off
    collar_s: int = 0  # length of the auction that the collar starts
    random_s: int = 0  # at most so many seconds longer, at random
    extension: int = 0  # ticks; an auction's price further away puts its end off once; 0: never
    extended: bool = False  # whether it was put off
    close_s: int = 0  # end of the day to come
    gate_s: int = 0  # gate closure to come
    gated: bool = False
    phase: int = Phase.CLOSED
    last: int = 0  # price of the last trade, in an uncross too
    indicative: tuple[int, int, int] = (0, 0, 0)  # price, volume, surplus as reported last
    follows: "Instrument | None" = None  # the delivery period before
    after: "Instrument | None" = None  # the delivery period after
    longest: int = 0  # hours of the longest block that may begin here
    sides: tuple[SortedDict, SortedDict] = field(default_factory=_sides)  # price -> Level
    waiting: dict[int, Order] = field(default_factory=dict)  # stops by acceptance sequence

    @property
    def dearer_rate(self) -> int:
        """The higher of both rates: buys reserve money for it."""
        return max(self.maker_rate, self.taker_rate)

    @property
    def quantity_max(self) -> int:
        """The largest order of which no fee exceeds int32 and no notional 2^53 fen."""
        notional_fen = min(NOTIONAL_MAX_FEN, FEE_MAX_FEN * RATE_UNIT // max(self.dearer_rate, 1))
        return min(QUANTITY_MAX, notional_fen // (self.high * self.tick_fen))

    def worst_notional_fen(self, price: int, quantity: int) -> int:
        """Notional at the limit, or at the upper edge of the band where there is no limit."""
        return (price or self.high) * quantity * self.tick_fen

    def reserve_fen(self, price: int, quantity: int, fraction: int = 0) -> int:
        """Money that a buy must hold: worst notional, and the dearer fee on it, rounded up."""
        if quantity == 0:
            return 0
        notional_fen = self.worst_notional_fen(price, quantity)
        return notional_fen - (-(notional_fen * self.dearer_rate + fraction) // RATE_UNIT)

    def is_in_band(self, price: int) -> bool:
        """Whether the band admits a price; both its edges are inside."""
        return self.low <= price <= self.high

    def collar_range(self) -> tuple[int, int]:
        """Lowest and highest price that an order arriving now may trade at."""
        if self.collar == 0:
            return self.low, self.high
        centre = self.last or self.reference
        return centre - self.collar, centre + self.collar

    def rest(self, order: Order) -> None:
        """Put the order at the back of its level."""
        order.resting = True
        self.sides[order.side].setdefault(order.price, {})[order.accepted] = order

    def remove(self, order: Order) -> None:
        """Remove the order from its level or from the waiting stops, if it is there."""
        if order.resting:
            level = self.sides[order.side][order.price]
            del level[order.accepted]
            if not level:
                del self.sides[order.side][order.price]
        order.resting = False
        self.waiting.pop(order.accepted, None)

    def levels(self, side: int) -> Iterator[tuple[int, Level]]:
        """Prices of a side with their queues, the best first."""
        prices = self.sides[side]
        for price in reversed(prices) if side == BUY else iter(prices):
            yield price, prices[price]

    def makers(self, order: Order, low: int, high: int) -> Iterator[Order]:
        """The orders that a block or basket order may trade with, best first: prices from `low` to
        `high`, without its owner's orders under prevention; none behind a price outside."""
        for price, level in self.levels(1 - order.side):
            if not low <= price <= high:
                return
            yield from [maker for maker in level.values() if not order.is_kept_from(maker)]

    def front(self, side: int) -> Order | None:
        """The first order at the best price of a side."""
        for _, level in self.levels(side):
            return next(iter(level.values()))
        return None

    def would_cross(self, order: Order) -> bool:
        """Whether an opposite order rests at the order's price or better."""
        front = self.front(1 - order.side)
        return front is not None and order.accepts(front.price)

    def can_fill(self, order: Order, quantity: int) -> bool:
        """Whether the order, arriving now, would trade this quantity at once (fill or kill, and
        the minimum of an IOC).

        Hidden quantity counts. The owner's orders never count under prevention. Where prevention
        would end or shrink the incoming order, nothing counts behind the first of them; of that
        order's level only the shown quantity in front of it counts, since later slices join the
        back.
        """
        low, high = self.collar_range()
        for price, level in self.levels(1 - order.side):
            if quantity <= 0 or not order.accepts(price) or not low <= price <= high:
                break
            makers = list(level.values())
            own = [order.account.is_related(maker.account) for maker in makers]
            if order.stp == SelfTradePrevention.NONE or not any(own):
                quantity -= sum(maker.leaves for maker in makers)
            elif order.stp == SelfTradePrevention.OLDEST:
                others = (maker.leaves for maker, mine in zip(makers, own, strict=True) if not mine)
                quantity -= sum(others)
            else:
                return quantity <= sum(maker.shown for maker in makers[: own.index(True)])
        return quantity <= 0

    def uncross_price(self, base: int) -> int | None:
        """The price at which the book is to be uncrossed; None where it is not crossed.

        Of all ticks those of the greatest volume, and of these the ones of the least surplus. Of
        the rest: the highest if buyers are left over at all of them, the lowest if sellers are;
        otherwise the one nearest the base price, and of two equally near ones the higher.
        """
        buy, sell = self.front(BUY), self.front(SELL)
        if buy is None or sell is None or buy.price < sell.price:
            return None
        # Nothing trades below the best sell or above the best buy.
        ticks = list(self._volumes(sell.price, buy.price))
        volume = max(volume for _, volume, _ in ticks)
        ticks = [tick for tick in ticks if tick[1] == volume]
        surplus = min(abs(surplus) for _, _, surplus in ticks)
        ticks = [tick for tick in ticks if abs(tick[2]) == surplus]
        prices = [price for price, _, _ in ticks]
        if all(surplus > 0 for _, _, surplus in ticks):
            return max(prices)
        if all(surplus < 0 for _, _, surplus in ticks):
            return min(prices)
        return min(prices, key=lambda price: (abs(price - base), -price))

    def indicate(self) -> tuple[int, int, int]:
        """Price, volume and surplus of buys (negative: of sells) of an uncross now; zeros where
        nothing crosses."""
        price = self.uncross_price(self.last or self.reference)
        if price is None:
            return 0, 0, 0
        ((_, volume, surplus),) = self._volumes(price, price)
        return price, volume, surplus

    def _volumes(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Each price with the volume that would trade at it, and by how much buyers exceed
        sellers."""
        buys = sum(_leaves(level) for price, level in self.levels(BUY) if price >= low)
        sells = sum(_leaves(level) for price, level in self.levels(SELL) if price < low)
        for price in range(low, high + 1):
            sells += _leaves(self.sides[SELL].get(price, {}))
            yield price, min(buys, sells), buys - sells
            buys -= _leaves(self.sides[BUY].get(price, {}))


def _leaves(level: Level) -> int:
    return sum(order.leaves for order in level.values())

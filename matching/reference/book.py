"""The book of the reference: an instrument, its orders by price and time, its waiting stops."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sortedcontainers import SortedDict

from matching.records import (
    FEE_MAX_FEN,
    RATE_UNIT,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from matching.reference.accounts import Account

BUY, SELL = Side.BUY, Side.SELL
NOTIONAL_MAX_FEN = 1 << 53
QUANTITY_MAX = (1 << 31) - 1

Level = dict[int, "Order"]
"""The orders at one price by acceptance sequence; the order of the dict is the queue."""


@dataclass(eq=False, slots=True)
class Order:
    """A live order. Prices in ticks, 0 for none; quantities in lots.

    `leaves` is what is open, `shown` the part of it that the market sees, `fraction` the part of
    the fee, in millionths of a fen, that has not been charged yet.
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

    @property
    def may_rest(self) -> bool:
        """Whether what does not trade at once stays in the book."""
        lasting = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
        return self.type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and self.tif in lasting

    @property
    def slice(self) -> int:
        """What it shows when it comes to the back of its level; nothing without a limit."""
        if self.waiting or self.price == 0:
            return 0
        return min(self.display or self.leaves, self.leaves)

    def accepts(self, price: int) -> bool:
        """Whether its limit admits a trade at this price."""
        if self.price == 0:
            return True
        return price <= self.price if self.side == BUY else price >= self.price

    def is_reached(self, low: int, high: int) -> bool:
        """Whether trades between these two prices trigger its stop."""
        return self.stop <= high if self.side == BUY else self.stop >= low

    @property
    def span(self) -> int:
        """How many hours it is long; 0: it is no block."""
        return 0

    def covers(self, instrument: "Instrument") -> bool:
        """Whether it is an order for this instrument."""
        return self.instrument is instrument

    def set_leaves(self, leaves: int) -> None:
        """Change what is open; shown quantity, open position and held money follow."""
        position = self.account.position(self.instrument.id)
        position.open[self.side] += leaves - self.leaves
        self.leaves = leaves
        self.shown = min(self.shown, leaves)
        if self.side == BUY:
            needed_fen = self.instrument.reserve_fen(self.price, leaves, self.fraction)
            self.account.reserve(needed_fen - self.reserved_fen)
            self.reserved_fen = needed_fen
        self.account.hold_deposit(position, self.instrument.deposit_fen)

    def fill(self, price: int, quantity: int, rate: int) -> int:
        """Trade: move position and money, and return the fee charged, in fen.

        The fee of an order is the floor of its exact sum so far: each fill is charged the
        difference, and the fraction waits for the next.
        """
        notional_fen = price * quantity * self.instrument.tick_fen
        fee_fen, self.fraction = divmod(self.fraction + notional_fen * rate, RATE_UNIT)
        position = self.account.position(self.instrument.id)
        if self.side == BUY:
            position.net += quantity
            self.account.pay(notional_fen + fee_fen)
        else:
            position.net -= quantity
            self.account.earned_fen += notional_fen - fee_fen
        self.cumulative += quantity
        self.set_leaves(self.leaves - quantity)
        return fee_fen


def _sides() -> tuple[SortedDict, SortedDict]:
    return SortedDict(), SortedDict()


@dataclass(eq=False, slots=True)
class Instrument:
    """A listed instrument: its settings, its two sides, the stops that wait outside."""

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
    collar_s: int = 0  # how long its auction lasts
    close_s: int = 0  # end of the day to come
    gate_s: int = 0  # gate closure to come
    gated: bool = False
    phase: int = Phase.CLOSED
    last: int = 0  # price of the last trade, in an uncross too
    follows: "Instrument | None" = None  # the delivery period before
    after: "Instrument | None" = None  # the delivery period after
    longest: int = 0  # block that may begin here
    sides: tuple[SortedDict, SortedDict] = field(default_factory=_sides)  # price -> Level
    waiting: dict[int, Order] = field(default_factory=dict)  # stops by acceptance sequence

    @property
    def dearer_rate(self) -> int:
        """The rate that buys reserve for."""
        return max(self.maker_rate, self.taker_rate)

    @property
    def quantity_max(self) -> int:
        """The largest order, so that no fee leaves int32 and no notional 2^53."""
        notional_fen = min(NOTIONAL_MAX_FEN, FEE_MAX_FEN * RATE_UNIT // max(self.dearer_rate, 1))
        return min(QUANTITY_MAX, notional_fen // (self.high * self.tick_fen))

    def worst_notional_fen(self, price: int, quantity: int) -> int:
        """Notional at the limit, or at the upper band where there is none."""
        return (price or self.high) * quantity * self.tick_fen

    def reserve_fen(self, price: int, quantity: int, fraction: int = 0) -> int:
        """What a buy must hold: worst notional, and the dearer fee on it, rounded up."""
        if quantity == 0:
            return 0
        notional_fen = self.worst_notional_fen(price, quantity)
        return notional_fen - (-(notional_fen * self.dearer_rate + fraction) // RATE_UNIT)

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

    def leave(self, order: Order) -> None:
        """Take the order out of its level, or out of the waiting stops, if it is there."""
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

    def front(self, side: int) -> Order | None:
        """The first order at the best price of a side."""
        for _, level in self.levels(side):
            return next(iter(level.values()))
        return None

    def would_meet(self, order: Order) -> bool:
        """Whether anything on the other side is at the order's price or better."""
        front = self.front(1 - order.side)
        return front is not None and order.accepts(front.price)

    def could_fill(self, order: Order, quantity: int) -> bool:
        """Whether the order, arriving now, would trade this quantity at once (fill or kill).

        Hidden quantity counts. Own orders never count under prevention, and where prevention
        would end the incoming order, nothing behind the first of them: of its own level only what
        is shown in front of it, since the rest would come back behind.
        """
        low, high = self.collar_range()
        for price, level in self.levels(1 - order.side):
            if quantity <= 0 or not order.accepts(price) or not low <= price <= high:
                break
            makers = list(level.values())
            own = [order.account.related(maker.account) for maker in makers]
            if order.stp == SelfTradePrevention.NONE or not any(own):
                quantity -= sum(maker.leaves for maker in makers)
            elif order.stp in (SelfTradePrevention.OLDEST, SelfTradePrevention.DECREMENT):
                others = (maker.leaves for maker, mine in zip(makers, own, strict=True) if not mine)
                quantity -= sum(others)
            else:
                return quantity <= sum(maker.shown for maker in makers[: own.index(True)])
        return quantity <= 0

    def uncross_price(self) -> int | None:
        """The one price at which the book is to be uncrossed; None where it is not crossed.

        Of all ticks: those of the greatest volume, of these the least surplus; then the highest
        if buyers are left over at all of them, the lowest if sellers are; else the one nearest
        the reference, of two equally near ones the higher.
        """
        buy, sell = self.front(BUY), self.front(SELL)
        if buy is None or sell is None or buy.price < sell.price:
            return None
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
        return min(prices, key=lambda price: (abs(price - self.reference), -price))

    def _volumes(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Each price with what would trade at it and by how much buyers exceed sellers.

        Outside best sell to best buy nothing trades, so these prices are all that matter.
        """
        buys = sum(_leaves(level) for price, level in self.levels(BUY) if price >= low)
        sells = 0
        for price in range(low, high + 1):
            sells += _leaves(self.sides[SELL].get(price, {}))
            yield price, min(buys, sells), buys - sells
            buys -= _leaves(self.sides[BUY].get(price, {}))


def _leaves(level: Level) -> int:
    return sum(order.leaves for order in level.values())

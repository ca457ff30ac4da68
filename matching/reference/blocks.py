"""Blocks of the reference: several hours bought or sold as one order, all or none.

The checks of a new or replaced block, the test whether it can trade, and its trades. A block is an
Order for several instruments, those of consecutive delivery periods ("hours", whatever their
length). Refs, cancels and expiry are handled as for other orders.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from matching.records import (
    RATE_UNIT,
    CommandFlag,
    EventFlag,
    EventKind,
    Phase,
    Reason,
    TimeInForce,
)
from matching.reference.accounts import Account, deposit_fen
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.fields import Command
from matching.reference.market import Market

BOOKS = "the hourly books"
"""The way of a block that trades with the orders of its hours, not with an opposite block."""


@dataclass(eq=False, slots=True)
class Block(Order):
    """A live block; `leaves` is its quantity in every hour, `price` its limit on their average.

    While it trades, `leaves` and `cumulative` are those of the hour under way.
    """

    hours: tuple[Instrument, ...] = ()

    @property
    def block_hours(self) -> int:
        """Number of its hours."""
        return len(self.hours)

    @property
    def trades_in_group(self) -> bool:
        """All its fills share a trade group."""
        return True

    @property
    def fill_flags(self) -> int:
        """Its fills carry BLOCK."""
        return EventFlag.BLOCK

    def covers(self, instrument: Instrument) -> bool:
        """Whether the instrument is one of its hours."""
        return instrument in self.hours

    def reserve_fen(self, price: int, quantity: int) -> int:
        """Money that a buy must hold: all hours at the limit, and the dearest fee, rounded up."""
        notional_fen = price * quantity * self.block_hours * self.instrument.tick_fen
        dearest = max(hour.dearer_rate for hour in self.hours)
        return notional_fen - (-(notional_fen * dearest) // RATE_UNIT)

    def set_leaves(self, leaves: int) -> None:
        """Change its quantity; open positions of all hours and held money follow."""
        for hour in self.hours:
            position = self.account.position(hour.id)
            position.open[self.side] += leaves - self.leaves
            self.account.hold_deposit(position, hour.deposit_fen)
        self.leaves = leaves
        if self.side == BUY:
            self.reserve(self.reserve_fen(self.price, leaves))

    def take_filled(self, instrument: Instrument, quantity: int) -> None:
        """Take filled lots off the hour's open quantity."""
        position = self.account.position(instrument.id)
        position.open[self.side] -= quantity
        self.account.hold_deposit(position, instrument.deposit_fen)
        self.leaves -= quantity

    def is_within_limit(self, total: int) -> bool:
        """Whether its limit admits this sum of price x quantity over all hours."""
        limit = self.price * self.leaves * self.block_hours
        return total <= limit if self.side == BUY else total >= limit


# New and replaced blocks


def new_block(market: Market, command: Command, account: Account, first: Instrument) -> Reason:
    """A new block of an account that may trade. It trades at once, stands or ends."""
    hours = _hours_from(first, command.hours)
    if hours is None:
        return Reason.UNKNOWN_INSTRUMENT
    block = Block.of(command, account, first, hours=hours)
    reason = _check_new(market, block, command.quantity)
    if reason:
        return reason
    market.add_order(block)
    block.set_leaves(command.quantity)
    if block.tif == TimeInForce.GTD:
        market.agenda.add_expiry(first.id, block.expiry_s)
    market.report(EventKind.ACCEPTED, block, command.quantity)
    if not _try(market, block) and block.tif == TimeInForce.IOC:
        market.reduce(block, block.leaves, Reason.REMAINDER)
    return Reason.NONE


def _hours_from(first: Instrument, count: int) -> tuple[Instrument, ...] | None:
    """So many consecutive hours; None where they are not listed, or too many for a block."""
    hours = [first]
    while len(hours) < count and hours[-1].after is not None:
        hours.append(hours[-1].after)
    return tuple(hours) if len(hours) == count <= first.longest else None


def _check_new(market: Market, block: Block, quantity: int) -> Reason:
    """The reason for which market, account or memory reject a new block, or NONE."""
    at_once = block.tif in (TimeInForce.IOC, TimeInForce.FOK)
    if any(hour.phase in (Phase.HALTED, Phase.CLOSED) for hour in block.hours):
        return Reason.PHASE
    if (block.session, block.user_ref) in market.orders:
        return Reason.DUPLICATE_REF
    if at_once and any(hour.phase != Phase.CONTINUOUS for hour in block.hours):
        return Reason.ORDER_TYPE
    reason = _check_time_and_price(market, block, block.expiry_s, block.price)
    if reason:
        return reason
    reason = _check_means(block, block.price, quantity)
    if reason:
        return reason
    reason = market.check_room(block)
    if reason:
        return reason
    block.leaves, block.accepted = quantity, market.accepted + 1
    can_trade = _choose_way(market, block) is not None
    block.leaves = block.accepted = 0
    if block.tif == TimeInForce.FOK and not can_trade:
        return Reason.FOK
    return Reason.NONE


def _check_time_and_price(market: Market, block: Block, expiry_s: int, price: int) -> Reason:
    """The reason to reject a time that is past or a price outside the band of an hour; 0 is not
    checked."""
    if market.is_past(expiry_s):
        return Reason.TIME_PAST
    if price and not all(hour.is_in_band(price) for hour in block.hours):
        return Reason.BAND
    return Reason.NONE


def _check_means(block: Block, price: int, quantity: int) -> Reason:
    """The reason for which the account cannot have this block, or NONE.

    Sizes are those of all hours; capacity and money are checked with the difference to what the
    block holds already.
    """
    account, growth = block.account, quantity - block.leaves
    lots = quantity * block.block_hours
    largest = min(hour.quantity_max for hour in block.hours)
    if lots > min(largest, account.order_max or QUANTITY_MAX):
        return Reason.SIZE_LIMIT
    notional_fen = price * lots * block.instrument.tick_fen
    if account.notional_max_fen and notional_fen > account.notional_max_fen:
        return Reason.NOTIONAL_LIMIT
    positions = [(account.position(hour.id), hour) for hour in block.hours]
    sign = 1 if block.side == BUY else -1
    for position, _ in positions:
        open_after = sign * position.net + position.open[block.side] + growth
        if growth > 0 and open_after > account.position_max:
            return Reason.POSITION_LIMIT
    if block.side == SELL:
        if any(growth > position.available for position, _ in positions):
            return Reason.CAPACITY
        needed_fen = sum(
            deposit_fen(position, hour.deposit_fen, growth) - position.deposit_fen
            for position, hour in positions
        )
        return Reason.DEPOSIT if needed_fen > account.free_fen else Reason.NONE
    needed_fen = block.reserve_fen(price, quantity) - block.reserved_fen
    return Reason.FUNDS if needed_fen > account.free_fen else Reason.NONE


def replace_block(market: Market, block: Block, command: Command) -> Reason:
    """Change a block, then try it; less quantity at the same price keeps its place."""
    if any(hour.phase in (Phase.HALTED, Phase.CLOSED) for hour in block.hours):
        return Reason.PHASE
    if command.stop or command.display or (command.expiry_s and block.tif != TimeInForce.GTD):
        return Reason.ORDER_TYPE
    reason = _check_time_and_price(market, block, command.expiry_s, command.price)
    if reason:
        return reason
    if command.quantity == 0:
        market.reduce(block, block.leaves, Reason.REQUESTED, command.user_ref)
        return Reason.NONE
    price = command.price or block.price
    reason = _check_means(block, price, command.quantity)
    if reason:
        return reason
    requeue = bool(command.flags & CommandFlag.REQUEUE)
    flags = 0
    if requeue or price != block.price or command.quantity >= block.leaves:
        if not market.has_numbers():
            return Reason.POOL_FULL
        flags = EventFlag.REQUEUED
        market.remove_order(block)
        market.add_order(block)
    block.price = price
    if command.expiry_s:
        block.expiry_s = command.expiry_s
        market.agenda.add_expiry(block.instrument.id, block.expiry_s)
    block.set_leaves(command.quantity)
    market.report(EventKind.REPLACED, block, command.quantity, number=command.user_ref, flags=flags)
    _try(market, block)
    return Reason.NONE


# Trading


def try_blocks(market: Market) -> None:
    """Trade standing blocks, always the first that can, until none can.

    Buys come before sells, then better prices, then earlier acceptance.
    """
    while any(_try(market, block) for block in _by_priority(market)):
        pass


def _by_priority(market: Market) -> list[Block]:
    return sorted(_standing_blocks(market), key=_priority)


def _standing_blocks(market: Market) -> Iterator[Block]:
    return (order for order in market.blocks.values() if isinstance(order, Block))


def _priority(block: Block) -> tuple[int, int, int]:
    return block.side, -block.price if block.side == BUY else block.price, block.accepted


def _try(market: Market, block: Block) -> bool:
    """Trade the whole block, if it can trade now, and then run all stops that it triggers."""
    way = _choose_way(market, block)
    if way is None:
        return False
    market.trade_groups += 1
    if isinstance(way, Block):
        _trade_with(market, block, way)
    else:
        _sweep(market, block)
    return True


def _choose_way(market: Market, block: Block) -> str | Block | None:
    """The better way to trade now: BOOKS or an opposite block; None where there is none.

    The better way is the one with the better total for the block; of equal ones BOOKS.
    """
    if any(hour.phase != Phase.CONTINUOUS for hour in block.hours):
        return None
    swept = _sweep_total(block)
    if swept is not None and not block.is_within_limit(swept):
        swept = None
    opposite = _best_opposite(market, block)
    if opposite is None:
        return None if swept is None else BOOKS
    if swept is None:
        return opposite
    earlier = min(block, opposite, key=lambda one: one.accepted)
    total = earlier.price * block.leaves * block.block_hours
    is_better = total < swept if block.side == BUY else total > swept
    return opposite if is_better else BOOKS


def _sweep_total(block: Block) -> int | None:
    """Sum of price x quantity of a sweep of all hourly books; None where one has too little."""
    total = 0
    for hour in block.hours:
        hour_total = _hour_total(block, hour)
        if hour_total is None:
            return None
        total += hour_total
    return total


def _hour_total(block: Block, hour: Instrument) -> int | None:
    """Sum of price x quantity of a sweep of one hour; None where it has too little."""
    wanted, total = block.leaves, 0
    for maker in hour.makers(block, *hour.collar_range()):
        quantity = min(maker.leaves, wanted)
        total += quantity * maker.price
        wanted -= quantity
        if wanted == 0:
            return total
    return None


def _best_opposite(market: Market, block: Block) -> Block | None:
    """The best opposite block of the same hours and quantity whose limit crosses."""

    def is_opposite(other: Block) -> bool:
        """Return whether the two blocks may trade with each other."""
        if other.side == block.side or other.hours != block.hours or other.leaves != block.leaves:
            return False
        earlier, later = sorted((block, other), key=lambda one: one.accepted)
        return block.accepts(other.price) and not later.is_kept_from(earlier)

    return min(filter(is_opposite, _standing_blocks(market)), key=_priority, default=None)


def _trade_with(market: Market, block: Block, opposite: Block) -> None:
    """Trade two blocks hour by hour at the limit of the earlier one."""
    maker, taker = sorted((block, opposite), key=lambda one: one.accepted)
    quantity = block.leaves
    maker.reserve(0)
    taker.reserve(0)
    for hour in block.hours:
        for one in (maker, taker):
            one.leaves, one.cumulative = quantity, 0
        market.fill(maker, taker, hour, maker.price, quantity, on_book=False)
    market.remove_order(maker)
    market.remove_order(taker)


def _sweep(market: Market, block: Block) -> None:
    """Trade with the hourly orders, best first, hour by hour; then run the stops, hour by hour."""
    quantity = block.leaves
    traded: list[tuple[Instrument, int, list[int]]] = []
    block.reserve(0)
    for hour in block.hours:
        base, prices = hour.last or hour.reference, []
        low, high = hour.collar_range()
        block.leaves, block.cumulative = quantity, 0
        while block.leaves:
            maker = next(hour.makers(block, low, high))
            price = maker.price
            if market.trade(maker, block, min(block.leaves, maker.shown)):
                prices.append(price)
        traded.append((hour, base, prices))
    market.remove_order(block)
    market.withdraw_quotes()
    for hour, base, prices in traded:
        market.run_stops(hour, market.triggered_stops(hour, prices, base), base)

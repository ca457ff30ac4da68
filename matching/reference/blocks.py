"""Blocks of the reference: hours bought or sold as one, all or none.

What a block may ask for, when it can trade, and how it does. A block is an Order over several
instruments, those of consecutive delivery periods ("hours", whatever their length); what it has in
common with other orders (names, cancels, expiry) is done where theirs is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from matching.records import (
    NANOSECONDS,
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
from matching.reference.book import BUY, QUANTITY_MAX, SELL, Instrument, Order
from matching.reference.fields import Command
from matching.reference.market import Market


@dataclass(eq=False, slots=True)
class Block(Order):
    """A live block; `leaves` is its quantity in every hour, `price` its limit on their average."""

    hours: tuple[Instrument, ...] = ()
    filled: dict[Instrument, int] = field(default_factory=dict)  # while it trades

    @property
    def span(self) -> int:
        """How many hours it is long."""
        return len(self.hours)

    def covers(self, instrument: Instrument) -> bool:
        """Whether the instrument is one of its hours."""
        return instrument in self.hours

    def reserve_fen(self, price: int, quantity: int) -> int:
        """What a buy must hold: all hours at the limit, and the dearest fee on it, rounded up."""
        notional_fen = price * quantity * self.span * self.instrument.tick_fen
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
            self.hold(self.reserve_fen(self.price, leaves))

    def hold(self, needed_fen: int) -> None:
        """Hold this much money instead of what is held."""
        self.account.reserve(needed_fen - self.reserved_fen)
        self.reserved_fen = needed_fen

    def fill_hour(self, hour: Instrument, price: int, quantity: int, rate: int) -> int:
        """Trade in one hour; returns the fee. Fractions of a fen go from hour to hour."""
        notional_fen = price * quantity * hour.tick_fen
        fee_fen, self.fraction = divmod(self.fraction + notional_fen * rate, RATE_UNIT)
        position = self.account.position(hour.id)
        position.open[self.side] -= quantity
        if self.side == BUY:
            position.net += quantity
            self.account.pay(notional_fen + fee_fen)
        else:
            position.net -= quantity
            self.account.earned_fen += notional_fen - fee_fen
        self.account.hold_deposit(position, hour.deposit_fen)
        self.filled[hour] = self.filled.get(hour, 0) + quantity
        return fee_fen

    def within(self, total: int) -> bool:
        """Whether its limit admits this sum of price x quantity over all hours."""
        limit = self.price * self.leaves * self.span
        return total <= limit if self.side == BUY else total >= limit

    def passes_over(self, other: Order) -> bool:
        """Whether it does not see an order: one of its owner, under any prevention."""
        return self.stp != SelfTradePrevention.NONE and self.account.related(other.account)


# Asking for a block


def new_block(market: Market, command: Command, account: Account, first: Instrument) -> Reason:
    """A new block of an account that may trade. It trades at once, stands or ends."""
    hours = _hours_from(first, command.hours)
    if hours is None:
        return Reason.UNKNOWN_INSTRUMENT
    block = Block(
        session=command.session,
        user_ref=command.user_ref,
        account=account,
        instrument=first,
        side=command.side,
        type=command.type,
        tif=command.tif,
        stp=command.stp,
        post_only=False,
        price=command.price,
        stop=0,
        display=0,
        expiry_s=command.expiry_s,
        hours=hours,
    )
    reason = _refuse_new(market, block, command.quantity)
    if reason:
        return reason
    market.admit(block)
    block.set_leaves(command.quantity)
    if block.tif == TimeInForce.GTD:
        market.agenda.add_expiry(first.id, block.expiry_s)
    market.say(EventKind.ACCEPTED, block, command.quantity)
    if not _try(market, block) and block.tif == TimeInForce.IOC:
        market.take_off(block, block.leaves, Reason.REMAINDER)
    return Reason.NONE


def _hours_from(first: Instrument, count: int) -> tuple[Instrument, ...] | None:
    """So many consecutive periods; None where they are not listed, or too many for a block."""
    hours = [first]
    while len(hours) < count and hours[-1].after is not None:
        hours.append(hours[-1].after)
    return tuple(hours) if len(hours) == count <= first.longest else None


def _refuse_new(market: Market, block: Block, quantity: int) -> Reason:
    """Why the market, the account's means or the machine's memory refuse a new block."""
    at_once = block.tif in (TimeInForce.IOC, TimeInForce.FOK)
    if any(hour.phase in (Phase.HALTED, Phase.CLOSED) for hour in block.hours):
        return Reason.PHASE
    if (block.session, block.user_ref) in market.orders:
        return Reason.DUPLICATE_REF
    if at_once and any(hour.phase != Phase.CONTINUOUS for hour in block.hours):
        return Reason.ORDER_TYPE
    reason = _refuse_terms(market, block, block.expiry_s, block.price)
    if reason:
        return reason
    reason = _refuse_means(block, block.price, quantity)
    if reason:
        return reason
    block.leaves, block.accepted = quantity, market.accepted + 1
    can_trade = _way(market, block) is not None
    block.leaves = block.accepted = 0
    if block.tif == TimeInForce.FOK and not can_trade:
        return Reason.FOK
    full = len(market.blocks) >= market.limits.blocks
    if full or not market.has_room(block.session, block.user_ref):
        return Reason.POOL_FULL
    return Reason.NONE


def _refuse_terms(market: Market, block: Block, expiry_s: int, price: int) -> Reason:
    """Whether its time is past, or its price outside the band of an hour; 0 is neither."""
    if expiry_s > 0 and expiry_s * NANOSECONDS <= market.now_ns:
        return Reason.TIME_PAST
    if price and any(not hour.low <= price <= hour.high for hour in block.hours):
        return Reason.BAND
    return Reason.NONE


def _refuse_means(block: Block, price: int, quantity: int) -> Reason:
    """Why an account cannot have this block; sizes are of all hours, means by the difference."""
    account, growth = block.account, quantity - block.leaves
    lots = quantity * block.span
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
    """Change a block; less quantity at the same price keeps its place. Then it is tried."""
    if block.account.halted:
        return Reason.ACCOUNT_HALTED
    if any(hour.phase in (Phase.HALTED, Phase.CLOSED) for hour in block.hours):
        return Reason.PHASE
    if command.stop or command.display or (command.expiry_s and block.tif != TimeInForce.GTD):
        return Reason.ORDER_TYPE
    reason = _refuse_terms(market, block, command.expiry_s, command.price)
    if reason:
        return reason
    if command.quantity == 0:
        market.take_off(block, block.leaves, Reason.REQUESTED, command.user_ref)
        return Reason.NONE
    price = command.price or block.price
    reason = _refuse_means(block, price, command.quantity)
    if reason:
        return reason
    requeue = bool(command.flags & CommandFlag.REQUEUE)
    flags = 0
    if requeue or price != block.price or command.quantity >= block.leaves:
        flags = EventFlag.REQUEUED
        market.forget(block)
        market.admit(block)
    block.price = price
    if command.expiry_s:
        block.expiry_s = command.expiry_s
        market.agenda.add_expiry(block.instrument.id, block.expiry_s)
    block.set_leaves(command.quantity)
    market.say(EventKind.REPLACED, block, command.quantity, number=command.user_ref, flags=flags)
    _try(market, block)
    return Reason.NONE


# Trading


def try_blocks(market: Market) -> None:
    """As long as any standing block can trade, the first of them does.

    Buys come before sells, then better prices, then earlier acceptance.
    """
    while any(_try(market, block) for block in _by_priority(market)):
        pass


def _by_priority(market: Market) -> list[Block]:
    def key(block: Block) -> tuple[int, int, int]:
        return block.side, -block.price if block.side == BUY else block.price, block.accepted

    return sorted((o for o in market.blocks.values() if isinstance(o, Block)), key=key)


def _try(market: Market, block: Block) -> bool:
    """Let the block trade whole, if it can, and then all that its trades trigger."""
    way = _way(market, block)
    if way is None:
        return False
    market.trade_groups += 1
    if isinstance(way, Block):
        _trade_with(market, block, way)
    else:
        _sweep(market, block)
    return True


def _way(market: Market, block: Block) -> str | Block | None:
    """How the block can trade now: with "the books", with an opposite block, or not at all.

    Where both can, by the better total for it; the hourly orders first if they are equal.
    """
    if any(hour.phase != Phase.CONTINUOUS for hour in block.hours):
        return None
    swept = _swept_total(block)
    if swept is not None and not block.within(swept):
        swept = None
    rival = next(_rivals(market, block), None)
    if rival is None:
        return None if swept is None else "the books"
    if swept is None:
        return rival
    total = min(block, rival, key=lambda one: one.accepted).price * block.leaves * block.span
    is_better = total < swept if block.side == BUY else total > swept
    return rival if is_better else "the books"


def _swept_total(block: Block) -> int | None:
    """Sum of price x quantity of what it would take from the hourly books; None: too little."""
    total = 0
    for hour in block.hours:
        part = _hour_total(block, hour)
        if part is None:
            return None
        total += part
    return total


def _hour_total(block: Block, hour: Instrument) -> int | None:
    low, high = hour.collar_range()
    wanted, total = block.leaves, 0
    for price, level in hour.levels(1 - block.side):
        if not low <= price <= high:
            break
        seen = sum(maker.leaves for maker in level.values() if not block.passes_over(maker))
        total += min(seen, wanted) * price
        wanted -= min(seen, wanted)
    return total if wanted == 0 else None


def _rivals(market: Market, block: Block) -> Iterator[Block]:
    """The opposite blocks of the same hours and quantity whose limits admit it, the best first."""
    for other in _by_priority(market):
        later = max(block, other, key=lambda one: one.accepted)
        if (
            other.side != block.side
            and other.hours == block.hours
            and other.leaves == block.leaves
            and block.accepts(other.price)
            and not (later.stp and block.account.related(other.account))
        ):
            yield other


def _trade_with(market: Market, block: Block, rival: Block) -> None:
    """Two blocks, hour by hour at the limit of the earlier one; no book and no last price moves."""
    maker, taker = sorted((block, rival), key=lambda one: one.accepted)
    maker.hold(0)
    taker.hold(0)
    for hour in block.hours:
        _trade(market, maker, taker, hour, maker.price, block.leaves)
    market.forget(maker)
    market.forget(taker)


def _sweep(market: Market, block: Block) -> None:
    """The hourly orders, best first, in one hour after the other; then the stops, hour by hour."""
    traded: list[tuple[Instrument, int, list[int]]] = []
    block.hold(0)
    for hour in block.hours:
        base, prices = hour.last or hour.reference, []
        while (left := block.leaves - block.filled.get(hour, 0)) > 0:
            maker = next(
                maker
                for _, level in hour.levels(1 - block.side)
                for maker in level.values()
                if not block.passes_over(maker)
            )
            quantity = min(left, maker.shown)
            maker.shown -= quantity
            hour.last = maker.price
            prices.append(maker.price)
            _trade(market, maker, block, hour, maker.price, quantity)
            if maker.leaves and maker.shown == 0:
                hour.leave(maker)
                maker.shown = maker.slice
                hour.rest(maker)
                market.say(EventKind.REFRESHED, maker, maker.shown)
        traded.append((hour, base, prices))
    market.forget(block)
    for hour, base, prices in traded:
        market.run_stops(hour, market.reached(hour, prices, base), base)


def _trade(
    market: Market, maker: Order, taker: Block, hour: Instrument, price: int, quantity: int
) -> None:
    """One trade of one hour, told to both; the maker may be a block or an hourly order."""
    market.trades += 1
    off_book = EventFlag.OFF_BOOK if maker.span else 0
    for order, rate, role in (
        (maker, hour.maker_rate, off_book),
        (taker, hour.taker_rate, off_book | EventFlag.TAKER),
    ):
        if isinstance(order, Block):
            fee_fen = order.fill_hour(hour, price, quantity, rate)
            leaves, cumulative = order.leaves - order.filled[hour], order.filled[hour]
        else:
            fee_fen = order.fill(price, quantity, rate)
            leaves, cumulative = order.leaves, order.cumulative
            if order.leaves == 0:
                market.forget(order)
        market.emit(
            EventKind.FILLED,
            number=market.trades,
            amount=fee_fen,
            price=price,
            quantity=quantity,
            leaves=leaves,
            cumulative=cumulative,
            session=order.session,
            user_ref=order.user_ref,
            account=order.account.id,
            instrument=hour.id,
            side=order.side,
            flags=role | (EventFlag.BLOCK if order.span else 0),
            group=market.trade_groups,
        )

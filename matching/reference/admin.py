"""Administrative commands of the reference: what the venue and its operators may change.

Each function takes a well-formed command of an operator and returns why it is refused, or
Reason.NONE when it is done and said.
"""

from collections.abc import Callable

from matching.records import (
    BASKET_MEMBERS_MAX,
    FREE_MAX_FEN,
    NANOSECONDS,
    POSITION_MAX,
    RATE_UNIT,
    CommandFlag,
    CommandKind,
    EventFlag,
    Phase,
    Reason,
    Side,
)
from matching.reference.accounts import Account, Session, deposit_fen
from matching.reference.book import Instrument
from matching.reference.fields import Command
from matching.reference.market import Market
from matching.state_tables import SCHEDULED_BY, scheduled_phases_max


def _done(
    market: Market,
    command: Command,
    *,
    price: int = 0,
    quantity: int = 0,
    leaves: int = 0,
    number: int = 0,
    amount: int = 0,
    flags: int = 0,
) -> Reason:
    """Say that the command was accepted, under its own kind."""
    market.emit(
        command.kind,
        number=number,
        amount=amount,
        price=price,
        quantity=quantity,
        leaves=leaves,
        session=command.session,
        user_ref=command.user_ref,
        account=command.account,
        instrument=command.instrument,
        flags=flags,
    )
    return Reason.NONE


def _done_with_money(
    market: Market, command: Command, *, quantity: int = 0, leaves: int = 0
) -> Reason:
    """The same with the command's amount, which takes bytes 16 to 23 of the event."""
    number, amount = command.amount_fen & 0xFFFF_FFFF, command.amount_fen >> 32
    return _done(market, command, quantity=quantity, leaves=leaves, number=number, amount=amount)


def _has_orders(market: Market, instrument: Instrument) -> bool:
    return any(order.covers(instrument) for order in market.orders.values())


def last_of_sequence(instrument: Instrument) -> Instrument:
    """The last delivery period of those that follow each other."""
    while instrument.after is not None:
        instrument = instrument.after
    return instrument


def _past(market: Market, time_s: int) -> bool:
    """Whether a time that is set (not 0) has come already."""
    return time_s > 0 and time_s * NANOSECONDS <= market.now_ns


# Instruments


def list_instrument(market: Market, command: Command) -> Reason:
    """A new instrument: closed, and without a band, fees or times."""
    if not 1 <= command.instrument <= market.limits.instruments:
        return Reason.UNKNOWN_INSTRUMENT
    if command.instrument in market.instruments:
        return Reason.PHASE
    market.instruments[command.instrument] = Instrument(
        id=command.instrument, reference=command.price, tick_fen=command.quantity
    )
    return _done(market, command, price=command.price, quantity=command.quantity)


def set_band(market: Market, command: Command) -> Reason:
    """Lowest and highest price; the first band takes ticks from the pool for good."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated or _has_orders(market, instrument):
        return Reason.PHASE
    ticks = command.stop - command.price + 1
    room = instrument.ticks or market.limits.ticks - market.ticks
    if ticks > room:
        return Reason.POOL_FULL
    if not instrument.ticks:
        instrument.ticks = ticks
        market.ticks += ticks
    instrument.low, instrument.high = command.price, command.stop
    return _done(market, command, price=command.price, quantity=command.stop)


def set_fees(market: Market, command: Command) -> Reason:
    """Fee rates and deposit: they stay once anything was ordered, traded or carried."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated or instrument.last or _has_orders(market, instrument):
        return Reason.PHASE
    positions = (account.positions.get(instrument.id) for account in market.accounts.values())
    if any(position is not None and position.net for position in positions):
        return Reason.PHASE
    instrument.maker_rate, instrument.taker_rate = command.price, command.stop
    instrument.deposit_fen = command.quantity
    return _done(
        market, command, price=command.price, quantity=command.stop, amount=command.quantity
    )


def set_times(market: Market, command: Command) -> Reason:
    """End of the day and gate closure, instead of those set before; 0: none."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    close_s, gate_s = command.expiry_s, command.target_ref
    if _past(market, close_s) or _past(market, gate_s):
        return Reason.TIME_PAST
    agenda, cause = market.agenda, SCHEDULED_BY["close"]
    agenda.drop_phases(instrument.id, cause)
    if close_s:
        agenda.add_expiry(instrument.id, close_s)
        agenda.add_phase(instrument.id, close_s, Phase.CLOSED, cause)
    agenda.move_gate(instrument.id, instrument.gate_s, gate_s)
    instrument.close_s, instrument.gate_s = close_s, gate_s
    return _done(market, command, number=gate_s)


def set_collar(market: Market, command: Command) -> Reason:
    """How far from the last trade an incoming order may trade, and the auction's seconds."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    instrument.collar, instrument.collar_s = command.price, command.quantity
    return _done(market, command, price=command.price, quantity=command.quantity)


def set_phase(market: Market, command: Command) -> Reason:
    """Another phase, now or at a second to come (which nothing is said about until then)."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    now = command.expiry_s == 0
    if instrument.gated or not instrument.high or (now and instrument.phase == command.type):
        return Reason.PHASE
    if now:
        asker = command.session, command.user_ref
        market.change_phase(instrument, command.type, asker)
        return Reason.NONE
    if _past(market, command.expiry_s):
        return Reason.TIME_PAST
    cause = SCHEDULED_BY["command"]
    if market.agenda.count_phases(cause) >= scheduled_phases_max(market.limits):
        return Reason.POOL_FULL
    market.agenda.add_phase(instrument.id, command.expiry_s, command.type, cause)
    return Reason.NONE


def sequence(market: Market, command: Command) -> Reason:
    """One instrument's delivery period follows another's of the same contract, for good."""
    instrument = market.instruments.get(command.instrument)
    before = market.instruments.get(command.target_ref)
    if instrument is None or before is None:
        return Reason.UNKNOWN_INSTRUMENT
    taken = instrument.follows is not None or before.after is not None
    alike = instrument.tick_fen == before.tick_fen
    circle = last_of_sequence(instrument) is before
    if instrument.gated or before.gated or taken or not alike or circle:
        return Reason.PHASE
    both = {before, last_of_sequence(instrument)}
    if any(both <= {last_of_sequence(one) for one in basket} for basket in market.baskets.values()):
        return Reason.PHASE  # two members of a basket would be one
    instrument.follows, before.after = before, instrument
    instrument.longest = before.longest = command.quantity
    return _done(market, command, number=before.id, quantity=command.quantity)


def list_basket(market: Market, command: Command) -> Reason:
    """One more member of a basket, behind those that it has, for good."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None or command.target_ref > market.limits.baskets:
        return Reason.UNKNOWN_INSTRUMENT
    basket = market.baskets.get(command.target_ref, [])
    alike = all(instrument.tick_fen == member.tick_fen for member in basket)
    last = last_of_sequence(instrument)
    if instrument.gated or not alike or any(last_of_sequence(one) is last for one in basket):
        return Reason.PHASE
    if len(basket) == BASKET_MEMBERS_MAX:
        return Reason.POOL_FULL
    market.baskets[command.target_ref] = [*basket, instrument]
    return _done(market, command, number=command.target_ref, quantity=len(basket) + 1)


# Members


def open_session(market: Market, command: Command) -> Reason:
    """A session of a firm; opened again, it may only change whether it is an operator."""
    number, firm = command.target_ref, command.account
    if not 1 <= number <= market.limits.sessions:
        return Reason.UNKNOWN_SESSION
    operator = bool(command.flags & CommandFlag.OPERATOR)
    known = market.sessions.get(number)
    if known is not None and known.firm != firm:
        return Reason.NOT_ENTITLED
    market.sessions[number] = Session(firm, operator)
    return _done(market, command, number=number, quantity=int(operator))


def open_account(market: Market, command: Command) -> Reason:
    """An account of a firm, in a group of related parties (0: in none)."""
    if not 1 <= command.account <= market.limits.accounts:
        return Reason.UNKNOWN_ACCOUNT
    if command.account in market.accounts:
        return Reason.NOT_ENTITLED
    firm, group = command.target_ref, command.quantity
    market.accounts[command.account] = Account(id=command.account, firm=firm, group=group)
    return _done(market, command, number=firm, quantity=group)


def set_limits(market: Market, command: Command) -> Reason:
    """Largest order, position and order notional of an account; 0: none."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    account.order_max = command.quantity
    account.position_max = min(command.display or POSITION_MAX, POSITION_MAX)
    account.notional_max_fen = command.amount_fen
    return _done_with_money(market, command, quantity=command.quantity, leaves=command.display)


def fund(market: Market, command: Command) -> Reason:
    """Money comes in, as far as int64 holds whatever becomes of it."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if account.funded_fen + command.amount_fen > FREE_MAX_FEN:
        return Reason.FUNDS
    account.funded_fen += command.amount_fen
    account.free_fen += command.amount_fen
    return _done_with_money(market, command)


def withdraw(market: Market, command: Command) -> Reason:
    """Free money goes out."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if command.amount_fen > account.free_fen:
        return Reason.FUNDS
    account.funded_fen -= command.amount_fen
    account.free_fen -= command.amount_fen
    return _done_with_money(market, command)


def register(market: Market, command: Command) -> Reason:
    """More capacity to sell, or less, as far as it is not offered or sold."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    if command.flags == CommandFlag.CARRIED:
        return _carry(market, command, instrument, account)
    position = account.position(instrument.id)
    too_much = position.registered + command.quantity > POSITION_MAX
    too_little = command.quantity < 0 and position.available + command.quantity < 0
    if too_much or too_little:
        return Reason.CAPACITY
    position.registered += command.quantity
    return _done(market, command, quantity=command.quantity, leaves=position.registered)


def _carry(market: Market, command: Command, instrument: Instrument, buyer: Account) -> Reason:
    """A position that two accounts begin the day with: bought on an earlier day and paid for."""
    seller = market.accounts.get(command.seller)
    if seller is None:
        return Reason.UNKNOWN_ACCOUNT
    bought, sold = buyer.position(instrument.id), seller.position(instrument.id)
    if bought.net + command.quantity + bought.open[Side.BUY] > POSITION_MAX:
        return Reason.POSITION_LIMIT
    if sold.available < command.quantity:
        return Reason.CAPACITY
    held_fen = deposit_fen(sold, instrument.deposit_fen)
    if deposit_fen(sold, instrument.deposit_fen, command.quantity) - held_fen > seller.free_fen:
        return Reason.DEPOSIT
    for account, lots in ((buyer, command.quantity), (seller, -command.quantity)):
        position = account.position(instrument.id)
        position.net += lots
        account.hold_deposit(position, instrument.deposit_fen)
    return _done(
        market,
        command,
        number=seller.id,
        quantity=command.quantity,
        leaves=bought.net,
        flags=EventFlag.CARRIED,
    )


def halt_account(market: Market, command: Command) -> Reason:
    """Refuse the account's new orders and replaces, or take them again."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    account.halted = bool(command.flags & CommandFlag.HALT)
    return _done(market, command, quantity=int(account.halted))


def bust(market: Market, command: Command) -> Reason:
    """A trade taken back: quantity, money, fees and capacity of both sides, and no order.

    The market does not remember its trades: who asks takes them from the log.
    """
    buyer = market.accounts.get(command.account)
    seller = market.accounts.get(command.seller)
    if buyer is None or seller is None:
        return Reason.UNKNOWN_ACCOUNT
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    if command.target_ref > market.trades:
        return Reason.UNKNOWN_ORDER
    reason = _bust_reason(instrument, buyer, seller, command)
    if reason:
        return reason
    worth_fen = command.price * command.quantity * instrument.tick_fen
    buyer.pay(-(worth_fen + command.stop))
    seller.earned_fen -= worth_fen - command.display
    for account, bought in ((buyer, -command.quantity), (seller, command.quantity)):
        position = account.position(instrument.id)
        position.net += bought
        account.hold_deposit(position, instrument.deposit_fen)
    sides = [(buyer, Side.BUY, command.stop), (seller, Side.SELL, command.display)]
    if command.side == Side.SELL:
        sides.reverse()  # the maker first, as in the trade
    for (account, side, fee_fen), flags in zip(sides, (0, EventFlag.TAKER), strict=True):
        market.emit(
            command.kind,
            number=command.target_ref,
            amount=fee_fen,
            price=command.price,
            quantity=command.quantity,
            session=command.session,
            user_ref=command.user_ref,
            account=account.id,
            instrument=instrument.id,
            side=side,
            flags=flags,
        )
    return Reason.NONE


def _bust_reason(
    instrument: Instrument, buyer: Account, seller: Account, command: Command
) -> Reason:
    """Whether such a trade can have been, and both sides still have what they would give back."""
    if not instrument.low <= command.price <= instrument.high:
        return Reason.BAND
    worth_fen = command.price * command.quantity * instrument.tick_fen
    fee_max_fen = worth_fen * instrument.dearer_rate // RATE_UNIT + 1
    if (
        command.quantity > instrument.quantity_max
        or max(command.stop, command.display) > fee_max_fen
    ):
        return Reason.SIZE_LIMIT
    bought, sold = buyer.position(instrument.id), seller.position(instrument.id)
    if sold.net + command.quantity + sold.open[Side.BUY] > POSITION_MAX:
        return Reason.POSITION_LIMIT
    if command.quantity > bought.available:
        return Reason.CAPACITY
    back_fen = worth_fen + command.stop
    now_fen, then_fen = (
        deposit_fen(bought, instrument.deposit_fen, more) for more in (0, command.quantity)
    )
    if then_fen - now_fen > buyer.free_fen + back_fen:
        return Reason.DEPOSIT
    if back_fen > buyer.paid_fen or worth_fen - command.display > seller.earned_fen:
        return Reason.FUNDS
    return Reason.NONE


ADMIN: dict[int, Callable[[Market, Command], Reason]] = {
    CommandKind.LIST: list_instrument,
    CommandKind.BAND: set_band,
    CommandKind.FEES: set_fees,
    CommandKind.TIMES: set_times,
    CommandKind.COLLAR: set_collar,
    CommandKind.PHASE: set_phase,
    CommandKind.SEQUENCE: sequence,
    CommandKind.BASKET: list_basket,
    CommandKind.SESSION: open_session,
    CommandKind.ACCOUNT: open_account,
    CommandKind.LIMITS: set_limits,
    CommandKind.FUND: fund,
    CommandKind.WITHDRAW: withdraw,
    CommandKind.REGISTER: register,
    CommandKind.HALT_ACCOUNT: halt_account,
    CommandKind.BUST: bust,
}

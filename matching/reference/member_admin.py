"""Commands of the reference for members: sessions, accounts, limits, money, capacity, halts.

Each function takes a well-formed command of an operator and returns the reason for its rejection,
or Reason.NONE when it is done and reported.
"""

from matching.records import FUNDED_MAX_FEN, POSITION_MAX, CommandFlag, EventFlag, Reason, Side
from matching.reference.accounts import Account, Session, deposit_fen
from matching.reference.book import Instrument
from matching.reference.events import amount_fields
from matching.reference.fields import Command
from matching.reference.market import Market


def open_session(market: Market, command: Command) -> Reason:
    """SESSION: open a session of a firm; a second time, only its right as operator may change."""
    number, firm = command.target_ref, command.account
    if not 1 <= number <= market.limits.sessions:
        return Reason.UNKNOWN_SESSION
    operator = bool(command.flags & CommandFlag.OPERATOR)
    known = market.sessions.get(number)
    if known is not None and known.firm != firm:
        return Reason.NOT_ENTITLED
    market.sessions[number] = Session(firm, operator)
    return market.accept(command, number=number, quantity=int(operator))


def open_account(market: Market, command: Command) -> Reason:
    """ACCOUNT: open an account of a firm, in a group of related parties (0: in none)."""
    if not 1 <= command.account <= market.limits.accounts:
        return Reason.UNKNOWN_ACCOUNT
    if command.account in market.accounts:
        return Reason.NOT_ENTITLED
    firm, group = command.target_ref, command.quantity
    market.accounts[command.account] = Account(id=command.account, firm=firm, group=group)
    return market.accept(command, number=firm, quantity=group)


def set_limits(market: Market, command: Command) -> Reason:
    """LIMITS: set largest order, position and order notional of an account; 0: none."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    account.order_max = command.quantity
    account.position_max = min(command.display or POSITION_MAX, POSITION_MAX)
    account.notional_max_fen = command.amount_fen
    return market.accept(
        command,
        quantity=command.quantity,
        leaves=command.display,
        **amount_fields(command.amount_fen),
    )


def fund(market: Market, command: Command) -> Reason:
    """FUND: pay money in, up to a bound of all accounts together that keeps all sums within
    int64."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    funded_fen = sum(each.funded_fen for each in market.accounts.values())
    if funded_fen + command.amount_fen > FUNDED_MAX_FEN:
        return Reason.FUNDS
    account.funded_fen += command.amount_fen
    account.free_fen += command.amount_fen
    return market.accept(command, **amount_fields(command.amount_fen))


def withdraw(market: Market, command: Command) -> Reason:
    """WITHDRAW: pay free money out."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    if command.amount_fen > account.free_fen:
        return Reason.FUNDS
    account.funded_fen -= command.amount_fen
    account.free_fen -= command.amount_fen
    return market.accept(command, **amount_fields(command.amount_fen))


def register(market: Market, command: Command) -> Reason:
    """REGISTER: add capacity to sell, or remove what is neither offered nor sold."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    if command.flags == CommandFlag.CARRIED:
        return _register_carried(market, command, instrument, account)
    position = account.position(instrument.id)
    too_much = position.registered + command.quantity > POSITION_MAX
    left = min(position.registered, position.available) + command.quantity
    too_little = command.quantity < 0 and left < 0
    if too_much or too_little:
        return Reason.CAPACITY
    position.registered += command.quantity
    return market.accept(command, quantity=command.quantity, leaves=position.registered)


def _register_carried(
    market: Market, command: Command, instrument: Instrument, buyer: Account
) -> Reason:
    """REGISTER with CARRIED: a position of two accounts, traded and paid on an earlier day."""
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
    return market.accept(
        command,
        number=seller.id,
        quantity=command.quantity,
        leaves=bought.net,
        flags=EventFlag.CARRIED,
    )


def halt_account(market: Market, command: Command) -> Reason:
    """HALT_ACCOUNT: end the account's orders and reject new ones, or accept them again."""
    account = market.accounts.get(command.account)
    if account is None:
        return Reason.UNKNOWN_ACCOUNT
    account.halted = bool(command.flags & CommandFlag.HALT)
    orders = market.orders_by_acceptance(lambda order: account.halted and order.account is account)
    for order in orders:
        market.reduce(order, order.leaves, Reason.HALT, command.user_ref)
    return market.accept(command, quantity=int(account.halted), leaves=len(orders))

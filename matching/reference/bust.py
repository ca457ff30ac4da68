"""The command BUST of the reference: a trade is taken back."""

from matching.records import BUSTS_MAX, POSITION_MAX, RATE_UNIT, EventFlag, Reason, Side
from matching.reference.accounts import Account, deposit_fen
from matching.reference.book import Instrument
from matching.reference.fields import Command
from matching.reference.market import Market


def bust(market: Market, command: Command) -> Reason:
    """Take a trade back: quantity, money, fees and capacity of both sides; no order comes back.

    The market does not keep its trades, only which were taken back: the command repeats the trade
    as the day log has it.
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
    if command.target_ref > market.trades or command.target_ref in market.busts:
        return Reason.UNKNOWN_ORDER
    reason = _check_bust(instrument, buyer, seller, command)
    if reason:
        return reason
    if len(market.busts) == BUSTS_MAX:
        return Reason.POOL_FULL
    market.busts.add(command.target_ref)
    notional_fen = command.price * command.quantity * instrument.tick_fen
    buyer.pay(-(notional_fen + command.stop))
    seller.earned_fen -= notional_fen - command.display
    for account, bought in ((buyer, -command.quantity), (seller, command.quantity)):
        position = account.position(instrument.id)
        position.net += bought
        account.hold_deposit(position, instrument.deposit_fen)
    sides = [(buyer, Side.BUY, command.stop), (seller, Side.SELL, command.display)]
    if command.side == Side.SELL:
        sides.reverse()  # the maker first, as in the trade
    for (account, side, fee_fen), flags in zip(sides, (0, EventFlag.TAKER), strict=True):
        market.accept(
            command,
            number=command.target_ref,
            amount=fee_fen,
            price=command.price,
            quantity=command.quantity,
            account=account.id,
            side=side,
            flags=flags,
        )
    return Reason.NONE


def _check_bust(
    instrument: Instrument, buyer: Account, seller: Account, command: Command
) -> Reason:
    """The reason to reject a bust, or NONE: such a trade must be possible, and both
    sides must still have what they give back."""
    if not instrument.is_in_band(command.price):
        return Reason.BAND
    notional_fen = command.price * command.quantity * instrument.tick_fen
    fee_max_fen = notional_fen * instrument.dearer_rate // RATE_UNIT + 1
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
    refund_fen = notional_fen + command.stop
    before_fen, after_fen = (
        deposit_fen(bought, instrument.deposit_fen, more) for more in (0, command.quantity)
    )
    if after_fen - before_fen > buyer.free_fen + refund_fen:
        return Reason.DEPOSIT
    if refund_fen > buyer.paid_fen or notional_fen - command.display > seller.earned_fen:
        return Reason.FUNDS
    return Reason.NONE

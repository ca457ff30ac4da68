"""Commands of the reference for instruments: listing, settings, phases, sequences, baskets.

Each function takes a well-formed command of an operator and returns the reason for its rejection,
or Reason.NONE when it is done and reported.
"""

from matching.records import BASKET_MEMBERS_MAX, SCHEDULED_MAX, Phase, Reason
from matching.reference.book import Instrument
from matching.reference.fields import Command
from matching.reference.market import Market
from matching.state_tables import SCHEDULED_BY, scheduled_phases_max


def _has_orders(market: Market, instrument: Instrument) -> bool:
    """Whether orders or blocks of the instrument are live."""
    return any(order.covers(instrument) for order in market.orders.values())


def _last_of_sequence(instrument: Instrument) -> Instrument:
    """The last instrument of the sequence that this one belongs to."""
    while instrument.after is not None:
        instrument = instrument.after
    return instrument


def list_instrument(market: Market, command: Command) -> Reason:
    """LIST a new instrument: closed, and without band, fees or times."""
    if not 1 <= command.instrument <= market.limits.instruments:
        return Reason.UNKNOWN_INSTRUMENT
    if command.instrument in market.instruments:
        return Reason.PHASE
    market.instruments[command.instrument] = Instrument(
        id=command.instrument, reference=command.price, tick_fen=command.quantity
    )
    return market.accept(command, price=command.price, quantity=command.quantity)


def set_band(market: Market, command: Command) -> Reason:
    """BAND: set lowest and highest price. The first band takes its ticks from the pool for good."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated or _has_orders(market, instrument):
        return Reason.PHASE
    ticks = command.stop - command.price + 1
    ticks_max = instrument.ticks or market.limits.ticks - market.ticks
    if ticks > ticks_max:
        return Reason.POOL_FULL
    if not instrument.ticks:
        instrument.ticks = ticks
        market.ticks += ticks
    instrument.low, instrument.high = command.price, command.stop
    return market.accept(command, price=command.price, quantity=command.stop)


def set_fees(market: Market, command: Command) -> Reason:
    """FEES: set rates and deposit; rejected while orders are live and after a trade or a carry."""
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
    return market.accept(
        command, price=command.price, quantity=command.stop, amount=command.quantity
    )


def set_times(market: Market, command: Command) -> Reason:
    """TIMES: set close and gate closure, instead of those set before; 0: none."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    close_s, gate_s = command.expiry_s, command.target_ref
    if market.is_past(close_s) or market.is_past(gate_s):
        return Reason.TIME_PAST
    agenda, cause = market.agenda, SCHEDULED_BY["close"]
    if close_s and agenda.scheduled >= SCHEDULED_MAX:
        return Reason.POOL_FULL
    agenda.drop_phases(instrument.id, cause)
    if close_s:
        agenda.add_expiry(instrument.id, close_s)
        agenda.add_phase(instrument.id, close_s, Phase.CLOSED, cause)
    agenda.move_gate(instrument.id, instrument.gate_s, gate_s)
    instrument.close_s, instrument.gate_s = close_s, gate_s
    return market.accept(command, number=gate_s)


def set_collar(market: Market, command: Command) -> Reason:
    """COLLAR: set the distance in ticks from the last trade, the auction's seconds, most of those
    added at random, and the distance from which on its end is put off."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    if instrument.gated:
        return Reason.PHASE
    instrument.collar, instrument.collar_s = command.price, command.quantity
    instrument.random_s, instrument.extension = command.display, command.stop
    return market.accept(
        command,
        price=command.price,
        quantity=command.quantity,
        number=command.stop,
        amount=command.display,
    )


def set_phase(market: Market, command: Command) -> Reason:
    """PHASE: change the phase now, or schedule a change, which has no event before its time."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None:
        return Reason.UNKNOWN_INSTRUMENT
    now = command.expiry_s == 0
    if instrument.gated or not instrument.high or (now and instrument.phase == command.type):
        return Reason.PHASE
    if now:
        requester = command.session, command.user_ref
        market.change_phase(instrument, command.type, requester)
        return Reason.NONE
    if market.is_past(command.expiry_s):
        return Reason.TIME_PAST
    agenda, cause = market.agenda, SCHEDULED_BY["command"]
    is_full = agenda.count_phases(cause) >= scheduled_phases_max(market.limits)
    if is_full or agenda.scheduled >= SCHEDULED_MAX:
        return Reason.POOL_FULL
    agenda.add_phase(instrument.id, command.expiry_s, command.type, cause)
    return Reason.NONE


def link_sequence(market: Market, command: Command) -> Reason:
    """SEQUENCE: link an instrument's delivery period behind another's, for good."""
    instrument = market.instruments.get(command.instrument)
    before = market.instruments.get(command.target_ref)
    if instrument is None or before is None:
        return Reason.UNKNOWN_INSTRUMENT
    is_linked = instrument.follows is not None or before.after is not None
    has_same_tick = instrument.tick_fen == before.tick_fen
    is_circle = _last_of_sequence(instrument) is before
    if instrument.gated or before.gated or is_linked or not has_same_tick or is_circle:
        return Reason.PHASE
    lasts = {before, _last_of_sequence(instrument)}
    for basket in market.baskets.values():
        if lasts <= {_last_of_sequence(member) for member in basket}:
            return Reason.PHASE  # two members of a basket would be of one sequence
    instrument.follows, before.after = before, instrument
    instrument.longest = before.longest = command.quantity
    return market.accept(command, number=before.id, quantity=command.quantity)


def add_basket_member(market: Market, command: Command) -> Reason:
    """BASKET: add a member to a basket, behind those that it has, for good."""
    instrument = market.instruments.get(command.instrument)
    if instrument is None or command.target_ref > market.limits.baskets:
        return Reason.UNKNOWN_INSTRUMENT
    basket = market.baskets.get(command.target_ref, [])
    has_same_tick = all(instrument.tick_fen == member.tick_fen for member in basket)
    last = _last_of_sequence(instrument)
    is_in_sequence = any(_last_of_sequence(member) is last for member in basket)
    if instrument.gated or not has_same_tick or is_in_sequence:
        return Reason.PHASE
    if len(basket) == BASKET_MEMBERS_MAX:
        return Reason.POOL_FULL
    market.baskets[command.target_ref] = [*basket, instrument]
    return market.accept(command, number=command.target_ref, quantity=len(basket) + 1)

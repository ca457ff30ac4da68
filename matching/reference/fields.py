"""Commands as the reference reads them, and which of them are malformed.

Malformed is what no state of the machine could make right: a field outside its range, or a
combination of fields that has no meaning.
"""

from collections.abc import Callable
from typing import NamedTuple

from matching.limits import Limits
from matching.records import (
    BLOCK_HOURS_MAX,
    BLOCK_HOURS_MIN,
    RATE_MAX,
    CommandFlag,
    CommandKind,
    MassCancelScope,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

BAND_TICKS_MAX = 1 << 18
TICK_FEN_MAX = 1_000_000

LASTING = (TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD)
WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
WITH_STOP = (OrderType.STOP, OrderType.STOP_LIMIT)
IN_BASKET = CommandFlag.SPLIT | CommandFlag.WHOLE


class Command(NamedTuple):
    """A COMMAND as integers, in the order of the record's names."""

    sequence: int
    time_ns: int
    price: int
    stop: int
    amount_fen: int
    quantity: int
    display: int
    session: int
    user_ref: int
    target_ref: int
    account: int
    instrument: int
    expiry_s: int
    seller: int
    kind: int
    side: int
    type: int
    tif: int
    stp: int
    flags: int
    hours: int
    spare: int


def malformed(command: Command, limits: Limits, operator: bool) -> bool:
    """Whether the command's fields make no sense; `operator`: the sender is one."""
    if command.kind not in _WELL_FORMED or command.spare:
        return True
    if command.hours and not (command.kind == CommandKind.NEW and _block(command)):
        return True
    if command.flags not in _FLAGS.get(command.kind, (0,)):
        return True
    has_own_ref = command.kind <= CommandKind.MASS_CANCEL
    if command.kind == CommandKind.MASS_CANCEL and operator:
        has_own_ref = False
    if has_own_ref and not 1 <= command.user_ref < limits.refs:
        return True
    return not _WELL_FORMED[command.kind](command)


def _is(kind: type[Side | OrderType | TimeInForce | SelfTradePrevention], value: int) -> bool:
    return value in kind._value2member_map_


def _new(command: Command) -> bool:
    return (
        _is(Side, command.side)
        and _is(OrderType, command.type)
        and _is(TimeInForce, command.tif)
        and _is(SelfTradePrevention, command.stp)
        and command.quantity >= 1
        and 0 <= command.display <= command.quantity
        and _prices_fit_type(command)
        and _time_fits_type(command)
        and (not command.flags & IN_BASKET or _at_once(command))
    )


def _prices_fit_type(command: Command) -> bool:
    """A limit where the type has one, a stop where it has one, 0 elsewhere."""
    price_fits = command.price >= 1 if command.type in WITH_LIMIT else command.price == 0
    stop_fits = command.stop >= 1 if command.type in WITH_STOP else command.stop == 0
    return price_fits and stop_fits


def _time_fits_type(command: Command) -> bool:
    """An expiry for GTD alone; icebergs and post-only last; no stop is fill or kill."""
    lasting = command.tif in LASTING
    post_only = command.flags & CommandFlag.POST_ONLY
    return (
        (command.expiry_s >= 1) == (command.tif == TimeInForce.GTD)
        and (command.display == 0 or (lasting and command.type in WITH_LIMIT))
        and (not post_only or (lasting and command.type == OrderType.LIMIT))
        and not (command.tif == TimeInForce.FOK and command.type in WITH_STOP)
    )


def _at_once(command: Command) -> bool:
    """What may name a basket: a limit order that trades now or never."""
    return command.type == OrderType.LIMIT and command.tif in (TimeInForce.IOC, TimeInForce.FOK)


def _block(command: Command) -> bool:
    """Limit orders that show nothing, and last for a stated time or not at all."""
    return (
        BLOCK_HOURS_MIN <= command.hours <= BLOCK_HOURS_MAX
        and command.type == OrderType.LIMIT
        and command.tif != TimeInForce.GTC
        and command.display == 0
        and not command.flags & ~IN_BASKET
    )


def _replace(command: Command) -> bool:
    least = 1 if command.flags & CommandFlag.REQUEUE else 0
    return (
        command.quantity >= least
        and min(command.price, command.stop, command.display) >= 0
        and command.display <= command.quantity
    )


def _anything(_: Command) -> bool:
    return True


def _mass_cancel(command: Command) -> bool:
    return command.type in MassCancelScope._value2member_map_


def _list(command: Command) -> bool:
    return command.price >= 1 and 1 <= command.quantity <= TICK_FEN_MAX


def _band(command: Command) -> bool:
    return 1 <= command.price <= command.stop < command.price + BAND_TICKS_MAX


def _fees(command: Command) -> bool:
    rates = (command.price, command.stop)
    return min(rates) >= 0 and max(rates) <= RATE_MAX and command.quantity >= 0


def _collar(command: Command) -> bool:
    return command.price == 0 or (command.price > 0 and command.quantity >= 1)


def _phase(command: Command) -> bool:
    return command.type in Phase._value2member_map_


def _sequence(command: Command) -> bool:
    two = 0 not in (command.target_ref, command.instrument)
    two = two and command.target_ref != command.instrument
    return two and BLOCK_HOURS_MIN <= command.quantity <= BLOCK_HOURS_MAX


def _basket(command: Command) -> bool:
    return 0 not in (command.target_ref, command.instrument)


def _session(command: Command) -> bool:
    return command.account >= 1 or bool(command.flags & CommandFlag.OPERATOR)


def _account(command: Command) -> bool:
    return command.target_ref >= 1 and command.quantity >= 0


def _limits(command: Command) -> bool:
    return min(command.quantity, command.display, command.amount_fen) >= 0


def _money(command: Command) -> bool:
    return command.amount_fen >= 1


def _register(command: Command) -> bool:
    if command.flags == CommandFlag.CARRIED:
        return command.quantity >= 1 and command.account != command.seller
    return command.quantity != 0


def _bust(command: Command) -> bool:
    sums = (command.price - 1, command.quantity - 1, command.stop, command.display)
    return min(sums) >= 0 and command.target_ref >= 1 and _is(Side, command.side)


_WELL_FORMED: dict[int, Callable[[Command], bool]] = {
    CommandKind.NEW: _new,
    CommandKind.CANCEL: _anything,
    CommandKind.REPLACE: _replace,
    CommandKind.MASS_CANCEL: _mass_cancel,
    CommandKind.CLOCK: _anything,
    CommandKind.LIST: _list,
    CommandKind.BAND: _band,
    CommandKind.FEES: _fees,
    CommandKind.TIMES: _anything,
    CommandKind.COLLAR: _collar,
    CommandKind.PHASE: _phase,
    CommandKind.SEQUENCE: _sequence,
    CommandKind.BASKET: _basket,
    CommandKind.SESSION: _session,
    CommandKind.ACCOUNT: _account,
    CommandKind.LIMITS: _limits,
    CommandKind.FUND: _money,
    CommandKind.WITHDRAW: _money,
    CommandKind.REGISTER: _register,
    CommandKind.HALT_ACCOUNT: _anything,
    CommandKind.BUST: _bust,
}

_FLAGS: dict[int, tuple[int, ...]] = {
    CommandKind.NEW: (0, CommandFlag.POST_ONLY, CommandFlag.SPLIT, CommandFlag.WHOLE),
    CommandKind.REPLACE: (0, CommandFlag.REQUEUE),
    CommandKind.SESSION: (0, CommandFlag.OPERATOR),
    CommandKind.HALT_ACCOUNT: (0, CommandFlag.HALT),
    CommandKind.REGISTER: (0, CommandFlag.CARRIED),
}
"""What `flags` may be, by kind; 0 for the others."""

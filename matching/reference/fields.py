"""Commands as the reference reads them, and the check for malformed ones.

A command is malformed where no state of the machine could make it valid: a field is outside its
range, or a combination of fields has no meaning.
"""

from collections.abc import Callable
from typing import NamedTuple

from matching.limits import Limits
from matching.records import (
    AUCTION_MAX_S,
    BLOCK_HOURS_MAX,
    BLOCK_HOURS_MIN,
    PROTECTION_MAX_S,
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
BASKET_FLAGS = CommandFlag.SPLIT | CommandFlag.WHOLE


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


def is_malformed(command: Command, limits: Limits, operator: bool) -> bool:
    """Whether no state could make the command valid; `operator`: its sender is an operator."""
    if command.kind not in _IS_VALID or command.spare:
        return True
    if command.hours and not (command.kind == CommandKind.NEW and _is_block(command)):
        return True
    if command.flags not in _FLAGS.get(command.kind, (0,)):
        return True
    has_own_ref = command.kind <= CommandKind.PROTECT
    if command.kind == CommandKind.MASS_CANCEL and operator:
        has_own_ref = False
    if has_own_ref and not 1 <= command.user_ref < limits.refs:
        return True
    if command.kind == CommandKind.QUOTE and not 1 <= command.target_ref < limits.refs - 1:
        return True
    return not _IS_VALID[command.kind](command)


def _is_code(kind: type[Side | OrderType | TimeInForce | SelfTradePrevention], value: int) -> bool:
    return value in kind._value2member_map_


def _is_valid_new(command: Command) -> bool:
    return (
        _is_code(Side, command.side)
        and _is_code(OrderType, command.type)
        and _is_code(TimeInForce, command.tif)
        and _is_code(SelfTradePrevention, command.stp)
        and command.quantity >= 1
        and 0 <= command.display <= command.quantity
        and _has_prices_of_type(command)
        and _has_time_of_type(command)
        and (not command.flags & BASKET_FLAGS or _trades_at_once(command))
    )


def _has_prices_of_type(command: Command) -> bool:
    """Whether limit and stop are set where the type of order has them, and 0 elsewhere."""
    price_fits = command.price >= 1 if command.type in WITH_LIMIT else command.price == 0
    stop_fits = command.stop >= 1 if command.type in WITH_STOP else command.stop == 0
    return price_fits and stop_fits


def _has_time_of_type(command: Command) -> bool:
    """Whether type and time in force fit: expiry for GTD alone; icebergs and post-only orders last;
    no stop order is fill or kill."""
    lasting = command.tif in LASTING
    post_only = command.flags & CommandFlag.POST_ONLY
    return (
        (command.expiry_s >= 1) == (command.tif == TimeInForce.GTD)
        and (command.display == 0 or _has_slices(command) or _has_minimum(command))
        and (not post_only or (lasting and command.type == OrderType.LIMIT))
        and not (command.tif == TimeInForce.FOK and command.type in WITH_STOP)
    )


def _has_slices(command: Command) -> bool:
    """Whether `display` is the size of an iceberg's slices."""
    return command.tif in LASTING and command.type in WITH_LIMIT


def _has_minimum(command: Command) -> bool:
    """Whether `display` is the least that an IOC must trade at once."""
    return command.tif == TimeInForce.IOC and command.type in (OrderType.LIMIT, OrderType.MARKET)


def _trades_at_once(command: Command) -> bool:
    """Whether it may name a basket: a limit order that trades now or never."""
    is_limit = command.type == OrderType.LIMIT and command.display == 0
    return is_limit and command.tif in (TimeInForce.IOC, TimeInForce.FOK)


def _is_block(command: Command) -> bool:
    """Whether it may be a block: a limit order without display that lasts for a stated time, or
    trades at once."""
    return (
        BLOCK_HOURS_MIN <= command.hours <= BLOCK_HOURS_MAX
        and command.type == OrderType.LIMIT
        and command.tif != TimeInForce.GTC
        and command.display == 0
        and not command.flags & ~BASKET_FLAGS
    )


def _is_valid_replace(command: Command) -> bool:
    least = 1 if command.flags & CommandFlag.REQUEUE else 0
    return (
        command.quantity >= least
        and min(command.price, command.stop, command.display) >= 0
        and command.display <= command.quantity
    )


def _is_always_valid(_: Command) -> bool:
    return True


def _is_valid_mass_cancel(command: Command) -> bool:
    return command.type in MassCancelScope._value2member_map_


def _is_valid_quote(command: Command) -> bool:
    bid, ask = (command.price, command.quantity), (command.stop, command.display)
    return (
        command.side == 0
        and command.type == OrderType.LIMIT
        and command.tif == TimeInForce.DAY
        and _is_code(SelfTradePrevention, command.stp)
        and command.expiry_s == 0
        and all(min(one) >= 1 or one == (0, 0) for one in (bid, ask))
        and not 0 < command.stop <= command.price
    )


def _is_valid_protection(command: Command) -> bool:
    bounds = (command.quantity, command.display, command.amount_fen)
    window = 1 <= command.expiry_s <= PROTECTION_MAX_S if any(bounds) else command.expiry_s == 0
    return min(bounds) >= 0 and window


def _is_valid_list(command: Command) -> bool:
    return command.price >= 1 and 1 <= command.quantity <= TICK_FEN_MAX


def _is_valid_band(command: Command) -> bool:
    return 1 <= command.price <= command.stop < command.price + BAND_TICKS_MAX


def _is_valid_fees(command: Command) -> bool:
    rates = (command.price, command.stop)
    return min(rates) >= 0 and max(rates) <= RATE_MAX and command.quantity >= 0


def _is_valid_collar(command: Command) -> bool:
    least_s = 1 if command.price else 0
    has_length = least_s <= command.quantity <= AUCTION_MAX_S
    has_end = command.stop >= 0 and 0 <= command.display <= AUCTION_MAX_S
    return command.price >= 0 and has_length and has_end


def _is_valid_phase(command: Command) -> bool:
    return command.type in Phase._value2member_map_


def _is_valid_sequence(command: Command) -> bool:
    differ = command.target_ref != command.instrument
    both = 0 not in (command.target_ref, command.instrument)
    return both and differ and BLOCK_HOURS_MIN <= command.quantity <= BLOCK_HOURS_MAX


def _is_valid_basket(command: Command) -> bool:
    return 0 not in (command.target_ref, command.instrument)


def _is_valid_session(command: Command) -> bool:
    return command.account >= 1 or bool(command.flags & CommandFlag.OPERATOR)


def _is_valid_account(command: Command) -> bool:
    return command.target_ref >= 1 and command.quantity >= 0


def _is_valid_limits(command: Command) -> bool:
    return min(command.quantity, command.display, command.amount_fen) >= 0


def _is_valid_money(command: Command) -> bool:
    return command.amount_fen >= 1


def _is_valid_register(command: Command) -> bool:
    if command.flags == CommandFlag.CARRIED:
        return command.quantity >= 1 and command.account != command.seller
    return command.quantity != 0


def _is_valid_bust(command: Command) -> bool:
    amounts = (command.price - 1, command.quantity - 1, command.stop, command.display)
    return min(amounts) >= 0 and command.target_ref >= 1 and _is_code(Side, command.side)


_IS_VALID: dict[int, Callable[[Command], bool]] = {
    CommandKind.NEW: _is_valid_new,
    CommandKind.CANCEL: _is_always_valid,
    CommandKind.REPLACE: _is_valid_replace,
    CommandKind.MASS_CANCEL: _is_valid_mass_cancel,
    CommandKind.QUOTE: _is_valid_quote,
    CommandKind.PROTECT: _is_valid_protection,
    CommandKind.CLOCK: _is_always_valid,
    CommandKind.LIST: _is_valid_list,
    CommandKind.BAND: _is_valid_band,
    CommandKind.FEES: _is_valid_fees,
    CommandKind.TIMES: _is_always_valid,
    CommandKind.COLLAR: _is_valid_collar,
    CommandKind.PHASE: _is_valid_phase,
    CommandKind.SEQUENCE: _is_valid_sequence,
    CommandKind.BASKET: _is_valid_basket,
    CommandKind.SESSION: _is_valid_session,
    CommandKind.ACCOUNT: _is_valid_account,
    CommandKind.LIMITS: _is_valid_limits,
    CommandKind.FUND: _is_valid_money,
    CommandKind.WITHDRAW: _is_valid_money,
    CommandKind.REGISTER: _is_valid_register,
    CommandKind.HALT_ACCOUNT: _is_always_valid,
    CommandKind.BUST: _is_valid_bust,
}

_FLAGS: dict[int, tuple[int, ...]] = {
    CommandKind.NEW: (0, CommandFlag.POST_ONLY, CommandFlag.SPLIT, CommandFlag.WHOLE),
    CommandKind.REPLACE: (0, CommandFlag.REQUEUE),
    CommandKind.QUOTE: (0, CommandFlag.POST_ONLY),
    CommandKind.SESSION: (0, CommandFlag.OPERATOR),
    CommandKind.HALT_ACCOUNT: (0, CommandFlag.HALT),
    CommandKind.REGISTER: (0, CommandFlag.CARRIED),
}
"""Valid values of `flags` by kind; 0 for kinds that are not named."""

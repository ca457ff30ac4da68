"""Commands of a session, each as a COMMAND record."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from matching.records import (
    COMMAND,
    CommandFlag,
    CommandKind,
    MassCancelScope,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

Records = NDArray[np.void]

_BASKET_FLAGS = {"split": CommandFlag.SPLIT, "whole": CommandFlag.WHOLE}


class BlockOptions(TypedDict, total=False):
    """Options of `new_block`, except the basket."""

    tif: TimeInForce
    expiry_s: int
    stp: SelfTradePrevention
    how: str


class OrderOptions(BlockOptions, total=False):
    """Options of `new_order`, except the basket."""

    stop: int
    display: int
    minimum: int
    post_only: bool


class QuoteOptions(TypedDict, total=False):
    """Options of `quote`."""

    stp: SelfTradePrevention
    post_only: bool


class ReplaceOptions(TypedDict, total=False):
    """Options of `replace_order`."""

    stop: int
    display: int
    expiry_s: int
    requeue: bool


def command(kind: CommandKind, count: int = 1, **fields: Any) -> Records:
    """COMMAND[count] of a kind, with the fields given, each a value or an array of them, and zeros
    in all others."""
    record = np.zeros(count, COMMAND)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record


def new_order(
    account: int,
    instrument: int,
    side: Side,
    quantity: int,
    price: int = 0,
    *,
    stop: int = 0,
    display: int = 0,
    minimum: int = 0,
    tif: TimeInForce = TimeInForce.DAY,
    expiry_s: int = 0,
    stp: SelfTradePrevention = SelfTradePrevention.NEWEST,
    post_only: bool = False,
    basket: int = 0,
    how: str = "split",
) -> Records:
    """A new order. Its type follows from whether `price` (a limit) and `stop` are given.

    Prices are in ticks, quantities in lots; `expiry_s` is the end of a GTD order in seconds since
    the epoch. `display` is what an iceberg shows, `minimum` what an IOC must trade at least. Unless
    another `stp` is given, the order ends where it meets one of its owner. `basket` is the number
    of a basket; then `instrument` names only the hour, and `how` is `split` (take the best prices
    of all members) or `whole` (take everything from one member).
    Raises ValueError for another `how`.
    """
    types = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    if basket and how not in _BASKET_FLAGS:
        raise ValueError(f"`how` must be split or whole, got {how!r}")
    flags = (CommandFlag.POST_ONLY if post_only else 0) | (_BASKET_FLAGS[how] if basket else 0)
    return command(
        CommandKind.NEW,
        account=account,
        instrument=instrument,
        side=side,
        type=types[price > 0, stop > 0],
        tif=tif,
        stp=stp,
        price=price,
        stop=stop,
        quantity=quantity,
        display=display or minimum,
        expiry_s=expiry_s,
        flags=flags,
        target_ref=basket,
    )


def new_block(
    account: int,
    instrument: int,
    hours: int,
    side: Side,
    quantity: int,
    price: int,
    *,
    tif: TimeInForce = TimeInForce.DAY,
    expiry_s: int = 0,
    stp: SelfTradePrevention = SelfTradePrevention.NEWEST,
    basket: int = 0,
    how: str = "split",
) -> Records:
    """A block: `quantity` lots in each of `hours` hours that begin with `instrument`, all or none.

    `price` is the limit on the average of all hours. The options are as in `new_order`.
    """
    block = new_order(
        account, instrument, side, quantity, price,
        tif=tif, expiry_s=expiry_s, stp=stp, basket=basket, how=how,
    )  # fmt: skip
    block["hours"] = hours
    return block


def quote(
    account: int,
    instrument: int,
    name: int,
    bid: tuple[int, int] = (0, 0),
    ask: tuple[int, int] = (0, 0),
    *,
    stp: SelfTradePrevention = SelfTradePrevention.NEWEST,
    post_only: bool = False,
) -> Records:
    """Bid and ask of an instrument, each as price in ticks and lots to be open, set as one.

    (0, 0) withdraws a side. `name` is the ref of the bid, the next one that of the ask. The broker
    chooses names that it does not use as user_refs: from `ref_max` down, two an instrument.
    """
    return command(
        CommandKind.QUOTE,
        account=account,
        instrument=instrument,
        target_ref=name,
        type=OrderType.LIMIT,
        tif=TimeInForce.DAY,
        stp=stp,
        price=bid[0],
        quantity=bid[1],
        stop=ask[0],
        display=ask[1],
        flags=CommandFlag.POST_ONLY if post_only else 0,
    )


def protect(
    account: int, *, lots: int = 0, fills: int = 0, notional_fen: int = 0, seconds: int = 0
) -> Records:
    """The bounds of what an account's quotes may trade within so many seconds; 0: none.

    It also lets the account quote again after a protection has withdrawn its quotes.
    """
    return command(
        CommandKind.PROTECT,
        account=account,
        quantity=lots,
        display=fills,
        amount_fen=notional_fen,
        expiry_s=seconds,
    )


def replace_order(
    target_ref: int,
    quantity: int,
    price: int = 0,
    *,
    stop: int = 0,
    display: int = 0,
    expiry_s: int = 0,
    requeue: bool = False,
) -> Records:
    """A change of an order; 0 keeps a value. `quantity` is the new total with the filled part."""
    return command(
        CommandKind.REPLACE,
        target_ref=target_ref,
        quantity=quantity,
        price=price,
        stop=stop,
        display=display,
        expiry_s=expiry_s,
        flags=CommandFlag.REQUEUE if requeue else 0,
    )


def cancel_order(target_ref: int) -> Records:
    """The cancel of an order."""
    return command(CommandKind.CANCEL, target_ref=target_ref)


def cancel_all(account: int = 0, instrument: int = 0) -> Records:
    """The cancel of all orders of the session, or of one account or instrument."""
    scope = MassCancelScope.SESSION
    if account:
        scope = MassCancelScope.ACCOUNT
    elif instrument:
        scope = MassCancelScope.INSTRUMENT
    return command(CommandKind.MASS_CANCEL, type=scope, account=account, instrument=instrument)


def set_valid_until(commands: Records, valid_until_ns: int) -> Records:
    """Set the time by the venue's clock after which it refuses the commands; returns them."""
    commands["sequence"] = valid_until_ns
    return commands

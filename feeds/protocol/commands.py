"""Orders as commands: what `orders.new`, `replace` and `cancel` put into a COMMAND."""

from typing import Any

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

HOW = {"split": CommandFlag.SPLIT, "whole": CommandFlag.WHOLE}
"""How an order may be filled from a basket."""


def command(kind: CommandKind, **fields: Any) -> Records:
    """One command of a kind; the fields are those of a COMMAND."""
    record = np.zeros(1, COMMAND)
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
    tif: TimeInForce = TimeInForce.DAY,
    expiry_s: int = 0,
    stp: SelfTradePrevention = SelfTradePrevention.NONE,
    post_only: bool = False,
    basket: int = 0,
    how: str = "split",
) -> Records:
    """A new order; its type follows from which of price and stop are given.

    With a basket (a number), `instrument` says for which hour, and the order takes the best prices
    of all members (`split`) or all of it from one of them (`whole`). ValueError for another `how`.
    """
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    if basket and how not in HOW:
        raise ValueError(f"`how` must be split or whole, got {how!r}")
    flags = (CommandFlag.POST_ONLY if post_only else 0) | (HOW[how] if basket else 0)
    return command(
        CommandKind.NEW,
        account=account,
        instrument=instrument,
        side=side,
        type=kinds[price > 0, stop > 0],
        tif=tif,
        stp=stp,
        price=price,
        stop=stop,
        quantity=quantity,
        display=display,
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
    stp: SelfTradePrevention = SelfTradePrevention.NONE,
    basket: int = 0,
    how: str = "split",
) -> Records:
    """A block: `quantity` in each of so many hours from `instrument` on, all or none.

    `price` is its limit on the average of all hours; `basket` and `how` are as in `new_order`.
    """
    block = new_order(
        account, instrument, side, quantity, price,
        tif=tif, expiry_s=expiry_s, stp=stp, basket=basket, how=how,
    )  # fmt: skip
    block["hours"] = hours
    return block


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
    """Changes an order; 0 keeps what is. `quantity` is the new total, filled part included."""
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
    """Cancels an order."""
    return command(CommandKind.CANCEL, target_ref=target_ref)


def cancel_all(account: int = 0, instrument: int = 0) -> Records:
    """Cancels all orders of the session, or of an account or an instrument only."""
    scope = MassCancelScope.SESSION
    if account:
        scope = MassCancelScope.ACCOUNT
    elif instrument:
        scope = MassCancelScope.INSTRUMENT
    return command(CommandKind.MASS_CANCEL, type=scope, account=account, instrument=instrument)


def expiring(commands: Records, valid_until_ns: int) -> Records:
    """The commands, to be refused by the venue after this time of its clock."""
    commands["sequence"] = valid_until_ns
    return commands

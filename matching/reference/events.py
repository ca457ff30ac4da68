"""Events of the reference: an EVENT with one name for each of its bytes, and how it is filled."""

from typing import NamedTuple

import numpy as np

from matching.records import EVENT, EventFlag
from matching.reference.book import Order
from matching.reference.fields import Command


class Event(NamedTuple):
    """An EVENT without `sequence` and `time_ns`, which the command under way gives it."""

    number: int = 0  # the u32 at byte 16: trade_id, request_ref, target_ref
    amount: int = 0  # the i32 at byte 20: fee_fen, shown
    price: int = 0
    quantity: int = 0
    leaves: int = 0
    cumulative: int = 0
    session: int = 0
    user_ref: int = 0
    account: int = 0
    instrument: int = 0
    kind: int = 0
    side: int = 0
    reason: int = 0
    flags: int = 0
    trade_group: int = 0  # the u32 at byte 60: trade_group, hours


PACKED_EVENT = np.dtype(
    {
        "names": ["sequence", "time_ns", *Event._fields],
        "formats": [
            "<u8", "<i8", "<u4", "<i4", "<i4", "<i4", "<i4", "<i4",
            "<u4", "<u4", "<u4", "<u4", "u1", "u1", "u1", "u1", "<u4",
        ],
    }
)  # fmt: skip
"""The bytes of an EVENT under the names of Event."""

assert PACKED_EVENT.itemsize == EVENT.itemsize


def order_event(kind: int, order: Order, quantity: int, *, flags: int = 0, **changes: int) -> Event:
    """An event of an order as it is now; `changes` replace fields by name."""
    return Event(
        kind=kind,
        quantity=quantity,
        amount=order.shown,
        price=order.price,
        leaves=order.leaves,
        cumulative=order.cumulative,
        session=order.session,
        user_ref=order.user_ref,
        account=order.account.id,
        instrument=order.instrument.id,
        side=order.side,
        flags=flags | (EventFlag.BLOCK if order.block_hours else 0),
        trade_group=order.block_hours,
    )._replace(**changes)


def command_event(kind: int, command: Command, **fields: int) -> Event:
    """An event that answers a command: it repeats whose command it is; `fields` are the rest."""
    return Event(
        kind=kind,
        session=command.session,
        user_ref=command.user_ref,
        account=command.account,
        instrument=command.instrument,
    )._replace(**fields)


def amount_fields(amount_fen: int) -> dict[str, int]:
    """An EVENT's `amount_fen` under the two names that share its bytes, 16 to 23."""
    return {"number": amount_fen & 0xFFFF_FFFF, "amount": amount_fen >> 32}

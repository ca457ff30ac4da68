"""Registrations of capacity: an operator asks for one, and the venue sends the engine a REGISTER.

The engine knows no inventory, so the venue checks the inventory rule before it logs anything
(`ledger.delivery.inventory`). An operator cannot send a REGISTER itself.
"""

import numpy as np
from numpy.typing import NDArray

from exchange.venue.errors import RequestRefused
from feeds.protocol.errors import REJECTED_BECAUSE
from feeds.protocol.messages import CapacityRegistered, RefusalReason, RegisterCapacity
from ledger.daylog.registry import Registry
from ledger.delivery.inventory import RegisteredCapacity
from matching.records import COMMAND, CommandKind, EventKind, Reason

Records = NDArray[np.void]


def register_command(
    registry: Registry,
    capacity: RegisteredCapacity,
    request: RegisterCapacity,
    session: int,
    now_ns: int,
    sequence: int,
) -> Records:
    """Return the stamped REGISTER of a request, COMMAND[1], in the name of an operator's session.

    Its user_ref is 0, because it uses none of the session's refs. Raises RequestRefused for an
    instrument or account that the registry does not have, and for more than is installed.
    """
    listed = next((i for i in registry.instruments if i.id == request.instrument), None)
    if listed is None:
        text = f"there is no instrument {request.instrument}; list it first"
        raise RequestRefused(RefusalReason.UNKNOWN, text)
    if all(account.id != request.account for account in registry.accounts):
        raise RequestRefused(RefusalReason.UNKNOWN, f"there is no account {request.account}")
    if request.quantity > 0:
        room = capacity.room(request.account, request.instrument)
        if request.quantity > room.lots:
            text = (
                f"{request.quantity:,} lots of {listed.symbol} asked for, "
                f"{max(0, room.lots):,} left: {capacity.describe(room.hour)}"
            )
            raise RequestRefused(RefusalReason.INVENTORY, text)
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.REGISTER
    command["sequence"], command["time_ns"] = sequence, now_ns
    command["session"] = session
    command["account"], command["instrument"] = request.account, request.instrument
    command["quantity"] = request.quantity
    return command


def read_registered(events: Records) -> CapacityRegistered:
    """Return the answer to a REGISTER from the last of its events.

    What was due by its time comes before it. Raises RequestRefused with the engine's reason.
    """
    event = events[-1]
    account, instrument = int(event["account"]), int(event["instrument"])
    if event["kind"] == EventKind.REJECTED:
        reason = Reason(int(event["reason"]))
        text = f"account {account}, instrument {instrument}: {reason.name}: "
        raise RequestRefused(RefusalReason.REJECTED, text + REJECTED_BECAUSE[reason])
    assert event["kind"] == EventKind.REGISTERED
    return CapacityRegistered(
        sequence=int(event["sequence"]),
        account=account,
        instrument=instrument,
        quantity=int(event["quantity"]),
        registered=int(event["leaves"]),
    )

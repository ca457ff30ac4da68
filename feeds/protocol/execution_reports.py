"""Execution reports: EVENT records with the names and codes of FIX.

`FIELDS` maps each field of a report to FIX; PROTOCOL.md has the table.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from feeds.protocol.records import FrameFlag
from matching.records import EventFlag, EventKind, Reason, Side

Events = NDArray[np.void]

EXEC_TYPES = {
    EventKind.ACCEPTED: "0",  # New
    EventKind.FILLED: "F",  # Trade
    EventKind.CANCELLED: "4",  # Canceled; D (Restated) where a part stays open
    EventKind.REPLACED: "5",  # Replaced
    EventKind.EXPIRED: "C",  # Expired
    EventKind.TRIGGERED: "L",  # Triggered or activated by system
    EventKind.REFRESHED: "D",  # Restated: an iceberg's next slice
    EventKind.REJECTED: "8",  # Rejected
    EventKind.MASS_CANCELLED: "r",  # OrderMassCancelReport (a message of its own in FIX)
    EventKind.BUSTED: "H",  # Trade cancel
    EventKind.PROTECTED: "A",  # the answer to PROTECT
}
"""FIX ExecType (tag 150) of each kind of event; all other kinds are answers to operators: `A`."""

FIELDS = {
    "exec_id": ("ExecID", 17, "report number"),
    "exec_type": ("ExecType", 150, "kind"),
    "ord_status": ("OrdStatus", 39, "kind, leaves, cumulative"),
    "cl_ord_id": ("ClOrdID", 11, "user_ref"),
    "request_ref": ("ClOrdID of the request", 11, "request_ref"),
    "account": ("Account", 1, "account"),
    "instrument": ("SecurityID", 48, "instrument"),
    "side": ("Side", 54, "side: 1 buy, 2 sell"),
    "price": ("Price / LastPx", 44, "price; of a fill this is LastPx (31)"),
    "order_qty": ("OrderQty", 38, "leaves + cumulative"),
    "last_qty": ("LastQty", 32, "quantity: traded, cancelled, or newly shown"),
    "leaves_qty": ("LeavesQty", 151, "leaves"),
    "cum_qty": ("CumQty", 14, "cumulative"),
    "display_qty": ("DisplayQty", 1138, "shown"),
    "trade_id": ("TrdMatchID", 880, "trade_id"),
    "fee_fen": ("MiscFeeAmt", 137, "fee_fen"),
    "basket": ("ListID", 66, "request_ref of an ACCEPTED with flag BASKET; otherwise 0"),
    "hours": ("NoLegs", 555, "hours of a block; 0: not a block"),
    "multi_leg": ("MultiLegReportingType", 442, "flag BLOCK: 2 one hour of a block; 1 otherwise"),
    "trade_group": (
        "TradeLinkID",
        820,
        "trade_group: shared by the fills of one block or basket trade",
    ),
    "last_liquidity_ind": ("LastLiquidityInd", 851, "flags: 1 maker, 2 taker, 4 auction"),
    "text": ("Text", 58, "name of the reason"),
    "reason": ("OrdRejReason", 103, "reason, in this protocol's own numbers"),
    "transact_time_ns": ("TransactTime", 60, "time_ns"),
    "sequence": ("ApplSeqNum", 1181, "sequence: of the command in the day log"),
    "poss_dup": ("PossDupFlag", 43, "flag POSS_DUP of the frame"),
    "poss_resend": ("PossResend", 97, "flag RESENT of the frame"),
}
"""For each field of a Report: FIX name, FIX tag, and its source in the EVENT."""


_REQUEST_REFS = {
    EventKind.ACCEPTED: "user_ref",
    EventKind.REJECTED: "user_ref",
    EventKind.CANCELLED: "request_ref",
    EventKind.REPLACED: "request_ref",
    EventKind.PROTECTED: "user_ref",
}
"""Field with the user_ref of the request that an event answers."""


class Report(Struct, frozen=True, kw_only=True):
    """One execution report."""

    exec_id: int
    kind: EventKind
    exec_type: str
    ord_status: str
    cl_ord_id: int
    request_ref: int = 0
    account: int = 0
    instrument: int = 0
    side: str = "1"
    price: int = 0
    order_qty: int = 0
    last_qty: int = 0
    leaves_qty: int = 0
    cum_qty: int = 0
    display_qty: int = 0
    trade_id: int = 0
    fee_fen: int = 0
    basket: int = 0
    hours: int = 0
    multi_leg: int = 1
    trade_group: int = 0
    last_liquidity_ind: int = 0
    text: str = ""
    reason: Reason = Reason.NONE
    transact_time_ns: int = 0
    sequence: int = 0
    poss_dup: bool = False
    poss_resend: bool = False


def decode_reports(events: Events, first: int, flags: int = 0) -> Iterator[Report]:
    """Decode EVENT[n] of a frame. The first report has the number `first`, the next follow."""
    for index, event in enumerate(events):
        yield _decode_report(event, first + index, flags)


def _decode_report(event: np.void, number: int, flags: int) -> Report:
    kind = EventKind(int(event["kind"]))
    reason = Reason(int(event["reason"]))
    is_trade = kind in (EventKind.FILLED, EventKind.BUSTED)
    leaves, cumulative = int(event["leaves"]), int(event["cumulative"])
    quantity = int(event["quantity"])
    is_first = kind in (EventKind.ACCEPTED, EventKind.REJECTED)
    return Report(
        exec_id=number,
        kind=kind,
        exec_type=_exec_type(kind, leaves),
        ord_status=_ord_status(kind, leaves, cumulative),
        cl_ord_id=int(event["user_ref"]),
        request_ref=_request_ref(kind, event),
        account=int(event["account"]),
        instrument=int(event["instrument"]),
        side="2" if event["side"] == Side.SELL else "1",
        price=int(event["price"]),
        order_qty=quantity if is_first else leaves + cumulative,
        last_qty=0 if is_first or kind == EventKind.REPLACED else quantity,
        leaves_qty=leaves,
        cum_qty=cumulative,
        display_qty=0 if is_trade else int(event["shown"]),
        trade_id=int(event["trade_id"]) if is_trade else 0,
        fee_fen=int(event["fee_fen"]) if is_trade else 0,
        basket=_basket(kind, event),
        hours=0 if is_trade else _hours(event),
        multi_leg=2 if is_trade and event["flags"] & EventFlag.BLOCK else 1,
        trade_group=int(event["trade_group"]) if is_trade else 0,
        last_liquidity_ind=_liquidity(int(event["flags"])) if is_trade else 0,
        text=reason.name if reason else "",
        reason=reason,
        transact_time_ns=int(event["time_ns"]),
        sequence=int(event["sequence"]),
        poss_dup=bool(flags & FrameFlag.POSS_DUP),
        poss_resend=bool(flags & FrameFlag.RESENT),
    )


def is_side_of_quote(events: Any) -> Any:
    """Whether events are the ACCEPTED of a quote's side, which is named apart from its command."""
    is_basket = events["flags"] & EventFlag.BASKET > 0
    return (events["kind"] == EventKind.ACCEPTED) & (events["request_ref"] > 0) & ~is_basket


def is_named_by_request(events: Any) -> Any:
    """Whether events answer a request that `request_ref` names, not the order's own user_ref."""
    kind = events["kind"]
    by_request = (kind == EventKind.CANCELLED) | (kind == EventKind.REPLACED)
    return by_request | is_side_of_quote(events)


def _request_ref(kind: EventKind, event: np.void) -> int:
    """The user_ref of the request that an event answers; 0 if it answers none."""
    if is_side_of_quote(event):
        return int(event["request_ref"])
    return int(event[_REQUEST_REFS[kind]]) if kind in _REQUEST_REFS else 0


def _basket(kind: EventKind, event: np.void) -> int:
    is_basket_order = kind == EventKind.ACCEPTED and event["flags"] & EventFlag.BASKET
    return int(event["request_ref"]) if is_basket_order else 0


def _hours(event: np.void) -> int:
    return int(event["hours"]) if event["flags"] & EventFlag.BLOCK else 0


def _exec_type(kind: EventKind, leaves: int) -> str:
    if kind == EventKind.CANCELLED and leaves:
        return "D"
    return EXEC_TYPES.get(kind, "A")


def _ord_status(kind: EventKind, leaves: int, cumulative: int) -> str:
    """FIX OrdStatus (tag 39)."""
    if kind == EventKind.REJECTED:
        return "8"
    if kind == EventKind.EXPIRED:
        return "C"
    if kind == EventKind.CANCELLED and not leaves:
        return "4"
    if cumulative and not leaves:
        return "2"
    return "1" if cumulative else "0"


def _liquidity(flags: int) -> int:
    if flags & EventFlag.AUCTION:
        return 4
    return 2 if flags & EventFlag.TAKER else 1

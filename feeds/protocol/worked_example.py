"""Worked example of PROTOCOL.md: a logon and an order in hex, made by the code itself."""

import numpy as np

from feeds.protocol.commands import new_order
from feeds.protocol.messages import Logon, LogonAck, pack
from feeds.protocol.records import FRAME_HEAD, PROTOCOL_VERSION, FrameKind
from matching.records import EVENT, EventKind, Side

_TIME_NS = 1_795_309_200_000_000_000


def format_example() -> str:
    """The frames of the example: for each a line with its direction and name, then its bytes."""
    order = new_order(account=10, instrument=7, side=Side.BUY, quantity=5, price=1_130)
    order["user_ref"] = 1
    report = np.zeros(1, EVENT)
    report["sequence"], report["time_ns"] = 4_979, _TIME_NS
    report["shown"] = report["quantity"] = report["leaves"] = 5
    report["price"], report["session"], report["user_ref"] = 1_130, 2, 1
    report["account"], report["instrument"], report["kind"] = 10, 7, EventKind.ACCEPTED
    ack = LogonAck(
        version=PROTOCOL_VERSION, venue="SUANSHI", trading_day="2026-11-22", session=2,
        name="east-1",
        role="trading", next_report=1, last_ref=0, ref_max=16_777_215, orders_per_s=50_000,
        frame_records_max=1_024, heartbeat_ms=1_000, silence_ms_max=0, time_ns=_TIME_NS,
    )  # fmt: skip
    frames = [
        ("> logon", pack(Logon(next_report=1, client="example"))),
        ("< logon_ack", pack(ack, 1)),
        ("> COMMANDS", FRAME_HEAD.pack(FrameKind.COMMANDS, 0, 1, 0, 0) + order.tobytes()),
        ("< REPORTS", FRAME_HEAD.pack(FrameKind.REPORTS, 0, 1, 0, 1) + report.tobytes()),
    ]
    return "".join(f"{name}\n{_hex(frame)}" for name, frame in frames)


def _hex(frame: bytes) -> str:
    return "".join(f"  {frame[at : at + 32].hex(' ', 8)}\n" for at in range(0, len(frame), 32))

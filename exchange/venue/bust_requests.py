"""Busts: an operator names a trade, and the venue sends the engine a BUST with all its terms.

The engine does not remember its trades, so only the venue sends it a BUST: the reports of the day
say what the trade was, and whether it was busted before.
"""

import numpy as np
from numpy.typing import NDArray

from exchange.venue.errors import RequestRefused
from feeds.gateway.report_streams import ReportStreams
from feeds.protocol.messages import BustTrade, RefusalReason, TradeBusted
from matching.records import COMMAND, CommandKind, EventFlag, EventKind, Reason, Side

Records = NDArray[np.void]


def bust_command(
    streams: ReportStreams, request: BustTrade, session: int, now_ns: int, sequence: int
) -> Records:
    """Return the stamped BUST of a trade, COMMAND[1], in the name of an operator's session.

    Its user_ref is 0, because it uses none of the session's refs. Raises RequestRefused for a trade
    that is not of the day, is of another instrument, or was busted already.
    """
    trade_id = request.trade_id
    fills = streams.fills_of(trade_id)
    if not len(fills):
        text = f"the day has no trade {trade_id}"
        raise RequestRefused(RefusalReason.UNKNOWN, text)
    assert sorted(fills["side"].tolist()) == [Side.BUY, Side.SELL], trade_id
    taker_flag = fills["flags"] & EventFlag.TAKER
    assert sorted(taker_flag.tolist()) == [0, EventFlag.TAKER], trade_id
    maker = fills[np.argmin(taker_flag)]
    buy, sell = fills[np.argsort(fills["side"])]
    if int(maker["instrument"]) != request.instrument:
        text = (
            f"trade {trade_id} is of instrument {maker['instrument']}, not of {request.instrument}"
        )
        raise RequestRefused(RefusalReason.UNKNOWN, text)
    if trade_id in streams.busted_trades:
        text = f"trade {trade_id} was taken back already"
        raise RequestRefused(RefusalReason.BUSTED_ALREADY, text)
    command = np.zeros(1, COMMAND)
    command["kind"] = CommandKind.BUST
    command["sequence"], command["time_ns"] = sequence, now_ns
    command["session"] = session
    command["target_ref"], command["instrument"] = trade_id, request.instrument
    command["price"], command["quantity"] = maker["price"], maker["quantity"]
    command["account"], command["stop"] = buy["account"], buy["fee_fen"]
    command["seller"], command["display"] = sell["account"], sell["fee_fen"]
    command["side"] = maker["side"]
    return command


def read_bust(events: Records, trade_id: int) -> TradeBusted:
    """Return the answer to a BUST from the last of its events.

    What was due by its time comes before them. Raises RequestRefused with the engine's reason.
    """
    if events["kind"][-1] == EventKind.REJECTED:
        reason = Reason(int(events["reason"][-1])).name
        text = f"trade {trade_id} stands: {reason}"
        raise RequestRefused(RefusalReason.REJECTED, text)
    busted = events[-2:]
    assert busted["kind"].tolist() == [EventKind.BUSTED, EventKind.BUSTED]
    buy, sell = busted[np.argsort(busted["side"])]
    return TradeBusted(
        sequence=int(buy["sequence"]),
        trade_id=trade_id,
        instrument=int(buy["instrument"]),
        price=int(buy["price"]),
        quantity=int(buy["quantity"]),
        buyer=int(buy["account"]),
        seller=int(sell["account"]),
        buyer_fee_fen=int(buy["fee_fen"]),
        seller_fee_fen=int(sell["fee_fen"]),
    )

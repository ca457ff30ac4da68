"""What the books take from a day's events: trades, deposits and withdrawals, as columns.

The ledger posts from accepted events, never from requests. A trade is two FILLED events in a
row, maker then taker; everything that trades has for both is checked to agree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.errors import InputError
from ledger.registry import Registry
from matching.records import EVENT, EventFlag, EventKind, Side

_MOVES_MONEY = np.zeros(256, dtype=np.bool_)
_MOVES_MONEY[[EventKind.FILLED, EventKind.FUNDED, EventKind.WITHDRAWN]] = True
_RAW = np.dtype((np.void, EVENT.itemsize))

_INT32 = ("instrument", "price_ticks", "quantity", "account", "fee_fen", "session")

_SHARED = {
    "trade_id": "trade_id", "sequence": "sequence", "time_ns": "time_ns",
    "instrument": "instrument", "price_ticks": "price", "quantity": "quantity",
}  # fmt: skip
"""Columns of a trade that both of its fills have, and their fields."""

_OWN = {"": "account", "_fee_fen": "fee_fen", "_session": "session", "_ref": "user_ref"}
"""Columns that buyer and seller have each: what follows `buyer` or `seller`, and the field."""


@dataclass(frozen=True)
class Fills:
    """A day's money-moving events: columns of equal length by name."""

    trades: dict[str, NDArray[Any]]
    transfers: dict[str, NDArray[Any]]  # deposits and withdrawals


def read_fills(events: NDArray[np.void] | Iterable[NDArray[np.void]], registry: Registry) -> Fills:
    """Trades and transfers of a day's EVENT arrays, all at once or in any number of parts.

    Raises InputError where a fill lacks its other half, or where an event names an account or an
    instrument that the registry does not. Cost: one pass; only the events that move money are
    kept.
    """
    parts = [events] if isinstance(events, np.ndarray) else events
    kept = [_chosen(part, _MOVES_MONEY[part["kind"]]) for part in parts]
    money = np.concatenate([np.empty(0, dtype=_RAW), *kept]).view(EVENT)
    _check_names(money, registry)
    fills = money["kind"] == EventKind.FILLED
    return Fills(
        _trades(_chosen(money, fills).view(EVENT)), _transfers(_chosen(money, ~fills).view(EVENT))
    )


def _chosen(events: NDArray[np.void], mask: NDArray[np.bool_]) -> NDArray[np.void]:
    """A copy of the events chosen, as raw records: numpy copies overlapping fields one by one."""
    return events.view(_RAW)[mask]


def _check_names(money: NDArray[np.void], registry: Registry) -> None:
    fills = money["kind"] == EventKind.FILLED
    for what, seen, known in (
        ("account", money["account"], [account.id for account in registry.accounts]),
        ("instrument", money["instrument"][fills], [each.id for each in registry.instruments]),
    ):
        named = np.zeros(max(known, default=0) + 2, dtype=np.bool_)
        named[known] = True  # the last is never named: it stands for all ids beyond
        strange = seen[~named[np.minimum(seen, len(named) - 1)]]
        if strange.size:
            raise InputError(
                f"day {registry.trading_day}: {what} {strange.min()} has money-moving events, "
                "but the registry does not name it"
            )


def _trades(fills: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    """One row a trade, from pairs of fills."""
    maker, taker = fills[0::2], fills[1::2]
    if len(maker) != len(taker):
        raise InputError(f"trade {maker['trade_id'][-1]}: the taker's fill is missing")
    apart = np.zeros(len(maker), dtype=np.bool_)
    for field in _SHARED.values():
        apart |= maker[field] != taker[field]
    apart |= maker["side"] == taker["side"]
    if apart.any():
        raise InputError(f"trade {maker['trade_id'][apart][0]}: its two fills do not agree")
    buyer_takes = taker["side"] == Side.BUY
    auction = (maker["flags"] & EventFlag.AUCTION) != 0
    columns: dict[str, NDArray[Any]] = {
        name: maker[field].astype(np.int32 if name in _INT32 else np.int64)
        for name, field in _SHARED.items()
    }
    for name, field in _OWN.items():
        kind = np.int32 if field in _INT32 else np.int64
        for side, first, second in (("buyer", taker, maker), ("seller", maker, taker)):
            own = np.where(buyer_takes, first[field], second[field]).astype(kind)
            columns[f"{side}{name}"] = own
    columns["flags"] = buyer_takes.astype(np.int8) + 2 * auction.astype(np.int8)
    return columns


def _transfers(events: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    return {
        "deposit": np.ascontiguousarray(events["kind"] == EventKind.FUNDED),
        "account": events["account"].astype(np.int64),
        "amount_fen": events["amount_fen"].astype(np.int64),
        "sequence": events["sequence"].astype(np.int64),
    }

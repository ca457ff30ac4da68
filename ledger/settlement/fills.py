"""Fills: trades, busts, deposits and withdrawals of a day's events, as columns.

The ledger posts from accepted events, never from requests. A trade is two FILLED events in a row,
maker then taker; all fields that both have in common must agree. A bust is two BUSTED events in a
row, one for each side of the trade.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.compiled import compiled
from ledger.books.errors import InputError
from ledger.daylog.registry import Registry
from matching.records import EVENT, EventFlag, EventKind, Side

BUYER_IS_TAKER, IN_AUCTION, OFF_BOOK, BUYER_BLOCK, SELLER_BLOCK = 1, 2, 4, 8, 16
"""Flags of a trade. OFF_BOOK: two blocks traded with each other, at no price of the hour.
BUYER_BLOCK and SELLER_BLOCK: the order of that side was a block.
"""

_BUY = int(Side.BUY)
_EVENT_AUCTION = int(EventFlag.AUCTION)
_EVENT_BLOCK = int(EventFlag.BLOCK)
_EVENT_OFF_BOOK = int(EventFlag.OFF_BOOK)

_MOVES_MONEY = np.zeros(256, dtype=np.bool_)
_MOVES_MONEY[[EventKind.FILLED, EventKind.FUNDED, EventKind.WITHDRAWN, EventKind.BUSTED]] = True
_RAW = np.dtype((np.void, EVENT.itemsize))

_WORDS = EVENT.itemsize // 8
_GATHERED = 1 << 16
"""About this many money-moving events are converted at a time, so that they fit into the cache."""


class TradeColumns(NamedTuple):
    """Columns of trades or busts, one row each."""

    trade_id: Any
    sequence: Any
    time_ns: Any
    instrument: Any
    price_ticks: Any
    quantity: Any
    buyer: Any
    buyer_fee_fen: Any
    buyer_session: Any
    buyer_ref: Any
    seller: Any
    seller_fee_fen: Any
    seller_session: Any
    seller_ref: Any
    flags: Any
    trade_group: Any


_TYPES = TradeColumns(
    trade_id=np.int64, sequence=np.int64, time_ns=np.int64, instrument=np.int32,
    price_ticks=np.int32, quantity=np.int32, buyer=np.int32, buyer_fee_fen=np.int32,
    buyer_session=np.int32, buyer_ref=np.int64, seller=np.int32, seller_fee_fen=np.int32,
    seller_session=np.int32, seller_ref=np.int64, flags=np.int8, trade_group=np.int32,
)  # fmt: skip
"""Types of the columns, as wide as those of the books."""

_NOT_OF_BUSTS = (
    "buyer_session", "buyer_ref", "seller_session", "seller_ref", "flags", "trade_group",
)  # fmt: skip


@dataclass(frozen=True)
class Fills:
    """A day's money-moving events: columns of equal length, by name."""

    trades: dict[str, NDArray[Any]]
    busts: dict[str, NDArray[Any]]  # busted trades, with the fees that are returned
    transfers: dict[str, NDArray[Any]]  # deposits and withdrawals
    blocks: dict[str, NDArray[Any]]  # trades of blocks: trade_id, trade_group, row of `trades`


def read_fills(events: NDArray[np.void] | Iterable[NDArray[np.void]], registry: Registry) -> Fills:
    """Trades and transfers of a day's events `EVENT[n]`, given at once or in any number of parts.

    Raises InputError where a fill lacks its other half, or where an event names an account or
    instrument that the registry does not have. Cost: one pass. Only money-moving events are kept,
    until they are rows.
    """
    parts = [events] if isinstance(events, np.ndarray) else events
    trades, busts = _TradePairs("trade"), _TradePairs("bust of trade")
    transfers = [_transfers(np.empty(0, dtype=EVENT))]
    for money in _money_events(parts):
        kind = money["kind"]
        fills, busted = kind == EventKind.FILLED, kind == EventKind.BUSTED
        if fills.all():
            trades.add(money)
            continue
        trades.add(_select(money, fills))
        busts.add(_select(money, busted))
        transfers.append(_transfers(_select(money, ~(fills | busted))))
    paired = trades.columns()
    found = Fills(paired, busts.columns(), _concatenated(transfers), _blocks(paired))
    for name in _NOT_OF_BUSTS:
        del found.busts[name]
    _check_names(found, registry)
    return found


def _blocks(trades: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The trades of blocks; removes the column `trade_group` from `trades`.

    A group without a block side comes from an order for a basket: its trades are of several
    instruments and independent of each other.
    """
    group = trades.pop("trade_group")
    row = np.flatnonzero(trades["flags"] & (BUYER_BLOCK | SELLER_BLOCK))
    return {
        "trade_id": trades["trade_id"][row], "trade_group": group[row].astype(np.int64), "row": row,
    }  # fmt: skip


def _money_events(parts: Iterable[NDArray[np.void]]) -> Iterator[NDArray[np.void]]:
    """The money-moving events, in arrays that are valid until the next one."""
    kept = np.empty(2 * _GATHERED, dtype=EVENT)
    words = kept.view(np.int64).reshape(-1, _WORDS)
    count = 0
    for part in parts:
        for start in range(0, len(part), _GATHERED):
            some = np.require(part[start : start + _GATHERED].view(_RAW), None, ["C", "A", "W"])
            count = compiled(gather_plain)(
                some.view(EVENT), some.view(np.int64).reshape(-1, _WORDS), _MOVES_MONEY, words,
                count,
            )  # fmt: skip
            if count >= _GATHERED:
                yield kept[:count]
                count = 0
    if count:
        yield kept[:count]


def gather_plain(events, words, wanted, kept, count) -> int:  # type: ignore[no-untyped-def]
    """Copy the events of wanted kinds behind the `count` kept so far; returns the new count.

    `words` are the events' bytes as 64-bit words. Plain twin of the compiled kernel.
    """
    for k in range(len(events)):
        if wanted[events[k]["kind"]]:
            for word in range(words.shape[1]):
                kept[count, word] = words[k, word]
            count += 1
    return int(count)


def _select(events: NDArray[np.void], mask: NDArray[np.bool_]) -> NDArray[np.void]:
    """A copy of selected events, as raw records: numpy would copy overlapping fields one by one."""
    return events.view(_RAW)[mask].view(EVENT)


def _check_names(found: Fills, registry: Registry) -> None:
    account = [account.id for account in registry.accounts]
    instrument = [each.id for each in registry.instruments]
    for what, known, columns in (
        ("account", account, [found.transfers["account"]]),
        *(
            (what, known, [part[name] for name in names])
            for part in (found.trades, found.busts)
            for what, known, names in (
                ("account", account, ("buyer", "seller")),
                ("instrument", instrument, ("instrument",)),
            )
        ),
    ):
        named = np.zeros(max(known, default=0) + 2, dtype=np.bool_)
        named[known] = True  # the last entry, never named, is for all ids beyond
        for seen in columns:
            unknown = seen[~named[np.clip(seen, -1, len(named) - 1)]]
            if unknown.size:
                raise InputError(
                    f"day {registry.trading_day}: {what} {unknown.min()} has money-moving events, "
                    "but the registry does not name it"
                )


class _TradePairs:
    """Trades (or busts) paired from halves that arrive in any number of parts."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._odd = np.empty(0, dtype=EVENT)  # a half whose other half has not arrived
        self._parts = [self._paired(self._odd)]

    def add(self, halves: NDArray[np.void]) -> None:
        """Add more halves."""
        if len(self._odd):
            halves = np.concatenate([self._odd.view(_RAW), halves.view(_RAW)]).view(EVENT)
        even = len(halves) // 2 * 2
        self._odd = halves[even:].copy()
        self._parts.append(self._paired(halves[:even]))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Columns with one row a trade. Raises InputError where a half has no other half."""
        if len(self._odd):
            trade = self._odd["trade_id"][0]
            raise InputError(f"{self._what} {trade}: its other half is missing")
        return _concatenated(self._parts)

    def _paired(self, halves: NDArray[np.void]) -> dict[str, NDArray[Any]]:
        columns = TradeColumns(*(np.empty(len(halves) // 2, dtype=kind) for kind in _TYPES))
        wrong = compiled(pair_plain)(halves, columns) if len(halves) else -1
        if wrong >= 0:
            trade = halves["trade_id"][2 * wrong]
            raise InputError(f"{self._what} {trade}: its two halves do not agree")
        return columns._asdict()


def _concatenated(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The parts' columns end to end. Empties the parts, so that memory is not needed twice."""
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}


def pair_plain(fills, trades) -> int:  # type: ignore[no-untyped-def]
    """Write one row of `trades` for each pair of fills, maker then taker.

    Returns the index of the first pair whose halves do not agree, or -1. Plain twin of the compiled
    kernel: numpy would pass over the 64-byte records once for each column, which takes ten times
    as long.
    """
    for k in range(len(trades.trade_id)):
        maker, taker = fills[2 * k], fills[2 * k + 1]
        buys = taker["side"] == _BUY
        buy, sell = (taker, maker) if buys else (maker, taker)
        trades.trade_id[k], trades.sequence[k] = maker["trade_id"], maker["sequence"]
        trades.time_ns[k], trades.instrument[k] = maker["time_ns"], maker["instrument"]
        trades.price_ticks[k], trades.quantity[k] = maker["price"], maker["quantity"]
        trades.buyer[k], trades.seller[k] = buy["account"], sell["account"]
        trades.buyer_fee_fen[k], trades.seller_fee_fen[k] = buy["fee_fen"], sell["fee_fen"]
        trades.buyer_session[k], trades.seller_session[k] = buy["session"], sell["session"]
        trades.buyer_ref[k], trades.seller_ref[k] = buy["user_ref"], sell["user_ref"]
        trades.flags[k] = (
            (BUYER_IS_TAKER if buys else 0)
            + (IN_AUCTION if maker["flags"] & _EVENT_AUCTION else 0)
            + (OFF_BOOK if maker["flags"] & _EVENT_OFF_BOOK else 0)
            + (BUYER_BLOCK if buy["flags"] & _EVENT_BLOCK else 0)
            + (SELLER_BLOCK if sell["flags"] & _EVENT_BLOCK else 0)
        )
        trades.trade_group[k] = maker["trade_group"]
        if (
            maker["trade_id"] != taker["trade_id"] or maker["sequence"] != taker["sequence"]
            or maker["time_ns"] != taker["time_ns"] or maker["instrument"] != taker["instrument"]
            or maker["price"] != taker["price"] or maker["quantity"] != taker["quantity"]
            or maker["side"] == taker["side"] or maker["trade_group"] != taker["trade_group"]
        ):  # fmt: skip
            return k
    return -1


def _transfers(events: NDArray[np.void]) -> dict[str, NDArray[Any]]:
    return {
        "deposit": np.ascontiguousarray(events["kind"] == EventKind.FUNDED),
        "account": events["account"].astype(np.int64),
        "amount_fen": events["amount_fen"].astype(np.int64),
        "sequence": events["sequence"].astype(np.int64),
    }

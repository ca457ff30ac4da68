"""What the books take from a day's events: trades, busts, deposits and withdrawals, as columns.

The ledger posts from accepted events, never from requests. A trade is two FILLED events in a
row, maker then taker; everything that trades has for both is checked to agree. A bust is two BUSTED
events in a row, one for each side of the trade.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.compiled import compiled
from ledger.books.errors import InputError
from ledger.daylog.registry import Registry
from matching.records import EVENT, EventFlag, EventKind, Side

OFF_BOOK = 4
"""Of a trade's flags: two blocks with each other, at no price of the hour."""

BUYER_BLOCK, SELLER_BLOCK = 8, 16
"""Of a trade's flags: whose order was a block."""

assert (Side.BUY, EventFlag.AUCTION, EventFlag.BLOCK, EventFlag.OFF_BOOK) == (0, 2, 32, 64)

_MOVES_MONEY = np.zeros(256, dtype=np.bool_)
_MOVES_MONEY[[EventKind.FILLED, EventKind.FUNDED, EventKind.WITHDRAWN, EventKind.BUSTED]] = True
_RAW = np.dtype((np.void, EVENT.itemsize))

_WORDS = EVENT.itemsize // 8
_GATHERED = 1 << 16
"""So many events that move money become rows at a time: few enough to stay in the cache."""

_TRADE_COLUMNS = {
    "trade_id": np.int64, "sequence": np.int64, "time_ns": np.int64, "instrument": np.int32,
    "price_ticks": np.int32, "quantity": np.int32, "buyer": np.int32, "buyer_fee_fen": np.int32,
    "buyer_session": np.int32, "buyer_ref": np.int64, "seller": np.int32,
    "seller_fee_fen": np.int32, "seller_session": np.int32, "seller_ref": np.int64,
    "flags": np.int8, "trade_group": np.int32,
}  # fmt: skip
"""Columns of a trade, in the order in which `pair_plain` takes them, as wide as the books' are."""

_OF_FILLS_ONLY = (
    "buyer_session", "buyer_ref", "seller_session", "seller_ref", "flags", "trade_group",
)  # fmt: skip


@dataclass(frozen=True)
class Fills:
    """A day's money-moving events: columns of equal length by name."""

    trades: dict[str, NDArray[Any]]
    busts: dict[str, NDArray[Any]]  # trades taken back, with the fees given back
    transfers: dict[str, NDArray[Any]]  # deposits and withdrawals
    blocks: dict[str, NDArray[Any]]  # trades of blocks: trade_id, trade_group, row of `trades`


def read_fills(events: NDArray[np.void] | Iterable[NDArray[np.void]], registry: Registry) -> Fills:
    """Trades and transfers of a day's EVENT arrays, all at once or in any number of parts.

    Raises InputError where a fill lacks its other half, or where an event names an account or an
    instrument that the registry does not. Cost: one pass; only the events that move money are
    kept, and those only until they are rows.
    """
    parts = [events] if isinstance(events, np.ndarray) else events
    trades, busts = _Pairs("trade"), _Pairs("bust of trade")
    transfers = [_transfers(np.empty(0, dtype=EVENT))]
    for money in _gathered(parts):
        kind = money["kind"]
        fills, taken_back = kind == EventKind.FILLED, kind == EventKind.BUSTED
        if fills.all():
            trades.add(money)
            continue
        trades.add(_chosen(money, fills))
        busts.add(_chosen(money, taken_back))
        transfers.append(_transfers(_chosen(money, ~(fills | taken_back))))
    paired = trades.columns()
    found = Fills(paired, busts.columns(), _joined(transfers), _blocks(paired))
    for name in _OF_FILLS_ONLY:
        del found.busts[name]
    _check_names(found, registry)
    return found


def _blocks(trades: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The trades of blocks; their groups are no column of `trades` any more.

    A group that no side traded as a block is that of an order for a basket: trades of several
    instruments, each as good as any other of its own.
    """
    group = trades.pop("trade_group")
    row = np.flatnonzero(trades["flags"] & (BUYER_BLOCK | SELLER_BLOCK))
    return {
        "trade_id": trades["trade_id"][row], "trade_group": group[row].astype(np.int64), "row": row,
    }  # fmt: skip


def _gathered(parts: Iterable[NDArray[np.void]]) -> Iterator[NDArray[np.void]]:
    """The events that move money, some at a time; each array is valid until the next."""
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
    """Copy the events of the kinds wanted behind the `count` kept so far; how many there are then.

    `words` are the events' bytes. The rule as Python; it runs compiled.
    """
    for k in range(len(events)):
        if wanted[events[k]["kind"]]:
            for word in range(words.shape[1]):
                kept[count, word] = words[k, word]
            count += 1
    return int(count)


def _chosen(events: NDArray[np.void], mask: NDArray[np.bool_]) -> NDArray[np.void]:
    """A copy of the events chosen: numpy copies overlapping fields one by one, raw records not."""
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
        named[known] = True  # the last is never named: it stands for all ids beyond
        for seen in columns:
            strange = seen[~named[np.clip(seen, -1, len(named) - 1)]]
            if strange.size:
                raise InputError(
                    f"day {registry.trading_day}: {what} {strange.min()} has money-moving events, "
                    "but the registry does not name it"
                )


class _Pairs:
    """Trades (or busts) from halves that come in any number of parts."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._odd = np.empty(0, dtype=EVENT)  # a half whose other half is still to come
        self._parts = [self._paired(self._odd)]

    def add(self, halves: NDArray[np.void]) -> None:
        """Take more halves."""
        if len(self._odd):
            halves = np.concatenate([self._odd.view(_RAW), halves.view(_RAW)]).view(EVENT)
        even = len(halves) // 2 * 2
        self._odd = halves[even:].copy()
        self._parts.append(self._paired(halves[:even]))

    def columns(self) -> dict[str, NDArray[Any]]:
        """One row a trade. Raises InputError where a half is alone."""
        if len(self._odd):
            trade = self._odd["trade_id"][0]
            raise InputError(f"{self._what} {trade}: its other half is missing")
        return _joined(self._parts)

    def _paired(self, halves: NDArray[np.void]) -> dict[str, NDArray[Any]]:
        columns = {
            name: np.empty(len(halves) // 2, dtype=kind) for name, kind in _TRADE_COLUMNS.items()
        }
        wrong = compiled(pair_plain)(halves, *columns.values()) if len(halves) else -1
        if wrong >= 0:
            trade = halves["trade_id"][2 * wrong]
            raise InputError(f"{self._what} {trade}: its two halves do not agree")
        return columns


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The parts' columns end to end; the parts are used up, so that memory is not needed twice."""
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}


def pair_plain(  # type: ignore[no-untyped-def]
    fills, trade_id, sequence, time_ns, instrument, price, quantity,
    buyer, buyer_fee, buyer_session, buyer_ref, seller, seller_fee, seller_session, seller_ref,
    flags, trade_group,
) -> int:  # fmt: skip
    """Write one row a trade from pairs of halves; the first pair that does not agree, or -1.

    The rule as Python; it runs compiled, because a pass for each of the
    fifteen columns over records of 64 bytes takes ten times as long.
    """
    for k in range(len(trade_id)):
        maker, taker = fills[2 * k], fills[2 * k + 1]
        buys = taker["side"] == 0
        buy, sell = (taker, maker) if buys else (maker, taker)
        trade_id[k], sequence[k] = maker["trade_id"], maker["sequence"]
        time_ns[k], instrument[k] = maker["time_ns"], maker["instrument"]
        price[k], quantity[k] = maker["price"], maker["quantity"]
        buyer[k], seller[k] = buy["account"], sell["account"]
        buyer_fee[k], seller_fee[k] = buy["fee_fen"], sell["fee_fen"]
        buyer_session[k], seller_session[k] = buy["session"], sell["session"]
        buyer_ref[k], seller_ref[k] = buy["user_ref"], sell["user_ref"]
        seen = maker["flags"]
        flags[k] = (
            (1 if buys else 0) + (2 if seen & 2 else 0) + (4 if seen & 64 else 0)
            + (8 if buy["flags"] & 32 else 0) + (16 if sell["flags"] & 32 else 0)
        )  # fmt: skip
        trade_group[k] = maker["trade_group"]
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

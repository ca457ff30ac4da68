"""Netting: a day's trades become one settlement price an instrument and one position an account.

With Q0, S0 the carried position and its price, V the day's buys minus sells in fen, and Q1, S1 the
new position and settlement price, an account owes clearing D = Q0*S0 + V - Q1*S1. Trades and
positions sum to zero over all accounts, and so does D: clearing is flat. Escrow holds max(Q, 0) *
S. A buyer's fees are charged at once; a seller's fees wait for the proceeds while the account is
short. A busted trade counts with the opposite sign and does not count in the settlement price. A
trade of two blocks with each other counts in everything but prices, because it has no price of the
hour. `sql/certificate.sql` proves the result from the trades.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import NULL
from ledger.books.compiled import compiled
from ledger.books.directory import Directory, day_number
from ledger.books.errors import InputError
from ledger.settlement.fills import OFF_BOOK

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

_CELLS_MAX = 1 << 26
"""Up to this many (instrument, account) pairs are indexed by a bitmap, more by sorting."""

_FEN_MAX = 2.0**61


@dataclass(frozen=True)
class Netting:
    """Rows of `instrument_days` and `positions` of a settled day, by instrument and account."""

    instrument_days: Columns
    positions: Columns


def net(
    trades: Columns, busts: Columns, carried: Columns, prices: Columns, directory: Directory
) -> Netting:
    """Net trades and busts with the carried positions in the instruments of these trades.

    `carried` are the open positions of the books. Instruments without trades or busts keep their
    price and positions. An instrument without a trade in the book takes its last price from
    `prices` (columns instrument and price_ticks), else its contract's reference price. Raises
    InputError where amounts do not fit 64 bits or where the registry does not name a holder. Cost:
    about 0.1 us a trade.
    """
    _check_bounds(trades, directory)
    accounts = len(directory.account)
    moved = np.zeros(len(directory.instrument), dtype=np.bool_)
    moved[trades["instrument"]] = True
    moved[busts["instrument"]] = True
    held = _carried_cells(carried, moved, directory)
    sides = [
        *(each["instrument"].astype(np.int64) * accounts + each[side]
          for each in (trades, busts) for side in ("buyer", "seller")),
        held["cell"],
    ]  # fmt: skip
    cells, places = _cell_index(sides, len(moved) * accounts)
    columns, by_instrument = _sums(trades, busts, places, len(cells), len(moved))
    days = _instrument_days(by_instrument, prices, moved, directory)
    for name in ("q0", "s0", "due0", "guaranteed0", "first_day0", "first_sequence0"):
        columns[name] = np.zeros(len(cells), dtype=np.int64)
        columns[name][places[4]] = held[name]
    positions = _positions(cells // accounts, cells % accounts, columns, days, directory)
    traded = days["trades"] > 0
    return Netting(
        {name: column[traded] for name, column in days.items() if name != "number"}, positions
    )


def _check_bounds(trades: Columns, directory: Directory) -> None:
    tick_fen = directory.contract_tick_fen[directory.instrument_contract]
    most = (int(trades["price_ticks"].max(initial=0)), int(trades["quantity"].sum()))
    if most[0] * most[1] * int(tick_fen.max(initial=0)) <= _FEN_MAX:
        return
    worth = trades["price_ticks"].astype(np.float64) * trades["quantity"]
    if float((worth * tick_fen[trades["instrument"]]).sum()) > _FEN_MAX:
        raise InputError(
            f"day {directory.registry.trading_day}: its turnover does not fit 64 bits of fen"
        )


def _carried_cells(carried: Columns, moved: NDArray[np.bool_], directory: Directory) -> Columns:
    """The carried positions that the day changes, with their cell (instrument, account)."""
    instrument = directory.instrument_numbers(carried["instrument"])
    account = directory.account_numbers(carried["account"])
    chosen = (instrument > 0) & moved[instrument]
    directory.check_holders(
        {name: carried[name][chosen] for name in ("account", "instrument")}, account[chosen]
    )
    names = {
        "q0": "quantity", "s0": "price_ticks", "due0": "fee_due_fen",
        "guaranteed0": "guaranteed_fen", "first_day0": "first_day",
        "first_sequence0": "first_sequence",
    }  # fmt: skip
    held = {name: carried[source][chosen].astype(np.int64) for name, source in names.items()}
    held["cell"] = instrument[chosen] * len(directory.account) + account[chosen]
    return held


def _instrument_days(
    sums: Columns, prices: Columns, moved: NDArray[np.bool_], directory: Directory
) -> Columns:
    """One row for each instrument that the day changes. Settlement price: the volume-weighted
    average of trades in the book, rounded half up.
    """
    volume, worth = sums["priced"], sums["priced_worth"]
    last = directory.contract_reference_ticks[directory.instrument_contract]
    known = directory.instrument_numbers(prices["instrument"])
    last[known[known > 0]] = prices["price_ticks"][known > 0]
    twice = np.maximum(2 * volume, 1)
    settlement = np.where(volume > 0, (2 * worth + volume) // twice, last)
    number = np.flatnonzero(moved)
    tick_fen = directory.contract_tick_fen[directory.instrument_contract]
    columns = {
        "instrument": directory.instrument, "tick_fen": tick_fen, "trades": sums["trades"],
        "volume": sums["volume"], "turnover_fen": sums["worth"] * tick_fen,
        "in_book": volume > 0, "open_ticks": sums["open"],
        "high_ticks": sums["high"], "low_ticks": sums["low"], "close_ticks": sums["close"],
        "settlement_ticks": settlement,
    }  # fmt: skip
    return {"number": number, **{name: column[number] for name, column in columns.items()}}


def _cell_index(keys: list[Integers], size: int) -> tuple[Integers, list[Integers]]:
    """The distinct keys in order, and the position of each key of each list among them."""
    if size > _CELLS_MAX:
        distinct, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        ends = np.cumsum([len(each) for each in keys])[:-1]
        return distinct, list(np.split(inverse, ends))
    used = np.zeros(size, dtype=np.bool_)
    for each in keys:
        used[each] = True
    distinct = np.flatnonzero(used)
    slot = np.zeros(size, dtype=np.int32)
    slot[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct, [slot[each].astype(np.int64) for each in keys]


CELL_SUMS = np.dtype([
    (name, "<i8") for name in (
        "bought", "sold", "bought_ticks", "sold_ticks", "buy_fee", "sell_fee", "long_sequence"
    )
])  # fmt: skip
"""Sums of a cell (instrument, account). `long_sequence` is the first command that made the position
longer: a buy or the bust of a sale.
"""

INSTRUMENT_SUMS = np.dtype([
    (name, "<i8") for name in (
        "trades", "volume", "worth", "high", "low", "open", "close", "priced", "priced_worth"
    )
])  # fmt: skip
"""Sums of an instrument's trades without busted ones; from `high` on, of trades in the book only.
"""

BUSTED, IN_BOOK, NOT_PRICED = 0, 1, 2


class CellTrades(NamedTuple):
    """Columns of trades or busts with the cells of both sides and a price code, a row each."""

    instrument: Any
    price_ticks: Any
    quantity: Any
    buyer_fee_fen: Any
    seller_fee_fen: Any
    sequence: Any
    buyer_cell: Any
    seller_cell: Any
    pricing: Any  # BUSTED, IN_BOOK or NOT_PRICED (off the book)


def _sums(
    trades: Columns, busts: Columns, places: list[Integers], cells: int, instruments: int
) -> tuple[Columns, Columns]:
    """Sums of each cell (trades less busts) and of each instrument (without busted trades)."""
    by_cell = np.zeros(cells, dtype=CELL_SUMS)
    by_instrument = np.zeros(instruments, dtype=INSTRUMENT_SUMS)
    pricing = np.isin(trades["trade_id"], busts["trade_id"], invert=True).astype(np.int8)
    pricing[(pricing > BUSTED) & (trades["flags"] & OFF_BOOK > 0)] = NOT_PRICED
    none = np.full(len(busts["trade_id"]), BUSTED, dtype=np.int8)
    for events, own, sign, codes in (
        (trades, places[:2], 1, pricing),
        (busts, places[2:4], -1, none),
    ):
        if len(events["trade_id"]):
            columns = [events[name] for name in CellTrades._fields[:6]]
            rows = CellTrades(*[*columns, *own, codes])
            compiled(sum_plain)(rows, sign, by_cell, by_instrument)
    return _as_columns(by_cell), _as_columns(by_instrument)


def _as_columns(rows: NDArray[np.void]) -> Columns:
    return {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}


def sum_plain(trades, sign, cells, instruments) -> None:  # type: ignore[no-untyped-def]
    """Add trades (or, with `sign` -1, busts) to the sums of their cells and instruments.

    `trades` are CellTrades. Plain twin of the compiled kernel: numpy needs a pass for each sum.
    """
    (
        instrument, price_ticks, quantity, buyer_fee_fen, seller_fee_fen, sequence, buyer_cell,
        seller_cell, pricing,
    ) = trades  # fmt: skip
    for k in range(len(instrument)):
        buy, sell = cells[buyer_cell[k]], cells[seller_cell[k]]
        ticks = np.int64(price_ticks[k])
        lots = sign * np.int64(quantity[k])
        buy["bought"] += lots
        sell["sold"] += lots
        buy["bought_ticks"] += ticks * lots
        sell["sold_ticks"] += ticks * lots
        buy["buy_fee"] += sign * buyer_fee_fen[k]
        sell["sell_fee"] += sign * seller_fee_fen[k]
        longer = buy if sign > 0 else sell
        if longer["long_sequence"] == 0 or sequence[k] < longer["long_sequence"]:
            longer["long_sequence"] = sequence[k]
        on = instruments[instrument[k]]
        if pricing[k] != BUSTED:
            on["trades"] += 1
            on["volume"] += lots
            on["worth"] += ticks * lots
        if pricing[k] == IN_BOOK:
            if on["priced"] == 0:
                on["low"] = ticks
                on["open"] = ticks
            on["priced"] += lots
            on["priced_worth"] += ticks * lots
            on["high"] = max(on["high"], ticks)
            on["low"] = min(on["low"], ticks)
            on["close"] = ticks


def _positions(
    instrument: Integers, account: Integers, sums: Columns, days: Columns, directory: Directory
) -> Columns:
    """Rows of `positions` from the sums of each cell."""
    row = np.searchsorted(days["number"], instrument)
    price, tick_fen = days["settlement_ticks"][row], days["tick_fen"][row]
    contract = directory.instrument_contract[instrument]
    q0, s0 = sums["q0"], sums["s0"]
    q1 = q0 + sums["bought"] - sums["sold"]
    sell_fee = sums["sell_fee"] + sums["due0"]
    waits = (q1 < 0) & (sell_fee > 0)
    today = day_number(directory.registry.trading_day)
    keeps = (q0 > 0) & (sums["first_sequence0"] > 0)
    begins = ~keeps & (sums["long_sequence"] > 0)
    return {
        "account": directory.account[account],
        "instrument": directory.instrument[instrument],
        "tick_fen": tick_fen,
        "opening_quantity": q0,
        "opening_ticks": s0,
        "bought": sums["bought"],
        "sold": sums["sold"],
        "bought_fen": sums["bought_ticks"] * tick_fen,
        "sold_fen": sums["sold_ticks"] * tick_fen,
        "delivered": np.zeros(len(q0), dtype=np.int64),
        "quantity": q1,
        "price_ticks": price,
        "difference_fen": (q0 * s0 + sums["bought_ticks"] - sums["sold_ticks"] - q1 * price)
        * tick_fen,
        "escrow_fen": (np.maximum(q1, 0) * price - np.maximum(q0, 0) * s0) * tick_fen,
        "guaranteed_fen": np.maximum(-q1, 0) * directory.contract_deposit_fen[contract],
        "guaranteed0_fen": sums["guaranteed0"],
        "fee_fen": sums["buy_fee"] + np.where(waits, 0, sell_fee),
        "fee_due_fen": np.where(waits, sell_fee, 0),
        "first_day": np.where(keeps, sums["first_day0"], np.where(begins, today, NULL)),
        "first_sequence": np.where(
            keeps, sums["first_sequence0"], np.where(begins, sums["long_sequence"], NULL)
        ),
    }

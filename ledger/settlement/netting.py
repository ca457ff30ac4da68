"""Netting: a day's trades become one price per instrument and one position per account.

With Q0, S0 the carried position and its price, V the day's buys minus sells in fen, and Q1, S1 the
new position and settlement price, an account owes clearing  D = Q0*S0 + V - Q1*S1.  Trades and
positions add up to zero over all accounts, and so does D: clearing is flat. Escrow holds
max(Q, 0) * S.  A buyer's fees are charged at once; a seller's wait for the proceeds as long as the
account is short. A busted trade counts with the opposite sign, and not in the settlement price; a
trade of two blocks with each other counts in everything but the prices: it has none of the hour.
`sql/certificate.sql` proves the result from the trades.
"""

from dataclasses import dataclass
from typing import Any

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
"""Up to so many (instrument, account) pairs are found by a bitmap, beyond by sorting."""

_FEN_MAX = 2.0**61


@dataclass(frozen=True)
class Netting:
    """A settled day: columns of `instrument_days` and `positions`, by instrument and account."""

    instrument_days: Columns
    positions: Columns


def net(
    trades: Columns, busts: Columns, carried: Columns, prices: Columns, directory: Directory
) -> Netting:
    """Net trades and busts on top of the carried positions of the instruments that they are in.

    `carried` are the open positions of the books. Instruments without trades or busts keep their
    price, and their positions are left alone; those that had no trade in the book have the last one
    of `prices`, columns instrument and price_ticks, or their contract's reference. Raises
    InputError where amounts do not fit 64 bits or where the registry does not name an account that
    holds a position. Cost: about 0.1 us a trade.
    """
    _check_bounds(trades, directory)
    accounts = len(directory.account)
    moved = np.zeros(len(directory.instrument), dtype=np.bool_)
    moved[trades["instrument"]] = True
    moved[busts["instrument"]] = True
    held = _held(carried, moved, directory)
    sides = [
        *(each["instrument"].astype(np.int64) * accounts + each[side]
          for each in (trades, busts) for side in ("buyer", "seller")),
        held["cell"],
    ]  # fmt: skip
    cells, places = _slots(sides, len(moved) * accounts)
    columns, by_instrument = _summed(trades, busts, places, len(cells), len(moved))
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


def _held(carried: Columns, moved: NDArray[np.bool_], directory: Directory) -> Columns:
    """The carried positions that the day moves, by their cell (instrument, account)."""
    instrument = directory.instrument_number[_within(carried["instrument"], directory)]
    account = directory.account_number[_within(carried["account"], directory)]
    chosen = (instrument > 0) & moved[instrument]
    if (account[chosen] == 0).any():
        row = np.flatnonzero(chosen & (account == 0))[0]
        raise unknown_holder(carried, row, directory)
    names = {
        "q0": "quantity", "s0": "price_ticks", "due0": "fee_due_fen",
        "guaranteed0": "guaranteed_fen", "first_day0": "first_day",
        "first_sequence0": "first_sequence",
    }  # fmt: skip
    held = {name: carried[source][chosen].astype(np.int64) for name, source in names.items()}
    held["cell"] = instrument[chosen] * len(directory.account) + account[chosen]
    return held


def unknown_holder(carried: Columns, row: Any, directory: Directory) -> InputError:
    """The error of a position whose account the day's registry does not name."""
    account = directory.names.bare(int(carried["account"][row]))
    instrument = directory.names.bare(int(carried["instrument"][row]))
    return InputError(
        f"account {account!r} holds {instrument}, but the day's registry does not name the account"
    )


def _within(numbers: Integers, directory: Directory) -> Integers:
    """Numbers of names that the tables know; 0, nobody, for later ones."""
    return np.where(numbers < len(directory.account_number), numbers, 0)


def _instrument_days(
    sums: Columns, prices: Columns, moved: NDArray[np.bool_], directory: Directory
) -> Columns:
    """One row per instrument that the day moves; settlement price = VWAP of what traded in the
    book, rounded half up.
    """
    volume, worth = sums["priced"], sums["priced_worth"]
    last = directory.contract_reference_ticks[directory.instrument_contract]
    known = directory.instrument_number[_within(prices["instrument"], directory)]
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


def _slots(keys: list[Integers], size: int) -> tuple[Integers, list[Integers]]:
    """The distinct keys in order, and where each key of each list stands among them."""
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


_OF_CELLS = ("bought", "sold", "bought_ticks", "sold_ticks", "buy_fee", "sell_fee", "long_sequence")
_OF_INSTRUMENTS = (
    "trades", "volume", "worth", "high", "low", "open", "close", "priced", "priced_worth"
)  # fmt: skip


def _summed(
    trades: Columns, busts: Columns, places: list[Integers], cells: int, instruments: int
) -> tuple[Columns, Columns]:
    """Sums over each cell's trades, less its busts; and over each instrument's whole trades, those
    in the book once more by themselves, for the prices.
    """
    by_cell = np.zeros((cells, len(_OF_CELLS)), dtype=np.int64)
    by_instrument = np.zeros((instruments, len(_OF_INSTRUMENTS)), dtype=np.int64)
    whole = np.isin(trades["trade_id"], busts["trade_id"], invert=True).astype(np.int8)
    whole[(whole > 0) & (trades["flags"] & OFF_BOOK > 0)] = 2
    none = np.zeros(len(busts["trade_id"]), dtype=np.int8)
    names = ("instrument", "price_ticks", "quantity", "buyer_fee_fen", "seller_fee_fen", "sequence")
    for events, own, sign, chosen in (
        (trades, places[:2], 1, whole),
        (busts, places[2:4], -1, none),
    ):
        if len(events["trade_id"]):
            columns = [events[name] for name in names]
            compiled(sum_plain)(*columns, *own, sign, chosen, by_cell, by_instrument)
    return (
        dict(zip(_OF_CELLS, np.ascontiguousarray(by_cell.T), strict=True)),
        dict(zip(_OF_INSTRUMENTS, np.ascontiguousarray(by_instrument.T), strict=True)),
    )


def sum_plain(  # type: ignore[no-untyped-def]
    instrument, price, quantity, buyer_fee, seller_fee, sequence, bought, sold, sign, whole,
    by_cell, by_instrument,
) -> None:  # fmt: skip
    """Add trades (or, with `sign` -1, busts) to the rows of their cells and instruments.

    A cell's `long_sequence` is that of the first command that made it longer: a buy, or the bust
    of a sale. `whole` is 0 of what was busted, 2 off the book. The rule as Python; this very
    function runs compiled: numpy needs a pass a sum.
    """
    for k in range(len(instrument)):
        buy, sell, on = bought[k], sold[k], instrument[k]
        ticks = np.int64(price[k])
        lots = sign * np.int64(quantity[k])
        by_cell[buy, 0] += lots
        by_cell[sell, 1] += lots
        by_cell[buy, 2] += ticks * lots
        by_cell[sell, 3] += ticks * lots
        by_cell[buy, 4] += sign * buyer_fee[k]
        by_cell[sell, 5] += sign * seller_fee[k]
        longer = buy if sign > 0 else sell
        if by_cell[longer, 6] == 0 or sequence[k] < by_cell[longer, 6]:
            by_cell[longer, 6] = sequence[k]
        if whole[k] > 0:
            by_instrument[on, 0] += 1
            by_instrument[on, 1] += lots
            by_instrument[on, 2] += ticks * lots
        if whole[k] == 1:
            if by_instrument[on, 7] == 0:
                by_instrument[on, 4] = by_instrument[on, 5] = ticks
            by_instrument[on, 7] += lots
            by_instrument[on, 8] += ticks * lots
            by_instrument[on, 3] = max(by_instrument[on, 3], ticks)
            by_instrument[on, 4] = min(by_instrument[on, 4], ticks)
            by_instrument[on, 6] = ticks


def _positions(
    instrument: Integers, account: Integers, sums: Columns, days: Columns, directory: Directory
) -> Columns:
    """The columns of `positions` from the sums of each cell."""
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

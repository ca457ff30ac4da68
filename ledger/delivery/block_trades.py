"""Blocks in the books: their trades, what buyers have bought as blocks, and their suppliers.

A block trades all of its hours at once or none (`matching/RULES.md`); its trades have a common
group. Settlement nets them like all trades. Nomination gives a block one supplier where it can, and
records which supplier delivers which lots.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.directory import Directory
from ledger.books.queries import statements
from ledger.delivery.block_nomination import Blocks
from ledger.settlement.fills import BUYER_BLOCK, Fills

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

_BOUGHT = ("trade_batch", "trade_group", "account", "instrument", "quantity")
_SERVED = ("trade_batch", "trade_group", "supplier")


class BoughtBlocks(NamedTuple):
    """Bought blocks that are not delivered yet, and suppliers that serve them already."""

    hours: Columns  # a row for each block and hour, in the order of blocks
    served: Columns


@dataclass(frozen=True)
class TradedBlock:
    """One side of a traded block, for reports."""

    day: str
    trade_group: int  # of the day
    side: str
    account: str
    contract: str
    first: str  # symbol of its first hour
    hours: int
    lots: int  # in each hour
    average_ticks: str  # of all hours, to a hundredth
    value_fen: int
    fee_fen: int
    suppliers: list[dict[str, Any]]  # of a buy, once nominated: who, from when, hours, lots


def read_bought_blocks(books: Books) -> BoughtBlocks:
    """Blocks of earlier days that wait for delivery."""
    if not books.scalar("SELECT count(*) FROM block_trades"):
        none = np.zeros(0, dtype=np.int64)
        return BoughtBlocks(dict.fromkeys(_BOUGHT, none), dict.fromkeys(_SERVED, none))
    queries = statements("blocks")
    return BoughtBlocks(books.arrays(queries["bought"]), books.arrays(queries["served"]))


def add_todays_blocks(
    before: BoughtBlocks, fills: Fills, directory: Directory, batch: int
) -> BoughtBlocks:
    """The blocks of earlier days and those of the day's trades, under its batch."""
    rows = fills.blocks["row"]
    trades = {name: column[rows] for name, column in fills.trades.items()}
    chosen = (trades["flags"] & BUYER_BLOCK != 0) & ~np.isin(
        trades["trade_id"], fills.busts["trade_id"]
    )
    keys = np.stack([
        fills.blocks["trade_group"], directory.account[trades["buyer"]],
        directory.instrument[trades["instrument"]],
    ])[:, chosen]  # fmt: skip
    found, place = np.unique(keys, axis=1, return_inverse=True)
    quantity = np.zeros(found.shape[1], dtype=np.int64)
    np.add.at(quantity, place.reshape(-1), trades["quantity"][chosen].astype(np.int64))
    columns = (np.full(len(quantity), batch), *found, quantity)
    return BoughtBlocks(
        {
            name: np.concatenate([before.hours[name], column])
            for name, column in zip(_BOUGHT, columns, strict=True)
        },
        before.served,
    )


def blocks_in_positions(bought: BoughtBlocks, positions: Columns) -> tuple[Blocks, Columns]:
    """The blocks as rows of the long positions that hold them, and batch and group of each block.

    Hours that are not among the positions are left out: they are delivered, resold or of another
    day.
    """
    hours = bought.hours
    if not len(hours["account"]):
        none = np.zeros(0, dtype=np.int64)
        return Blocks(none, none, none), {"trade_batch": none, "trade_group": none}
    place = np.lexsort((positions["instrument"], positions["account"]))
    keys = _key(positions["account"], positions["instrument"])[place]
    wanted = _key(hours["account"], hours["instrument"])
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    there = keys[at] == wanted if len(keys) else np.zeros(len(wanted), dtype=np.bool_)
    row = place[at[there]] if len(keys) else np.zeros(0, dtype=np.int64)
    long = positions["quantity"][row] > 0
    row = row[long]
    columns = {name: hours[name][there][long] for name in _BOUGHT}
    order = np.lexsort((row, columns["trade_group"], columns["trade_batch"]))
    row, columns = row[order], {name: column[order] for name, column in columns.items()}
    names = np.stack([columns["trade_batch"], columns["trade_group"]]).astype(np.int64)
    named, number = np.unique(names, axis=1, return_inverse=True)
    blocks = Blocks(number.reshape(-1), row, columns["quantity"].astype(np.int64))
    return blocks, {"trade_batch": named[0], "trade_group": named[1]}


def current_suppliers(
    bought: BoughtBlocks, names: Columns, directory: Directory
) -> dict[int, set[int]]:
    """Parties that serve each block already, by the block's number."""
    number = {
        pair: place
        for place, pair in enumerate(
            zip(names["trade_batch"].tolist(), names["trade_group"].tolist(), strict=True)
        )
    }
    found: dict[int, set[int]] = {}
    columns = (bought.served[name].tolist() for name in _SERVED)
    for batch, group, supplier in zip(*columns, strict=True):
        if (batch, group) in number and supplier < len(directory.account_number):
            party = int(directory.account_number[supplier])
            found.setdefault(number[batch, group], set()).add(party)
    return found


def traded_blocks(
    books: Books, *, account: str = "", since: str | None = None, until: str | None = None
) -> list[TradedBlock]:
    """All traded blocks, of one account or of all, in the order of the books."""
    values = {"account": account, "since": since or "0001-01-01", "until": until or "9999-12-31"}
    found = []
    for row in books.records(statements("blocks")["traded"], values):
        lots = row["hours"] * row["lots"]
        hundredths = (100 * row.pop("worth_ticks") + lots // 2) // lots
        average = f"{hundredths // 100}.{hundredths % 100:02}"
        found.append(TradedBlock(average_ticks=average, **row))
    return found


def _key(account: Integers, instrument: Integers) -> Integers:
    return (account.astype(np.int64) << 32) | instrument.astype(np.int64)

"""Busts: trades that the venue cancels, of this day or of an earlier one that is still open.

A bust reverses quantity, money and fees of both sides. The books take it from the accepted event
and check that they know the trade and that it is busted only once.
"""

from ledger.books.database import Books
from ledger.books.directory import Directory
from ledger.books.errors import InputError
from ledger.settlement.fills import Fills

_SAME = ("trade_id", "instrument", "price_ticks", "quantity", "buyer", "seller")


def check_busts(books: Books, batch: int, fills: Fills, directory: Directory) -> None:
    """Raise InputError where a bust is of no trade in the books, or comes twice.

    The day's trades and busts are written under `batch` already. Earlier ones are looked up by
    name, because the registry's numbers may have changed.
    """
    busts = fills.busts
    if not len(busts["trade_id"]):
        return
    own = {tuple(row) for row in zip(*(fills.trades[name].tolist() for name in _SAME), strict=True)}
    earlier = {
        tuple(row)
        for row in books.rows(
            """
            SELECT t.trade_id, i.instrument, t.price_ticks, t.quantity, b.account, s.account
            FROM trades AS t SEMI JOIN standing AS w ON w.id = t.batch
            JOIN instruments AS i ON i.batch = t.batch AND i.number = t.instrument
            JOIN accounts AS b ON b.batch = t.batch AND b.number = t.buyer
            JOIN accounts AS s ON s.batch = t.batch AND s.number = t.seller
            SEMI JOIN busts AS m
                ON m.batch = $batch AND m.trade_id = t.trade_id AND m.price_ticks = t.price_ticks
            """,
            {"batch": batch},
        )
    }
    taken_back = {
        tuple(row)
        for row in books.rows(
            """
            SELECT m.trade_id, i.instrument, b.account, s.account
            FROM busts AS m SEMI JOIN standing AS w ON w.id = m.batch
            JOIN instruments AS i ON i.batch = m.batch AND i.number = m.instrument
            JOIN accounts AS b ON b.batch = m.batch AND b.number = m.buyer
            JOIN accounts AS s ON s.batch = m.batch AND s.number = m.seller
            """
        )
    }
    for row in zip(*(busts[name].tolist() for name in _SAME), strict=True):
        trade, instrument, price, quantity, buyer, seller = row
        named = (
            int(directory.instrument[instrument]), int(directory.account[buyer]),
            int(directory.account[seller]),
        )  # fmt: skip
        if row not in own and (trade, named[0], price, quantity, *named[1:]) not in earlier:
            raise InputError(f"bust of trade {trade}: the books have no such trade")
        if (trade, *named) in taken_back:
            raise InputError(f"bust of trade {trade}: it is busted already")
        taken_back.add((trade, *named))

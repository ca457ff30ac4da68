"""The journal: postings of a batch, drafted as columns, then numbered and written.

Postings are numbered in the order of their drafts. That order is the same whenever a day is settled
again, because drafts are made in the order of instruments and accounts.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ledger.books.batches import NULL, NULL_INTEGER, begin_digest
from ledger.books.database import Books
from ledger.books.names import Names
from ledger.books.schema import enum_values

Integers = NDArray[np.int64]


_EMPTY: dict[str, Integers] = {
    "from_account": np.zeros(0, dtype=np.int32), "to_account": np.zeros(0, dtype=np.int32),
    "amount_fen": np.zeros(0, dtype=np.int64), "instrument": np.zeros(0, dtype=np.int32),
    "agreement": np.zeros(0, dtype=np.int64), "sequence": np.zeros(0, dtype=np.int64),
}  # fmt: skip
"""Columns of a draft, as wide as those of the books."""


JournalLines = list[tuple[Any, ...]]
"""Postings as callers get them: number, batch, kind, from, to, instrument or "", fen."""


@dataclass(frozen=True)
class Draft:
    """Postings of one kind: columns of equal length."""

    kind: str
    from_account: Integers
    to_account: Integers
    amount_fen: Integers
    instrument: Integers  # NULL_INTEGER: none
    agreement: Integers  # NULL: none
    sequence: Integers

    def __len__(self) -> int:
        return len(self.amount_fen)


class Journal:
    """Drafts of one batch, and the balances before it."""

    def __init__(self, books: Books, names: Names) -> None:
        self._names = names
        self._drafts: list[Draft] = []
        self._last = int(books.scalar("SELECT coalesce(max(id), 0) FROM postings"))
        found = books.arrays(
            "SELECT account, arg_max(balance_fen, batch) AS fen FROM balances GROUP BY account"
        )
        self._before_fen = np.zeros(len(names), dtype=np.int64)
        self._before_fen[found["account"]] = found["fen"]

    def begin_next_batch(self) -> None:
        """Begin the next batch after this one, whose postings are written."""
        self._before_fen = self.balances_fen()
        self._last += len(self)
        self._drafts = []

    def __iter__(self) -> Iterator[Draft]:
        return iter(self._drafts)

    def __len__(self) -> int:
        return sum(len(draft) for draft in self._drafts)

    def add(
        self,
        kind: str,
        from_account: ArrayLike,
        to_account: ArrayLike,
        amount_fen: Integers,
        *,
        instrument: ArrayLike = NULL_INTEGER,
        agreement: ArrayLike = NULL,
        sequence: ArrayLike = NULL,
    ) -> None:
        """Draft postings. A column may be one value for all rows. Amounts of 0 are left out."""
        assert (amount_fen >= 0).all(), kind
        chosen = np.flatnonzero(amount_fen)
        if not len(chosen):
            return
        given = (from_account, to_account, amount_fen, instrument, agreement, sequence)
        columns = []
        for column, empty in zip(map(np.asarray, given), _EMPTY.values(), strict=True):
            if column.ndim:
                columns.append(column[chosen].astype(empty.dtype, copy=False))
            else:
                columns.append(np.full(len(chosen), column, dtype=empty.dtype))
        self._drafts.append(Draft(kind, *columns))

    def add_either_way(
        self, kind: str, back: str, payer: ArrayLike, payee: ArrayLike, amount_fen: Integers,
        *, instrument: ArrayLike,
    ) -> None:  # fmt: skip
        """Draft `kind` from payer to payee for positive amounts, else `back` the other way."""
        forth = np.maximum(amount_fen, 0)
        self.add(kind, payer, payee, forth, instrument=instrument)
        self.add(back, payee, payer, forth - amount_fen, instrument=instrument)

    def balances_fen(self) -> Integers:
        """Balances of all accounts after the drafts, by number."""
        fen = np.zeros(len(self._names), dtype=np.int64)
        fen[: len(self._before_fen)] = self._before_fen
        for draft in self._drafts:
            np.add.at(fen, draft.to_account, draft.amount_fen)
            np.subtract.at(fen, draft.from_account, draft.amount_fen)
        return fen

    def draft_advances(self) -> None:
        """Draft advances and repayments, so that no cash balance is negative.

        The venue advances what an account cannot pay (for example a seller whose price fell below
        the settlement price, before its proceeds arrive). The account repays it from the next money
        that it receives. The balance of a receivable is minus the amount owed.
        """
        fen = self.balances_fen()
        cash = np.flatnonzero(self._names.of_kind("cash"))
        lacking = cash[fen[cash] < 0]
        owing = self._names.of_kind("receivable") & (fen < 0)
        self.add("advance", self._names.sibling("receivable", lacking), lacking, -fen[lacking])
        debts = np.flatnonzero(owing)
        purses = self._names.sibling("cash", debts)
        purses_fen = np.where(purses < len(fen), fen[np.minimum(purses, len(fen) - 1)], 0)
        paid_fen = np.minimum(np.maximum(purses_fen, 0), -fen[debts])
        order = np.argsort(purses, kind="stable")
        self.add("repayment", purses[order], debts[order], paid_fen[order])

    def post(self, books: Books, batch: int, day: str) -> Future[str]:
        """Number and write the drafts, and the new balances of their accounts.

        Returns the hash of the postings, which another thread computes.
        """
        columns = self._columns(self._last)
        digest = begin_digest("postings", _as_hashed(columns, day))
        if len(self):
            books.run_with(columns, "posting", "post", batch=batch, day=day)
        touched = np.zeros(len(self._names), dtype=np.bool_)
        touched[columns["from_account"]] = True
        touched[columns["to_account"]] = True
        accounts = np.flatnonzero(touched)
        books.load(
            f"INSERT INTO balances SELECT {batch}, account, fen FROM columns",
            {"account": accounts, "fen": self.balances_fen()[accounts]},
        )
        return digest

    def _columns(self, before: int) -> dict[str, Integers]:
        """The drafts end to end, numbered after `before`; kinds as their position in the schema."""
        columns = {
            name: np.concatenate([*(getattr(each, name) for each in self._drafts), empty])
            for name, empty in _EMPTY.items()
        }
        kinds = enum_values("posting_kind")
        codes = np.array([kinds.index(each.kind) for each in self._drafts], dtype=np.int16)
        columns["kind"] = np.repeat(codes, [len(each) for each in self._drafts])
        columns["id"] = np.arange(before + 1, before + 1 + len(self))
        return columns


def _as_hashed(columns: Mapping[str, Integers], day: str) -> dict[str, Integers]:
    """Columns of postings in the form in which they are hashed."""
    number = np.datetime64(day).astype(np.int64)
    return {**columns, "day": np.full(len(columns["id"]), number)}


def journal_lines(books: Books, batches: tuple[int, ...]) -> JournalLines:
    """The postings of batches, in order."""
    return books.rows(
        "SELECT id, batch, kind::VARCHAR, from_account, to_account, coalesce(instrument, ''), "
        "amount_fen FROM journal WHERE list_contains($batches, batch) ORDER BY id",
        {"batches": list(batches)},
    )

"""States of vouchers and claims that a batch writes, and payments of their funders.

States and payments are only ever added. The rows of a batch are kept until it is sealed, so that
their hash need not be read back from the database.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import KnownHashes, begin_digest
from ledger.books.database import Books
from ledger.books.directory import Directory, funders_of
from ledger.books.journal import Journal
from ledger.books.schema import enum_values
from ledger.vouchers.allocation import shares_of

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


class VoucherStates:
    """States of one batch, dated `day`."""

    def __init__(self, books: Books, batch: int, day: str) -> None:
        self._books, self._batch, self._day = books, batch, day
        self._steps: list[Columns] = []
        self._shares: list[Columns] = []

    def write(
        self, state: str, voucher: Integers, turn: Integers | int, amount_fen: Integers
    ) -> None:
        """Write one state for each voucher; `turn` numbers the states of a voucher from 1."""
        if not len(voucher):
            return
        turns = np.broadcast_to(np.asarray(turn, dtype=np.int64), voucher.shape).copy()
        columns = {"voucher": voucher, "turn": turns, "amount_fen": amount_fen}
        self._books.run_with(
            columns, "vouchers", "states", batch=self._batch, day=self._day, state=state
        )
        code = enum_values("voucher_state").index(state)
        day = np.datetime64(self._day).astype(np.int64)
        about = {"state": np.full(len(voucher), code), "day": np.full(len(voucher), day)}
        self._steps.append({**columns, **about})

    def write_shares(self, voucher: Integers, pool: Integers, amount_fen: Integers) -> None:
        """Write payments of funders for grants; negative amounts are returned. Leaves out amounts
        of 0.
        """
        chosen = np.flatnonzero(amount_fen)
        if not len(chosen):
            return
        columns = {
            "voucher": voucher[chosen], "pool": pool[chosen], "amount_fen": amount_fen[chosen]
        }  # fmt: skip
        self._books.run_with(columns, "vouchers", "shares", batch=self._batch)
        self._shares.append(columns)

    def pay(self, journal: Journal, directory: Directory, payments: Columns) -> None:
        """Draft the funders' payments and write their shares.

        `payments` has voucher, agreement, buyer, programme_row and amount_fen.
        """
        programmes = directory.registry.programmes
        for row in np.unique(payments["programme_row"]).tolist():
            programme = programmes[row]
            chosen = (payments["programme_row"] == row) & (payments["amount_fen"] > 0)
            own = {name: column[chosen] for name, column in payments.items()}
            named = funders_of(programme)
            weights = np.array([weight for _, weight in named], dtype=np.int64)
            fen = shares_of(own["amount_fen"], weights).ravel()
            numbers = directory.names.numbers(f"pool:{programme.id}", (name for name, _ in named))
            pools = np.tile(numbers, len(own["voucher"]))
            self.write_shares(np.repeat(own["voucher"], len(named)), pools, fen)
            journal.add(
                "voucher" if programme.model == "deduct" else "claim",
                pools, np.repeat(own["buyer"], len(named)), fen,
                agreement=np.repeat(own["agreement"], len(named)),
            )  # fmt: skip

    def hashes(self) -> KnownHashes:
        """Begin to hash everything written; returns the hashes by table."""
        return {
            table: begin_digest(table, _joined(parts))
            for table, parts in (("voucher_events", self._steps), ("voucher_shares", self._shares))
            if parts
        }


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

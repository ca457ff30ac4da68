"""Names and numbers: every account, firm, contract and programme has one number for ever.

A name states its kind: `cash:alice`, `escrow:H800.QD.2026112214`, `firm:Example Works`. Numbers are
given in the order in which names are first needed, so that the same days give the same numbers.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books

Integers = NDArray[np.int64]

BANK, CLEARING, FEES, PENALTIES = "bank", "clearing", "fees", "penalties"


class Names:
    """The names of some books, including those of the batch that is being written."""

    def __init__(self, books: Books) -> None:
        self.names: list[str] = [""]  # by number; 0 is no name
        for number, name in books.rows("SELECT id, name FROM names ORDER BY id"):
            assert number == len(self.names)
            self.names.append(name)
        self._numbers = {name: number for number, name in enumerate(self.names) if number}
        self._written = len(self.names)

    def __len__(self) -> int:
        """Length of a table that is indexed by numbers: the highest number plus one."""
        return len(self.names)

    def __getitem__(self, name: str) -> int:
        """The number of a name; a new name gets the next number."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number

    def numbers(self, prefix: str, names: Iterable[str]) -> Integers:
        """Numbers of names of one kind, such as `cash`."""
        return np.array([self[f"{prefix}:{name}"] for name in names], dtype=np.int64)

    def sibling(self, prefix: str, accounts: Integers) -> Integers:
        """Numbers of accounts of another kind of the same parties: `cash:a` to `receivable:a`."""
        distinct, inverse = np.unique(accounts, return_inverse=True)
        return self.numbers(prefix, [self.bare(number) for number in distinct])[inverse]

    def bare(self, number: int) -> str:
        """The name without its kind."""
        return self.names[number].partition(":")[2]

    def of_kind(self, prefix: str) -> NDArray[np.bool_]:
        """Whether each number belongs to a name of one kind."""
        start = f"{prefix}:"
        return np.array([name.startswith(start) for name in self.names], dtype=np.bool_)

    def write(self, books: Books, batch: int) -> None:
        """Write the names that are new."""
        new = self.names[self._written :]
        if new:
            columns = {
                "id": np.arange(self._written, len(self.names)),
                "name": np.array(new, dtype=object),
            }
            books.load(f"INSERT INTO names SELECT {batch}, id, name FROM columns", columns)
            self._written = len(self.names)

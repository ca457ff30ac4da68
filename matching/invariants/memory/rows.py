"""Rows of a machine's tables under check, and the error that names where a rule is broken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.limits import Limits
from matching.memory.blocks_used import BLOCK, count_used_words, used_blocks, used_items

Arrays = Mapping[str, NDArray[Any]]
Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]

INT64_MAX = 2**63 - 1
LOW = 2**32 - 1
COUNT_MAX = 2**62
"""A bound of sums that only grow by less: no sum of two overflows."""


class BrokenRuleError(Exception):
    """A rule that a machine's memory breaks: table, row, column, rule, and what was found."""

    def __init__(self, table: str, row: int, column: str, rule: str, found: Any) -> None:
        place = f"{table}[{row}].{column}" if column else f"{table}[{row}]"
        super().__init__(f"`{place}` {rule}, got {found}")


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, by their numbers, and the columns of them that were read."""

    table: str
    array: NDArray[Any]
    numbers: Integers
    columns: dict[str, Integers] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, column: str) -> Integers:
        """A column; of a table of plain numbers, which have no names, the column without one."""
        if column not in self.columns:
            values = self._records[column] if column else self._records
            self.columns[column] = values.astype(np.int64)
        return self.columns[column]

    @cached_property
    def _records(self) -> NDArray[Any]:
        """A copy of the rows, byte by byte: numpy copies records field by field."""
        raw = self.array.view(f"V{self.array.dtype.itemsize}")
        return raw[self.numbers].view(self.array.dtype)

    def where(self, chosen: Truths) -> "Rows":
        """The rows that are chosen."""
        return Rows(self.table, self.array, self.numbers[chosen])

    def sorted_by(self, column: str) -> "Rows":
        """The rows in the order of a column."""
        return Rows(self.table, self.array, self.numbers[np.argsort(self[column], kind="stable")])

    def require(self, column: str, holds: Truths, rule: str, found: Integers | None = None) -> None:
        """Raise BrokenRuleError for the first row of which something does not hold. `found` are the
        values, where they are no column of the table."""
        if not holds.all():
            at = int(np.argmin(holds))
            value = int((self[column] if found is None else found)[at])
            raise BrokenRuleError(self.table, int(self.numbers[at]), column, rule, value)

    def require_range(self, column: str, low: int, high: int) -> None:
        """Raise BrokenRuleError for the first row whose column is outside low to high."""
        values = self[column]
        rule = f"must be {low}" if low == high else f"must be between {low} and {high}"
        self.require(column, (low <= values) & (values <= high), rule)

    def require_no_others(self) -> None:
        """Raise BrokenRuleError where a byte that belongs to no column is not 0."""
        dtype = self.array.dtype
        free = np.ones(dtype.itemsize, bool)
        for name, (kind, at, *_) in (dtype.fields or {}).items():
            if not name.startswith("spare"):
                free[at : at + kind.itemsize] = False
        bytes_ = self._records.view(np.uint8).reshape(len(self), dtype.itemsize)[:, free]
        broken = np.flatnonzero(bytes_.any(axis=1))
        if len(broken):
            rule, found = "must be 0 in bytes without a meaning", int(bytes_[broken[0]].max())
            raise BrokenRuleError(self.table, int(self.numbers[broken[0]]), "", rule, found)


@dataclass(frozen=True)
class Memory:
    """A machine's tables, its limits, and the blocks of each table that are not empty; for a table
    without, they are found."""

    arrays: Arrays
    limits: Limits
    blocks: Mapping[str, Integers]

    def used(self, table: str, first: int = 0) -> Integers:
        """The rows of a table that are not zeros, rising, from a first one on."""
        array = self.arrays[table]
        blocks = self.blocks_of(table)
        blocks = blocks[blocks >= first * array.dtype.itemsize // BLOCK]
        items = used_items(array, blocks)
        return items[items >= first]

    def count_used(self, table: str) -> int:
        """The number of rows of a table of four bytes a row that are not 0."""
        return count_used_words(self.arrays[table], self.blocks_of(table))

    def blocks_of(self, table: str) -> Integers:
        """Numbers of the blocks of a table that are not empty, rising."""
        known = self.blocks.get(table)
        return used_blocks(self.arrays[table]) if known is None else known

    def rows(self, table: str, numbers: Integers | list[int] | None = None) -> Rows:
        """These rows of a table; without numbers those that are not zeros."""
        chosen = self.used(table) if numbers is None else np.asarray(numbers, np.int64)
        return Rows(table, self.arrays[table], chosen)

    def column(self, table: str, column: str) -> Integers:
        """A column of all rows of a table."""
        return self.arrays[table][column].astype(np.int64)

    @property
    def state(self) -> Rows:
        """The one row of STATE."""
        return self.rows("state", [0])

    def number(self, column: str) -> int:
        """A number of STATE."""
        return int(self.arrays["state"][column][0])


def exact_sum(values: Integers) -> int:
    """Sum of values of at least 0, beyond int64 if need be."""
    return int((values & LOW).sum()) + (int((values >> 32).sum()) << 32)


def joined(high: Integers, low: Integers) -> Integers:
    """high x 2^32 + low, of at least 0; INT64_MAX where int64 does not hold it."""
    high = high + (low >> 32)
    fits = high < 2**31
    return np.where(fits, (np.where(fits, high, 0) << 32) + (low & LOW), INT64_MAX)


def is_first_of(values: Integers) -> Truths:
    """Whether each value is the first of its kind."""
    is_first = np.zeros(len(values), bool)
    is_first[np.unique(values, return_index=True)[1]] = True
    return is_first

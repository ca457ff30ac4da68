"""Handles: many arrays passed to a kernel as one argument, the address of a header.

A kernel with twenty array arguments is slow to compile and slow to call. With a handle it has one:

    LAYOUT = HandleLayout(
        "Books",
        {"events": EVENT, "out": np.dtype("<i8"), "counters": COUNTERS},
        views={"event_words": ("events", np.dtype("<i8"))},
    )
    books_at = handle_at(LAYOUT)


    @entry
    def derive(argument, count):
        return run(books_at(argument), count)


    @kernel
    def run(h, count):
        counters = h.counters[0]
        for at in range(count):
            counters["seen"] += h.events[at]["quantity"]
            h.out[at] = h.event_words[at * 8]


    handle = Handle(LAYOUT, {"events": events, "out": out, "counters": counters})
    derive(handle.argument, len(events))

Rules for kernels:

- A table has one dimension: `h.events[at]` is a record in place or a number, `len(h.events)` its
  length. Instead of a second dimension use fields of a record, or compute the index.
- Scalars that change belong in a table of one record, as `counters` above.
- Indices are int64 (`np.int64(x)` for a field) and not checked in compiled code: an index below 0
  reads other memory. With compiling off the same kernels run on numpy arrays, which check.
- A handle neither owns nor counts references. The Handle keeps its arrays alive.
- While a kernel runs the header must not change: the compiler reads it once.
"""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.memory.compiler import JIT_DISABLED

ADDRESS, LENGTH, ENTRY_WORDS = 0, 1, 2
"""A header has two words a table: its address and its length."""

_named_tuple: Any = namedtuple  # mypy wants literal names


class HandleLayout:
    """Names and item types of the tables behind one handle, and views: other readings of them.

    `tables` maps a table's name to its dtype, in the order of the header. `views` maps a view's
    name to its table's name and the dtype to read it as. `name` must be unique in the process:
    Numba knows the type by it.
    """

    def __init__(
        self,
        name: str,
        tables: Mapping[str, np.dtype[Any]],
        views: Mapping[str, tuple[str, np.dtype[Any]]] | None = None,
    ) -> None:
        self.name, self.tables, self.views = name, dict(tables), dict(views or {})
        for view, (table, dtype) in self.views.items():
            assert view not in self.tables, view
            assert self.tables[table].itemsize % dtype.itemsize == 0, view
        self._plain = _named_tuple(name, [*self.tables, *self.views])

    def word(self, table: str, part: int) -> int:
        """Index in the header of a table's ADDRESS or LENGTH."""
        return ENTRY_WORDS * list(self.tables).index(table) + part

    def header(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """A header for these arrays, given by name: what compiled kernels read.

        The caller keeps the arrays alive. Raises ValueError for a missing or another table, another
        dtype, a second dimension or gaps between items.
        """
        if arrays.keys() != self.tables.keys():
            raise ValueError(f"{self.name}: tables are {list(self.tables)}, got {list(arrays)}")
        pairs = [self._entry(table, arrays[table]) for table in self.tables]
        return np.array(pairs, np.int64).reshape(-1)

    def plain(self, arrays: Mapping[str, NDArray[Any]]) -> Any:
        """The same tables and views as a named tuple of numpy arrays: the twin of the handle."""
        views = (arrays[table].view(dtype) for table, dtype in self.views.values())
        return self._plain(*(arrays[table] for table in self.tables), *views)

    def _entry(self, table: str, array: NDArray[Any]) -> tuple[int, int]:
        dtype = self.tables[table]
        if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
            raise ValueError(
                f"{self.name}: {table} must be a contiguous array of {dtype} in one dimension,"
                f" got {array.ndim} of {array.dtype}"
            )
        return array.ctypes.data, len(array)


class Handle:
    """Arrays behind one argument.

    `argument` is passed to an entry, whose `handle_at` makes the handle of it: the header's address
    in compiled code, a named tuple of the arrays where compiling is off. Read it anew for each call
    if arrays may have been replaced.
    """

    def __init__(self, layout: HandleLayout, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._layout, self._arrays = layout, dict(arrays)
        self._header = layout.header(arrays)
        self._set_argument()

    def __getitem__(self, table: str) -> NDArray[Any]:
        """The array that is a table now."""
        return self._arrays[table]

    def replace(self, table: str, array: NDArray[Any]) -> None:
        """Put another array in a table's place, for example a longer one.

        Raises ValueError as `HandleLayout.header` does; then nothing has changed.
        """
        arrays = self._arrays | {table: array}
        self._header[:] = self._layout.header(arrays)
        self._arrays = arrays
        self._set_argument()

    def _set_argument(self) -> None:
        plain = self._layout.plain(self._arrays) if JIT_DISABLED else None
        self.argument: Any = self._header.ctypes.data if plain is None else plain


def handle_at(layout: HandleLayout) -> Any:
    """The function by which an entry makes a handle of `Handle.argument`; call it once a layout.

    An intrinsic that costs nothing in compiled code. Where compiling is off, it returns its
    argument.
    """
    if JIT_DISABLED:
        return _same
    from matching.memory.handle_type import HandleType, handle_intrinsic

    return handle_intrinsic(HandleType(layout.name, layout.tables, layout.views))


def _same(argument: Any) -> Any:
    return argument

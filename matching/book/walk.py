"""A walk over the orders of a book, best price first, then by time, that may pause and go on.

`walk_book`, `walk_index` and `walk_slot` of STATE say where it goes on: book, level and order.
Nothing changes the book in between.
"""

import numpy as np

from matching.book.price_levels import first_order, is_order, level_at, next_below, next_order, top
from matching.memory.compiler import inline

i64 = np.int64


@inline
def begin_walk(m, instrument_id, book):
    """Stand at the first order of a book; level 0 where it is empty."""
    index = top(m, instrument_id, book)
    m.state[0]["walk_book"] = book
    pause_walk(m, index, first_order(m, level_at(m.instruments[instrument_id], book, index)))


@inline
def pause_walk(m, index, slot):
    """Keep level and order at which the walk goes on."""
    state = m.state[0]
    state["walk_index"], state["walk_slot"] = index, slot


@inline
def next_in_book(m, instrument, book, index, slot):
    """Level and slot of the order behind this one in its book; level 0 behind the last."""
    slot = next_order(m, slot)
    if not is_order(m, slot):
        index = next_below(m, instrument, book, index)
        slot = first_order(m, level_at(instrument, book, index))
    return index, slot

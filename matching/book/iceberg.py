"""Icebergs: the refresh of the part that is shown."""

import numpy as np

from matching.book.events import report
from matching.book.price_levels import move_to_back
from matching.codes import REFRESHED
from matching.memory.compiler import inline

i64 = np.int64


@inline
def show_next_slice(m, command, slot, level):
    """Show the next slice of an iceberg whose shown part has traded; it goes to the back of its
    level."""
    order = m.orders[slot]
    shown = min(i64(order["display"]), i64(order["leaves"]))
    order["shown"] = shown
    move_to_back(m, slot, level)
    report(m, command, order, REFRESHED, 0, 0, 0, shown, i64(order["price"]), shown)

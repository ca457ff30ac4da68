"""The collar: how far from the last trade orders may trade at once."""

import numpy as np

from matching.book.price_levels import index_at, top
from matching.book.registry import base_price
from matching.codes import BUY
from matching.memory.compiler import inline

i64 = np.int64

OUT_OF_REACH = 2**40


@inline
def collar_edge(instrument, side, distance):
    """Level of the opposite book so many ticks from the base price, away from an incoming
    order of this side; a negative distance is toward it."""
    base = base_price(instrument)
    return index_at(instrument, 1 - side, base + (distance if side == BUY else -distance))


@inline
def collar_bound(m, instrument_id, side, limit):
    """Lowest level of the opposite side that limit and collar admit; OUT_OF_REACH if even the best
    level is beyond the collar."""
    instrument = m.instruments[instrument_id]
    collar = i64(instrument["collar"])
    if collar == 0:
        return limit
    if top(m, instrument_id, 1 - side) > collar_edge(instrument, side, -collar):
        return OUT_OF_REACH
    return max(limit, collar_edge(instrument, side, collar))

"""Administrative commands about instruments: listing, band, fees, times and collar."""

import numpy as np

from matching.admin.carried_positions import has_positions
from matching.book.block_legs import notify_all_blocks
from matching.book.events import accept
from matching.book.registry import change_reason
from matching.book.timers import EXPIRY, GATE, PHASE, add_timer, remove_day_times
from matching.codes import CLOSED, NONE, POOL_FULL, TIME_PAST, UNKNOWN_INSTRUMENT, WRONG_PHASE
from matching.memory.compiler import inline
from matching.memory.layout import BOOKS, TOPS
from matching.records import (
    FEE_MAX_FEN,
    INT32_MAX,
    NANOSECONDS,
    NOTIONAL_MAX_FEN,
    RATE_UNIT,
    SCHEDULED_MAX,
)

i64 = np.int64


@inline
def has_orders(m, instrument_id):
    """Whether an order rests or waits in an instrument, or a block has a leg there."""
    at = instrument_id * TOPS
    orders = m.tops[at] | m.tops[at + 1] | m.tops[at + 2] | m.tops[at + 3]
    return orders != 0 or i64(m.instruments[instrument_id]["watched"]) != 0


@inline
def list_instrument(m, c):
    """Carry out LIST: add an instrument, closed until it has a band and a phase."""
    instrument_id = i64(c["instrument"])
    if instrument_id == 0 or instrument_id >= len(m.instruments):
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["phase"]) != 0:
        return WRONG_PHASE
    instrument["phase"] = CLOSED
    instrument["reference"] = c["price"]
    instrument["tick_fen"] = c["quantity"]
    accept(m, c, 0, 0, i64(c["price"]), i64(c["quantity"]), 0)
    return NONE


@inline
def set_quantity_max(instrument):
    """Set the largest order whose worth and fee fit their integers at every price of the band."""
    dearer = max(i64(instrument["maker_rate"]), i64(instrument["taker_rate"]))
    instrument["dearer_rate"] = dearer
    worth = min(i64(NOTIONAL_MAX_FEN), FEE_MAX_FEN * RATE_UNIT // max(dearer, i64(1)))
    if i64(instrument["high"]) != 0:
        unit = i64(instrument["high"]) * i64(instrument["tick_fen"])
        instrument["quantity_max"] = min(i64(INT32_MAX), worth // unit)


@inline
def set_band(m, c):
    """Carry out BAND: the first band allocates the memory of the levels, later ones must fit into
    it."""
    state = m.state[0]
    instrument_id = i64(c["instrument"])
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    if has_orders(m, instrument_id):
        return WRONG_PHASE
    low, high = i64(c["price"]), i64(c["stop"])
    width = high - low + 1
    if i64(instrument["width"]) == 0:
        words = (width + 63) >> 6
        groups = (words + 63) >> 6
        room = len(m.links) - len(m.orders) - state["levels_used"]
        room -= (len(m.instruments) - 1) * BOOKS
        room += state["bands"] * BOOKS
        if width * BOOKS > room:
            return POOL_FULL
        instrument["level_base"] = len(m.orders) + state["levels_used"]
        instrument["word_base"] = state["words_used"]
        instrument["width"] = width
        instrument["words"] = words
        instrument["groups"] = groups
        state["levels_used"] += BOOKS * (width + 1)
        state["words_used"] += BOOKS * (words + groups + 1)
        state["bands"] += 1
    elif width > i64(instrument["width"]):
        return POOL_FULL
    instrument["low"] = low
    instrument["high"] = high
    set_quantity_max(instrument)
    accept(m, c, 0, 0, low, high, 0)
    return NONE


@inline
def set_fees(m, c):
    """Carry out FEES: set rates and deposit, before the first order, trade and carried position."""
    instrument_id = i64(c["instrument"])
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    if has_orders(m, instrument_id) or i64(instrument["last"]) != 0:
        return WRONG_PHASE
    if has_positions(m, instrument_id):
        return WRONG_PHASE
    instrument["maker_rate"] = c["price"]
    instrument["taker_rate"] = c["stop"]
    instrument["deposit_fen"] = c["quantity"]
    set_quantity_max(instrument)
    accept(m, c, 0, i64(c["quantity"]), i64(c["price"]), i64(c["stop"]), 0)
    return NONE


@inline
def set_times(m, c):
    """Carry out TIMES: set the close (end of day) and the gate closure; both are replaced."""
    state = m.state[0]
    instrument_id = i64(c["instrument"])
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    close_s, gate_s = i64(c["expiry_s"]), i64(c["target_ref"])
    for second in (close_s, gate_s):
        if second != 0 and second * NANOSECONDS <= state["now_ns"]:
            return TIME_PAST
    if close_s != 0 and state["scheduled"] >= SCHEDULED_MAX:
        return POOL_FULL
    if i64(instrument["close_s"]) != 0 or i64(instrument["gate_s"]) != 0:
        remove_day_times(m, instrument_id)
    instrument["close_s"] = close_s
    instrument["gate_s"] = gate_s
    if close_s != 0:
        state["scheduled"] += 1
        add_timer(m, close_s, EXPIRY, instrument_id, i64(0), i64(0), i64(0))
        add_timer(m, close_s, PHASE, instrument_id, state["scheduled"], i64(0), i64(0))
    if gate_s != 0:
        add_timer(m, gate_s, GATE, instrument_id, i64(0), i64(0), i64(0))
    accept(m, c, gate_s, 0, 0, 0, 0)
    return NONE


@inline
def set_collar(m, c):
    """Carry out COLLAR: set the distance from the last trade within which orders may trade at once,
    and how long the auction beyond it lasts."""
    instrument_id = i64(c["instrument"])
    reason = change_reason(m, instrument_id)
    if reason != NONE:
        return reason
    instrument = m.instruments[instrument_id]
    instrument["collar"] = c["price"]
    instrument["collar_s"] = c["quantity"]
    auction = m.auctions[instrument_id]
    auction["random_s"] = c["display"]
    auction["extension"] = c["stop"]
    if i64(instrument["watched"]) != 0:
        notify_all_blocks(m, instrument_id)
    accept(m, c, i64(c["stop"]), i64(c["display"]), i64(c["price"]), i64(c["quantity"]), 0)
    return NONE

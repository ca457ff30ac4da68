"""Baskets of like instruments, as the venue lists them: any member of one will do."""

import numpy as np

from matching.admin.sequences import has_member_of, last_of_sequence
from matching.book.events import answer
from matching.book.registry import is_basket
from matching.codes import LIST_BASKET, NONE, POOL_FULL, UNKNOWN_INSTRUMENT, WRONG_PHASE
from matching.memory.compiler import inline, kernel
from matching.memory.layout import MEMBERS

i64 = np.int64


@inline
def basket_malformed(c):
    """Whether a BASKET makes no sense by itself."""
    return i64(c["target_ref"]) == 0 or i64(c["instrument"]) == 0


@kernel
def list_basket(m, c):
    """BASKET: one more member of a basket, behind those that it has, for good."""
    instrument_id, number = i64(c["instrument"]), i64(c["target_ref"])
    if instrument_id >= len(m.instruments) or not is_basket(m, number):
        return UNKNOWN_INSTRUMENT
    instrument = m.instruments[instrument_id]
    if i64(instrument["phase"]) == 0:
        return UNKNOWN_INSTRUMENT
    first_id = i64(m.members[number * MEMBERS])
    unlike = first_id != 0 and m.instruments[first_id]["tick_fen"] != instrument["tick_fen"]
    if (
        i64(instrument["gated"]) != 0
        or unlike
        or has_member_of(m, number, last_of_sequence(m, instrument_id))
    ):
        return WRONG_PHASE
    place = i64(0)
    while place < MEMBERS and i64(m.members[number * MEMBERS + place]) != 0:
        place += 1
    if place == MEMBERS:
        return POOL_FULL
    m.members[number * MEMBERS + place] = instrument_id
    answer(m, c, LIST_BASKET, NONE, 0, number, 0, 0, place + 1, 0)
    return NONE

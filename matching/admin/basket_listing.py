"""Listing of baskets: like instruments, any of which may fill an order for the basket."""

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
    """Whether the fields of a BASKET do not agree with one another."""
    return i64(c["target_ref"]) == 0 or i64(c["instrument"]) == 0


@kernel
def list_basket(m, c):
    """Carry out BASKET: add a member behind those that the basket has. It stays for the day."""
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

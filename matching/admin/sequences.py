"""Delivery sequences: instruments whose delivery periods follow one another."""

import numpy as np

from matching.book.events import answer
from matching.codes import NONE, SEQUENCE, UNKNOWN_INSTRUMENT, WRONG_PHASE
from matching.memory.compiler import inline, kernel
from matching.memory.layout import MEMBERS
from matching.records import BLOCK_HOURS_MAX, BLOCK_HOURS_MIN

i64 = np.int64


@inline
def sequence_malformed(c):
    """Whether the fields of a SEQUENCE do not agree with one another."""
    before_id, longest = i64(c["target_ref"]), i64(c["quantity"])
    return (
        before_id == 0
        or i64(c["instrument"]) == 0
        or before_id == i64(c["instrument"])
        or not BLOCK_HOURS_MIN <= longest <= BLOCK_HOURS_MAX
    )


@kernel
def last_of_sequence(m, instrument_id):
    """The last instrument of the sequence that an instrument is in."""
    while i64(m.instruments[instrument_id]["after"]) != 0:
        instrument_id = i64(m.instruments[instrument_id]["after"])
    return instrument_id


@kernel
def has_member_of(m, number, last_id):
    """Whether a basket has a member of the sequence that ends with `last_id`."""
    for at in range(number * MEMBERS, (number + 1) * MEMBERS):
        member_id = i64(m.members[at])
        if member_id != 0 and last_of_sequence(m, member_id) == last_id:
            return True
    return False


@kernel
def would_join_members(m, left_id, right_id):
    """Whether some basket has members of both sequences, given by their last instruments. Joined,
    the sequence would have two members of one basket."""
    for number in range(1, len(m.members) // MEMBERS):
        if has_member_of(m, number, left_id) and has_member_of(m, number, right_id):
            return True
    return False


@inline
def set_sequence(m, c):
    """Carry out SEQUENCE: one instrument's delivery period follows another's, for the day."""
    instrument_id, before_id = i64(c["instrument"]), i64(c["target_ref"])
    if instrument_id >= len(m.instruments) or before_id >= len(m.instruments):
        return UNKNOWN_INSTRUMENT
    instrument, before = m.instruments[instrument_id], m.instruments[before_id]
    if i64(instrument["phase"]) == 0 or i64(before["phase"]) == 0:
        return UNKNOWN_INSTRUMENT
    if (
        (i64(instrument["gated"]) | i64(before["gated"])) != 0
        or (i64(instrument["follows"]) | i64(before["after"])) != 0
        or i64(instrument["tick_fen"]) != i64(before["tick_fen"])
        or last_of_sequence(m, instrument_id) == before_id
        or would_join_members(m, before_id, last_of_sequence(m, instrument_id))
    ):
        return WRONG_PHASE
    instrument["follows"] = before_id
    before["after"] = instrument_id
    instrument["longest"] = c["quantity"]
    before["longest"] = c["quantity"]
    answer(m, c, SEQUENCE, NONE, 0, before_id, 0, 0, i64(c["quantity"]), 0)
    return NONE

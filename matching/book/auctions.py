"""Phases of instruments, which of them are in an auction, and when a collar's auction ends."""

import numpy as np

from matching.codes import AUCTION
from matching.memory.compiler import inline, kernel
from matching.memory.intrinsics import highest_bit
from matching.memory.layout import AUCTIONED_BITS

i64 = np.int64

MODULUS, MULTIPLIER = 2**31 - 1, 48_271
"""Of the random numbers of Lehmer (minimal standard)."""


@kernel
def enter_phase(m, instrument_id, phase):
    """Set the phase of an instrument. An auction begins without an indicative price."""
    m.instruments[instrument_id]["phase"] = phase
    word, bit = instrument_id // AUCTIONED_BITS, i64(1) << instrument_id % AUCTIONED_BITS
    if phase == AUCTION:
        m.auctioned[word] |= bit
    else:
        m.auctioned[word] &= ~bit
    auction = m.auctions[instrument_id]
    auction["price"] = 0
    auction["volume"] = 0
    auction["surplus"] = 0


@kernel
def next_auction(m, instrument_id):
    """The next instrument above this number that is in an auction; 0 if there is none."""
    word = (instrument_id + 1) // AUCTIONED_BITS
    mask = i64(-1) << (instrument_id + 1) % AUCTIONED_BITS
    while word < len(m.auctioned):
        left = m.auctioned[word] & mask
        if left != 0:
            return word * AUCTIONED_BITS + highest_bit(left & -left)
        mask = i64(-1)
        word += 1
    return i64(0)


@inline
def random_seconds(m, instrument_id):
    """Seconds from 0 to an instrument's most, drawn from the seed of the last CLOCK that gave
    one."""
    seed = m.state[0]["seed"]
    drawn = (seed & MODULUS) ^ instrument_id
    drawn = (drawn * MULTIPLIER + 1) % MODULUS
    drawn = ((drawn ^ (seed >> 31 & MODULUS)) * MULTIPLIER + 1) % MODULUS
    return drawn % (i64(m.auctions[instrument_id]["random_s"]) + 1)

"""Words of records: what the fast path reads and writes eight bytes at a time.

A COMMAND, an EVENT and an order are eight words each. Two fields of four bytes make a word; the
first of them is its low half.
"""

import numpy as np

from matching.codes import CANCEL, DAY, GTC, IOC, LIMIT, NEW
from matching.memory.compiler import inline
from matching.memory.layout import BLOCK_BIT, TIMED, WAITING

i64 = np.int64
u64 = np.uint64

WORDS = 8
LOW = 0xFFFF_FFFF

# The last word of a COMMAND: kind, side, type, tif, stp, flags, hours, spare, a byte each.
SIDE_AT, TYPE_AT, TIF_AT, STP_AT, FLAGS_AT = 8, 16, 24, 32, 40
# The last word of an EVENT: kind, side, reason, flags, and the trade group.
REASON_AT, EVENT_FLAGS_AT = 16, 24
# The last word of an order: the fraction of its fee, then side, type, tif and mode.
ORDER_SIDE_AT, MODE_AT = 32, 56

PLAIN_LIMIT = NEW | LIMIT << TYPE_AT
PLAIN_LIMIT_MASK = ~(1 << SIDE_AT | 7 << TIF_AT | 7 << STP_AT | 1 << FLAGS_AT)
"""The last word of a COMMAND under this mask is PLAIN_LIMIT for a limit order of any side, DAY to
GTD, prevention and post-only bit, and of no other flag."""

PLAIN_CANCEL = CANCEL
PLAIN_CANCEL_MASK = 0xFF | ~((1 << FLAGS_AT) - 1)
"""The same for a cancel: fields that it does not use may hold anything."""

KEPT_MASK = 0xFFFF_FF00
"""Side, type and tif, which are the same bits in an order's record."""

POST_BIT = 3
PLAIN_LIVES = (
    1 << DAY | 1 << GTC | 1 << IOC | 1 << DAY + (1 << POST_BIT) | 1 << GTC + (1 << POST_BIT)
)
"""The times in force that the fast path takes, one bit each; with post-only, POST_BIT higher."""

STP_MAX = 4

SPECIAL = (WAITING | TIMED | BLOCK_BIT) << MODE_AT
"""Bits of an order's last word: it is not in a book of bids and asks, or has a timer."""


@inline
def by_side(side, of_buy, of_sell):
    """One of two numbers, chosen without a branch: the side cannot be predicted."""
    return of_buy ^ ((of_buy ^ of_sell) & -side)


@inline
def is_below(number, bound):
    """Whether 0 <= number < bound, by one comparison."""
    return u64(number) < u64(bound)


@inline
def copy_stamp(m, at, out):
    """Copy sequence and time, the first words of an event, from its command."""
    m.event_words[out] = m.command_words[at * WORDS]
    m.event_words[out + 1] = m.command_words[at * WORDS + 1]


@inline
def owner_of(m, at):
    """A command's account and instrument as one word, as orders and events store them."""
    given = at * WORDS
    return (m.command_words[given + 5] >> 32) & LOW | m.command_words[given + 6] << 32

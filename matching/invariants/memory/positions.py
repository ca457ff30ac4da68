"""Positions in a machine's memory, compiled: whose they are, bounds, and what is open."""

import numpy as np

from matching.book.risk import deposit_for
from matching.invariants.memory.rules import (
    POSITION_NET,
    POSITION_OPEN_BUY,
    POSITION_OPEN_SELL,
    POSITION_OWNER,
    POSITION_REGISTERED,
    POSITION_SUM,
    POSITION_TOO_LONG,
    POSITION_TOO_SHORT,
    SOUND,
)
from matching.invariants.memory.sums import LOW
from matching.memory.blocks_used import BLOCK
from matching.memory.compiler import inline, kernel
from matching.memory.layout import POSITION
from matching.records import POSITION_MAX

i64 = np.int64

ROWS = BLOCK // POSITION.itemsize
"""Positions of a block of memory."""


@kernel
def check_positions(m, s):
    """Check each position that is not zeros, and that those of an instrument sum to 0. Adds up the
    deposits of accounts."""
    accounts = len(m.accounts)
    instrument_id, first, net, last = i64(0), i64(0), i64(0), i64(0)
    for at in range(len(s.position_blocks)):
        begin = s.position_blocks[at] * ROWS
        for row in range(begin, min(begin + ROWS, len(m.positions))):
            if not has_position(m, row):
                continue
            while row >= first + accounts:
                if net != 0:
                    return POSITION_SUM, last
                instrument_id, first = instrument_id + 1, first + accounts
            rule = position_rule(m, s, row, instrument_id, row - first)
            if rule != SOUND:
                return rule, row
            net += i64(m.positions[row]["net"])
            last = i64(row)
    return (POSITION_SUM if net != 0 else SOUND), last


@inline
def has_position(m, row):
    """Whether anything is registered, held or open in a position."""
    position = m.positions[row]
    return (
        position["registered"] | position["net"] | position["open_buy"] | position["open_sell"]
    ) != 0


@inline
def position_rule(m, s, row, instrument_id, account_id):
    """Rule of a position. Its deposit is added up."""
    position, instrument = m.positions[row], m.instruments[instrument_id]
    if i64(instrument["phase"]) == 0 or i64(m.accounts[account_id]["firm"]) == 0:
        return POSITION_OWNER
    registered, net = i64(position["registered"]), i64(position["net"])
    buys, sells = i64(position["open_buy"]), i64(position["open_sell"])
    if not 0 <= registered <= POSITION_MAX:
        return POSITION_REGISTERED
    if not -POSITION_MAX <= net <= POSITION_MAX:
        return POSITION_NET
    if buys != i64(s.open_lots[2 * row]):
        return POSITION_OPEN_BUY
    if sells != i64(s.open_lots[2 * row + 1]):
        return POSITION_OPEN_SELL
    if sells > registered + net:
        return POSITION_TOO_SHORT
    if net + buys > POSITION_MAX:
        return POSITION_TOO_LONG
    deposit = deposit_for(instrument, sells - net)
    s.deposits_high[account_id] += deposit >> 32
    s.deposits_low[account_id] += deposit & LOW
    return SOUND

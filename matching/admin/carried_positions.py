"""Positions that a day begins with: bought on an earlier day, and paid for."""

import numpy as np

from matching.admin.bust import is_account, move_position
from matching.book.events import answer
from matching.book.risk import deposit_for, position_at
from matching.codes import (
    CAPACITY,
    CARRIED,
    DEPOSIT,
    NONE,
    POSITION_LIMIT,
    REGISTER,
    UNKNOWN_ACCOUNT,
)
from matching.memory.compiler import inline, kernel
from matching.records import POSITION_MAX

i64 = np.int64


@inline
def carry(m, c):
    """REGISTER with the flag CARRIED: both positions and the seller's deposit, and no money."""
    instrument_id, quantity = i64(c["instrument"]), i64(c["quantity"])
    if not is_account(m, i64(c["seller"])):
        return UNKNOWN_ACCOUNT
    instrument = m.instruments[instrument_id]
    bought = m.positions[position_at(m, instrument_id, i64(c["account"]))]
    if i64(bought["net"]) + quantity + i64(bought["open_buy"]) > POSITION_MAX:
        return POSITION_LIMIT
    sold = m.positions[position_at(m, instrument_id, i64(c["seller"]))]
    uncovered = i64(sold["open_sell"]) - i64(sold["net"])
    if uncovered + quantity > i64(sold["registered"]):
        return CAPACITY
    more = deposit_for(instrument, uncovered + quantity) - deposit_for(instrument, uncovered)
    if more > i64(m.accounts[i64(c["seller"])]["free"]):
        return DEPOSIT
    move_position(m, i64(c["account"]), instrument_id, quantity)
    move_position(m, i64(c["seller"]), instrument_id, -quantity)
    answer(m, c, REGISTER, NONE, CARRIED, i64(c["seller"]), 0, 0, quantity, i64(bought["net"]))
    return NONE


@kernel
def has_positions(m, instrument_id):
    """Whether anybody has bought or sold an instrument. Cost: a look at every account's."""
    for account_id in range(len(m.accounts)):
        if i64(m.positions[position_at(m, instrument_id, account_id)]["net"]) != 0:
            return True
    return False

"""Positions carried into the day: bought and paid for on an earlier day."""

import numpy as np

from matching.admin.positions import move_position, move_reason
from matching.book.events import answer
from matching.book.registry import is_account
from matching.book.risk import position_at
from matching.codes import (
    CARRIED,
    NONE,
    REGISTER,
    UNKNOWN_ACCOUNT,
)
from matching.memory.compiler import inline, kernel

i64 = np.int64


@inline
def carry_position(m, c):
    """Carry out REGISTER with the flag CARRIED: it sets both positions and the seller's deposit,
    and moves no money."""
    instrument_id, quantity = i64(c["instrument"]), i64(c["quantity"])
    if not is_account(m, i64(c["seller"])):
        return UNKNOWN_ACCOUNT
    reason = move_reason(
        m, instrument_id, i64(c["account"]), i64(c["seller"]), quantity,
        i64(m.accounts[i64(c["seller"])]["free"]),
    )  # fmt: skip
    if reason != NONE:
        return reason
    move_position(m, i64(c["account"]), instrument_id, quantity)
    move_position(m, i64(c["seller"]), instrument_id, -quantity)
    bought = m.positions[position_at(m, instrument_id, i64(c["account"]))]
    answer(m, c, REGISTER, NONE, CARRIED, i64(c["seller"]), 0, 0, quantity, i64(bought["net"]))
    return NONE


@kernel
def has_positions(m, instrument_id):
    """Whether any account has a position in an instrument. Cost: a read of every account's."""
    for account_id in range(len(m.accounts)):
        if i64(m.positions[position_at(m, instrument_id, account_id)]["net"]) != 0:
            return True
    return False

"""Positions moved by administration: carried from an earlier day, or taken back by a bust."""

import numpy as np

from matching.book.risk import deposit_for, move_deposit, position_at
from matching.codes import CAPACITY, DEPOSIT, NONE, POSITION_LIMIT
from matching.memory.compiler import inline
from matching.records import POSITION_MAX

i64 = np.int64


@inline
def move_reason(m, instrument_id, buyer_id, seller_id, quantity, free_fen):
    """Reason not to move a quantity from a seller to a buyer: the buyer's position limit, or the
    seller's capacity or deposit, for which it has `free_fen`; else NONE."""
    bought = m.positions[position_at(m, instrument_id, buyer_id)]
    if i64(bought["net"]) + quantity + i64(bought["open_buy"]) > POSITION_MAX:
        return POSITION_LIMIT
    sold = m.positions[position_at(m, instrument_id, seller_id)]
    uncovered = i64(sold["open_sell"]) - i64(sold["net"])
    if uncovered + quantity > i64(sold["registered"]):
        return CAPACITY
    instrument = m.instruments[instrument_id]
    more = deposit_for(instrument, uncovered + quantity) - deposit_for(instrument, uncovered)
    return DEPOSIT if more > free_fen else NONE


@inline
def move_position(m, account_id, instrument_id, bought):
    """Change an account's position by `bought` lots, and its deposit with it."""
    position = m.positions[position_at(m, instrument_id, account_id)]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    position["net"] += bought
    instrument = m.instruments[instrument_id]
    move_deposit(m.accounts[account_id], instrument, uncovered, uncovered - bought)

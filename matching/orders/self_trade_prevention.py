"""Self-trade prevention: orders of one related-party group never trade with each other."""

import numpy as np

from matching.book.events import report
from matching.book.risk import release
from matching.codes import CANCELLED, DECREMENT, NEWEST, OLDEST, SELF_TRADE
from matching.memory.compiler import inline, kernel

i64 = np.int64


@inline
def is_related(m, account_id, order):
    """Whether an order belongs to the account's related-party group."""
    return m.accounts[account_id]["group"] == m.accounts[i64(order["account"])]["group"]


@inline
def are_related(m, left, right):
    """Whether two orders belong to one related-party group."""
    return is_related(m, i64(left["account"]), right)


@kernel
def prevent_self_trade(m, command, slot, resting_slot, mode):
    """Apply self-trade prevention to two orders of one owner that have met: reduce what the mode
    says, without a trade.

    `slot` is the newer order. Returns whether it can go on.
    """
    order = m.orders[slot]
    resting = m.orders[resting_slot]
    newer = i64(order["leaves"])
    older = i64(resting["leaves"])
    if mode == NEWEST:
        older = i64(0)
    elif mode == OLDEST:
        newer = i64(0)
    elif mode == DECREMENT:
        newer = min(newer, older)
        older = newer
    if older != 0:
        reduce_order(m, command, resting_slot, older)
    if newer != 0:
        reduce_order(m, command, slot, newer)
    return i64(order["leaves"]) != 0


@inline
def reduce_order(m, command, slot, quantity):
    """Take quantity off an order by prevention, the hidden part first. The order stays in its book
    for now."""
    order = m.orders[slot]
    release(m, order, quantity)
    shown = min(i64(order["shown"]), i64(order["leaves"]))
    order["shown"] = shown
    report(m, command, order, CANCELLED, SELF_TRADE, 0, 0, shown, i64(order["price"]), quantity)

"""Pools of order slots and of blocks. What was returned last is allocated first."""

import numpy as np

from matching.memory.compiler import inline
from matching.records import ACCEPTED_MAX, TRADES_MAX

i64 = np.int64


@inline
def next_number(free, used, size):
    """Number that a pool of `size` allocates next: the one returned last (`free`), else the first
    that is unused; 0 where the pool is empty."""
    if free != 0:
        return free
    return used + 1 if used + 1 < size else i64(0)


@inline
def has_numbers(m):
    """Whether the day has an acceptance sequence left, and trade ids for an order's trades."""
    state = m.state[0]
    return state["accepted"] < ACCEPTED_MAX and state["trades"] < TRADES_MAX


@inline
def has_slot(m):
    """Whether `allocate_slot` finds one."""
    state = m.state[0]
    return next_number(state["free_slot"], state["slots_used"], len(m.orders)) != 0


@inline
def allocate_slot(m):
    """A free order slot; 0 if there is none."""
    state = m.state[0]
    slot = next_number(state["free_slot"], state["slots_used"], len(m.orders))
    if slot > state["slots_used"]:
        state["slots_used"] = slot
    elif slot != 0:
        state["free_slot"] = i64(m.links[slot]["next"])
    return slot


@inline
def return_slot(m, slot):
    """Return a slot to the pool; its order is in no level."""
    state = m.state[0]
    order = m.orders[slot]
    order["instrument"] = 0
    order["leaves"] = 0
    m.links[slot]["next"] = state["free_slot"]
    state["free_slot"] = slot


@inline
def discard_order(m, slot):
    """Return the slot of an order that was refused. Slot 0, which is scratch, is only cleared."""
    if slot != 0:
        return_slot(m, slot)
    else:
        m.orders[0]["instrument"] = 0
        m.orders[0]["leaves"] = 0


@inline
def allocate_block(m):
    """A free number in the pool of blocks; 0 if there is none."""
    state = m.state[0]
    block = next_number(state["free_block"], state["blocks_used"], len(m.blocks))
    if block > state["blocks_used"]:
        state["blocks_used"] = block
    elif block != 0:
        state["free_block"] = i64(m.blocks[block]["slot"])
    return block


@inline
def return_block(m, block):
    """Return a block's number to the pool; the block is in no hour. Block 0 is only cleared."""
    state = m.state[0]
    if block != 0:
        m.blocks[block]["slot"] = state["free_block"]
        state["free_block"] = block
    else:
        m.blocks[0]["slot"] = 0

"""Free lists in a machine's memory, compiled: slots, pages and block numbers that are in no use.

The length of each list is known: all that were ever used, less those in use. A list of that length
that ends names each number once, because a list that comes back to one never ends.
"""

import numpy as np

from matching.invariants.memory.rules import (
    BLOCK_FREE,
    BLOCK_HEAD,
    PAGE_FREE,
    PAGE_HEAD,
    SLOT_FREE,
    SLOT_HEAD,
    SOUND,
)
from matching.memory.compiler import kernel

i64 = np.int64


@kernel
def check_free_slots(m, s):
    """Check the list of slots without an order. Returns the rule that is broken and its row."""
    state = m.state[0]
    before, slot = i64(0), state["free_slot"]
    for _ in range(state["slots_used"] - s.counts[0]["orders"] - s.counts[0]["blocks"]):
        if not 0 < slot <= state["slots_used"] or i64(m.orders[slot]["instrument"]) != 0:
            return (SLOT_HEAD if before == 0 else SLOT_FREE), before
        before, slot = slot, i64(m.links[slot]["next"])
    return SOUND if slot == 0 else (SLOT_HEAD if before == 0 else SLOT_FREE), before


@kernel
def check_free_pages(m, s):
    """Check the list of pages without an order, as above."""
    state = m.state[0]
    before, page = i64(0), state["free_page"]
    for _ in range(state["pages_used"] - s.counts[0]["pages"]):
        if not 0 < page <= state["pages_used"] or s.page_orders[page] != 0:
            return (PAGE_HEAD if before == 0 else PAGE_FREE), before
        before, page = page, i64(m.page_live[page])
    return SOUND if page == 0 else (PAGE_HEAD if before == 0 else PAGE_FREE), before


@kernel
def check_free_blocks(m, s):
    """Check the list of block numbers without a block, as above."""
    state = m.state[0]
    before, number = i64(0), state["free_block"]
    for _ in range(state["blocks_used"] - s.counts[0]["blocks"]):
        if not 0 < number <= state["blocks_used"] or i64(m.blocks[number]["active"]) != 0:
            return (BLOCK_HEAD if before == 0 else BLOCK_FREE), before
        before, number = number, i64(m.blocks[number]["slot"])
    return SOUND if number == 0 else (BLOCK_HEAD if before == 0 else BLOCK_FREE), before

"""Invariants of the memory of standing blocks after every command; a part of soundness.py.

It shares no code with the kernels: the total of an hour is added up price by price.
"""

import numpy as np
from numba import njit

from matching.memory.layout import BLOCK_BIT, HOURS, STP_MASK, WATCH_AT, WATCH_HEAD, WATCH_REACH

i64 = np.int64


@njit(error_model="numpy")
def check_blocks(m, watch):
    """Number of the first rule that is broken and where; (0, 0) if none is."""
    state = m.state[0]
    if (
        state["candidates"] != 0
        or state["block"] != 0
        or state["leg"] != 0
        or state["leg_left"] != 0
    ):
        return 33, i64(0)
    live = i64(0)
    for slot in range(1, state["slots_used"] + 1):
        order = m.orders[slot]
        if order["instrument"] != 0 and (i64(order["mode"]) & BLOCK_BIT) != 0:
            live += 1
            rule, where = check_block(m, slot)
            if rule != 0:
                return rule, where
    free = i64(0)
    number = state["free_block"]
    while number != 0 and free <= state["blocks_used"]:
        free += 1
        if m.blocks[number]["active"] != 0:
            return 37, number
        number = i64(m.blocks[number]["slot"])
    if live + free != state["blocks_used"]:
        return 37, live
    legs = i64(0)
    for number in range(1, len(m.instruments)):
        watched = i64(0)
        for side in range(2):
            at = number * watch + WATCH_AT + side
            rule, where, found = check_hour(m, number, side, i64(m.words32[at + WATCH_HEAD]),
                                            i64(m.words32[at + WATCH_REACH]))  # fmt: skip
            if rule != 0:
                return rule, where
            watched += found
        legs += watched
        if i64(m.instruments[number]["watched"]) != (1 if watched != 0 else 0):
            return 35, number
    for slot in range(1, state["slots_used"] + 1):
        order = m.orders[slot]
        if order["instrument"] != 0 and (i64(order["mode"]) & BLOCK_BIT) != 0:
            legs -= i64(order["display"])
    return (34, legs) if legs != 0 else (0, i64(0))


@njit(error_model="numpy")
def check_block(m, slot):
    """A live block stands untraded, and its sums are those of its legs."""
    order = m.orders[slot]
    number, span = i64(order["stop"]), i64(order["display"])
    block = m.blocks[number]
    if i64(block["slot"]) != slot or block["active"] != 1 or block["candidate"] != 0:
        return 34, slot
    if i64(order["leaves"]) < 1 or i64(order["cumulative"]) != 0 or i64(order["shown"]) != 0:
        return 38, slot
    if not 2 <= span <= HOURS or m.seen[slot] != 0:
        return 38, slot
    total, lacking = i64(0), i64(0)
    expected = i64(order["instrument"])
    for k in range(span):
        leg = m.legs[number * HOURS + k]
        if i64(leg["instrument"]) != expected:
            return 34, slot
        expected = i64(m.instruments[expected]["after"])
        total += leg["total"]
        lacking += 1 if leg["last_index"] == 0 else 0
    if total != block["total"] or lacking != i64(block["lacking"]):
        return 34, slot
    return 0, i64(0)


@njit(error_model="numpy")
def check_hour(m, number, side, head, reach):
    """The legs of one side in an hour are linked, and no best total is higher than the true one."""
    found, before, leg = i64(0), i64(0), head
    while leg != 0:
        known = m.legs[leg]
        order = m.orders[i64(m.blocks[leg // HOURS]["slot"])]
        if i64(known["prev"]) != before or i64(known["instrument"]) != number:
            return 34, leg, found
        if i64(order["side"]) != side or found > len(m.blocks):
            return 34, leg, found
        if i64(known["last_index"]) < reach:
            return 36, leg, found
        total = hour_total(m, order, number)
        if total >= 0:
            best = known["total"] if side == 0 else -known["total"]
            if known["last_index"] == 0 or best > (total if side == 0 else -total):
                return 36, leg, found
        found += 1
        before = leg
        leg = i64(known["next"])
    return 0, i64(0), found


@njit(error_model="numpy")
def hour_total(m, order, number):
    """Sum of price x quantity of an hour's orders for a block, price by price; -1: too little."""
    side, wanted = i64(order["side"]), i64(order["leaves"])
    instrument = m.instruments[number]
    low, high = i64(instrument["low"]), i64(instrument["high"])
    guarded = (i64(order["mode"]) & STP_MASK) != 0
    group = m.accounts[i64(order["account"])]["group"]
    base = i64(instrument["level_base"]) + (1 - side) * (i64(instrument["width"]) + 1)
    total = i64(0)
    for step in range(high - low + 1):
        price = low + step if side == 0 else high - step
        # The index of a level rises with priority: cheaper asks, dearer bids.
        index = high - low + 1 - step
        slot = i64(m.links[base + index]["next"])
        while 0 < slot < len(m.orders):
            maker = m.orders[slot]
            if not (guarded and m.accounts[i64(maker["account"])]["group"] == group):
                taken = min(wanted, i64(maker["leaves"]))
                total += taken * price
                wanted -= taken
            slot = i64(m.links[slot]["next"])
        if wanted == 0:
            return total
    return i64(-1)

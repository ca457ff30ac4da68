"""Standing blocks in a machine's memory, compiled: terms, legs, bounds, and that none can trade.

The bounds are checked by what they claim. A leg's bound says: the hour costs the block at least
`total`, and orders at the level `last_index` and below do not change that. It is true if the best
lots of the hour, none of them counted as dearer than that level, cost at least `total` together.
"""

import numpy as np

from matching.blocks.trading import NO_COUNTERPARTY, best_counterparty
from matching.book.block_holdings import block_reserve
from matching.book.block_legs import block_of, hour_total, is_block, is_skipped, span_of
from matching.book.price_levels import (
    first_order,
    is_order,
    level_at,
    next_below,
    next_order,
    price_at,
    top,
)
from matching.codes import DAY, GTD, LIMIT
from matching.invariants.memory.rules import (
    BLOCK_ACTIVE,
    BLOCK_CANDIDATE,
    BLOCK_LACKING,
    BLOCK_NUMBER,
    BLOCK_SPAN,
    BLOCK_STANDS,
    BLOCK_TOTAL,
    LEG_HEAD,
    LEG_INSTRUMENT,
    LEG_LAST_INDEX,
    LEG_NEXT,
    LEG_PREV,
    LEG_TOTAL,
    ORDER_CUMULATIVE,
    ORDER_FRACTION,
    ORDER_LEAVES,
    ORDER_MODE,
    ORDER_PRICE,
    ORDER_SHOWN,
    ORDER_TIF,
    ORDER_TYPE,
    SOUND,
    STP_MAX,
    WATCHED,
)
from matching.invariants.memory.sums import add_open, add_order, machine_at
from matching.memory.compiler import entry, inline, kernel
from matching.memory.layout import (
    BLOCK_BIT,
    HOURS,
    STP_MASK,
    TIMED,
    TOPS,
    WATCH_AT,
    WATCH_HEAD,
    WATCH_REACH,
)
from matching.records import BLOCK_HOURS_MIN

i64 = np.int64

TOTAL_MAX = 1 << 55
"""No total of a leg is farther from 0: an hour's lots are worth at most NOTIONAL_MAX_FEN, and what
a block lacks to its limit is shared out among its legs."""


@kernel
def block_rule(m, s, slot):
    """Rule of a live block: its terms, its hours, and what it uses, which is added up."""
    order = m.orders[slot]
    rule = block_terms_rule(m, order)
    number = block_of(order)
    if rule == SOUND and not 0 < number <= m.state[0]["blocks_used"]:
        rule = BLOCK_NUMBER
    if rule == SOUND and (
        i64(m.blocks[number]["slot"]) != slot or i64(m.blocks[number]["active"]) != 1
    ):
        rule = BLOCK_NUMBER
    if rule == SOUND:
        rule = hours_rule(m, s, order)
    if rule != SOUND:
        return rule
    s.counts[0]["legs"] += span_of(order)
    held = block_reserve(m, order, i64(order["price"]), i64(order["leaves"]))
    return add_order(m, s, order, held, True)


@inline
def block_terms_rule(m, order):
    """Rule of the terms of a block, apart from what its hours say."""
    tif, mode = i64(order["tif"]), i64(order["mode"])
    if mode & ~(STP_MASK | TIMED | BLOCK_BIT) != 0 or mode & STP_MASK > STP_MAX:
        return ORDER_MODE
    if i64(order["type"]) != LIMIT:
        return ORDER_TYPE
    if tif != DAY and tif != GTD:
        return ORDER_TIF
    if i64(order["leaves"]) < 1:
        return ORDER_LEAVES
    if i64(order["shown"]) != 0:
        return ORDER_SHOWN
    if i64(order["cumulative"]) != 0:
        return ORDER_CUMULATIVE
    if i64(order["fee_fraction"]) != 0:
        return ORDER_FRACTION
    longest = i64(m.instruments[i64(order["instrument"])]["longest"])
    return SOUND if BLOCK_HOURS_MIN <= span_of(order) <= longest else BLOCK_SPAN


@kernel
def hours_rule(m, s, order):
    """Rule of the hours of a block: each follows the last, and admits its price and quantity."""
    expected = i64(order["instrument"])
    lots = i64(order["leaves"]) * span_of(order)
    for k in range(span_of(order)):
        if expected == 0 or i64(m.legs[block_of(order) * HOURS + k]["instrument"]) != expected:
            return LEG_INSTRUMENT
        hour = m.instruments[expected]
        if not i64(hour["low"]) <= i64(order["price"]) <= i64(hour["high"]):
            return ORDER_PRICE
        if lots > i64(hour["quantity_max"]):
            return ORDER_LEAVES
        rule = add_open(m, s, order, expected)
        if rule != SOUND:
            return rule
        expected = i64(hour["after"])
    return SOUND


@kernel
def check_blocks(m):
    """Check that each block that stands is that of a live order, and its sums are its legs'."""
    for number in range(m.state[0]["blocks_used"] + 1):
        block = m.blocks[number]
        if i64(block["candidate"]) != 0:
            return BLOCK_CANDIDATE, i64(number)
        if i64(block["active"]) != 0:
            rule = standing_rule(m, number)
            if rule != SOUND:
                return rule, i64(number)
    return SOUND, i64(0)


@inline
def standing_rule(m, number):
    """Rule of a block that stands."""
    block = m.blocks[number]
    slot = i64(block["slot"])
    if not 0 < slot <= m.state[0]["slots_used"]:
        return BLOCK_ACTIVE
    order = m.orders[slot]
    if i64(order["instrument"]) == 0 or not is_block(order) or block_of(order) != number:
        return BLOCK_ACTIVE
    total, lacking = i64(0), i64(0)
    for leg in range(number * HOURS, number * HOURS + span_of(order)):
        known = m.legs[leg]
        if not -TOTAL_MAX <= known["total"] <= TOTAL_MAX:
            return BLOCK_TOTAL
        total += known["total"]
        lacking += 1 if i64(known["last_index"]) == 0 else 0
    if block["total"] != total:
        return BLOCK_TOTAL
    return BLOCK_LACKING if i64(block["lacking"]) != lacking else SOUND


@kernel
def check_legs(m, s):
    """Check that the legs of each hour and side are linked, and all legs are."""
    linked = i64(0)
    for instrument_id in range(len(m.instruments)):
        watched = i64(0)
        for side in range(2):
            rule, row, found = check_hour(m, instrument_id, side)
            if rule != SOUND:
                return rule, row
            watched += found
        linked += watched
        if (i64(m.instruments[instrument_id]["watched"]) != 0) != (watched != 0):
            return WATCHED, i64(instrument_id)
    return (SOUND if linked == s.counts[0]["legs"] else LEG_HEAD), i64(0)


@inline
def check_hour(m, instrument_id, side):
    """Check the links of one side's legs in an hour. Returns their number, too."""
    watch = instrument_id * TOPS + WATCH_AT + side
    found, before = i64(0), i64(0)
    leg = i64(m.watch[watch + WATCH_HEAD])
    while leg != 0:
        if not is_leg_of(m, leg, instrument_id, side):
            if before == 0:
                return LEG_HEAD, i64(instrument_id), found
            return LEG_NEXT, before, found
        if i64(m.legs[leg]["prev"]) != before:
            return LEG_PREV, leg, found
        if i64(m.legs[leg]["last_index"]) < i64(m.watch[watch + WATCH_REACH]):
            return LEG_LAST_INDEX, leg, found
        found += 1
        before, leg = leg, i64(m.legs[leg]["next"])
    return SOUND, i64(0), found


@inline
def is_leg_of(m, leg, instrument_id, side):
    """Whether a number is that of a leg in this hour, of a block of this side that stands."""
    number = leg // HOURS
    if number > m.state[0]["blocks_used"] or i64(m.blocks[number]["active"]) == 0:
        return False
    order = m.orders[i64(m.blocks[number]["slot"])]
    return (
        i64(order["side"]) == side
        and leg % HOURS < span_of(order)
        and i64(m.legs[leg]["instrument"]) == instrument_id
    )


@entry
def check_standing(machine):
    """Check the bounds of all legs, and that no standing block can trade, where the memory is
    otherwise sound. Cost for each leg: the orders of its hour that would fill it, at most."""
    m = machine_at(machine)
    spent = m.state[0]["spent"]
    rule, row = standing_blocks_rule(m)
    m.state[0]["spent"] = spent  # the machine's own functions count what they look at
    return rule, row


@kernel
def standing_blocks_rule(m):
    """The first rule that a standing block breaks, and the row of its leg or order."""
    for slot in range(1, m.state[0]["slots_used"] + 1):
        order = m.orders[slot]
        if i64(order["instrument"]) == 0 or not is_block(order):
            continue
        for k in range(span_of(order)):
            leg = block_of(order) * HOURS + k
            if not is_bound(m, order, m.legs[leg]):
                return LEG_TOTAL, leg
        if best_counterparty(m, slot) != NO_COUNTERPARTY:
            return BLOCK_STANDS, i64(slot)
    return SOUND, i64(0)


@kernel
def is_bound(m, order, known):
    """Whether the bound of a leg is true. Counted in costs, as in `helping_level`."""
    instrument_id, last_index = i64(known["instrument"]), i64(known["last_index"])
    if last_index == 0:
        return known["total"] == 0 and hour_total(m, order, instrument_id, i64(1))[1] == 0
    instrument = m.instruments[instrument_id]
    book = 1 - i64(order["side"])
    sign = 2 * book - 1
    wanted, cost = i64(order["leaves"]), i64(0)
    index = top(m, instrument_id, book)
    while index > last_index:
        price = price_at(instrument, book, index)
        slot = first_order(m, level_at(instrument, book, index))
        while is_order(m, slot) and wanted != 0:
            maker = m.orders[slot]
            if not is_skipped(m, order, maker):
                taken = min(wanted, i64(maker["leaves"]))
                cost += taken * sign * price
                wanted -= taken
            slot = next_order(m, slot)
        if wanted == 0:
            break
        index = next_below(m, instrument, book, index)
    return cost + wanted * sign * price_at(instrument, book, last_index) >= sign * known["total"]

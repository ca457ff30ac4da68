"""Orders in a machine's memory, compiled: terms, owners, ids, timers, and what they use.

Every index is compared with its table before it is used, so that bytes of any kind can be checked.
What is derived from an order (its id, level, position, reserve) is computed by the machine's own
functions.
"""

import numpy as np

from matching.book.block_legs import is_block
from matching.book.order_ids import find_order
from matching.book.risk import reserve, worst_price
from matching.codes import DAY, GTC, GTD, IOC, LIMIT, STOP, STOP_LIMIT
from matching.invariants.memory.blocks import block_rule, check_blocks, check_legs
from matching.invariants.memory.circles import (
    check_apart,
    check_best_levels,
    check_levels,
    links_rule,
)
from matching.invariants.memory.free_lists import (
    check_free_blocks,
    check_free_pages,
    check_free_slots,
)
from matching.invariants.memory.positions import check_positions
from matching.invariants.memory.rules import (
    ORDER_ACCEPTED,
    ORDER_ACCOUNT,
    ORDER_CUMULATIVE,
    ORDER_DISPLAY,
    ORDER_FRACTION,
    ORDER_ID,
    ORDER_INSTRUMENT,
    ORDER_LEAVES,
    ORDER_MODE,
    ORDER_PRICE,
    ORDER_QUOTE,
    ORDER_REF,
    ORDER_SESSION,
    ORDER_SHOWN,
    ORDER_SIDE,
    ORDER_STOP,
    ORDER_TIF,
    ORDER_TIMER,
    ORDER_TYPE,
    SLOT_LEFT,
    SLOT_SCRATCH,
    SOUND,
    STP_MAX,
)
from matching.invariants.memory.sums import add_open, add_order, machine_at, prefetch_order, sums_at
from matching.memory.compiler import entry, inline, kernel
from matching.memory.layout import POST_ONLY, QUOTE_BIT, STP_MASK, TIMED, WAITING
from matching.records import RATE_UNIT

i64 = np.int64

AHEAD = 16
"""Distance in slots at which what an order leads to is prefetched."""


@entry
def check_orders(machine, sums):
    """Check all orders and positions of a machine, and add up what they use. Returns the number of
    the first rule that is broken (SOUND: none) and the row where it is."""
    m, s = machine_at(machine), sums_at(sums)
    rule, row = check_slots(m, s)
    if rule == SOUND:
        rule, row = check_levels(m, s)
    if rule == SOUND:
        rule, row = check_apart(m, s)
    if rule == SOUND:
        rule, row = check_best_levels(m)
    if rule == SOUND:
        rule, row = check_free_slots(m, s)
    if rule == SOUND:
        rule, row = check_free_pages(m, s)
    if rule == SOUND:
        rule, row = check_blocks(m)
    if rule == SOUND:
        rule, row = check_free_blocks(m, s)
    if rule == SOUND:
        rule, row = check_legs(m, s)
    if rule == SOUND:
        rule, row = check_positions(m, s)
    return rule, row


@kernel
def check_slots(m, s):
    """Check each slot that was ever used."""
    last = m.state[0]["slots_used"]
    for slot in range(last + 1):
        prefetch_order(m, s, min(slot + AHEAD, last))
        rule = bounds_rule(m, slot)
        if rule == SOUND and slot == 0:
            rule = scratch_rule(m)
        elif rule == SOUND and i64(m.orders[slot]["instrument"]) != 0:
            rule = live_rule(m, s, slot)
        if rule != SOUND:
            return rule, i64(slot)
    return SOUND, i64(0)


@inline
def scratch_rule(m):
    """Rule of slot 0, which stands for no order: it has no instrument, and nothing left."""
    if i64(m.orders[0]["instrument"]) != 0:
        return SLOT_SCRATCH
    return SLOT_LEFT if i64(m.orders[0]["leaves"]) != 0 else SOUND


@inline
def bounds_rule(m, slot):
    """Rule of the numbers of any slot, free ones too: prefetching may read what they name."""
    order = m.orders[slot]
    if i64(order["session"]) >= len(m.sessions):
        return ORDER_SESSION
    if i64(order["user_ref"]) >= m.state[0]["refs"]:
        return ORDER_REF
    return ORDER_ACCOUNT if i64(order["account"]) >= len(m.accounts) else SOUND


@inline
def live_rule(m, s, slot):
    """Rule of a live order: what it is, what leads to it, and what it uses, which is added up."""
    order = m.orders[slot]
    rule = owner_rule(m, order)
    if rule == SOUND:
        rule = timer_rule(m, slot)
    if rule == SOUND and find_order(m, i64(order["session"]), i64(order["user_ref"])) != slot:
        rule = ORDER_ID
    if rule == SOUND:
        rule = block_rule(m, s, slot) if is_block(order) else order_rule(m, s, slot)
    return rule


@inline
def owner_rule(m, order):
    """Rule of an order's owner, instrument, side and acceptance."""
    number = i64(order["instrument"])
    account = m.accounts[i64(order["account"])]
    session = m.sessions[i64(order["session"])]
    if i64(account["trader"]) == 0:
        return ORDER_ACCOUNT
    if i64(session["opened"]) == 0 or session["firm"] != account["firm"]:
        return ORDER_SESSION
    if number >= len(m.instruments) or i64(m.instruments[number]["width"]) == 0:
        return ORDER_INSTRUMENT
    if i64(m.instruments[number]["gated"]) != 0:
        return ORDER_INSTRUMENT
    if not 1 <= i64(order["accepted"]) <= m.state[0]["accepted"]:
        return ORDER_ACCEPTED
    return ORDER_SIDE if i64(order["side"]) > 1 else SOUND


@inline
def timer_rule(m, slot):
    """Rule of an order's timer."""
    order = m.orders[slot]
    timer = i64(order["timer"])
    is_timed = i64(order["mode"]) & TIMED != 0
    if is_timed != (timer != 0) or is_timed != (i64(order["tif"]) == GTD):
        return ORDER_TIMER
    if timer > m.state[0]["timers"] or (timer != 0 and i64(m.timers[timer]["slot"]) != slot):
        return ORDER_TIMER
    return SOUND


@inline
def order_rule(m, s, slot):
    """Rule of an order that is no block."""
    order = m.orders[slot]
    rule = terms_rule(m, order)
    if rule == SOUND:
        rule = quantities_rule(m, order)
    if rule == SOUND:
        instrument = m.instruments[i64(order["instrument"])]
        price = worst_price(instrument, i64(order["price"]))
        held = reserve(instrument, price, i64(order["leaves"]), i64(order["fee_fraction"]))
        rule = add_order(m, s, order, held & (i64(order["side"]) - 1), False)  # a sell holds none
    if rule == SOUND:
        rule = add_open(m, s, order, i64(order["instrument"]))
    return links_rule(m, s, slot) if rule == SOUND else rule


@inline
def terms_rule(m, order):
    """Rule of the terms of an order that rests or waits."""
    instrument = m.instruments[i64(order["instrument"])]
    kind, tif, mode = i64(order["type"]), i64(order["tif"]), i64(order["mode"])
    price, stop = i64(order["price"]), i64(order["stop"])
    low, high = i64(instrument["low"]), i64(instrument["high"])
    waits = mode & WAITING != 0
    if mode & STP_MASK > STP_MAX or (mode & (POST_ONLY | QUOTE_BIT) != 0 and kind != LIMIT):
        return ORDER_MODE
    if kind != STOP_LIMIT and kind != (STOP if waits else LIMIT):
        return ORDER_TYPE
    if tif != DAY and tif != GTC and tif != GTD and not (waits and tif == IOC):
        return ORDER_TIF
    if mode & QUOTE_BIT != 0 and (
        tif != DAY
        or i64(order["display"]) != 0
        or i64(m.protections[i64(order["account"])]["tripped"]) != 0
    ):
        return ORDER_QUOTE
    if (price != 0) if kind == STOP else not low <= price <= high:
        return ORDER_PRICE
    if (stop != 0) if kind == LIMIT else not low <= stop <= high:
        return ORDER_STOP
    return SOUND


@inline
def quantities_rule(m, order):
    """Rule of the quantities of an order: open, traded and shown. It shows all that is open, of an
    iceberg a part, and nothing while it waits."""
    leaves, shown = i64(order["leaves"]), i64(order["shown"])
    cumulative, display = i64(order["cumulative"]), i64(order["display"])
    quantity_max = i64(m.instruments[i64(order["instrument"])]["quantity_max"])
    if cumulative < 0:
        return ORDER_CUMULATIVE
    if leaves < 1 or leaves + cumulative > quantity_max:
        return ORDER_LEAVES
    if not 0 <= i64(order["fee_fraction"]) < RATE_UNIT:
        return ORDER_FRACTION
    if display < 0:
        return ORDER_DISPLAY
    if i64(order["mode"]) & WAITING != 0:
        return ORDER_SHOWN if shown != 0 else SOUND
    return SOUND if 1 <= shown <= leaves and (display != 0 or shown == leaves) else ORDER_SHOWN

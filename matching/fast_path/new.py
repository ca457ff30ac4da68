"""New orders on the fast path."""

import numpy as np

from matching.book.order_ids import (
    add_order_id,
    allocate_page,
    entry_at,
    has_order_share,
    has_page,
    has_page_share,
    place_at,
)
from matching.book.pools import allocate_slot, has_numbers, has_slot
from matching.book.price_levels import add_level, level_at, link_at_back, top
from matching.book.risk import deposit_for, held_for, position_at
from matching.codes import ACCEPTED, CANCELLED, CONTINUOUS, IOC, REMAINDER
from matching.fast_path.record_words import (
    FLAGS_AT,
    KEPT_MASK,
    LOW,
    MODE_AT,
    PLAIN_LIVES,
    POST_BIT,
    REASON_AT,
    SIDE_AT,
    STP_AT,
    STP_MAX,
    TIF_AT,
    WORDS,
    by_side,
    copy_stamp,
    is_below,
    owner_of,
)
from matching.fast_path.trade import trade_incoming
from matching.memory.compiler import inline, kernel
from matching.memory.layout import TOPS, WATCH_AT, WATCH_REACH
from matching.records import INT32_MAX

i64 = np.int64

UNHANDLED, DONE, RUNS = 0, 1, 2
"""Outcome of a command: left to the general path, done, or accepted and about to trade."""


@inline
def enter_limit(m, at, codes, watched):
    """Carry out NEW of a limit order. Returns UNHANDLED, DONE or RUNS. `watched`: see
    dispatch.py."""
    given = at * WORDS
    state = m.state[0]
    price, size = m.command_words[given + 2], m.command_words[given + 3]
    instrument_id = m.command_words[given + 6]
    if (
        price >> 31 != 0  # a price below 0 or a stop price
        or not is_below(instrument_id, len(m.instruments))  # or an expiry
        or not has_slot(m)
        or not has_numbers(m)
        or not is_plain_order(codes, size & LOW, size >> 32)
    ):
        return UNHANDLED
    side = (codes >> SIDE_AT) & 1
    c = m.commands[at]
    account_id, session_id, user_ref = i64(c["account"]), i64(c["session"]), i64(c["user_ref"])
    if (
        not is_below(user_ref - 1, state["refs"] - 1)
        or session_id >= len(m.sessions)
        or account_id >= len(m.accounts)
    ):
        return UNHANDLED
    entry = entry_at(m, session_id, user_ref)
    page = i64(m.directory[entry])
    place = place_at(page, user_ref)
    instrument = m.instruments[instrument_id]
    trader = i64(m.accounts[account_id]["trader"])
    above_low = price - i64(instrument["low"])
    below_high = i64(instrument["high"]) - price
    if (
        trader == 0
        or i64(m.sessions[session_id]["firm"]) != trader
        or not has_order_share(m, session_id)
        or (page == 0 and not (has_page(m) and has_page_share(m, session_id)))  # page 0: zeros
        or i64(m.pages[place]) != 0
        or i64(instrument["phase"] if watched else instrument["plain_phase"]) != CONTINUOUS
        or above_low | below_high < 0
    ):
        return UNHANDLED
    # The order's level in its own book, and its limit's level in the opposite book.
    index = by_side(side, above_low, below_high) + 1
    limit = above_low + below_high + 2 - index
    leaves = size & LOW
    needs = needed_fen(m, account_id, instrument_id, side, price, leaves)
    if needs < 0:
        return UNHANDLED
    meets = top(m, instrument_id, 1 - side) >= limit
    if meets or (codes >> TIF_AT) & 7 == IOC:
        if (codes >> FLAGS_AT) & 1 != 0:
            return UNHANDLED
        return trade_watched(m, at, limit) if watched else trade_unwatched(m, at, limit)
    if watched and not helps_no_block(m, instrument_id, side, index):
        return UNHANDLED
    write_accepted(m, at, side, price, size)
    slot = allocate_slot(m)
    if page == 0:
        page = allocate_page(m, entry)
        place = place_at(page, user_ref)
    m.pages[place] = slot
    m.page_live[page] += 1
    m.sessions[session_id]["orders"] += 1
    write_order_record(m, at, slot, codes, leaves, 0, 0, needs)
    if link_at_back(m, slot, level_at(instrument, side, index)):
        add_level(m, instrument_id, side, index)
    return DONE


@kernel
def helps_no_block(m, instrument_id, side, index):
    """Whether an order that rests at this level helps none of the standing blocks."""
    watch = instrument_id * TOPS + WATCH_AT + 1 - side
    instrument = m.instruments[instrument_id]
    return i64(instrument["watched"]) == 0 or (
        i64(instrument["collar"]) == 0 and index <= i64(m.watch[watch + WATCH_REACH])
    )


@kernel
def trade_unwatched(m, at, limit):
    """`trade_and_rest` where no block stands."""
    return trade_and_rest(m, at, limit, False)


@kernel
def trade_watched(m, at, limit):
    """`trade_and_rest` where blocks stand."""
    return trade_and_rest(m, at, limit, True)


@inline
def trade_and_rest(m, at, limit, watched):
    """Accept an order and trade it; the remainder rests or ends. Returns DONE or RUNS.

    The order gets its id and slot only after its trades, because they may return some of both. RUNS
    where the remainder may help a standing block, or where the trades ended before a special case.
    """
    state = m.state[0]
    given = at * WORDS
    codes, size = m.command_words[given + 7], m.command_words[given + 3]
    owner = owner_of(m, at)
    account_id, instrument_id = owner & LOW, owner >> 32
    price, side = m.command_words[given + 2], (codes >> SIDE_AT) & 1
    write_accepted(m, at, side, price, size)
    leaves, filled, fraction, special = trade_incoming(m, at, side, size & LOW, limit)
    if leaves == 0:
        return DONE
    if (codes >> TIF_AT) & 7 == IOC and not special:
        write_remainder(m, at, side, price, leaves, filled)
        return DONE
    needs = needed_for_rest(m, account_id, instrument_id, side, price, leaves, fraction)
    slot, c = allocate_slot(m), m.commands[at]
    add_order_id(m, i64(c["session"]), i64(c["user_ref"]), slot)
    write_order_record(m, at, slot, codes, leaves, filled, fraction, needs)
    instrument = m.instruments[instrument_id]
    index = i64(instrument["high"]) - i64(instrument["low"]) + 2 - limit
    if special or (watched and not helps_no_block(m, instrument_id, side, index)):
        state["slot"] = slot
        state["limit"] = limit
        return RUNS
    # Its level was empty: an order there would have traded with what this one met.
    link_at_back(m, slot, level_at(instrument, side, index))
    add_level(m, instrument_id, side, index)
    return DONE


@inline
def is_plain_order(codes, quantity, display):
    """Whether time in force, prevention and quantities are such as the fast path takes."""
    life = (codes >> TIF_AT) & 7 | (codes >> FLAGS_AT - POST_BIT) & 1 << POST_BIT
    return (
        (PLAIN_LIVES >> life) & 1 != 0
        and (codes >> STP_AT) & 7 <= STP_MAX
        and is_below(quantity - 1, INT32_MAX)
        and (display == 0 or (0 < display <= quantity and life != IOC))
    )


@inline
def needed_fen(m, account_id, instrument_id, side, price, quantity):
    """Fen that the order reserves of its account's free money; -1 if a limit forbids the order."""
    account, instrument = m.accounts[account_id], m.instruments[instrument_id]
    worth = price * quantity * i64(instrument["tick_fen"])
    if (
        quantity > i64(account["order_cap"])
        or quantity > i64(instrument["quantity_max"])
        or worth > account["notional_cap"]
    ):
        return i64(-1)
    position_id = position_at(m, instrument_id, account_id)
    position = m.positions[position_id]
    opened = i64(m.position_words[position_id * 4 + 2 + side])
    # A buyer's position if all is bought; a seller's uncovered contracts if all is sold.
    worst = opened + ((i64(position["net"]) ^ -side) + side) + quantity
    cap = i64(account["position_cap"])
    cap = by_side(side, cap, min(cap, i64(position["registered"])))
    deposit = deposit_for(instrument, worst) - deposit_for(instrument, worst - quantity)
    needs = by_side(side, held_for(instrument, price, quantity, 0), deposit)
    if worst > cap or needs > account["free"]:
        return i64(-1)
    return needs


@inline
def needed_for_rest(m, account_id, instrument_id, side, price, quantity, fraction):
    """Fen that the remainder of an order reserves after its trades: less than the whole would
    have."""
    instrument = m.instruments[instrument_id]
    position = m.positions[position_at(m, instrument_id, account_id)]
    uncovered = i64(position["open_sell"]) - i64(position["net"])
    deposit = deposit_for(instrument, uncovered + quantity) - deposit_for(instrument, uncovered)
    return by_side(side, held_for(instrument, price, quantity, fraction), deposit)


@inline
def write_accepted(m, at, side, price, size):
    """Give the order its acceptance sequence, and append its ACCEPTED event."""
    state = m.state[0]
    given, out = at * WORDS, state["events"] * WORDS
    state["events"] += 1
    state["accepted"] += 1
    quantity, display = size & LOW, size >> 32
    copy_stamp(m, at, out)
    m.event_words[out + 2] = (display if display != 0 else quantity) << 32
    m.event_words[out + 3] = price | quantity << 32
    m.event_words[out + 4] = quantity
    m.event_words[out + 5] = m.command_words[given + 4]
    m.event_words[out + 6] = owner_of(m, at)
    m.event_words[out + 7] = ACCEPTED | side << SIDE_AT


@inline
def write_remainder(m, at, side, price, leaves, filled):
    """Append the CANCELLED event of an IOC's remainder."""
    state = m.state[0]
    given, out = at * WORDS, state["events"] * WORDS
    state["events"] += 1
    copy_stamp(m, at, out)
    m.event_words[out + 2] = 0
    m.event_words[out + 3] = price | leaves << 32
    m.event_words[out + 4] = filled << 32
    m.event_words[out + 5] = m.command_words[given + 4]
    m.event_words[out + 6] = owner_of(m, at)
    m.event_words[out + 7] = CANCELLED | side << SIDE_AT | REMAINDER << REASON_AT


@inline
def write_order_record(m, at, slot, codes, leaves, filled, fraction, needs):
    """Write the record of an order that rests, and reserve money and capacity for it."""
    state = m.state[0]
    given, own = at * WORDS, slot * WORDS
    side = (codes >> SIDE_AT) & 1
    display = m.command_words[given + 3] >> 32
    shown = min(display, leaves) if display != 0 else leaves
    mode = (codes >> STP_AT) & 7 | (codes >> FLAGS_AT - POST_BIT) & 1 << POST_BIT
    owner = owner_of(m, at)
    m.order_words[own] = needs & (side - 1)
    m.order_words[own + 1] = m.command_words[given + 2] | leaves << 32
    m.order_words[own + 2] = shown | display << 32
    m.order_words[own + 3] = m.command_words[given + 4]
    m.order_words[own + 4] = owner
    m.order_words[own + 5] = state["accepted"] | filled << 32
    m.order_words[own + 6] = 0
    m.order_words[own + 7] = fraction | (codes & KEPT_MASK) << 24 | mode << MODE_AT
    account_id = owner & LOW
    position_id = position_at(m, owner >> 32, account_id)
    m.position_words[position_id * 4 + 2 + side] = (
        i64(m.position_words[position_id * 4 + 2 + side]) + leaves
    )
    m.accounts[account_id]["free"] -= needs
    m.account_words[account_id * 16 + 1 + side] += needs

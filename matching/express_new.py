"""The express lane's new orders."""

import numpy as np

from matching.codes import ACCEPTED, CONTINUOUS, IOC, REMAINDER
from matching.compile import inline
from matching.express_trade import trade_plainly
from matching.identity import entry_at, place_at
from matching.incoming import drop_order, finish
from matching.ladder import appear, append, level_at, top
from matching.records import RATE_UNIT
from matching.risk import deposit_for, position_at, whole_fen
from matching.words import (
    FLAGS_AT,
    KEPT_MASK,
    LOW,
    MODE_AT,
    POST_BIT,
    SIDE_AT,
    STP_AT,
    STP_MAX,
    TAKEN,
    TIF_AT,
    WORDS,
    below,
    copy_stamp,
    either,
)

i64 = np.int64

LEFT, DONE, RUNS = 0, 1, 2
"""What became of a command: left to the others, done, or accepted and about to trade."""


@inline
def enter_limit(m, at, codes):
    """NEW, a limit order. Returns LEFT, DONE or RUNS."""
    given = at * WORDS
    state = m.state[0]
    price, size = m.command_words[given + 2], m.command_words[given + 3]
    instrument_id = m.command_words[given + 6]
    slot = state["free_slot"]
    if (
        price >> 31 != 0  # a price below 0 or a stop price
        or not below(instrument_id, len(m.instruments))  # or there is an expiry
        or slot == 0
        or not is_taken(codes, size & LOW, size >> 32)
    ):
        return LEFT
    side = (codes >> SIDE_AT) & 1
    draft(m, at, slot, codes, price, size)
    c = m.commands[at]
    account_id, session_id, user_ref = i64(c["account"]), i64(c["session"]), i64(c["user_ref"])
    if (
        not below(user_ref - 1, state["refs"] - 1)
        or session_id >= len(m.sessions)
        or account_id >= len(m.accounts)
    ):
        return LEFT
    page = i64(m.directory[entry_at(m, session_id, user_ref)])
    place = place_at(page, user_ref)
    instrument = m.instruments[instrument_id]
    trader = i64(m.accounts[account_id]["trader"])
    above_low = price - i64(instrument["low"])
    below_high = i64(instrument["high"]) - price
    if (
        trader == 0
        or i64(m.sessions[session_id]["firm"]) != trader
        or page == 0
        or i64(m.pages[place]) != 0
        or i64(instrument["plain_phase"]) != CONTINUOUS
        or above_low | below_high < 0
    ):
        return LEFT
    # Where its own book has it, and the other book its limit.
    index = either(side, above_low, below_high) + 1
    limit = above_low + below_high + 2 - index
    meets = top(m, instrument_id, 1 - side) >= limit
    post_only = (codes >> FLAGS_AT) & 1
    if (meets and post_only != 0) or not pay(
        m, slot, account_id, instrument_id, side, price, size & LOW
    ):
        return LEFT
    m.pages[place] = slot
    m.page_live[page] += 1
    accept_draft(m, slot, account_id | instrument_id << 32, price | size << 32)
    if meets:
        if not trade_plainly(m, at, slot, limit):
            state["slot"] = slot
            state["limit"] = limit
            return RUNS
        if i64(m.orders[slot]["leaves"]) == 0:
            finish(m, slot)
            return DONE
    if (codes >> TIF_AT) & 7 == IOC:
        drop_order(m, c, slot, REMAINDER)
    elif append(m, slot, level_at(instrument, side, index)):
        appear(m, instrument_id, side, index)
    return DONE


@inline
def is_taken(codes, quantity, display):
    """Whether life, prevention and quantities are such as the lane takes."""
    life = (codes >> TIF_AT) & 7 | (codes >> FLAGS_AT - POST_BIT) & 1 << POST_BIT
    return (
        (TAKEN >> life) & 1 != 0
        and (codes >> STP_AT) & 7 <= STP_MAX
        and quantity != 0
        and quantity >> 31 == 0
        and 0 <= display <= quantity
        and (display == 0 or life != IOC)
    )


@inline
def draft(m, at, slot, codes, price, size):
    """Write what is known of the order into a free slot, and of its event behind the others.

    A refusal leaves both behind, and nobody looks there. What must be kept until all checks are
    made would not fit the registers.
    """
    given, own, out = at * WORDS, slot * WORDS, m.state[0]["events"] * WORDS
    quantity, display = size & LOW, size >> 32
    side = (codes >> SIDE_AT) & 1
    copy_stamp(m, at, out)
    m.event_words[out + 7] = ACCEPTED | side << SIDE_AT
    mode = (codes >> STP_AT) & 7 | (codes >> FLAGS_AT - POST_BIT) & 1 << POST_BIT
    m.order_words[own + 7] = (codes & KEPT_MASK) << 24 | mode << MODE_AT
    shown = display if display != 0 else quantity
    m.order_words[own + 2] = shown | display << 32
    m.event_words[out + 2] = shown << 32
    m.event_words[out + 3] = price | quantity << 32
    m.event_words[out + 4] = quantity
    name = m.command_words[given + 4]
    m.event_words[out + 5] = name
    m.order_words[own + 3] = name
    m.event_words[out + 6] = (m.command_words[given + 5] >> 32) & LOW | (
        m.command_words[given + 6] << 32
    )


@inline
def pay(m, slot, account_id, instrument_id, side, price, quantity):
    """Reserve what the order needs. Returns False, and changes nothing, if a limit forbids it."""
    account, instrument = m.accounts[account_id], m.instruments[instrument_id]
    worth = price * quantity * i64(instrument["tick_fen"])
    if (
        quantity > i64(account["order_cap"])
        or quantity > i64(instrument["quantity_max"])
        or worth > account["notional_cap"]
    ):
        return False
    held = worth + whole_fen(worth * i64(instrument["dearer_rate"]) + (RATE_UNIT - 1))
    m.order_words[slot * WORDS] = held & (side - 1)
    position_id = position_at(m, instrument_id, account_id)
    position = m.positions[position_id]
    opened = i64(m.position_words[position_id * 4 + 2 + side])
    # A buyer's position if all is bought; a seller's uncovered contracts if all is sold.
    worst = opened + ((i64(position["net"]) ^ -side) + side) + quantity
    cap = i64(account["position_cap"])
    cap = either(side, cap, min(cap, i64(position["registered"])))
    deposit = deposit_for(instrument, worst) - deposit_for(instrument, worst - quantity)
    needs = either(side, held, deposit)
    free = account["free"] - needs
    if worst > cap or free < 0:
        return False
    m.position_words[position_id * 4 + 2 + side] = opened + quantity
    account["free"] = free
    m.account_words[account_id * 16 + 1 + side] += needs
    return True


@inline
def accept_draft(m, slot, owner, price_leaves):
    """The order is live and its event counts."""
    state = m.state[0]
    own = slot * WORDS
    state["free_slot"] = i64(m.links[slot]["next"])
    state["accepted"] += 1
    state["events"] += 1
    m.order_words[own + 1] = price_leaves
    m.order_words[own + 4] = owner
    m.order_words[own + 5] = state["accepted"]
    m.order_words[own + 6] = 0

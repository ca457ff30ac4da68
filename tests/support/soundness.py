"""Invariants of a machine's memory, compiled: a check takes some microseconds after each command.

matching/invariants/state_invariants.py checks the state as tables. This module checks the memory
layout as well (links, bitmaps, free lists, pages, the heap of timers), fast enough for ten million
commands. It shares no code with the kernels.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from matching import Engine
from matching.book.timers import NEVER
from matching.memory.layout import BLOCK_BIT, HOURS, PAGE, TIMED, TOPS, WAITING
from matching.records import POSITION_MAX, RATE_UNIT, OrderType, Phase, TimeInForce
from matching.stages import FETCH
from tests.support.block_soundness import check_blocks

i64 = np.int64
GTD = int(TimeInForce.GTD)
STOP_LIMIT = int(OrderType.STOP_LIMIT)
CONTINUOUS, CLOSED = int(Phase.CONTINUOUS), int(Phase.CLOSED)
BOOKS = 4

BROKEN = {
    1: "an order rests at a level of another price",
    2: "the links of a level do not agree",
    3: "a level's tail is not its last order",
    4: "the bitmap differs from the levels that hold orders",
    5: "the best level is not the highest",
    6: "an order's open or shown quantity is impossible",
    7: "the orders of a level are not in acceptance sequence",
    8: "the book is crossed in continuous trading",
    9: "a stop waits although the last trade triggers it",
    10: "a live order is in no book, or in two, or has no account",
    11: "an order's session and ref do not lead to it",
    12: "an order's timer is not its own, or it has none",
    13: "a slot is neither live nor free",
    14: "a page's count of live orders is wrong",
    15: "a page is neither used nor free",
    16: "the heap of timers is out of order",
    17: "the next due time is not the first timer's",
    18: "open quantities are not the sums over orders",
    19: "an account offers more than it has",
    20: "a position may grow beyond its bound",
    21: "net positions do not sum to zero",
    22: "reserved money is not the sum that orders need",
    23: "the deposit is not the sum that positions need",
    24: "an account's money is negative",
    25: "an account's funded money differs from what it has and paid",
    26: "more was earned than paid",
    27: "state of the last command is left",
    28: "a gated instrument is open or has orders",
    29: "due work has not been done",
    30: "slot or position 0 is not empty",
    31: "the money that an order holds is wrong",
    32: "the limits that orders are checked with are not the account's",
    33: "state of a block's trade is left",
    34: "a block's legs are not those of its hours",
    35: "an hour is not marked although a block stands in it",
    36: "the best total of a block's leg is too high",
    37: "a block is neither live nor free",
    38: "a standing block has traded, or its quantity is impossible",
}


class Memory(NamedTuple):
    """The arrays of a machine that are checked, and the checker's own sums."""

    state: Any
    orders: Any
    links: Any
    words: Any
    instruments: Any
    accounts: Any
    positions: Any
    directory: Any
    pages: Any
    page_live: Any
    timers: Any
    blocks: Any
    legs: Any
    words32: Any  # of instruments, by fours of bytes
    tops: Any  # best index of a book by instrument and book
    seen: Any  # orders: 1 where a slot was met in a book, 2 among the free ones
    live: Any  # pages: live orders
    opened: Any  # positions x side: leaves
    held: Any  # accounts x (reserved, deposit)


def tops_of(arrays: dict[str, Any]) -> Any:
    """The best index of each book, as a view: instruments x books."""
    words = arrays["instruments"].view(np.uint32)
    return words.reshape(-1, TOPS)[:, :BOOKS]


class Soundness:
    """Checks the memory of one engine after each command."""

    def __init__(self, engine: Engine) -> None:
        arrays = engine._arrays
        self._memory = Memory(
            *(arrays[name] for name in Memory._fields[:13]),
            arrays["instruments"].view(np.uint32),
            tops_of(arrays),
            np.zeros(len(arrays["orders"]), np.int64),
            np.zeros(len(arrays["page_live"]), np.int64),
            np.zeros((len(arrays["positions"]), 2), np.int64),
            np.zeros((len(arrays["accounts"]), 2), np.int64),
        )

    def broken(self) -> str | None:
        """The first broken rule, with its slot, page or number; None if the memory is sound."""
        rule, where = check(self._memory)
        return f"{BROKEN[rule]} ({where})" if rule else None


@njit(error_model="numpy")
def check(m):
    """Number of the first rule that is broken and where; (0, 0) if none is."""
    rule, where = check_rest(m.state[0], m.orders, m.tops)
    for sums in (m.seen, m.live):
        sums[:] = 0
    for pairs in (m.opened, m.held):
        pairs[:] = 0
    number = 1
    while rule == 0 and number < len(m.instruments):
        if m.instruments[number]["width"] != 0:
            rule, where = check_books(m, number)
        if rule == 0:
            rule, where = check_instrument(m, number)
        number += 1
    if rule == 0:
        rule, where = check_orders(m)
    if rule == 0:
        rule, where = check_blocks(m, TOPS)
    if rule == 0:
        rule, where = check_free(m)
    if rule == 0:
        rule, where = check_pages(m)
    if rule == 0:
        rule, where = check_timers(m)
    if rule == 0:
        rule, where = check_positions(m)
    if rule == 0:
        rule, where = check_accounts(m)
    return rule, where


@njit(error_model="numpy")
def check_rest(s, orders, tops):
    """Between commands nothing is under way, and slot 0 of every table stays empty."""
    if s["stage"] != FETCH or s["queue_head"] != 0 or s["queue_tail"] != 0:
        return 27, s["stage"]
    if s["queue_reported"] != 0 or s["slot"] != 0:
        return 27, s["slot"]
    if s["tripped"] != 0 or s["list_size"] != 0:
        return 27, s["tripped"]
    if orders[0]["instrument"] != 0 or orders[0]["leaves"] != 0:
        return 30, 0
    for book in range(BOOKS):
        if tops[0, book] != 0:
            return 30, book
    return 0, 0


@njit(error_model="numpy")
def price_of(instrument, book, index):
    """Price of a level: it rises with the index for bids and sell stops, and falls for others."""
    if book in (0, 3):
        return i64(instrument["low"]) + index - 1
    return i64(instrument["high"]) - index + 1


@njit(error_model="numpy")
def check_books(m, number):
    """The four books of an instrument: links, bitmap, best level, quantities."""
    instrument, links, words = m.instruments[number], m.links, m.words
    width = i64(instrument["width"])
    size = i64(instrument["words"]) + i64(instrument["groups"]) + 1
    for book in range(BOOKS):
        base = i64(instrument["level_base"]) + book * (width + 1)
        bits = i64(instrument["word_base"]) + book * size
        best = i64(0)
        if links[base]["next"] != 0 or links[base]["prev"] != 0:
            return 30, number
        for bit in range(i64(instrument["words"]) << 6):
            index = bit + 1
            is_marked = (words[bits + (bit >> 6)] >> (bit & 63)) & 1
            is_level = index <= width
            has_orders = is_level and 0 < i64(links[base + index]["next"]) < len(m.orders)
            if is_marked != (1 if has_orders else 0):
                return 4, number
            if not is_marked:
                if is_level and not is_empty(links[base + index], base + index):
                    return 3, number
                continue
            best = index
            price = price_of(instrument, book, index)
            rule, where = check_level(m, number, book, price, base + index)
            if rule != 0:
                return rule, where
        if best != i64(m.tops[number, book]):
            return 5, number
        if not check_bitmap(words, bits, i64(instrument["words"]), i64(instrument["groups"])):
            return 4, number
    return 0, 0


@njit(error_model="numpy")
def is_empty(link, level):
    """Whether a level has no orders: it links to itself, or is zero if it never had one."""
    if link["next"] == 0:
        return link["prev"] == 0
    return link["next"] == level and link["prev"] == level


@njit(error_model="numpy")
def check_bitmap(words, bits, count, groups):
    """Whether each bit of a higher row is set exactly where the word below it is not 0."""
    for word in range(groups << 6):
        bit = (words[bits + count + (word >> 6)] >> (word & 63)) & 1
        if bit != (1 if word < count and words[bits + word] != 0 else 0):
            return False
    for group in range(64):
        bit = (words[bits + count + groups] >> group) & 1
        if bit != (1 if group < groups and words[bits + count + group] != 0 else 0):
            return False
    return True


@njit(error_model="numpy")
def check_level(m, number, book, price, level):
    """The circular list of a level's orders, from the first to the last."""
    orders, links, seen = m.orders, m.links, m.seen
    slot = i64(links[level]["next"])
    before = i64(level)
    stayed = i64(0)
    while slot != level:
        if not 0 < slot < len(orders):
            return 2, before
        order = orders[slot]
        waits = (i64(order["mode"]) & WAITING) != 0
        if i64(order["side"]) + (2 if waits else 0) != book:
            return 1, slot
        if i64(order["instrument"]) != number or seen[slot] != 0:
            return 10, slot
        seen[slot] = 1
        if i64(order["stop"] if waits else order["price"]) != price:
            return 1, slot
        if i64(links[slot]["prev"]) != before:
            return 2, slot
        leaves, shown = i64(order["leaves"]), i64(order["shown"])
        display = i64(order["display"])
        if leaves < 1 or i64(order["cumulative"]) < 0 or (waits and shown != 0):
            return 6, slot
        if not waits and (not 1 <= shown <= leaves or (display == 0 and shown != leaves)):
            return 6, slot
        # A next slice and a triggered stop-limit join the back with their old acceptance.
        if display == 0 and i64(order["type"]) != STOP_LIMIT and not waits:
            if i64(order["accepted"]) <= stayed:
                return 7, slot
            stayed = i64(order["accepted"])
        before = slot
        slot = i64(links[slot]["next"])
    return (3, before) if i64(links[level]["prev"]) != before else (0, i64(0))


@njit(error_model="numpy")
def check_instrument(m, number):
    """In continuous trading nothing can trade; a gated instrument is closed and empty."""
    instrument, tops = m.instruments[number], m.tops
    price = np.zeros(BOOKS, np.int64)
    for book in range(BOOKS):
        if tops[number, book] != 0:
            price[book] = price_of(instrument, book, i64(tops[number, book]))
            if instrument["gated"] != 0:
                return 28, number
    if instrument["gated"] != 0 and instrument["phase"] != CLOSED:
        return 28, number
    gate_ns = i64(instrument["gate_s"]) * 10**9
    if gate_ns != 0 and gate_ns <= m.state[0]["now_ns"]:
        return 29, number
    if instrument["phase"] == CONTINUOUS:
        if price[0] != 0 and price[1] != 0 and price[0] >= price[1]:
            return 8, number
        last = i64(instrument["last"])
        if last != 0 and ((price[2] != 0 and price[2] <= last) or price[3] >= last):
            return 9, number
    return 0, 0


@njit(error_model="numpy")
def check_orders(m):
    """Live orders are in a book, in the directory of refs and, if GTD, in the timers."""
    s = m.state[0]
    for slot in range(1, s["slots_used"] + 1):
        order = m.orders[slot]
        number = i64(order["instrument"])
        if number == 0:
            continue
        is_block = (i64(order["mode"]) & BLOCK_BIT) != 0
        if m.seen[slot] != (0 if is_block else 1) or i64(order["account"]) >= len(m.accounts):
            return 10, slot
        ref = i64(order["user_ref"])
        if ref >= s["refs"] or i64(order["session"]) * s["session_pages"] >= len(m.directory):
            return 11, slot
        page = i64(m.directory[i64(order["session"]) * s["session_pages"] + ref // PAGE])
        if page == 0 or i64(m.pages[page * PAGE + ref % PAGE]) != slot:
            return 11, slot
        m.live[page] += 1
        timer = i64(order["timer"])
        if (timer != 0) != (i64(order["tif"]) == GTD):
            return 12, slot
        if timer != 0 and (timer > s["timers"] or i64(m.timers[timer]["slot"]) != slot):
            return 12, slot
        account, side = i64(order["account"]), i64(order["side"])
        hours = i64(order["display"]) if is_block else i64(1)
        for k in range(hours):
            if is_block:
                number = i64(m.legs[i64(order["stop"]) * HOURS + k]["instrument"])
            m.opened[number * len(m.accounts) + account, side] += i64(order["leaves"])
        if (timer != 0) != (i64(order["mode"]) & TIMED != 0):
            return 12, slot
        held = i64(0)
        if side == 0 and is_block:
            held = block_reserve_fen(m, order)
        elif side == 0:
            held = reserve_fen(order, m.instruments[number])
        if order["held"] != held:
            return 31, slot
        m.held[account, 0] += held
    return 0, 0


@njit(error_model="numpy")
def check_free(m):
    """All slots that are not live are free, once."""
    used = m.state[0]["slots_used"]
    slot = m.state[0]["free_slot"]
    while slot != 0:
        if slot > used or m.seen[slot] != 0 or m.orders[slot]["instrument"] != 0:
            return 13, slot
        m.seen[slot] = 2
        slot = i64(m.links[slot]["next"])
    for slot in range(1, used + 1):
        is_block = (i64(m.orders[slot]["mode"]) & BLOCK_BIT) != 0
        if m.seen[slot] == 0 and not (m.orders[slot]["instrument"] != 0 and is_block):
            return 13, slot
    return 0, 0


@njit(error_model="numpy")
def reserve_fen(order, instrument):
    """Notional at the worst price, and the dearer fee with the order's fraction, rounded up."""
    price = i64(order["price"]) if i64(order["price"]) != 0 else i64(instrument["high"])
    notional = price * i64(order["leaves"]) * i64(instrument["tick_fen"])
    rate = max(i64(instrument["maker_rate"]), i64(instrument["taker_rate"]))
    exact = notional * rate + i64(order["fee_fraction"])
    return notional + (exact + RATE_UNIT - 1) // RATE_UNIT


@njit(error_model="numpy")
def block_reserve_fen(m, order):
    """Notional of all hours at the limit, and the dearest fee on it, rounded up."""
    lots = i64(order["leaves"]) * i64(order["display"])
    notional = i64(order["price"]) * lots * i64(m.instruments[order["instrument"]]["tick_fen"])
    rate = i64(0)
    for k in range(i64(order["display"])):
        hour = m.instruments[i64(m.legs[i64(order["stop"]) * HOURS + k]["instrument"])]
        rate = max(rate, i64(hour["maker_rate"]), i64(hour["taker_rate"]))
    return notional + (notional * rate + RATE_UNIT - 1) // RATE_UNIT


@njit(error_model="numpy")
def check_pages(m):
    """Each used page is in the directory once and counts its orders; all others are free."""
    s, directory, page_live, live = m.state[0], m.directory, m.page_live, m.live
    used = s["pages_used"]
    found = i64(0)
    for entry in range(len(directory)):
        page = i64(directory[entry])
        if page != 0:
            found += 1
            if live[page] == 0 or i64(page_live[page]) != live[page]:
                return 14, page
    free = s["free_page"]
    while free != 0:
        if free > used or live[free] != 0:
            return 15, free
        live[free] = -1
        found += 1
        free = i64(page_live[free])
    return (15, found) if found != used else (0, i64(0))


@njit(error_model="numpy")
def check_timers(m):
    """The timers are a binary heap over (due, rank), and every order has its place in it."""
    s, orders, timers = m.state[0], m.orders, m.timers
    for at in range(1, s["timers"] + 1):
        due, rank = i64(timers[at]["due"]), i64(timers[at]["rank"])
        above = at >> 1
        if above != 0:
            first = i64(timers[above]["due"])
            if first > due or (first == due and i64(timers[above]["rank"]) >= rank):
                return 16, at
        if (due >> 2) * 10**9 <= s["now_ns"]:
            return 29, at
        slot = i64(timers[at]["slot"])
        if slot != 0 and i64(orders[slot]["timer"]) != at:
            return 12, slot
    expected = i64(NEVER)
    if s["timers"] != 0:
        expected = (i64(timers[1]["due"]) >> 2) * 10**9
    return (17, i64(0)) if s["next_due_ns"] != expected else (0, i64(0))


@njit(error_model="numpy")
def check_positions(m):
    """Open quantities add up, net positions sum to zero, and no account sells more than it has."""
    instruments, accounts, opened = m.instruments, m.accounts, m.opened
    for number in range(len(instruments)):
        net_sum = i64(0)
        deposit_fen = i64(instruments[number]["deposit_fen"])
        for account in range(len(accounts)):
            at = number * len(accounts) + account
            position = m.positions[at]
            net, registered = i64(position["net"]), i64(position["registered"])
            buys, sells = i64(position["open_buy"]), i64(position["open_sell"])
            if buys != opened[at, 0] or sells != opened[at, 1]:
                return 18, at
            if registered + net - sells < 0:
                return 19, at
            if max(registered, net + buys, sells - net) > POSITION_MAX:
                return 20, at
            net_sum += net
            m.held[account, 1] += deposit_fen * max(i64(0), sells - net)
        if net_sum != 0:
            return 21, number
    return 0, 0


@njit(error_model="numpy")
def has_caps(account):
    """Whether the limits that orders are checked with equal the limits that were set."""
    order_max, position_max = i64(account["order_max"]), i64(account["position_max"])
    notional_max = account["notional_max"]
    trader = i64(account["firm"]) if account["halted"] == 0 else i64(0)
    return (
        i64(account["order_cap"]) == (order_max if order_max != 0 else 2**31 - 1)
        and i64(account["position_cap"]) == (position_max if position_max != 0 else POSITION_MAX)
        and account["notional_cap"] == (notional_max if notional_max != 0 else 2**63 - 1)
        and i64(account["trader"]) == trader
    )


@njit(error_model="numpy")
def check_accounts(m):
    """Money adds up exactly: funded is free, reserved, deposited or paid."""
    accounts, held = m.accounts, m.held
    surplus = i64(0)
    for number in range(len(accounts)):
        account = accounts[number]
        if account["reserved"] != held[number, 0]:
            return 22, number
        if account["deposit"] != held[number, 1]:
            return 23, number
        if account["free"] < 0 or account["earned"] < 0:
            return 24, number
        placed = account["free"] + account["reserved"] + account["deposit"]
        if account["funded"] != placed + account["paid"]:
            return 25, number
        surplus += account["earned"] - account["paid"]
        if account["firm"] != 0 and not has_caps(account):
            return 32, number
    return (26, i64(0)) if surplus > 0 else (0, i64(0))

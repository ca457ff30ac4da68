"""Each rule of a machine's memory is named, with its place, when a snapshot breaks it."""

from dataclasses import replace

import pytest

from matching import Engine
from matching.invariants.memory.violations import first_violation
from matching.memory.layout import (
    HOURS,
    PAGE,
    RANK_BITS,
    TABLES,
    TOPS,
    WATCH_AT,
    WATCH_HEAD,
    WATCH_REACH,
)
from matching.memory.state_record import UNFINISHED
from matching.records import CommandKind
from matching.snapshot import BOUNDS, SCRATCH
from tests.support.rich_state import (
    ACCEPTED,
    BARE,
    BEHIND,
    BUY_BLOCK,
    COLLARED,
    FILLED,
    FIRST,
    FREE_BLOCKS,
    FREE_PAGES,
    FREE_SLOTS,
    GATED,
    ICEBERG,
    LEVELS_USED,
    LIMITS,
    LOW_BID,
    NOW_NS,
    QUOTE_ASK,
    QUOTE_BID,
    QUOTED,
    SECOND,
    SELL_BLOCK,
    STOP,
    STOP_LIMIT,
    THIRD,
    TIMED,
    WORDS_USED,
    rich_machine,
)
from tests.support.scripts import SELL, START_S, as_commands, head, listing, order, venue
from tests.support.snapshot_editor import SnapshotEditor

FIRST_LEVEL = LIMITS.orders + 1
LEVEL_90 = FIRST_LEVEL + 90  # of bids: its orders are FILLED and BEHIND
ICEBERG_LEVEL = FIRST_LEVEL + 201 + 81  # of asks, at 120
EMPTY_LEVEL = 1712  # of bids of the third instrument: had orders
NEW_LEVEL = FIRST_LEVEL + 50  # has a link of zeros
EXPIRY, AUCTION_END, BLOCK_EXPIRY, PENDING, CLOSE, CLOSING, GATE = 1, 2, 3, 4, 5, 6, 7
"""Positions of timers: of TIMED, of the collar's auction, of BUY_BLOCK, of the second instrument's
phase, of COLLARED's DAY orders, its close and its gate closure."""

LEADS_BACK = "must lead to what leads back: an order of the level, or it"

LEG, NEXT_LEG, OTHER_LEG = HOURS, HOURS + 1, 2 * HOURS
"""Legs of BUY_BLOCK, and the first of SELL_BLOCK."""


def position(instrument: int, account: int) -> int:
    """Row of a position."""
    return instrument * (LIMITS.accounts + 1) + account


Case = tuple[str, int, str, int, str]
"""Table, row, column (none for plain numbers), a value, and the rule that it breaks."""

STATE_CASES: list[Case] = [
    ("state", 0, "now_ns", -1, "must be between 0 and "),
    ("state", 0, "next_due_ns", 0, f"must be the first timer's, {(START_S + 50) * 10**9}"),
    ("state", 0, "accepted", 2**32, "must be between 0 and 4294967295"),
    ("state", 0, "trades", -1, "must be between 0 and 4294967295"),
    ("state", 0, "scheduled", 2**39 + 1, "must be between 0 and 549755813888"),
    ("state", 0, "phases_pending", 1, "must be the phases to come, 2"),
    ("state", 0, "free_slot", ICEBERG, "must lead to a slot without an order, or be 0"),
    ("state", 0, "free_slot", 99, "must lead to a slot without an order, or be 0"),
    ("state", 0, "slots_used", 33, "must be between 0 and 32"),
    ("state", 0, "free_page", 1, "must lead to a page without an order, or be 0"),
    ("state", 0, "pages_used", 7, "must be between 0 and 6"),
    ("state", 0, "timers", 2**40, "must be between 0 and "),
    ("state", 0, "levels_used", 2859, f"must be the sum of all bands, {LEVELS_USED}"),
    ("state", 0, "words_used", 1, f"must be the sum of all bands, {WORDS_USED}"),
    ("state", 0, "bands", 5, "must be the number of bands, 6"),
    ("state", 0, "funded", 1, "must be the sum of accounts, 3000000000000"),
    ("state", 0, "refs", 8191, "must be 8192"),
    ("state", 0, "session_pages", 9, "must be 8"),
    ("state", 0, "session_orders", 25, "must be 24"),
    ("state", 0, "session_blocks", 5, "must be 6"),
    ("state", 0, "session_ref_pages", 6, "must be 5"),
    (
        "state",
        0,
        "trade_groups",
        ACCEPTED + 1,
        f"must be between 0 and {ACCEPTED}",
    ),
    ("state", 0, "free_block", 1, "must lead to a number without a block, or be 0"),
    ("state", 0, "blocks_used", 7, "must be between 0 and 6"),
    ("state", 0, "candidates", 1, "must be 0"),
    ("state", 0, "tripped", 1, "must be 0"),
    ("state", 0, "busts", 2**16 + 1, "must be between 0 and 65536"),
    ("links", 0, "next", 1, "must be 0"),
    ("links", 0, "prev", 1, "must be 0"),
    ("timers", 0, "due", 1, "must be 0"),
    ("page_live", 0, "", 1, "must be 0"),
    ("busts", 1, "", 3, "must be the number of a trade"),
    ("busts", 1, "", 0, "must be the number of a trade"),
    ("busts", 2, "", 1, "must be 0"),
    ("busts", 0, "", 1, "must be 0"),
    *(("state", 0, column, 1, "must be 0") for column in UNFINISHED),
]

MEMBER_CASES: list[Case] = [
    ("sessions", 0, "opened", 0, "must be 1"),
    ("sessions", 0, "operator", 0, "must be 1"),
    ("sessions", 0, "firm", 1, "must be 0"),
    ("sessions", 4, "firm", 1, "must be 1"),
    ("sessions", 1, "opened", 2, "must be 1"),
    ("sessions", 1, "operator", 2, "must be between 0 and 1"),
    ("sessions", 1, "firm", 0, "must be a firm"),
    ("sessions", 1, "firm", 2, "must be an opened session of the account's firm"),
    ("sessions", 1, "orders", 10, "must be what the session has"),
    ("sessions", 1, "blocks", 1, "must be what the session has"),
    ("sessions", 1, "ref_pages", 3, "must be what the session has"),
    ("sessions", 1, "spare", 1, "must be 0 in bytes without a meaning"),
    ("sessions", 1, "spares", 1, "must be 0 in bytes without a meaning"),
    ("accounts", 1, "firm", 0, "must be a firm"),
    ("accounts", 0, "firm", 1, "must be a firm"),
    ("accounts", 1, "group", 0, "must be a group, or the account's own"),
    ("accounts", 1, "group", 2**31 + 2, "must be a group, or the account's own"),
    ("accounts", 1, "halted", 2, "must be between 0 and 1"),
    ("accounts", 1, "trader", 0, "must be the firm, or 0 while halted"),
    ("accounts", 1, "order_max", -1, "must be between 0 and 2147483647"),
    ("accounts", 1, "order_cap", 9, "must be as set, or the most"),
    ("accounts", 1, "position_max", 2**30 + 1, "must be between 0 and 1073741824"),
    ("accounts", 1, "position_cap", 9, "must be as set, or the most"),
    ("accounts", 1, "notional_max", -1, "must be between 0 and "),
    ("accounts", 1, "notional_cap", 9, "must be as set, or the most"),
    ("accounts", 1, "free", -1, "must be between 0 and "),
    ("accounts", 1, "paid", 1, "must be free, reserved, deposit and paid"),
    ("accounts", 1, "funded", 0, "must be free, reserved, deposit and paid"),
    ("accounts", 2, "earned", 51, "must not be more in sum than what was paid"),
    ("positions", position(BARE, 1), "net", 1, "must be 0 in the sum of an instrument"),
    ("positions", position(FIRST, 4), "registered", 1, "must be of a listed instrument and "),
    ("positions", position(0, 1), "registered", 1, "must be of a listed instrument and "),
    ("positions", position(FIRST, 1), "registered", -1, "must be between 0 and 1073741824"),
    ("positions", position(FIRST, 1), "net", -(2**30) - 1, "must be between -1073741824 and "),
    ("positions", position(FIRST, 1), "open_buy", 22, "must be the lots of live orders"),
    ("positions", position(FIRST, 1), "open_sell", 1, "must be the lots of live orders"),
    ("positions", position(FIRST, 2), "registered", 10, "must not be more than the account has"),
    ("positions", position(FIRST, 1), "net", 2**30 - 1, "must leave the position within "),
    ("positions", position(SECOND, 2), "net", -(2**30), "must not be more than the account has"),
]

INSTRUMENT_CASES: list[Case] = [
    ("instruments", FIRST, "phase", 6, "must be a phase"),
    ("instruments", FIRST, "plain_phase", 6, "must be a phase"),
    ("instruments", 0, "phase", 3, "must be a phase"),
    ("instruments", BARE, "phase", 3, "must be closed: there is no band"),
    ("instruments", FIRST, "gated", 2, "must be between 0 and 1"),
    ("instruments", GATED, "phase", 3, "must be closed: the gate is"),
    ("instruments", FIRST, "watched", 2, "must be between 0 and 1"),
    ("instruments", FIRST, "watched", 0, "must be 1 if a block stands in the hour, else 0"),
    ("instruments", FIRST, "reference", 0, "must be between 1 and 2147483647"),
    ("instruments", FIRST, "tick_fen", 0, "must be between 1 and 1000000"),
    ("instruments", FIRST, "maker_rate", -1, "must be between 0 and 100000"),
    ("instruments", FIRST, "taker_rate", 100_001, "must be between 0 and 100000"),
    ("instruments", FIRST, "dearer_rate", 10, "must be the dearer of both rates"),
    ("instruments", FIRST, "deposit_fen", -1, "must be between 0 and 2147483647"),
    ("instruments", FIRST, "collar", -1, "must be between 0 and 2147483647"),
    ("instruments", COLLARED, "collar_s", 0, "must be at least 1"),
    ("instruments", COLLARED, "collar_s", -1, "must be between 0 and 86400"),
    ("instruments", FIRST, "last", -1, "must be between 0 and 2147483647"),
    ("instruments", FIRST, "last", 150, "must not trigger a stop that waits"),
    ("instruments", FIRST, "close_s", START_S, "must be 0, or later than the machine's time"),
    ("instruments", FIRST, "close_s", START_S + 9, "must be 0, or have a timer as expiry"),
    ("instruments", FIRST, "gate_s", START_S + 9, "must be 0, or have a timer as gate"),
    ("instruments", FIRST, "width", 2**18 + 1, "must be between 0 and 262144"),
    ("instruments", FIRST, "low", 0, "must be a price, or 0 without band"),
    ("instruments", BARE, "low", 1, "must be a price, or 0 without band"),
    ("instruments", FIRST, "high", 201, "must end a band that its memory holds, or be 0 without"),
    ("instruments", BARE, "high", 1, "must end a band that its memory holds, or be 0 without"),
    ("instruments", FIRST, "words", 3, "must be what the band's ticks need"),
    ("instruments", FIRST, "groups", 2, "must be what the words need"),
    ("instruments", FIRST, "quantity_max", 9, "must be what fees and band admit"),
    ("instruments", BARE, "level_base", 1, "must be 0"),
    ("instruments", BARE, "word_base", 1, "must be 0"),
    ("instruments", SECOND, "level_base", 838, "must follow the band before"),
    ("instruments", SECOND, "word_base", 23, "must follow the band before"),
    ("instruments", FIRST, "after", 2**32 - 1, "must be an instrument, or 0"),
    ("instruments", FIRST, "after", THIRD, "must be an instrument that names this one in turn"),
    ("instruments", THIRD, "follows", FIRST, "must be an instrument that names this one in turn"),
    ("instruments", SECOND, "tick_fen", 2, "must be an instrument with the same fen per tick"),
    ("instruments", BARE, "longest", 2, "must be between 2 and 168 in a sequence, else 0"),
    ("instruments", SECOND, "longest", 169, "must be between 2 and 168 in a sequence, else 0"),
    ("members", 0, "", 1, "must be a listed instrument of a basket from 1 on"),
    ("members", 16, "", 2**31, "must be a listed instrument of a basket from 1 on"),
    ("members", 19, "", GATED, "must come behind the basket's other members"),
    ("members", 18, "", BARE, "must have the basket's fen per tick"),
    ("members", 18, "", SECOND, "must be of another sequence than the basket's other members"),
]

ORDER_CASES: list[Case] = [
    ("orders", 0, "instrument", 1, "must be 0: slot 0 holds no order"),
    ("orders", 0, "leaves", 1, "must be 0: slot 0 holds no order"),
    ("orders", 0, "session", 9, "must be an opened session of the account's firm"),
    ("orders", 32, "leaves", 1, "must be of a slot that was used"),
    ("orders", FREE_SLOTS[0], "session", 6, "must be an opened session of the account's firm"),
    ("orders", FREE_SLOTS[0], "user_ref", 8192, "must be within the limit of refs"),
    ("orders", FREE_SLOTS[0], "account", 6, "must be an opened account that is not halted"),
    ("orders", FREE_SLOTS[0], "instrument", 1, "must lead, with the session, to this order"),
    ("orders", ICEBERG, "session", 4, "must be an opened session of the account's firm"),
    ("orders", ICEBERG, "session", 2, "must be an opened session of the account's firm"),
    ("orders", ICEBERG, "account", 4, "must be an opened account that is not halted"),
    ("orders", ICEBERG, "user_ref", 2, "must lead, with the session, to this order"),
    ("orders", ICEBERG, "instrument", 8, "must be one with a band, whose gate is open"),
    ("orders", ICEBERG, "instrument", BARE, "must be one with a band, whose gate is open"),
    ("orders", ICEBERG, "instrument", GATED, "must be one with a band, whose gate is open"),
    ("orders", ICEBERG, "side", 2, "must be 0 or 1"),
    ("orders", ICEBERG, "accepted", 0, "must be an acceptance so far, of this order alone"),
    (
        "orders",
        ICEBERG,
        "accepted",
        ACCEPTED + 1,
        "must be an acceptance so far, of this order alone",
    ),
    ("orders", ICEBERG, "accepted", 2, "must be an acceptance so far, of this order alone"),
    ("orders", ICEBERG, "mode", 5, "must be a mode of prevention, and bits that agree"),
    ("orders", ICEBERG, "mode", 128, "must be a quote's only of a DAY order"),
    ("orders", STOP, "mode", 24, "must be a mode of prevention, and bits that agree"),
    ("orders", ICEBERG, "type", 1, "must be one that rests, or waits, as this order does"),
    ("orders", STOP, "type", 2, "must be one that rests, or waits, as this order does"),
    ("orders", ICEBERG, "tif", 3, "must be one that rests, or waits, as this order does"),
    ("orders", STOP, "price", 1, "must be within the band; of a waiting stop, 0"),
    ("orders", ICEBERG, "price", 201, "must be within the band; of a waiting stop, 0"),
    ("orders", ICEBERG, "stop", 1, "must be within the band; without a stop, 0"),
    ("orders", STOP_LIMIT, "stop", 0, "must be within the band; without a stop, 0"),
    ("orders", ICEBERG, "leaves", 0, "must be at least 1, and with what traded within bounds"),
    ("orders", ICEBERG, "leaves", 2**31 - 1, "must not be more than the account's position has"),
    ("orders", FILLED, "leaves", 2**31 - 1, "must be at least 1, and with what traded within"),
    ("orders", ICEBERG, "cumulative", -1, "must be at least 0; of a block, 0"),
    ("orders", ICEBERG, "fee_fraction", 10**6, "must be less than a fen; of a block, 0"),
    ("orders", ICEBERG, "display", -1, "must be at least 0"),
    ("orders", ICEBERG, "display", 0, "must be what rests, or a part of an iceberg; else 0"),
    ("orders", ICEBERG, "shown", 10, "must be what rests, or a part of an iceberg; else 0"),
    ("orders", STOP, "shown", 1, "must be what rests, or a part of an iceberg; else 0"),
    ("orders", ICEBERG, "held", 1, "must be the money that the order needs"),
    ("orders", FILLED, "held", 180, "must be the money that the order needs"),
    ("orders", ICEBERG, "timer", 1, "must be the order's own timer if GTD, else 0"),
    ("orders", TIMED, "tif", 1, "must be the order's own timer if GTD, else 0"),
    ("orders", TIMED, "timer", 3, "must be the order's own timer if GTD, else 0"),
    ("orders", TIMED, "timer", 9, "must be the order's own timer if GTD, else 0"),
    ("orders", TIMED, "accepted", 9, "must be the order's instrument and acceptance"),
    ("orders", LOW_BID, "side", 1, "must be the money that the order needs"),
    ("orders", ICEBERG, "price", 121, LEADS_BACK),
    ("orders", FILLED, "accepted", 10, "must be earlier than of the orders behind"),
    ("orders", BUY_BLOCK, "mode", 104, "must be a mode of prevention, and bits that agree"),
    ("orders", SELL_BLOCK, "mode", 64 + 7, "must be a mode of prevention, and bits that agree"),
    ("orders", BUY_BLOCK, "type", 4, "must be one that rests, or waits, as this order does"),
    ("orders", SELL_BLOCK, "tif", 1, "must be one that rests, or waits, as this order does"),
    ("orders", BUY_BLOCK, "leaves", 0, "must be at least 1, and with what traded within bounds"),
    ("orders", BUY_BLOCK, "leaves", 2**30, "must be at least 1, and with what traded within"),
    ("orders", BUY_BLOCK, "leaves", 99, "must not be more than the account's position has open"),
    ("orders", BUY_BLOCK, "shown", 1, "must be what rests, or a part of an iceberg; else 0"),
    ("orders", BUY_BLOCK, "cumulative", 1, "must be at least 0; of a block, 0"),
    ("orders", BUY_BLOCK, "fee_fraction", 1, "must be less than a fen; of a block, 0"),
    ("orders", BUY_BLOCK, "display", 1, "must be a number of hours that the sequence admits"),
    ("orders", BUY_BLOCK, "display", 169, "must be a number of hours that the sequence admits"),
    ("orders", BUY_BLOCK, "price", 201, "must be within the band; of a waiting stop, 0"),
    ("orders", BUY_BLOCK, "stop", 0, "must be the number of a block that stands for this order"),
    ("orders", BUY_BLOCK, "stop", 6, "must be the number of a block that stands for this order"),
    ("orders", BUY_BLOCK, "stop", 2, "must be the number of a block that stands for this order"),
    ("orders", BUY_BLOCK, "held", 1, "must be the money that the order needs"),
]

LEVEL_CASES: list[Case] = [
    ("links", LEVEL_90, "next", 0, LEADS_BACK),
    ("links", LEVEL_90, "next", BEHIND, LEADS_BACK),
    ("links", LEVEL_90, "next", 18, LEADS_BACK),
    (
        "links",
        LEVEL_90,
        "next",
        FREE_SLOTS[0],
        LEADS_BACK,
    ),
    (
        "links",
        LEVEL_90,
        "next",
        SELL_BLOCK,
        LEADS_BACK,
    ),
    ("links", LEVEL_90, "next", LEVEL_90, LEADS_BACK),
    ("links", NEW_LEVEL, "next", ICEBERG, "must lead to an order of the level, or be itself or 0"),
    ("links", LEVEL_90, "prev", FILLED, LEADS_BACK),
    ("links", FILLED, "next", LEVEL_90, LEADS_BACK),
    ("links", FILLED, "next", FILLED, LEADS_BACK),
    ("links", BEHIND, "prev", LEVEL_90, LEADS_BACK),
    ("links", BEHIND, "next", FILLED, LEADS_BACK),
    ("links", NEW_LEVEL, "next", NEW_LEVEL, "must be the level itself: it has no orders"),
    ("links", EMPTY_LEVEL, "prev", 0, "must be the level itself: it has no orders"),
    ("links", FIRST_LEVEL, "next", ICEBERG, "must be 0: it is no level of a band"),
    ("links", FIRST_LEVEL + LEVELS_USED, "next", 1, "must be 0: it is no level of a"),
    ("links", FREE_SLOTS[0], "next", ICEBERG, "must lead to each slot without an order, once"),
    ("links", FREE_SLOTS[1], "next", FREE_SLOTS[0], "must lead to each slot without an order, onc"),
    ("links", FREE_SLOTS[0], "next", 0, "must lead to each slot without an order, once"),
    ("words", 0, "", 1, "must have a bit for each "),
    ("words", 1, "", 0, "must have a bit for each "),
    (
        "words",
        1,
        "",
        2**25 | 2**15 | 2**5 | 1,
        "must have a bit for each level with orders, and no",
    ),
    ("words", 1, "", 2**25 | 2**15, "must be at a level with a bit"),
    ("words", 3, "", 2**40, "must have a bit for each word or group below it that is not 0"),
    ("words", 4, "", 5, "must have a bit for each word or group below it that is not 0"),
    ("words", 5, "", 3, "must have a bit for each word or group below it that is not 0"),
    ("words", WORDS_USED, "", 1, "must be 0: no band has this word"),
    ("instruments", FIRST, "tops", 89, "must be at a level that is not above the best"),
    ("instruments", FIRST, "tops", 91, "must be the highest level of a book with orders"),
    ("instruments", FIRST, "tops", 201, "must be the highest level of a book with orders"),
    ("instruments", BARE, "tops", 1, "must be the highest level of a book with orders"),
]

ID_CASES: list[Case] = [
    ("directory", 8, "", 6, "must be a page that was used"),
    ("directory", 9, "", 1, "must be a page of its own"),
    ("directory", 0, "", 3, "must lead to each page without an order, once"),
    ("directory", 4 * 8, "", 3, "must be 0: the session is not opened"),
    ("directory", 8, "", 0, "must lead, with the session, to this order"),
    ("pages", PAGE + 1, "", BEHIND, "must lead, with the session, to this order"),
    ("pages", PAGE + 20, "", 1, "must be 0: no live order has this id"),
    ("pages", 3, "", 1, "must be 0: no live order has this id"),
    ("page_live", 1, "", 9, "must be the live orders of the page"),
    ("page_live", 6, "", 1, "must be 0"),
    ("page_live", FREE_PAGES[0], "", 1, "must lead to each page without an order, once"),
    ("page_live", FREE_PAGES[1], "", 4, "must lead to each page without an order, once"),
    ("page_live", FREE_PAGES[0], "", 0, "must lead to each page without an order, once"),
]

TIMER_CASES: list[Case] = [
    ("timers", EXPIRY, "due", -1, "must be a second that a command can name, x 4, and a class"),
    ("timers", EXPIRY, "due", (START_S + 2) * 4, "must be later than the machine's time"),
    ("timers", EXPIRY, "due", (START_S + 61) * 4, "must come after the timer above in the heap"),
    ("timers", EXPIRY, "due", (START_S + 50) * 4 + 1, "must be of the class of expiries"),
    ("timers", EXPIRY, "rank", 1 << RANK_BITS | 5, "must be the order's instrument and acceptance"),
    ("timers", PENDING, "slot", 20, "must be a slot that was used"),
    ("timers", EXPIRY, "slot", ICEBERG, "must be the order's own timer if GTD, else 0"),
    ("timers", PENDING, "slot", ICEBERG, "must be of an order with this timer"),
    ("timers", EXPIRY, "phase", 1, "must be 0"),
    ("timers", PENDING, "rank", 8 << RANK_BITS | 3, "must be of a listed instrument"),
    ("timers", PENDING, "rank", 3, "must be of a listed instrument"),
    ("timers", PENDING, "due", (START_S + 70) * 4 + 3, "must be of a class"),
    ("timers", PENDING, "phase", 7, "must be a phase if of that class"),
    ("timers", GATE, "phase", 1, "must be a phase if of that class"),
    ("timers", PENDING, "rank", 2 << RANK_BITS | 5, "must be of an order of scheduling so far"),
    ("timers", GATE, "rank", 4 << RANK_BITS | 1, "must be of an order of scheduling so far"),
    ("timers", PENDING, "rank", 2 << RANK_BITS | 4, "must be of an order of scheduling of its own"),
    ("timers", GATE, "rank", 1 << RANK_BITS, "must be of an instrument with this timer as gate"),
    ("timers", AUCTION_END, "phase", 0, "must be of an instrument with this timer as close"),
    ("timers", GATE, "due", (START_S + 98) * 4 + 1, "must be the instrument's gate_s"),
    ("timers", PENDING, "rank", BARE << RANK_BITS | 3, "must be of an instrument with a band"),
    ("own_timers", FIRST, "expiry", 5, "must be the position of this timer of the instrument"),
    ("own_timers", FIRST, "close", 6, "must be the position of this timer of the instrument"),
    ("own_timers", COLLARED, "gate", 0, "must be of an instrument with this timer as gate"),
    ("own_timers", FIRST, "collar_end", 2, "must be the position of this timer of the instrument"),
]

BLOCK_CASES: list[Case] = [
    ("blocks", 0, "slot", 1, "must be 0"),
    ("blocks", 6, "total", 1, "must be 0"),
    ("blocks", 1, "slot", SELL_BLOCK, "must be the number of a block that stands for this order"),
    ("blocks", 1, "active", 0, "must be the number of a block that stands for this order"),
    ("blocks", FREE_BLOCKS[0], "active", 1, "must be 0: no live order is this block"),
    ("blocks", 1, "candidate", 1, "must be 0 between two commands"),
    ("blocks", 1, "total", 444, "must be the sum of its legs'"),
    ("blocks", 2, "lacking", 0, "must be the number of its legs without a total"),
    ("blocks", FREE_BLOCKS[0], "slot", 1, "must lead to each number without a block, once"),
    ("blocks", FREE_BLOCKS[1], "slot", FREE_BLOCKS[0], "must lead to each number without a block"),
    ("blocks", FREE_BLOCKS[0], "slot", 0, "must lead to each number without a block, once"),
    ("legs", LEG, "instrument", SECOND, "must be the next hour of the sequence"),
    ("legs", LEG, "total", 2**60, "must be the sum of its legs'"),
    ("legs", LEG, "last_index", 135, "must not be below the reach of its hour"),
    ("legs", LEG, "last_index", 2**32 - 1, "must be a bound of what the hour's orders offer"),
    ("legs", NEXT_LEG, "last_index", 0, "must be the number of its legs without a total"),
    ("legs", LEG, "next", LEG, "must lead back, or be 0"),
    ("legs", LEG, "next", NEXT_LEG, "must lead to a leg of the same hour and side, or be 0"),
    ("legs", LEG, "next", OTHER_LEG, "must lead to a leg of the same hour and side, or be 0"),
    ("legs", LEG, "next", 3 * HOURS, "must lead to a leg of the same hour and side, or be 0"),
    ("legs", LEG, "next", 2**32 - 1, "must lead to a leg of the same hour and side, or be 0"),
    ("legs", LEG, "prev", 1, "must lead back, or be 0"),
    ("instruments", FIRST, "watch", 0, "must lead to the legs of this hour"),
    ("instruments", FIRST, "watch", NEXT_LEG, "must lead to the legs of this hour"),
    ("instruments", FIRST, "watch", LEG + 2, "must lead to the legs of this hour"),
    ("instruments", COLLARED, "watched", 1, "must be 1 if a block stands in the hour, else 0"),
]

Edit = tuple[str, int, str, int]
NO_AUCTION: list[Edit] = [
    ("auctions", COLLARED, "price", 0),
    ("auctions", COLLARED, "volume", 0),
    ("auctioned", 0, "", 0),
]
TOGETHER: dict[str, tuple[list[Edit], str]] = {
    "an order beside its level": (
        [("links", LEVEL_90, "next", BEHIND), ("links", BEHIND, "prev", LEVEL_90)],
        f"`links[{FILLED}].prev` {LEADS_BACK}",
    ),
    "an order behind one of another level": (
        [("links", FILLED, "next", LOW_BID), ("links", LOW_BID, "prev", FILLED)],
        f"`links[{FILLED}].next` {LEADS_BACK}",
    ),
    "a circle without its level": (
        [
            *(("links", FILLED, column, FILLED) for column in ("next", "prev")),
            *(("links", BEHIND, column, LEVEL_90) for column in ("next", "prev")),
            *(("links", LEVEL_90, column, BEHIND) for column in ("next", "prev")),
        ],
        f"`orders[{FILLED}].accepted` must be earlier than of the orders behind",
    ),
    "an iceberg's circle without its level": (
        [
            *(("links", ICEBERG, column, ICEBERG) for column in ("next", "prev")),
            *(("links", ICEBERG_LEVEL, column, ICEBERG_LEVEL) for column in ("next", "prev")),
        ],
        f"`links[{ICEBERG}].next` {LEADS_BACK}",
    ),
    "a crossed book": (
        [*NO_AUCTION, ("instruments", COLLARED, "phase", 3)],
        f"`instruments[{COLLARED}].phase` must not be continuous trading: the book is crossed",
    ),
    "the end of no auction": (
        [*NO_AUCTION, ("instruments", COLLARED, "phase", 4)],
        f"`instruments[{COLLARED}].phase` must be an auction: a collar's is to end",
    ),
    "orders of a halted account": (
        [("accounts", 2, "halted", 1), ("accounts", 2, "trader", 0)],
        f"`orders[{ICEBERG}].account` must be an opened account that is not halted",
    ),
    "quotes of an account that is to have none": (
        [("protections", 3, "lots", 5), ("protections", 3, "tripped", 1)],
        f"`orders[{QUOTE_ASK}].mode` must be a quote's only of a DAY order",
    ),
    "a trade that was taken back twice": (
        [("state", 0, "busts", 2), ("busts", 2, "", 1)],
        "`busts[2]` must be of another trade than those before",
    ),
    "a bit beyond the band": (
        [("words", 3, "", 2**40), ("words", 4, "", 2 | 8)],
        "`words[3]` must have a bit for each level with orders, and no other",
    ),
    "more ticks than the limit": (
        [
            ("instruments", QUOTED, "width", 315),
            ("instruments", QUOTED, "words", 5),
            ("state", 0, "levels_used", 4124),
            ("state", 0, "words_used", 128),
        ],
        "`instruments[1].width` must fit the limit of 1024 ticks, with all other bands",
    ),
    "levels beyond their table": (
        [("instruments", QUOTED, "width", 316), ("instruments", QUOTED, "words", 5)],
        f"`instruments[{QUOTED}].level_base` must end within its table",
    ),
    "a page without orders": (
        [
            ("directory", 0, "", FREE_PAGES[1]),
            ("page_live", FREE_PAGES[0], "", 0),
            ("page_live", FREE_PAGES[1], "", 0),
        ],
        f"`page_live[{FREE_PAGES[1]}]` must be the live orders of the page",
    ),
    "reserved money": (
        [("accounts", 1, "reserved", 2810), ("accounts", 1, "free", 999_999_997_190)],
        "`accounts[1].reserved` must be what the account's live orders hold",
    ),
    "a deposit": (
        [("accounts", 2, "deposit", 169), ("accounts", 2, "free", 999_999_999_789)],
        "`accounts[2].deposit` must be what the account's positions need",
    ),
    "a block of a slot beyond the table": (
        [("blocks", FREE_BLOCKS[0], "active", 1), ("blocks", FREE_BLOCKS[0], "slot", 99)],
        f"`blocks[{FREE_BLOCKS[0]}].active` must be 0: no live order is this block",
    ),
    "a block that pays what the hours cost": (
        [
            ("orders", BUY_BLOCK, "price", 115),
            ("orders", BUY_BLOCK, "held", 691),
            ("accounts", 1, "reserved", 3139),
            ("accounts", 1, "free", 999_999_996_861),
        ],
        f"`orders[{BUY_BLOCK}].price` must not let a standing block trade",
    ),
    "a bound that promises too little": (
        [("legs", OTHER_LEG + 2, "total", 78), ("blocks", 2, "total", 258)],
        f"`legs[{OTHER_LEG + 2}].total` must be a bound of what the hour's orders offer the block",
    ),
    "a leg that lacks nothing": (
        [
            ("legs", LEG, "total", 0),
            ("legs", LEG, "last_index", 0),
            ("blocks", 1, "total", 248),
            ("blocks", 1, "lacking", 1),
            ("instruments", FIRST, "reach", 0),
        ],
        f"`legs[{LEG}].total` must be a bound of what the hour's orders offer the block",
    ),
}
"""Cells that break one rule together, which each alone would break another."""

QUOTED_CASES: list[Case] = [
    ("orders", QUOTE_BID, "tif", 1, "must be a quote's only of a DAY order"),
    ("orders", QUOTE_BID, "display", 1, "must be a quote's only of a DAY order"),
    ("protections", 3, "lots_max", -1, "must be between 0 and 2147483647"),
    ("protections", 3, "fills_max", -1, "must be between 0 and 2147483647"),
    ("protections", 3, "notional_max", -1, "must be between 0 and "),
    ("protections", 3, "window_ns", 1, "must be 1 to 86400 whole seconds if there is a bound"),
    ("protections", 3, "window_ns", 10**9 * 86401, "must be 1 to 86400 whole seconds if there is"),
    ("protections", 1, "window_ns", 10**9, "must be 1 to 86400 whole seconds if there is a bound"),
    ("protections", 4, "window_ns", 10**9, "must be of an opened account"),
    ("protections", 3, "began_ns", NOW_NS + 1, "must be between 0 and "),
    ("protections", 3, "lots", -1, "must be between 0 and "),
    ("protections", 3, "lots", 5, "must be 1 if a bound is reached, else 0"),
    ("protections", 3, "fills", 2**62 + 1, "must be between 0 and "),
    ("protections", 3, "notional", -1, "must be between 0 and "),
    ("protections", 3, "tripped", 1, "must be 1 if a bound is reached, else 0"),
    ("protections", 3, "tripped", 2, "must be between 0 and 1"),
    ("protections", 3, "next", 6, "must be an account, or 0"),
    ("auctions", 0, "random_s", 1, "must be 0: the instrument is not listed"),
    ("auctions", FIRST, "random_s", 86401, "must be between 0 and 86400"),
    ("auctions", FIRST, "extension", -1, "must be between 0 and 2147483647"),
    ("auctions", FIRST, "extended", 2, "must be between 0 and 1"),
    ("auctions", COLLARED, "price", -1, "must be between 0 and 2147483647"),
    ("auctions", FIRST, "price", 1, "must be 0 outside an auction"),
    ("auctions", FIRST, "volume", 1, "must be 0 outside an auction"),
    ("auctions", FIRST, "surplus", -1, "must be 0 outside an auction"),
    ("auctioned", 0, "", 0, "must have a bit for each instrument in an auction"),
    ("auctioned", 0, "", 16 | 1 << 40, "must have a bit for each instrument in an auction"),
]

CASES = [
    *STATE_CASES, *MEMBER_CASES, *INSTRUMENT_CASES, *ORDER_CASES, *LEVEL_CASES, *ID_CASES,
    *TIMER_CASES, *BLOCK_CASES, *QUOTED_CASES,
]  # fmt: skip

WORDS = {
    "tops": 0,
    "watch": WATCH_AT + WATCH_HEAD,
    "reach": WATCH_AT + WATCH_REACH,
    "reach_of_sells": WATCH_AT + WATCH_REACH + 1,
}
"""Words of an instrument's record that have no name: the first of several."""


def forged(*edits: Edit) -> bytes:
    """The snapshot with other values in some cells."""
    editor = SnapshotEditor(rich_machine().snapshot())
    for table, row, column, value in edits:
        if column in WORDS:
            editor.words(table)[row * TOPS + WORDS[column]] = value
        elif column:
            editor.arrays[table][column][row] = value
        else:
            editor.arrays[table][row] = value
    return editor.to_bytes()


def test_the_state_is_sound_and_an_editor_that_changes_nothing_gives_its_bytes():
    blob = rich_machine().snapshot()
    assert first_violation(Engine.restore(blob)._arrays, LIMITS) is None
    assert SnapshotEditor(blob).to_bytes() == blob
    assert Engine.restore(blob).state_hash() == rich_machine().state_hash()
    state = rich_machine()._arrays["state"][0]
    numbers = [int(state[name]) for name in ("now_ns", "accepted", "levels_used", "words_used")]
    assert numbers == [NOW_NS, ACCEPTED, LEVELS_USED, WORDS_USED]


@pytest.mark.parametrize(("table", "row", "column", "value", "rule"), CASES)
def test_each_broken_rule_is_named_with_its_place(table, row, column, value, rule):
    with pytest.raises(ValueError, match=r"^snapshot: `\w+\[\d+\](\.\w+)?` .*, got ") as raised:
        Engine.restore(forged((table, row, column, value)))
    assert rule in str(raised.value)


@pytest.mark.parametrize("what", TOGETHER)
def test_each_rule_that_takes_several_changes_to_break_is_named(what):
    edits, rule = TOGETHER[what]
    with pytest.raises(ValueError, match=r"^snapshot: `") as raised:
        Engine.restore(forged(*edits))
    assert rule in str(raised.value)


def test_an_order_that_is_before_an_earlier_one_is_named_also_with_an_iceberg_between_them():
    limits = replace(LIMITS, instruments=1)
    engine = Engine(limits)
    icebergs = [order(ref, SELL, 120, 9, display=2) for ref in (2, 4)]
    sells = [order(1, SELL, 120, 3), icebergs[0], order(3, SELL, 120, 3), icebergs[1]]
    engine.process(as_commands([*head(), *sells]))
    editor = SnapshotEditor(engine.snapshot())
    assert Engine.restore(editor.to_bytes()).state_hash() == engine.state_hash()
    editor.arrays["orders"]["accepted"][[1, 3]] = 3, 1
    with pytest.raises(
        ValueError, match=r"`orders\[1\].accepted` must be earlier than of the orde"
    ):
        Engine.restore(editor.to_bytes())


def test_a_session_with_more_than_its_share_is_named():
    editor = SnapshotEditor(rich_machine().snapshot())
    at = 16 + 8 * BOUNDS.index("session_orders")
    editor.head[at : at + 8] = (13).to_bytes(8, "little")
    editor.arrays["state"]["session_orders"] = 13
    with pytest.raises(ValueError, match=r"`sessions\[1\].orders` must be within the share of 13"):
        Engine.restore(editor.to_bytes())


def test_a_bound_that_is_less_than_it_could_be_is_sound():
    lower = [("legs", OTHER_LEG + 2, "last_index", 1), ("instruments", THIRD, "reach_of_sells", 1)]
    assert Engine.restore(forged(*lower)).state_hash() == rich_machine().state_hash()


def test_no_more_phases_are_to_come_than_the_machine_has_room_for():
    limits = replace(LIMITS, instruments=1)
    engine = Engine(limits)
    phases = [venue(CommandKind.PHASE, type=4, expiry_s=START_S + 9 + n) for n in range(4)]
    engine.process(as_commands([*listing(), *phases]))
    editor = SnapshotEditor(engine.snapshot())
    timers, state = editor.arrays["timers"], editor.arrays["state"]
    timers[5] = timers[4]
    timers["due"][5] += 4
    for column in ("timers", "scheduled", "phases_pending"):
        state[column] += 1
    timers["rank"][5] = 1 << RANK_BITS | state["scheduled"][0]
    with pytest.raises(ValueError, match=r"`state\[0\].phases_pending` must be at most 4, got 5"):
        Engine.restore(editor.to_bytes())


NOT_CHECKED = {
    ("state", "seed"): "any number is a seed",
    ("candidates", ""): "the state counts none, and what is added is written first",
    ("legs", "low"): "written before a block's trades in the hour, and read after them",
    ("legs", "high"): "the same",
    ("legs", "base"): "the same",
    ("legs", "spare"): "not read",
}
"""Columns that may hold anything, and why."""

KEPT = [name for name in TABLES if name not in (*SCRATCH, "commands", "events")]


def test_every_column_has_a_rule_or_may_hold_anything():
    """A new column is checked, or is listed here with the reason why it need not be."""
    covered = {(table, column) for table, _, column, _, _ in CASES}
    covered |= {(table, column) for edits, _ in TOGETHER.values() for table, _, column, _ in edits}
    columns = {(table, name) for table in KEPT for name in TABLES[table].names or ("",)}
    assert columns - covered == NOT_CHECKED.keys()

"""Rules of orders and blocks in a machine's memory, by the number that compiled checks report."""

from typing import NamedTuple

from matching.records import POSITION_MAX, SelfTradePrevention


class Rule(NamedTuple):
    """Table and column where a rule is broken, and the rule."""

    table: str
    column: str
    text: str


SOUND = 0
ORDER_SESSION = 1
ORDER_REF = 2
ORDER_ACCOUNT = 3
ORDER_INSTRUMENT = 4
ORDER_SIDE = 5
ORDER_TYPE = 6
ORDER_TIF = 7
ORDER_MODE = 8
ORDER_QUOTE = 9
ORDER_PRICE = 10
ORDER_STOP = 11
ORDER_LEAVES = 12
ORDER_SHOWN = 13
ORDER_DISPLAY = 14
ORDER_CUMULATIVE = 15
ORDER_FRACTION = 16
ORDER_ACCEPTED = 17
ORDER_HELD = 18
ORDER_TIMER = 19
ORDER_ID = 20
ORDER_OPEN = 21
ORDER_BIT = 22
ORDER_ABOVE = 23
LEVEL_NEXT = 24
LEVEL_PREV = 25
LEVEL_SEQUENCE = 26
LEVEL_ALONE = 27
LEVEL_NONE = 28
LEVEL_EMPTY = 29
LEVEL_BIT = 30
BEST_LEVEL = 31
SLOT_SCRATCH = 32
SLOT_LEFT = 33
SLOT_HEAD = 34
SLOT_FREE = 35
PAGE_HEAD = 36
PAGE_FREE = 37
BLOCK_HEAD = 38
BLOCK_FREE = 39
BLOCK_NUMBER = 40
BLOCK_SPAN = 41
BLOCK_ACTIVE = 42
BLOCK_CANDIDATE = 43
BLOCK_TOTAL = 44
BLOCK_LACKING = 45
BLOCK_STANDS = 46
LEG_INSTRUMENT = 47
LEG_HEAD = 48
LEG_NEXT = 49
LEG_PREV = 50
LEG_TOTAL = 51
LEG_LAST_INDEX = 52
WATCHED = 53
POSITION_OWNER = 54
POSITION_REGISTERED = 55
POSITION_NET = 56
POSITION_OPEN_BUY = 57
POSITION_OPEN_SELL = 58
POSITION_TOO_SHORT = 59
POSITION_TOO_LONG = 60
POSITION_SUM = 61

STP_MAX = int(max(SelfTradePrevention))

RULES = {
    ORDER_SESSION: Rule("orders", "session", "must be an opened session of the account's firm"),
    ORDER_REF: Rule("orders", "user_ref", "must be within the limit of refs"),
    ORDER_ACCOUNT: Rule("orders", "account", "must be an opened account that is not halted"),
    ORDER_INSTRUMENT: Rule("orders", "instrument", "must be one with a band, whose gate is open"),
    ORDER_SIDE: Rule("orders", "side", "must be 0 or 1"),
    ORDER_TYPE: Rule("orders", "type", "must be one that rests, or waits, as this order does"),
    ORDER_TIF: Rule("orders", "tif", "must be one that rests, or waits, as this order does"),
    ORDER_MODE: Rule(
        "orders", "mode", "must be a mode of prevention, and bits that agree with type"
    ),
    ORDER_QUOTE: Rule(
        "orders", "mode", "must be a quote's only of a DAY order, of an account whose may stand"
    ),
    ORDER_PRICE: Rule("orders", "price", "must be within the band; of a waiting stop, 0"),
    ORDER_STOP: Rule("orders", "stop", "must be within the band; without a stop, 0"),
    ORDER_LEAVES: Rule(
        "orders", "leaves", "must be at least 1, and with what traded within bounds"
    ),
    ORDER_SHOWN: Rule("orders", "shown", "must be what rests, or a part of an iceberg; else 0"),
    ORDER_DISPLAY: Rule("orders", "display", "must be at least 0"),
    ORDER_CUMULATIVE: Rule("orders", "cumulative", "must be at least 0; of a block, 0"),
    ORDER_FRACTION: Rule("orders", "fee_fraction", "must be less than a fen; of a block, 0"),
    ORDER_ACCEPTED: Rule("orders", "accepted", "must be an acceptance so far, of this order alone"),
    ORDER_HELD: Rule("orders", "held", "must be the money that the order needs"),
    ORDER_TIMER: Rule("orders", "timer", "must be the order's own timer if GTD, else 0"),
    ORDER_ID: Rule("orders", "user_ref", "must lead, with the session, to this order"),
    ORDER_OPEN: Rule("orders", "leaves", "must not be more than the account's position has open"),
    ORDER_BIT: Rule("orders", "price", "must be at a level with a bit"),
    ORDER_ABOVE: Rule("orders", "price", "must be at a level that is not above the best"),
    LEVEL_NEXT: Rule("links", "next", "must lead to what leads back: an order of the level, or it"),
    LEVEL_PREV: Rule("links", "prev", "must lead to what leads back: an order of the level, or it"),
    LEVEL_SEQUENCE: Rule("orders", "accepted", "must be earlier than of the orders behind"),
    LEVEL_ALONE: Rule("links", "next", "must lead to an order of the level, or be itself or 0"),
    LEVEL_NONE: Rule("links", "next", "must be 0: it is no level of a band"),
    LEVEL_EMPTY: Rule("links", "prev", "must be the level itself: it has no orders"),
    LEVEL_BIT: Rule("words", "", "must have a bit for each level with orders, and no other"),
    BEST_LEVEL: Rule("instruments", "tops", "must be the highest level of a book with orders"),
    POSITION_OWNER: Rule(
        "positions", "registered", "must be of a listed instrument and an opened account"
    ),
    POSITION_REGISTERED: Rule("positions", "registered", f"must be between 0 and {POSITION_MAX}"),
    POSITION_NET: Rule("positions", "net", f"must be between {-POSITION_MAX} and {POSITION_MAX}"),
    POSITION_OPEN_BUY: Rule("positions", "open_buy", "must be the lots of live orders"),
    POSITION_OPEN_SELL: Rule("positions", "open_sell", "must be the lots of live orders"),
    POSITION_TOO_SHORT: Rule("positions", "open_sell", "must not be more than the account has"),
    POSITION_TOO_LONG: Rule(
        "positions", "open_buy", f"must leave the position within {POSITION_MAX}"
    ),
    POSITION_SUM: Rule("positions", "net", "must be 0 in the sum of an instrument"),
    SLOT_SCRATCH: Rule("orders", "instrument", "must be 0: slot 0 holds no order"),
    SLOT_LEFT: Rule("orders", "leaves", "must be 0: slot 0 holds no order"),
    SLOT_HEAD: Rule("state", "free_slot", "must lead to a slot without an order, or be 0"),
    SLOT_FREE: Rule("links", "next", "must lead to each slot without an order, once"),
    PAGE_HEAD: Rule("state", "free_page", "must lead to a page without an order, or be 0"),
    PAGE_FREE: Rule("page_live", "", "must lead to each page without an order, once"),
    BLOCK_HEAD: Rule("state", "free_block", "must lead to a number without a block, or be 0"),
    BLOCK_FREE: Rule("blocks", "slot", "must lead to each number without a block, once"),
    BLOCK_NUMBER: Rule(
        "orders", "stop", "must be the number of a block that stands for this order"
    ),
    BLOCK_SPAN: Rule("orders", "display", "must be a number of hours that the sequence admits"),
    BLOCK_ACTIVE: Rule("blocks", "active", "must be 0: no live order is this block"),
    BLOCK_CANDIDATE: Rule("blocks", "candidate", "must be 0 between two commands"),
    BLOCK_TOTAL: Rule("blocks", "total", "must be the sum of its legs'"),
    BLOCK_LACKING: Rule("blocks", "lacking", "must be the number of its legs without a total"),
    BLOCK_STANDS: Rule("orders", "price", "must not let a standing block trade"),
    LEG_INSTRUMENT: Rule("legs", "instrument", "must be the next hour of the sequence"),
    LEG_HEAD: Rule("instruments", "watch", "must lead to the legs of this hour"),
    LEG_NEXT: Rule("legs", "next", "must lead to a leg of the same hour and side, or be 0"),
    LEG_PREV: Rule("legs", "prev", "must lead back, or be 0"),
    LEG_TOTAL: Rule("legs", "total", "must be a bound of what the hour's orders offer the block"),
    LEG_LAST_INDEX: Rule("legs", "last_index", "must not be below the reach of its hour"),
    WATCHED: Rule("instruments", "watched", "must be 1 if a block stands in the hour, else 0"),
}
"""The rules by number."""

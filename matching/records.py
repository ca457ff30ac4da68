"""The two records of the exchange, and the codes in their fields.

A COMMAND is a request to the machine, an EVENT reports what happened. Both are 64 bytes,
little-endian, and the same on the wire, in the day log and in the kernel's arrays, so that nothing
is ever translated. Prices are in ticks, quantities in lots, money in fen, times in
nanoseconds since the epoch; a field that ends in `_s` is in seconds since the epoch.

Some bytes have two names: an administrative command needs no price but an amount; a fill has a
trade number where a rejection has the target's ref, and a trade group where other events of a block
have its hours. Each is declared once, here, as an overlapping field of the dtype.
"""

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

COMMAND = np.dtype(
    {
        "names": [
            "sequence", "time_ns", "price", "stop", "amount_fen", "quantity", "display",
            "session", "user_ref", "target_ref", "account", "instrument", "expiry_s", "seller",
            "kind", "side", "type", "tif", "stp", "flags", "hours", "spare",
        ],
        "formats": [
            "<u8", "<i8", "<i4", "<i4", "<i8", "<i4", "<i4",
            "<u4", "<u4", "<u4", "<u4", "<u4", "<u4", "<u4",
            "u1", "u1", "u1", "u1", "u1", "u1", "u1", "u1",
        ],
        "offsets": [
            0, 8, 16, 20, 16, 24, 28,
            32, 36, 40, 44, 48, 52, 52,
            56, 57, 58, 59, 60, 61, 62, 63,
        ],
        "itemsize": 64,
    }
)  # fmt: skip

EVENT = np.dtype(
    {
        "names": [
            "sequence", "time_ns", "trade_id", "request_ref", "target_ref", "fee_fen", "shown",
            "amount_fen", "price", "quantity", "leaves", "cumulative",
            "session", "user_ref", "account", "instrument",
            "kind", "side", "reason", "flags", "trade_group", "hours",
        ],
        "formats": [
            "<u8", "<i8", "<u4", "<u4", "<u4", "<i4", "<i4",
            "<i8", "<i4", "<i4", "<i4", "<i4",
            "<u4", "<u4", "<u4", "<u4",
            "u1", "u1", "u1", "u1", "<u4", "<u4",
        ],
        "offsets": [
            0, 8, 16, 16, 16, 20, 20,
            16, 24, 28, 32, 36,
            40, 44, 48, 52,
            56, 57, 58, 59, 60, 60,
        ],
        "itemsize": 64,
    }
)  # fmt: skip

assert COMMAND.itemsize == EVENT.itemsize == 64


def as_commands(commands: NDArray[np.void]) -> NDArray[np.void]:
    """An array with the fields of COMMAND at other bytes, as a COMMAND array.

    `np.concatenate` gives fields that share bytes bytes of their own. Raises TypeError where the
    fields are others, ValueError where two that share bytes differ.
    """
    names = commands.dtype.names
    if names is None or names != COMMAND.names:
        raise TypeError(f"commands: expected the COMMAND dtype, got {commands.dtype}")
    packed = np.zeros(commands.shape, COMMAND)
    for name in names:
        packed[name] = commands[name]
    for name in names:
        if (packed[name] != commands[name]).any():
            raise ValueError(f"commands: `{name}` differs from a field that shares its bytes")
    return packed


class Side(IntEnum):
    """Side of an order; used as an index, so that one kernel serves both."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """FIX OrdType (tag 40)."""

    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4


class TimeInForce(IntEnum):
    """FIX TimeInForce (tag 59)."""

    DAY = 0
    GTC = 1
    IOC = 3
    FOK = 4
    GTD = 6


class SelfTradePrevention(IntEnum):
    """Modes that decide what happens when an order meets one of its own related-party group."""

    NONE = 0
    NEWEST = 1
    OLDEST = 2
    BOTH = 3
    DECREMENT = 4


class CommandFlag(IntFlag):
    """Bits of `flags` in a COMMAND."""

    POST_ONLY = 1
    REQUEUE = 2
    OPERATOR = 4  # of SESSION: the session may send administrative commands
    HALT = 8  # of HALT_ACCOUNT: halt; without it: resume
    CARRIED = 16  # of REGISTER: a position that the day begins with, not capacity
    SPLIT = 32  # of NEW: for a basket, from all of its members
    WHOLE = 64  # of NEW: for a basket, from one of its members


class MassCancelScope(IntEnum):
    """`type` of a MASS_CANCEL."""

    SESSION = 1
    ACCOUNT = 2
    INSTRUMENT = 3


class Phase(IntEnum):
    """Phases of an instrument; they decide what it does with orders. 0 is "not listed"."""

    PRE_OPEN = 1
    AUCTION = 2
    CONTINUOUS = 3
    HALTED = 4
    CLOSED = 5


class CommandKind(IntEnum):
    """Kinds of COMMAND. From LIST on: administrative, for the venue and its operators.

    An accepted administrative command has one event whose kind is the command's own number.
    """

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    MASS_CANCEL = 4
    QUOTE = 5
    PROTECT = 6
    CLOCK = 16
    LIST = 32
    BAND = 33
    FEES = 34
    TIMES = 35
    COLLAR = 36
    PHASE = 37
    SEQUENCE = 38
    BASKET = 39
    SESSION = 40
    ACCOUNT = 41
    LIMITS = 42
    FUND = 43
    WITHDRAW = 44
    REGISTER = 45
    HALT_ACCOUNT = 46
    BUST = 47


class EventKind(IntEnum):
    """Kinds of EVENT. From LISTED on: the answer to an administrative command."""

    ACCEPTED = 1
    FILLED = 2
    CANCELLED = 3
    REPLACED = 4
    EXPIRED = 5
    TRIGGERED = 6
    REFRESHED = 7
    REJECTED = 8
    MASS_CANCELLED = 9
    INDICATIVE = 10
    PROTECTED = 11
    LISTED = CommandKind.LIST
    BAND_SET = CommandKind.BAND
    FEES_SET = CommandKind.FEES
    TIMES_SET = CommandKind.TIMES
    COLLAR_SET = CommandKind.COLLAR
    PHASE_CHANGED = CommandKind.PHASE
    SEQUENCED = CommandKind.SEQUENCE
    BASKET_LISTED = CommandKind.BASKET
    SESSION_OPENED = CommandKind.SESSION
    ACCOUNT_OPENED = CommandKind.ACCOUNT
    LIMITS_SET = CommandKind.LIMITS
    FUNDED = CommandKind.FUND
    WITHDRAWN = CommandKind.WITHDRAW
    REGISTERED = CommandKind.REGISTER
    ACCOUNT_HALTED = CommandKind.HALT_ACCOUNT
    BUSTED = CommandKind.BUST


class EventFlag(IntFlag):
    """Bits of `flags` in an order's EVENT (a PHASE_CHANGED carries the new phase there)."""

    TAKER = 1  # of FILLED: this side came later
    AUCTION = 2  # of FILLED: in an uncross
    WAITING = 4  # of ACCEPTED, REPLACED: a stop that waits outside the book
    REQUEUED = 8  # of REPLACED: priority was lost
    CARRIED = 16  # of REGISTERED: a position that the day begins with
    BLOCK = 32  # of a block's events
    OFF_BOOK = 64  # of FILLED: two blocks, or behind the owner's better order: no price of the hour
    BASKET = 128  # of the events of an order for a basket


class Reason(IntEnum):
    """Reasons of a rejection (1 to 31, in order of precedence), or of an order's end (from 32)."""

    NONE = 0
    MALFORMED = 1
    UNKNOWN_SESSION = 2
    UNKNOWN_ACCOUNT = 3
    NOT_ENTITLED = 4
    ACCOUNT_HALTED = 5
    UNKNOWN_INSTRUMENT = 6
    PHASE = 7
    UNKNOWN_ORDER = 8
    DUPLICATE_REF = 9
    ORDER_TYPE = 10
    TIME_PAST = 11
    BAND = 12
    SIZE_LIMIT = 13
    NOTIONAL_LIMIT = 14
    POSITION_LIMIT = 15
    CAPACITY = 16
    DEPOSIT = 17
    FUNDS = 18
    SESSION_LIMIT = 19
    POOL_FULL = 20
    POST_ONLY = 21
    FOK = 22
    REQUESTED = 32  # the owner's cancel, or a replace to no more than what is filled
    MASS_CANCEL = 33
    REMAINDER = 34  # of an IOC or market order, or of an order that a collar stopped
    SELF_TRADE = 35
    END_OF_TIME = 36  # GTD
    END_OF_DAY = 37
    GATE_CLOSURE = 38
    HALT = 39  # of its account
    PROTECTION = 40  # its account's protection withdrew its quotes


RATE_UNIT = 1_000_000
"""Fee rates are in millionths of the notional: 5 bp is 500."""

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""

TIME_MAX_NS = (2**32 - 1) * NANOSECONDS
"""The latest time of a command: the last second that `expiry_s` can name, in February 2106."""

PROTECTION_MAX_S = 86_400
"""The longest time over which a protection counts: a day."""

AUCTION_MAX_S = 86_400
"""The longest auction that a collar may start: a day."""

ACCEPTED_MAX = 2**32 - 1
"""Acceptance sequences of a day, which are u32: a year at ten million commands a day holds them."""

TRADES_MAX = 2**31
"""Trades of a day after which no order is accepted. `trade_id` is u32, and one order, which has
at most 2^31 - 1 lots, makes no more trades than that."""

SCHEDULED_MAX = 2**31
"""Closes and phases scheduled in a day after which an operator schedules no more."""

BUSTS_MAX = 2**16
"""Trades of a day that may be taken back."""

POSITION_MAX = 2**30
"""No position, open quantity or registered capacity grows beyond this, so that int32 holds."""

INT32_MAX = 2**31 - 1
"""The largest quantity, price or deposit: such fields are int32."""

NOTIONAL_MAX_FEN = 2**53
"""The worth of the largest order that an instrument admits, so that int64 holds its fee too."""

FUNDED_MAX_FEN = 2**61
"""All accounts' money together never exceeds this, so that int64 holds what any of them has or
earns, and every sum of two."""

RATE_MAX = 100_000
"""The dearest fee rate that a listing may have: a tenth of the notional."""

BLOCK_HOURS_MIN, BLOCK_HOURS_MAX = 2, 168
"""Delivery periods of a block: two, to a week of hours."""

BASKET_MEMBERS_MAX = 16
"""Like instruments that a basket may have."""

FEE_MAX_FEN = 2**31 - 1
"""No order's whole fee may exceed this, because `fee_fen` is an int32: it bounds the order size."""

"""Codes of records.py as plain integers, under the names that kernels use.

An enum's member as an argument would compile every kernel once for each enum. Where two enums share
a name, one is longer here: the reason PHASE is WRONG_PHASE, the command PHASE is SET_PHASE.
"""

from matching.records import (
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

# CommandKind
NEW = int(CommandKind.NEW)
CANCEL = int(CommandKind.CANCEL)
REPLACE = int(CommandKind.REPLACE)
SEND_MASS_CANCEL = int(CommandKind.MASS_CANCEL)
QUOTE = int(CommandKind.QUOTE)
PROTECT = int(CommandKind.PROTECT)
CLOCK = int(CommandKind.CLOCK)
LIST = int(CommandKind.LIST)
SET_BAND = int(CommandKind.BAND)
FEES = int(CommandKind.FEES)
TIMES = int(CommandKind.TIMES)
COLLAR = int(CommandKind.COLLAR)
SET_PHASE = int(CommandKind.PHASE)
SEQUENCE = int(CommandKind.SEQUENCE)
LIST_BASKET = int(CommandKind.BASKET)
SESSION = int(CommandKind.SESSION)
ACCOUNT = int(CommandKind.ACCOUNT)
LIMITS = int(CommandKind.LIMITS)
FUND = int(CommandKind.FUND)
WITHDRAW = int(CommandKind.WITHDRAW)
REGISTER = int(CommandKind.REGISTER)
HALT_ACCOUNT = int(CommandKind.HALT_ACCOUNT)
BUST = int(CommandKind.BUST)

# CommandFlag
POST_ONLY_FLAG = int(CommandFlag.POST_ONLY)
REQUEUE = int(CommandFlag.REQUEUE)
OPERATOR = int(CommandFlag.OPERATOR)
HALT = int(CommandFlag.HALT)
CARRIED = int(CommandFlag.CARRIED)
SPLIT = int(CommandFlag.SPLIT)
WHOLE = int(CommandFlag.WHOLE)

# MassCancelScope
SCOPE_SESSION = int(MassCancelScope.SESSION)
SCOPE_ACCOUNT = int(MassCancelScope.ACCOUNT)
SCOPE_INSTRUMENT = int(MassCancelScope.INSTRUMENT)

# Side
BUY = int(Side.BUY)

# OrderType
MARKET = int(OrderType.MARKET)
LIMIT = int(OrderType.LIMIT)
STOP = int(OrderType.STOP)
STOP_LIMIT = int(OrderType.STOP_LIMIT)

# TimeInForce
DAY = int(TimeInForce.DAY)
GTC = int(TimeInForce.GTC)
IOC = int(TimeInForce.IOC)
FOK = int(TimeInForce.FOK)
GTD = int(TimeInForce.GTD)

# SelfTradePrevention
NEWEST = int(SelfTradePrevention.NEWEST)
OLDEST = int(SelfTradePrevention.OLDEST)
BOTH = int(SelfTradePrevention.BOTH)
DECREMENT = int(SelfTradePrevention.DECREMENT)

# Phase
PRE_OPEN = int(Phase.PRE_OPEN)
AUCTION = int(Phase.AUCTION)
CONTINUOUS = int(Phase.CONTINUOUS)
CLOSED = int(Phase.CLOSED)

# EventKind
ACCEPTED = int(EventKind.ACCEPTED)
FILLED = int(EventKind.FILLED)
CANCELLED = int(EventKind.CANCELLED)
REPLACED = int(EventKind.REPLACED)
EXPIRED = int(EventKind.EXPIRED)
TRIGGERED = int(EventKind.TRIGGERED)
REFRESHED = int(EventKind.REFRESHED)
REJECTED = int(EventKind.REJECTED)
KIND_MASS_CANCELLED = int(EventKind.MASS_CANCELLED)
KIND_INDICATIVE = int(EventKind.INDICATIVE)
KIND_PROTECTED = int(EventKind.PROTECTED)
PHASE_CHANGED = int(EventKind.PHASE_CHANGED)

# EventFlag
TAKER = int(EventFlag.TAKER)
FLAG_AUCTION = int(EventFlag.AUCTION)
FLAG_WAITING = int(EventFlag.WAITING)
FLAG_REQUEUED = int(EventFlag.REQUEUED)
FLAG_BLOCK = int(EventFlag.BLOCK)
OFF_BOOK = int(EventFlag.OFF_BOOK)
FLAG_BASKET = int(EventFlag.BASKET)

# Reason
NONE = int(Reason.NONE)
MALFORMED = int(Reason.MALFORMED)
UNKNOWN_SESSION = int(Reason.UNKNOWN_SESSION)
UNKNOWN_ACCOUNT = int(Reason.UNKNOWN_ACCOUNT)
NOT_ENTITLED = int(Reason.NOT_ENTITLED)
ACCOUNT_HALTED = int(Reason.ACCOUNT_HALTED)
UNKNOWN_INSTRUMENT = int(Reason.UNKNOWN_INSTRUMENT)
WRONG_PHASE = int(Reason.PHASE)
UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
DUPLICATE_REF = int(Reason.DUPLICATE_REF)
ORDER_TYPE = int(Reason.ORDER_TYPE)
TIME_PAST = int(Reason.TIME_PAST)
BAND = int(Reason.BAND)
SIZE_LIMIT = int(Reason.SIZE_LIMIT)
NOTIONAL_LIMIT = int(Reason.NOTIONAL_LIMIT)
POSITION_LIMIT = int(Reason.POSITION_LIMIT)
CAPACITY = int(Reason.CAPACITY)
DEPOSIT = int(Reason.DEPOSIT)
FUNDS = int(Reason.FUNDS)
REFUSED_POST_ONLY = int(Reason.POST_ONLY)
REFUSED_FOK = int(Reason.FOK)
SESSION_LIMIT = int(Reason.SESSION_LIMIT)
POOL_FULL = int(Reason.POOL_FULL)
REQUESTED = int(Reason.REQUESTED)
MASS_CANCEL = int(Reason.MASS_CANCEL)
REMAINDER = int(Reason.REMAINDER)
SELF_TRADE = int(Reason.SELF_TRADE)
END_OF_TIME = int(Reason.END_OF_TIME)
END_OF_DAY = int(Reason.END_OF_DAY)
GATE_CLOSURE = int(Reason.GATE_CLOSURE)
ENDED_BY_HALT = int(Reason.HALT)
PROTECTION = int(Reason.PROTECTION)

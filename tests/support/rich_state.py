"""A machine with one of everything that a machine's memory can hold, and where it is."""

from functools import cache

from matching import Engine, Limits
from matching.records import CommandKind, EventKind, OrderType, Phase, TimeInForce
from tests.support.scripts import (
    BUY,
    SELL,
    START_S,
    Row,
    as_commands,
    capacity,
    head,
    listing,
    order,
    sequence,
    target,
    venue,
)

LIMITS = Limits(
    sessions=5, accounts=5, instruments=7, orders=32, blocks=6, baskets=2, refs=8192, ref_pages=6,
    session_orders=24, session_blocks=6, session_ref_pages=5, ticks=1024, events=64,
)  # fmt: skip

NOW_NS = (START_S + 2) * 10**9
ACCEPTED, LEVELS_USED, WORDS_USED = 31, 2904, 112
"""Numbers of the state."""

# Instruments
FIRST, SECOND, THIRD = 1, 2, 3  # hours of a sequence
COLLARED = 4  # in a collar's auction, with a close and a gate closure to come
BARE = 5  # without a band
GATED = 6
QUOTED = 7  # with a quote of the other firm's account

MAKER = {"session": 2, "account": 3, "user_ref": 10}

# Slots of orders: of the first instrument unless it says otherwise
ICEBERG, STOP, STOP_LIMIT, TIMED, FILLED, BEHIND, LOW_BID = 1, 2, 3, 4, 5, 6, 7
ASK = 8  # of the second
OWN_BID, LOWER_BID, THIRD_BID = 9, 10, 11  # of the third; the first has SELL_BLOCK's account
BUY_BLOCK, SELL_BLOCK = 12, 13  # numbers 1 and 2 of the pool; of 2 and of 3 hours
BID_IN_AUCTION, ASK_IN_AUCTION = 14, 17
QUOTE_BID, QUOTE_ASK = 19, 18
FREE_SLOTS = (15, 16)  # in the order of their list
FREE_PAGES, FREE_BLOCKS = (4, 3), (5, 4, 3)


def rows() -> list[Row]:
    """The commands that lead to the state."""
    setup = [*head(), *listing(SECOND), *listing(THIRD), *listing(COLLARED, 50, 149)]
    setup += [*listing(GATED, 1, 10, reference=5), *capacity(SECOND), *capacity(THIRD)]
    setup += [*listing(QUOTED, 50, 59, reference=51), *capacity(QUOTED)]
    setup += [*capacity(COLLARED), venue(CommandKind.LIST, instrument=BARE, price=9, quantity=7)]
    setup += [
        venue(CommandKind.FEES, instrument=number, price=10, stop=20, quantity=7)
        for number in (FIRST, SECOND, THIRD)
    ]
    setup += [sequence(SECOND, FIRST), sequence(THIRD, SECOND)]
    setup += [
        venue(CommandKind.BASKET, instrument=number, target_ref=1) for number in (FIRST, COLLARED)
    ]
    setup.append(venue(CommandKind.TIMES, instrument=GATED, target_ref=START_S + 1))
    stop_limit = {"type": OrderType.STOP_LIMIT, "stop": 160}
    orders = [
        order(1, SELL, 120, 9, display=2),
        order(2, BUY, 0, 3, type=OrderType.STOP, stop=150),
        order(3, BUY, 165, 3, **stop_limit),
        order(4, BUY, 80, 5, tif=TimeInForce.GTD, expiry_s=START_S + 50),
        order(5, BUY, 90, 3),
        order(6, BUY, 90, 3),
        order(3000, BUY, 70, 2),
        order(7, SELL, 110, 9, instrument=SECOND),
        *(order(4000 + 1024 * n, BUY, 71, instrument=THIRD) for n in range(3)),
        *(target(CommandKind.CANCEL, 4000 + 1024 * n) for n in range(3)),
        order(15, BUY, 40, 1, instrument=THIRD),
        order(16, BUY, 39, 5, instrument=THIRD),
        order(17, BUY, 41, 1, instrument=THIRD, account=2),
        order(9, BUY, 60, 3, hours=2, tif=TimeInForce.GTD, expiry_s=START_S + 60),
        order(10, SELL, 150, 2, hours=3, tif=TimeInForce.DAY, stp=1),
        *(order(11 + n, SELL, 170, 1, hours=2, tif=TimeInForce.DAY) for n in range(3)),
        *(target(CommandKind.CANCEL, 11 + n) for n in range(3)),
        *(order(22 + n, BUY, 10) for n in range(6)),
        *(target(CommandKind.CANCEL, 22 + n) for n in range(6)),
        order(14, SELL, 90, 1),
        {"kind": CommandKind.PROTECT, "quantity": 5, "expiry_s": 10} | MAKER,
        {"kind": CommandKind.QUOTE, "type": OrderType.LIMIT, "instrument": QUOTED, "price": 50}
        | {"quantity": 2, "stop": 52, "display": 3, "target_ref": 11}
        | MAKER,
        order(30, SELL, 50, 1, instrument=QUOTED),
        venue(CommandKind.BUST, target_ref=1, price=90, quantity=1, account=1, seller=2),
    ]
    collar = [
        venue(CommandKind.COLLAR, instrument=COLLARED, price=5, quantity=60),
        order(20, SELL, 110, instrument=COLLARED, account=3, session=2),
        order(21, BUY, 120, instrument=COLLARED),
        venue(
            CommandKind.TIMES, instrument=COLLARED, expiry_s=START_S + 90, target_ref=START_S + 99
        ),
        venue(CommandKind.PHASE, instrument=SECOND, type=Phase.HALTED, expiry_s=START_S + 70),
        venue(CommandKind.PHASE, instrument=THIRD, type=Phase.HALTED, expiry_s=START_S + 80),
    ]
    clock = {"kind": CommandKind.CLOCK, "time_ns": NOW_NS, "amount_fen": 7}
    return [*setup, *orders, *collar, clock]


@cache
def rich_machine() -> Engine:
    """A machine in the state, which is not to be changed."""
    engine = Engine(LIMITS)
    commands = as_commands(rows())
    assert not (engine.process(commands)["kind"] == EventKind.REJECTED).any()
    return engine

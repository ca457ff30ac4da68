"""Orders for a basket on small books: all sequences are compared with a brute-force solver."""

from itertools import product

import numpy as np
import pytest

from matching import Engine, Limits
from matching.records import (
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from tests.support.basket_solver import HOURS, MEMBERS, Basket, Market, Outcome, Single
from tests.support.scripts import MEMBER, Row, as_commands, listing, mass_cancel, sequence, venue

BUYS, SELLS, OWN = 1, 2, 3
"""Accounts of single orders; the accounts of orders for baskets come after them."""

GROUP = 7
BUY_ROOM = 3
SELL_ROOM = {1: 2, 2: 3}
INSTRUMENTS = {(m, h): 2 * (h - 1) + m for m in MEMBERS for h in HOURS}

ARRIVALS: tuple[Single | Basket, ...] = (
    Single(False, 1, 1, 2, 1),
    Single(False, 1, 1, 3, 2),
    Single(False, 2, 1, 2, 2),
    Single(False, 2, 1, 1, 1, is_own=True),
    Single(False, 1, 2, 2, 2),
    Single(False, 2, 2, 1, 2),
    Single(True, 1, 1, 2, 2),
    Single(True, 2, 1, 2, 2),
    Single(True, 2, 2, 3, 1),
    Basket(True, 1, 2, 2),
    Basket(True, 1, 3, 4, is_fok=True),
    Basket(True, 1, 3, 2, whole=True, has_prevention=True),
    Basket(True, 2, 2, 1, is_fok=True),
    Basket(True, 2, 2, 2, whole=True),
    Basket(True, 2, 3, 1, first=2),
    Basket(False, 1, 2, 3),
    Basket(False, 1, 1, 2, whole=True, first=2),
    Basket(False, 2, 2, 1, is_fok=True),
)


def head(count: int) -> list[Row]:
    """Two hours of two members, three accounts with much room, and `count` with little room."""
    rows = [venue(CommandKind.SESSION, target_ref=MEMBER, account=1)]
    for number in INSTRUMENTS.values():
        rows += listing(number, 1, 4, reference=2)
    for member in MEMBERS:
        first, second = (INSTRUMENTS[member, hour] for hour in HOURS)
        rows.append(sequence(second, first))
        rows.append(venue(CommandKind.BASKET, instrument=first, target_ref=1))
    for account in range(1, OWN + count + 1):
        group = GROUP if account >= OWN else 0
        rows.append(venue(CommandKind.ACCOUNT, account=account, target_ref=1, quantity=group))
        rows.append(venue(CommandKind.FUND, account=account, amount_fen=10**9))
        if account > OWN:
            rows.append(venue(CommandKind.LIMITS, account=account, display=BUY_ROOM))
        for (member, _), number in INSTRUMENTS.items():
            lots = 10**8 if account <= OWN else SELL_ROOM[member]
            rows.append(
                venue(CommandKind.REGISTER, account=account, instrument=number, quantity=lots)
            )
    return rows


def as_row(number: int, arrival: Single | Basket, account: int) -> Row:
    """An order as a command; its user_ref is its place in the sequence."""
    row: Row = {
        "kind": CommandKind.NEW,
        "type": OrderType.LIMIT,
        "session": MEMBER,
        "user_ref": number,
        "side": 0 if arrival.is_buy else 1,
        "price": arrival.price,
        "quantity": arrival.quantity,
    }
    if isinstance(arrival, Single):
        owner = OWN if arrival.is_own else BUYS if arrival.is_buy else SELLS
        instrument = INSTRUMENTS[arrival.member, arrival.hour]
        return row | {"tif": TimeInForce.DAY, "account": owner, "instrument": instrument}
    # The hour may be named by any member's instrument.
    return row | {
        "tif": TimeInForce.FOK if arrival.is_fok else TimeInForce.IOC,
        "flags": CommandFlag.WHOLE if arrival.whole else CommandFlag.SPLIT,
        "target_ref": 1,
        "account": account,
        "instrument": INSTRUMENTS[MEMBERS[number % 2], arrival.first],
        "hours": arrival.hours if arrival.hours > 1 else 0,
        "stp": SelfTradePrevention.BOTH if arrival.has_prevention else SelfTradePrevention.NONE,
    }


CLEAR = mass_cancel(MassCancelScope.SESSION)
"""Ends live orders of a sequence of arrivals before the next one."""


def outcome(events: np.ndarray) -> Outcome:
    """The result of an order for a basket by an engine's events; it ends once."""
    kinds, flags = events["kind"], events["flags"]
    own = (flags & EventFlag.BASKET) != 0
    if kinds[0] == EventKind.REJECTED:
        assert len(events) == 1
        return Outcome(False, [], 0)
    ends = events[kinds == EventKind.CANCELLED]
    fills = events[kinds == EventKind.FILLED]
    assert len(ends) <= 1
    assert own[kinds != EventKind.FILLED].all()
    assert len(set(fills["trade_group"].tolist())) <= 1
    assert (fills["trade_group"] > 0).all()
    taken = (fills["flags"] & EventFlag.TAKER) != 0
    assert (((fills["flags"] & EventFlag.BASKET) != 0) == taken).all()
    left = int(ends["quantity"].sum())
    assert left or fills[-1]["leaves"] == 0
    return Outcome(True, lots_of(fills), left)


def lots_of(fills: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Traded lots: number of the resting order, member, hour and price of each."""
    places = {number: place for place, number in INSTRUMENTS.items()}
    found: list[tuple[int, int, int, int]] = []
    for made in fills[(fills["flags"] & EventFlag.TAKER) == 0]:
        trade = (int(made["user_ref"]), *places[int(made["instrument"])], int(made["price"]))
        found += [trade] * int(made["quantity"])
    return found


def assert_engine_solves(engine_class: type, length: int, share: int = 1) -> tuple[int, int]:
    """Compare an engine's results with the solver's, for one in `share` of all sequences.

    Returns the number of orders for the basket, and of those that traded in several members.
    """
    arrivals = [
        each
        for number, each in enumerate(product(ARRIVALS, repeat=length))
        if number % share == 0 and isinstance(each[-1], Basket)
    ]
    limits = Limits(
        sessions=2, accounts=OWN + len(arrivals), instruments=len(INSTRUMENTS), orders=16,
        refs=64, ticks=64, baskets=1,
    )  # fmt: skip
    engine = engine_class(limits)
    engine.process(as_commands(head(len(arrivals))))
    orders = in_several = 0
    for at, each in enumerate(arrivals):
        rows = [
            as_row(number, arrival, OWN + 1 + at) for number, arrival in enumerate(each, start=1)
        ]
        events = engine.process(as_commands([*rows, CLEAR])).copy()
        market = Market(BUY_ROOM, SELL_ROOM)
        for number, arrival in enumerate(each, start=1):
            own_events = events[events["sequence"] == number]
            if isinstance(arrival, Single):
                trades = lots_of(own_events[own_events["kind"] == EventKind.FILLED])
                assert trades == market.enter(number, arrival), each[:number]
                continue
            expected, got = market.execute(arrival), outcome(own_events)
            assert got == expected, (each[:number], got, expected)
            orders += 1
            in_several += len({trade[1] for trade in expected.trades}) > 1
    return orders, in_several


@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_sequence_of_three_orders_trades_as_the_solver_says(engine_class):
    orders, in_several = assert_engine_solves(engine_class, 3)
    assert orders > 4_500
    assert in_several > 15


@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_one_in_29_sequences_of_four_orders_trades_as_the_solver_says(engine_class):
    orders, in_several = assert_engine_solves(engine_class, 4, 29)
    assert orders > 4_500
    assert in_several > 25


@pytest.mark.long
@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_sequence_of_four_orders_trades_as_the_solver_says(engine_class):
    orders, in_several = assert_engine_solves(engine_class, 4)
    assert orders > 100_000
    assert in_several > 900

"""Orders for a basket on small books, whole: every arrival against a brute-force solver."""

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
    Phase,
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from tests.support.basket_solver import HOURS, MEMBERS, Market, Outcome, Rest, Wish
from tests.support.scripts import MEMBER, Row, as_commands, venue

BUYS, SELLS, OWN = 1, 2, 3
"""Accounts of orders that rest; those of the orders for baskets come after them."""

GROUP = 7
BUY_ROOM = 3
SELL_ROOM = {1: 2, 2: 3}
INSTRUMENTS = {(m, h): 2 * (h - 1) + m for m in MEMBERS for h in HOURS}

ARRIVALS: tuple[Rest | Wish, ...] = (
    Rest(False, 1, 1, 2, 1),
    Rest(False, 1, 1, 3, 2),
    Rest(False, 2, 1, 2, 2),
    Rest(False, 2, 1, 1, 1, is_own=True),
    Rest(False, 1, 2, 2, 2),
    Rest(False, 2, 2, 1, 2),
    Rest(True, 1, 1, 2, 2),
    Rest(True, 2, 1, 2, 2),
    Rest(True, 2, 2, 3, 1),
    Wish(True, 1, 2, 2),
    Wish(True, 1, 3, 4, kill=True),
    Wish(True, 1, 3, 2, whole=True, guarded=True),
    Wish(True, 2, 2, 1, kill=True),
    Wish(True, 2, 2, 2, whole=True),
    Wish(True, 2, 3, 1, first=2),
    Wish(False, 1, 2, 3),
    Wish(False, 1, 1, 2, whole=True, first=2),
    Wish(False, 2, 2, 1, kill=True),
)


def head(count: int) -> list[Row]:
    """Two hours of two members, three accounts with plenty, and so many that have little room."""
    rows = [venue(CommandKind.SESSION, target_ref=MEMBER, account=1)]
    for number in INSTRUMENTS.values():
        rows += [
            venue(CommandKind.LIST, instrument=number, price=2, quantity=1),
            venue(CommandKind.BAND, instrument=number, price=1, stop=4),
            venue(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS),
        ]
    for member in MEMBERS:
        first, second = (INSTRUMENTS[member, hour] for hour in HOURS)
        rows.append(venue(CommandKind.SEQUENCE, instrument=second, target_ref=first, quantity=168))
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


def as_row(number: int, arrival: Rest | Wish, account: int) -> Row:
    """What comes, as a command; orders are named by the place at which they come."""
    row: Row = {
        "kind": CommandKind.NEW,
        "type": OrderType.LIMIT,
        "session": MEMBER,
        "user_ref": number,
        "side": 0 if arrival.is_buy else 1,
        "price": arrival.price,
        "quantity": arrival.quantity,
    }
    if isinstance(arrival, Rest):
        owner = OWN if arrival.is_own else BUYS if arrival.is_buy else SELLS
        instrument = INSTRUMENTS[arrival.member, arrival.hour]
        return row | {"tif": TimeInForce.DAY, "account": owner, "instrument": instrument}
    # The hour may be named by any member's instrument.
    return row | {
        "tif": TimeInForce.FOK if arrival.kill else TimeInForce.IOC,
        "flags": CommandFlag.WHOLE if arrival.whole else CommandFlag.SPLIT,
        "target_ref": 1,
        "account": account,
        "instrument": INSTRUMENTS[MEMBERS[number % 2], arrival.first],
        "hours": arrival.hours if arrival.hours > 1 else 0,
        "stp": SelfTradePrevention.BOTH if arrival.guarded else SelfTradePrevention.NONE,
    }


CLEAR = {
    "kind": CommandKind.MASS_CANCEL,
    "type": MassCancelScope.SESSION,
    "session": MEMBER,
    "user_ref": 63,
}


def outcome(events: np.ndarray) -> Outcome:
    """What an engine says became of an order for a basket; it says its end once."""
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
    places = {number: place for place, number in INSTRUMENTS.items()}
    found: list[tuple[int, int, int, int]] = []
    for made in fills[(fills["flags"] & EventFlag.TAKER) == 0]:
        trade = (int(made["user_ref"]), *places[int(made["instrument"])], int(made["price"]))
        found += [trade] * int(made["quantity"])
    return found


def assert_engine_solves(engine_class: type, length: int, share: int = 1) -> tuple[int, int]:
    """Compare an engine's answers with the solver's, for one in `share` of all arrivals; how many
    orders for the basket there were, and how many of them traded in more than one member."""
    arrivals = [
        each
        for number, each in enumerate(product(ARRIVALS, repeat=length))
        if number % share == 0 and isinstance(each[-1], Wish)
    ]
    limits = Limits(
        sessions=2, accounts=OWN + len(arrivals), instruments=len(INSTRUMENTS), orders=16,
        refs=64, ticks=64, baskets=1,
    )  # fmt: skip
    engine = engine_class(limits)
    engine.process(as_commands(head(len(arrivals))))
    wishes = in_several = 0
    for at, each in enumerate(arrivals):
        rows = [
            as_row(number, arrival, OWN + 1 + at) for number, arrival in enumerate(each, start=1)
        ]
        events = engine.process(as_commands([*rows, dict(CLEAR)])).copy()
        market = Market(BUY_ROOM, SELL_ROOM)
        for number, arrival in enumerate(each, start=1):
            said = events[events["sequence"] == number]
            if isinstance(arrival, Rest):
                trades = lots_of(said[said["kind"] == EventKind.FILLED])
                assert trades == market.rest(number, arrival), each[:number]
                continue
            expected, got = market.take(arrival), outcome(said)
            assert got == expected, (each[:number], got, expected)
            wishes += 1
            in_several += len({trade[1] for trade in expected.trades}) > 1
    return wishes, in_several


@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_arrival_of_three_orders_trades_as_the_rules_say(engine_class):
    wishes, in_several = assert_engine_solves(engine_class, 3)
    assert wishes > 4_500
    assert in_several > 15


@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_one_in_29_arrivals_of_four_orders_trades_as_the_rules_say(engine_class):
    wishes, in_several = assert_engine_solves(engine_class, 4, 29)
    assert wishes > 4_500
    assert in_several > 25


@pytest.mark.long
@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_arrival_of_four_orders_trades_as_the_rules_say(engine_class):
    wishes, in_several = assert_engine_solves(engine_class, 4)
    assert wishes > 100_000
    assert in_several > 900

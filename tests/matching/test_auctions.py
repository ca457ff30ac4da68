"""Auctions on kernel and reference: what starts and ends one, its price, what is shown of it."""

import time
from dataclasses import replace

import numpy as np
import pytest

from matching import COMMAND, Engine
from matching.memory.compiler import JIT_DISABLED
from matching.records import (
    AUCTION_MAX_S,
    NANOSECONDS,
    CommandKind,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    SelfTradePrevention,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from tests.support.scripts import (
    BUY,
    LIMITS,
    MEMBER,
    OPERATOR,
    SELL,
    START_S,
    Answer,
    Row,
    answers,
    as_commands,
    at,
    head,
    listing,
    order,
    other,
    reasons,
    target,
    venue,
)

PHASE, COLLAR, CLOCK = CommandKind.PHASE, CommandKind.COLLAR, CommandKind.CLOCK


def phase(number: int, **fields: int) -> Row:
    return venue(PHASE, type=number, **fields)


def clock(seconds: int, **fields: int) -> Row:
    """The venue's CLOCK so many seconds after the start."""
    return at(seconds, {"kind": CLOCK, **fields})


def auction_trades(answer: Answer) -> list[tuple[int, int]]:
    """Price and quantity of each trade."""
    fills = answer.events[answer.events["kind"] == EventKind.FILLED][::2]
    return [(int(price), int(quantity)) for price, quantity in fills[["price", "quantity"]]]


# What starts an auction


@pytest.mark.parametrize(
    ("fields", "starts"),
    [
        ({}, True),
        ({"tif": TimeInForce.DAY}, True),
        ({"tif": TimeInForce.IOC}, False),
        ({"type": OrderType.MARKET, "price": 0}, False),
        ({"type": OrderType.STOP, "price": 0, "stop": 100}, False),
        ({"type": OrderType.STOP_LIMIT, "stop": 100}, True),
    ],
)
def test_only_an_order_that_stays_in_the_auction_starts_it(fields, starts):
    """Otherwise one lot could stop trading again and again, at no cost."""
    rows = [
        venue(COLLAR, price=5, quantity=60),
        other(1, SELL, 100),
        order(1, BUY, 100),
        other(2, SELL, 104),
        other(3, SELL, 110),
        order(2, BUY, 120, 2) | fields,
        order(3, BUY, 101),
    ]
    found = answers(*rows)
    assert ("PHASE_CHANGED" in found[5].kinds) == starts
    assert ("CANCELLED" in found[5].kinds) == (not starts)
    assert found[6].kinds == ["ACCEPTED"]


# Its price


def test_the_uncross_is_nearest_the_last_trade_not_the_listing():
    rows = [
        other(1, SELL, 120),
        order(1, BUY, 120),
        phase(Phase.AUCTION),
        order(2, BUY, 130),
        other(2, SELL, 90),
        phase(Phase.CONTINUOUS),
    ]
    assert auction_trades(answers(*rows)[-1]) == [(120, 1)]
    assert auction_trades(answers(*rows[2:])[-1]) == [(100, 1)]


def test_of_equal_surpluses_on_either_side_the_lowest_good_price_has_no_more_buys():
    """At 103 and 104 three buys meet two sells, at 105 two meet three; at 102 there are four."""
    rows = [
        phase(Phase.AUCTION),
        other(1, SELL, 99, 2),
        other(2, SELL, 105, 1),
        order(1, BUY, 106, 2),
        order(2, BUY, 104, 1),
        order(3, BUY, 102, 1),
        phase(Phase.CONTINUOUS),
    ]
    assert auction_trades(answers(*rows)[-1]) == [(103, 2)]


def test_small_auctions_have_the_price_of_the_rule():
    """A thousand auctions of few lots at few ticks, where many prices are equally good."""
    random = np.random.default_rng(7)
    rows = [*head(1, 9), venue(CommandKind.COLLAR, price=2, quantity=60)]
    ref = 0
    for number in range(1_000):
        rows.append(phase(Phase.AUCTION))
        for _ in range(random.integers(2, 9)):
            ref = ref % 4_000 + 1
            side, price, quantity = random.integers(0, (2, 9, 4)).tolist()
            make = order if random.random() < 0.5 else other
            mode = int(random.integers(0, 5)) if number % 3 else 0
            rows.append(make(ref, side, price + 1, quantity + 1, stp=mode))
        rows += [clock(0), phase(Phase.CONTINUOUS)]
        if number % 4 == 0:
            rows.append(venue(CommandKind.MASS_CANCEL, type=MassCancelScope.INSTRUMENT))
    commands = as_commands(rows)
    limits = replace(LIMITS, orders=4_096)
    expected = ReferenceEngine(limits).process(commands)
    assert Engine(limits).process(commands).tobytes() == expected.tobytes()
    assert (expected["kind"] == EventKind.INDICATIVE).sum() > 500


def test_prevention_in_an_uncross_costs_what_it_removes():
    """Each pass removed one order and counted the whole book again."""
    count = 2_000 if JIT_DISABLED else 20_000
    limits = replace(LIMITS, orders=2**15, refs=2**16, ref_pages=64, ticks=2**15, events=2**12)
    limits = replace(limits, session_orders=2**15)
    engine = Engine(limits)
    engine.process(as_commands([*head(1, count), phase(Phase.AUCTION)]))
    rows = np.zeros(count, COMMAND)
    rows["kind"], rows["type"], rows["tif"] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.GTC
    rows["time_ns"] = START_S * NANOSECONDS
    rows["session"], rows["account"], rows["instrument"] = MEMBER, 1, 1
    rows["user_ref"] = rows["price"] = np.arange(1, count + 1)
    rows["quantity"] = 1
    engine.process(rows)
    own = order(count + 1, SELL, 1, account=1, stp=SelfTradePrevention.OLDEST)
    assert engine.process(as_commands([own]))["kind"].tolist() == [EventKind.ACCEPTED]
    began = time.perf_counter()
    events = engine.process(as_commands([phase(Phase.CONTINUOUS)]))
    assert len(events) == count + 1
    assert JIT_DISABLED or time.perf_counter() - began < 2


# Its end


def collar_auction(**fields: int) -> list[Row]:
    """Set a collar of 5 ticks and 60 s; an order reaches it, and could trade at 110."""
    return [
        venue(COLLAR, price=5, quantity=60, **fields),
        other(1, SELL, 110),
        order(1, BUY, 110),
    ]


def test_an_auction_whose_price_is_far_away_is_put_off_once():
    rows = collar_auction(stop=8)
    found = answers(*rows, *(clock(second) for second in (59, 60, 119, 120)))
    ends = [answer.kinds for answer in found[3:]]
    assert ends[0] == ["INDICATIVE"]
    assert ends[1] == ["PHASE_CHANGED"]
    assert int(found[4].events["flags"][0]) == Phase.AUCTION
    assert ends[2] == []
    assert ends[3] == ["FILLED", "FILLED", "PHASE_CHANGED"]


def test_an_auction_whose_price_is_near_or_that_crosses_nothing_ends_in_time():
    near = answers(*collar_auction(stop=10), clock(60))[-1]
    assert near.kinds == ["FILLED", "FILLED", "PHASE_CHANGED"]
    rows = [*collar_auction(stop=8), target(CommandKind.CANCEL, 1)]
    assert answers(*rows, clock(60))[-1].kinds == ["PHASE_CHANGED"]


def test_an_auction_that_has_traded_is_not_put_off_when_prevention_moves_its_price():
    rows = [
        *collar_auction(stop=8),
        target(CommandKind.CANCEL, 1),
        order(2, BUY, 102, 5),
        other(2, BUY, 102, 4),
        order(3, SELL, 90, 5, account=1, stp=SelfTradePrevention.OLDEST),  # removes the own buy
        other(3, SELL, 90, 4),
        other(4, BUY, 91, 3),
    ]
    found = answers(*rows, clock(60))
    assert auction_trades(found[-1]) == [(100, 4), (90, 1), (90, 2)]
    assert found[-1].kinds[-1] == "PHASE_CHANGED"


def test_an_auction_is_judged_by_its_first_price_though_nothing_trades_at_it():
    """The engine put it off where prevention alone had moved the price; found by a long fuzz."""
    rows = [
        *collar_auction(stop=8),
        target(CommandKind.CANCEL, 1),
        order(2, BUY, 102, 5),
        order(3, SELL, 90, 5, account=1, stp=SelfTradePrevention.OLDEST),  # removes the own buy
        other(4, BUY, 91, 3),
    ]
    found = answers(*rows, clock(60))
    assert found[-1].kinds == ["CANCELLED", "FILLED", "FILLED", "PHASE_CHANGED"]
    assert auction_trades(found[-1]) == [(90, 3)]


def test_a_second_auction_is_put_off_again():
    rows = [*collar_auction(stop=8), clock(60), clock(120)]
    again = [other(2, SELL, 121), order(2, BUY, 130)]
    later = [row | {"time_ns": (START_S + 121) * NANOSECONDS} for row in again]
    found = answers(*rows, *later, clock(181), clock(241))
    assert found[4].kinds[-1] == "PHASE_CHANGED"
    assert found[-2].kinds == ["PHASE_CHANGED", "INDICATIVE"]
    assert found[-1].kinds == ["FILLED", "FILLED", "PHASE_CHANGED"]


def end_of(seed: int, random_s: int = 30, number: int = 1) -> int:
    """Seconds after its start at which an auction with this seed ends."""
    setup = [*head(), *(listing(2) if number == 2 else [])]
    setup += [
        venue(CommandKind.REGISTER, account=account, quantity=9, instrument=number)
        for account in (1, 2, 3)
    ]
    rows = [clock(0, amount_fen=seed)]
    rows += [row | {"instrument": number} for row in collar_auction(display=random_s)]
    found = answers(*rows, *(clock(second) for second in range(60, 91)), setup=setup)
    ends = [at for at, answer in enumerate(found[4:]) if "PHASE_CHANGED" in answer.kinds]
    assert len(ends) == 1
    return ends[0]


def test_a_random_end_is_drawn_from_the_seed_of_the_log():
    seeds = [1, 2, 3, 2**31 + 1, 2**40 + 7, 2**62 + 12345, -5]
    ends = [end_of(seed) for seed in seeds]
    assert ends == [end_of(seed) for seed in seeds]
    assert len(set(ends)) > 3
    assert all(0 <= end <= 30 for end in ends)
    assert end_of(1, number=2) != end_of(1)
    assert end_of(7, random_s=0) == 0


def test_a_seed_comes_from_the_venue_or_an_operator_alone():
    member = clock(0, amount_fen=5, session=MEMBER)
    operator = clock(0, amount_fen=5, session=OPERATOR)
    for row, expected in ((member, 0), (operator, 5)):
        engine = Engine(LIMITS)
        engine.process(as_commands([*head(), row]))
        assert engine.state_tables()["machine"][0, 5] == expected


def test_the_lengths_of_an_auction_have_bounds():
    rows = [
        venue(COLLAR, price=5, quantity=60, display=AUCTION_MAX_S, stop=2**31 - 1),
        venue(COLLAR, price=5, quantity=60, display=AUCTION_MAX_S + 1),
        venue(COLLAR, price=5, quantity=60, display=-1),
        venue(COLLAR, price=5, quantity=60, stop=-1),
        venue(COLLAR, price=0, quantity=-1),
        venue(COLLAR, price=0),
    ]
    assert reasons(*rows) == ["NONE", *["MALFORMED"] * 4, "NONE"]


# What is shown of it


def indicated(answer: Answer) -> list[tuple[int, int, int, int]]:
    """Price, volume, surplus and its side of each INDICATIVE."""
    events = answer.events[answer.events["kind"] == EventKind.INDICATIVE]
    return [tuple(row) for row in events[["price", "quantity", "leaves", "side"]].tolist()]


def test_an_indicative_price_is_reported_with_each_clock_where_it_changed():
    rows = [
        phase(Phase.AUCTION),
        clock(1),
        order(1, BUY, 105, 10) | {"time_ns": (START_S + 1) * NANOSECONDS},
        clock(2),
        other(1, SELL, 100, 4) | {"time_ns": (START_S + 2) * NANOSECONDS},
        clock(3),
        clock(4),
        other(2, SELL, 101, 9) | {"time_ns": (START_S + 4) * NANOSECONDS},
        clock(5),
        target(CommandKind.CANCEL, 1) | {"time_ns": (START_S + 5) * NANOSECONDS},
        clock(6),
        phase(Phase.CONTINUOUS) | {"time_ns": (START_S + 6) * NANOSECONDS},
        clock(7),
    ]
    found = [indicated(answer) for answer in answers(*rows)]
    assert found[1] == found[3] == []
    assert found[5] == [(105, 4, 6, BUY)]
    assert found[6] == []
    assert found[8] == [(101, 10, 3, SELL)]
    assert found[10] == [(0, 0, 0, BUY)]
    assert found[12] == []


def test_price_volume_or_surplus_alone_is_a_change_of_the_indicative_price():
    cancels = [venue(CommandKind.MASS_CANCEL, type=MassCancelScope.INSTRUMENT)]
    steps = [
        [phase(Phase.AUCTION), other(1, SELL, 101, 2), order(1, BUY, 101, 2)],
        [other(2, SELL, 101), order(2, BUY, 101)],  # volume
        [order(3, BUY, 101)],  # surplus
        [*cancels, other(3, SELL, 102, 3), order(4, BUY, 102, 4)],  # price
    ]
    rows = [
        at(second, row) for second, step in enumerate(steps) for row in (*step, {"kind": CLOCK})
    ]
    found = [each[:3] for answer in answers(*rows) for each in indicated(answer)]
    assert found == [(101, 2, 0), (101, 3, 0), (101, 3, 1), (102, 3, 1)]


def test_the_indicative_price_is_that_of_the_uncross():
    crossing = [order(1, BUY, 110, 7, display=2), other(1, SELL, 95, 7), other(2, SELL, 108, 5)]
    rows = [phase(Phase.AUCTION), *crossing, clock(1)]
    found = answers(*rows, phase(Phase.CONTINUOUS) | {"time_ns": (START_S + 1) * NANOSECONDS})
    ((price, volume, surplus, _),) = indicated(found[4])
    assert auction_trades(found[5]) == [(price, volume)]
    assert surplus == 0


def test_a_members_clock_reports_nothing():
    crossing = [phase(Phase.AUCTION), order(1, BUY, 110), other(1, SELL, 95)]
    found = answers(*crossing, clock(1, session=MEMBER, user_ref=9), clock(1, session=OPERATOR))
    assert found[3].kinds == []
    assert found[4].kinds == ["INDICATIVE"]


def test_only_auctions_have_an_indicative_price_each_in_the_order_of_instruments():
    setup = [*head(), *listing(2), *listing(3)]
    setup += [
        venue(CommandKind.REGISTER, account=3, quantity=9, instrument=number) for number in (2, 3)
    ]
    rows = [phase(number, instrument=place) for place, number in ((3, 2), (2, 1), (1, 2))]
    rows += [order(place, BUY, 110, instrument=place) for place in (1, 2, 3)]
    rows += [other(place, SELL, 90, instrument=place) for place in (1, 2, 3)]
    found = answers(*rows, clock(1), setup=setup)[-1]
    assert found.events["instrument"].tolist() == [1, 3]

"""Rare cases of orders for baskets that streams seldom reach, on kernel and reference alike."""

from dataclasses import replace

import numpy as np
import pytest

from matching import Engine, Limits
from matching.records import (
    BASKET_MEMBERS_MAX,
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    OrderType,
    Phase,
    SelfTradePrevention,
    TimeInForce,
)
from tests.support.scripts import (
    BUY,
    LIMITS,
    MEMBER,
    OPERATOR,
    OTHER_MEMBER,
    SELL,
    START_S,
    Answer,
    Row,
    answers,
    as_commands,
    capacity,
    head,
    listing,
    order,
    reasons,
    sequence,
    target,
    trades,
    venue,
)

MANY = replace(LIMITS, instruments=30, ticks=8192, events=64, baskets=3)
SPLIT, WHOLE = CommandFlag.SPLIT, CommandFlag.WHOLE
X, Y, A, B, LONE = 1, 2, 3, 4, 5
"""Instruments: Y follows X, B follows A, LONE is in no sequence; the basket has X and A."""


def basket(instrument: int, number: int = 1, **fields: int) -> Row:
    """Add an instrument to a basket."""
    return venue(CommandKind.BASKET, instrument=instrument, target_ref=number, **fields)


def listed(number: int, low: int = 1, high: int = 200, tick_fen: int = 1) -> list[Row]:
    """List an instrument, with capacity of all accounts."""
    return [*listing(number, low, high, tick_fen=tick_fen), *capacity(number)]


def world() -> list[Row]:
    """The instruments of this file in continuous trading, their sequences and their basket."""
    rows = head()
    for number in range(2, LONE + 1):
        rows += listed(number)
    return [*rows, sequence(Y, X), sequence(B, A), basket(X), basket(A)]


def basket_order(ref: int, side: int, price: int, quantity: int = 1, **fields: int) -> Row:
    """An order for the basket in the first hour, IOC and SPLIT unless other fields are given."""
    own: Row = {"tif": TimeInForce.IOC, "flags": SPLIT, "target_ref": 1}
    return order(ref, side, price, quantity, **own | fields)


def answers_of(*rows: Row, limits: Limits = MANY) -> list[Answer]:
    """The answers to rows after the setup of this file."""
    return answers(*rows, limits=limits, setup=world())


def reasons_of(*rows: Row, limits: Limits = MANY) -> list[str]:
    """The reason of each answer; NONE where the command was accepted."""
    return reasons(*rows, limits=limits, setup=world())


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": SPLIT | WHOLE},
        {"flags": SPLIT | CommandFlag.POST_ONLY},
        {"flags": WHOLE | CommandFlag.REQUEUE},
        {"hours": 1},
        {"hours": 169},
        {"tif": TimeInForce.DAY},
        {"tif": TimeInForce.GTC},
        {"tif": TimeInForce.GTD, "expiry_s": START_S + 9},
        {"tif": 2},
        {"expiry_s": START_S + 9},
        {"type": OrderType.MARKET, "price": 0},
        {"type": OrderType.STOP_LIMIT, "stop": 100},
        {"stop": 100},
        {"display": 1},
        {"side": 2},
        {"stp": 5},
        {"price": 0},
        {"quantity": 0},
        {"user_ref": 0},
        {"spare": 1},
    ],
)
@pytest.mark.parametrize("hours", [0, 2])
def test_an_order_for_a_basket_with_meaningless_fields_is_malformed(fields, hours):
    row = basket_order(1, BUY, 100, 5, hours=hours) | fields
    assert reasons_of(row, basket_order(1, BUY, 100, 5, hours=hours)) == ["MALFORMED", "NONE"]


@pytest.mark.parametrize("kind", [CommandKind.CANCEL, CommandKind.REPLACE])
def test_only_a_new_order_is_for_a_basket(kind):
    assert (
        reasons_of(target(kind, 1, flags=SPLIT), target(kind, 1, flags=WHOLE)) == ["MALFORMED"] * 2
    )


def test_a_basket_is_permanent_and_has_like_instruments_of_different_sequences():
    assert reasons_of(
        basket(0),
        basket(LONE, 0),
        basket(LONE, hours=2),
        basket(LONE, flags=SPLIT),
        basket(LONE, session=OTHER_MEMBER),
        basket(6),
        basket(999),
        basket(LONE, 4),
        basket(LONE, 2**32 - 1),
        basket(Y),
        basket(X),
        basket(A),
        *listed(6, tick_fen=2),
        basket(6),
        basket(6, 2),
        basket(LONE, session=OPERATOR),
        basket(LONE),
        venue(CommandKind.SEQUENCE, instrument=LONE, target_ref=Y, quantity=2),
        venue(CommandKind.SEQUENCE, instrument=A, target_ref=Y, quantity=2),
        venue(CommandKind.SEQUENCE, instrument=LONE, target_ref=B, quantity=2),
    ) == [
        *["MALFORMED"] * 4, "NOT_ENTITLED", *["UNKNOWN_INSTRUMENT"] * 4, *["PHASE"] * 3,
        *["NONE"] * 6, "PHASE", "NONE", "NONE", *["PHASE"] * 4,
    ]  # fmt: skip


def test_a_basket_reports_its_number_of_members_and_has_a_largest_one():
    many = [row for number in range(6, 6 + BASKET_MEMBERS_MAX) for row in listed(number)]
    found = answers_of(*many, *(basket(number) for number in range(6, 6 + BASKET_MEMBERS_MAX)))
    found = found[len(many) :]
    reported = [(int(a.events["request_ref"][0]), int(a.events["quantity"][0])) for a in found[:-2]]
    assert reported == [(1, number) for number in range(3, BASKET_MEMBERS_MAX + 1)]
    assert [answer.reason for answer in found[-2:]] == ["POOL_FULL"] * 2


def test_a_gated_instrument_joins_no_basket():
    gate = venue(CommandKind.TIMES, instrument=LONE, target_ref=START_S + 1)
    late = {"time_ns": (START_S + 1) * 10**9}
    assert (
        answers_of(gate, venue(CommandKind.CLOCK) | late, basket(LONE) | late)[-1].reason == "PHASE"
    )


def test_the_first_reason_of_the_table_rejects_an_order_for_a_basket():
    def phase(phase: Phase, *numbers: int) -> list[Row]:
        return [venue(CommandKind.PHASE, instrument=number, type=phase) for number in numbers]

    fok = {"tif": TimeInForce.FOK}
    found = reasons_of(
        basket_order(1, BUY, 300, session=9, account=9, instrument=9),
        basket_order(1, BUY, 300, account=9, instrument=9),
        basket_order(1, BUY, 300, account=3, instrument=9),
        venue(CommandKind.HALT_ACCOUNT, account=1, flags=CommandFlag.HALT),
        basket_order(1, BUY, 300, instrument=9),
        venue(CommandKind.HALT_ACCOUNT, account=1),
        basket_order(1, BUY, 300, instrument=9),
        basket_order(1, BUY, 300, target_ref=0),
        basket_order(1, BUY, 300, target_ref=2),
        basket_order(1, BUY, 300, target_ref=4),
        basket_order(1, BUY, 300, instrument=LONE),
        basket_order(1, BUY, 300, instrument=Y, hours=2),
        basket_order(1, BUY, 300, hours=3),
        *phase(Phase.HALTED, Y, B),
        basket_order(1, BUY, 300, hours=2),
        order(1, BUY, 50),
        basket_order(1, BUY, 300, hours=2),
        *phase(Phase.AUCTION, Y),
        basket_order(1, BUY, 300, hours=2),
        basket_order(2, BUY, 300, hours=2),
        *phase(Phase.CONTINUOUS, B),
        basket_order(2, BUY, 201, 2**31 - 1, hours=2),
        basket_order(2, BUY, 200, 2**30, hours=2),
        basket_order(2, SELL, 200, 2**29, hours=2),
        basket_order(2, SELL, 200, 2**29, hours=2, **fok),
        basket_order(2, SELL, 200, 5, hours=2, **fok),
        basket_order(2, SELL, 200, 5, hours=2),
    )
    assert found == [
        "UNKNOWN_SESSION", "UNKNOWN_ACCOUNT", "NOT_ENTITLED", "NONE", "ACCOUNT_HALTED", "NONE",
        *["UNKNOWN_INSTRUMENT"] * 7,
        "NONE", "NONE", "PHASE", "NONE", "PHASE", "NONE", "DUPLICATE_REF", "ORDER_TYPE", "NONE",
        "BAND", "SIZE_LIMIT", "CAPACITY", "CAPACITY", "FOK", "NONE",
    ]  # fmt: skip


def test_the_limit_must_lie_in_the_band_of_one_member():
    low, high = listed(6, 50, 100), listed(7, 150, 200)
    found = answers_of(
        *low,
        *high,
        basket(6, 2),
        basket(7, 2),
        order(1, SELL, 90, 2, instrument=6),
        order(2, SELL, 160, 2, instrument=7),
        order(3, BUY, 60, 2, instrument=6),
        order(4, BUY, 155, 2, instrument=7),
        basket_order(5, BUY, 120, 1, target_ref=2, instrument=6),
        basket_order(6, BUY, 170, 3, target_ref=2, instrument=6),
        basket_order(7, SELL, 55, 3, target_ref=2, instrument=7),
    )
    assert found[-3].reason == "BAND"
    assert trades(found[-2]) == [(6, 1, 90, 2), (7, 2, 160, 1)]
    assert trades(found[-1]) == [(7, 4, 155, 2), (6, 3, 60, 1)]


def test_the_dearest_fee_and_the_highest_band_bound_the_size():
    rows = [
        *listed(6, 1, 100),
        venue(CommandKind.FEES, instrument=6, price=100_000, stop=100_000),
        *listed(7, 1, 1_000),
        basket(6, 2),
        basket(7, 2),
        venue(CommandKind.FUND, account=1, amount_fen=10**18),
    ]
    most = (2**31 - 1) * 10**6 // 100_000 // 1_000
    found = answers_of(
        *rows,
        basket_order(1, BUY, 900, most + 1, target_ref=2, instrument=6),
        basket_order(2, BUY, 900, most, target_ref=2, instrument=6),
    )
    assert [answer.reason for answer in found[-2:]] == ["SIZE_LIMIT", "NONE"]


def test_size_limits_count_all_hours_and_position_limits_all_members():
    limit = venue(CommandKind.LIMITS, account=1, quantity=14, display=6, amount_fen=1300)
    fok = {"tif": TimeInForce.FOK}
    found = answers_of(
        limit,
        *(order(ref, SELL, 100, 9, instrument=number) for ref, number in enumerate((X, A), 11)),
        basket_order(1, BUY, 90, 15),
        basket_order(2, BUY, 90, 8, hours=2),
        basket_order(3, BUY, 100, 14),
        order(4, BUY, 50, 2),
        basket_order(5, BUY, 100, 11),
        basket_order(6, BUY, 100, 7, flags=WHOLE),
        basket_order(7, BUY, 100, 10, **fok),
        basket_order(8, BUY, 50, 1, **fok, hours=2),
        basket_order(9, BUY, 50, 1),
        venue(CommandKind.LIMITS, account=1, display=1),
        basket_order(10, BUY, 50, 1, hours=2),
        basket_order(14, BUY, 50, 1),
    )
    assert [answer.reason for answer in found[3:]] == [
        "SIZE_LIMIT", "SIZE_LIMIT", "NOTIONAL_LIMIT", "NONE", "POSITION_LIMIT", "POSITION_LIMIT",
        "NONE", "POSITION_LIMIT", "POSITION_LIMIT", "NONE", "POSITION_LIMIT", "POSITION_LIMIT",
    ]  # fmt: skip
    assert trades(found[9]) == [(X, 11, 100, 4), (A, 12, 100, 6)]


def test_a_sell_takes_from_each_member_no_more_than_the_capacity_there():
    less = [
        venue(CommandKind.REGISTER, account=2, instrument=number, quantity=lots - 10**6)
        for number, lots in ((X, 3), (Y, 1), (A, 1), (B, 3))
    ]
    bids = [order(ref, BUY, 90 + ref, 9, instrument=ref) for ref in (X, Y, A, B)]
    found = answers_of(
        *less,
        *bids,
        basket_order(5, SELL, 80, 5, hours=2),
        basket_order(6, SELL, 80, 4, hours=2, flags=WHOLE),
        basket_order(7, SELL, 80, 2, hours=2, flags=WHOLE),
        basket_order(8, SELL, 80, 4, hours=2),
        basket_order(9, SELL, 80, 1, hours=2),
    )
    assert [answer.reason for answer in found[-5:]] == [
        "CAPACITY",
        "CAPACITY",
        "CAPACITY",
        "NONE",
        "CAPACITY",
    ]
    assert trades(found[-2]) == [(A, 3, 93, 1), (X, 1, 91, 3), (B, 4, 94, 3), (Y, 2, 92, 1)]


def test_a_sell_needs_the_deposit_of_the_dearest_member():
    deposits = [
        venue(CommandKind.FEES, instrument=number, price=0, stop=0, quantity=fen)
        for number, fen in ((X, 10), (Y, 10), (A, 30), (B, 1))
    ]
    poor = venue(CommandKind.WITHDRAW, account=2, amount_fen=10**12 - 100)
    bids = [order(ref, BUY, 90, 9, instrument=ref) for ref in (X, Y, A, B)]
    found = answers_of(
        *deposits,
        poor,
        *bids,
        basket_order(5, SELL, 80, 4),
        basket_order(6, SELL, 80, 3, hours=2),
        basket_order(7, SELL, 80, 4, hours=2, flags=WHOLE),
        basket_order(8, SELL, 80, 3, hours=2, flags=WHOLE),
        venue(CommandKind.WITHDRAW, account=2, amount_fen=41),
        venue(CommandKind.WITHDRAW, account=2, amount_fen=40),
    )
    assert [answer.reason for answer in found[-6:]] == [
        "DEPOSIT", "DEPOSIT", "DEPOSIT", "NONE", "FUNDS", "NONE",
    ]  # fmt: skip
    assert trades(found[-3]) == [(X, 1, 90, 3), (Y, 2, 90, 3)]


def test_a_split_block_is_within_its_limit_on_the_average_of_all_hours():
    found = answers_of(
        order(1, SELL, 110, 2),
        order(2, SELL, 100, 2, instrument=A),
        order(3, SELL, 95, 2, instrument=Y),
        order(4, SELL, 90, 2, instrument=B),
        basket_order(5, BUY, 94, 2, hours=2),
        basket_order(6, BUY, 95, 2, hours=2),
        basket_order(7, BUY, 99, 2, hours=2),
    )
    assert found[4].kinds == ["ACCEPTED", "CANCELLED"]
    assert trades(found[5]) == [(A, 2, 100, 2), (B, 4, 90, 2)]
    assert found[6].kinds == ["ACCEPTED", "CANCELLED"]


def test_orders_beyond_the_room_in_a_member_do_not_count():
    fok = {"tif": TimeInForce.FOK}
    found = answers_of(
        venue(CommandKind.LIMITS, account=1, display=3),
        order(1, SELL, 100, 9),
        order(2, SELL, 101, 1, instrument=A),
        basket_order(3, BUY, 101, 5, **fok),
        order(4, SELL, 102, 1, instrument=A),
        basket_order(5, BUY, 102, 5, **fok),
    )
    assert found[3].reason == "FOK"
    assert trades(found[5]) == [(X, 1, 100, 3), (A, 2, 101, 1), (A, 4, 102, 1)]
    limit = venue(CommandKind.LIMITS, account=1, display=1)
    found = answers_of(
        order(1, BUY, 50, 3),
        limit,
        basket_order(2, BUY, 100, 2),
        basket_order(3, BUY, 100, 1),
    )
    assert [answer.reason for answer in found[-2:]] == ["POSITION_LIMIT", "NONE"]


def test_a_split_sell_needs_the_deposit_of_one_member_in_each_hour():
    deposits = [
        venue(CommandKind.FEES, instrument=number, price=0, stop=0, quantity=10)
        for number in (X, A)
    ]
    poor = venue(CommandKind.WITHDRAW, account=2, amount_fen=10**12 - 30)
    assert answers_of(*deposits, poor, basket_order(1, SELL, 80, 3))[-1].reason == "NONE"


@pytest.mark.parametrize("flags", [SPLIT, WHOLE])
def test_members_without_room_need_no_deposit(flags):
    found = answers_of(
        venue(CommandKind.FEES, instrument=X, price=0, stop=0, quantity=1),
        venue(CommandKind.FEES, instrument=A, price=0, stop=0, quantity=100),
        venue(CommandKind.REGISTER, instrument=A, account=2, quantity=-(10**6)),
        venue(CommandKind.WITHDRAW, account=2, amount_fen=10**12 - 5),
        order(1, BUY, 90, 9),
        order(2, BUY, 95, 9, instrument=A),
        basket_order(3, SELL, 80, 3, flags=flags),
        basket_order(4, SELL, 80, 3, flags=flags),
    )
    assert trades(found[-2]) == [(X, 1, 90, 3)]
    assert found[-1].reason == "DEPOSIT"


def test_a_resale_needs_no_deposit_in_the_member_that_was_bought():
    deposits = [
        venue(CommandKind.FEES, instrument=number, price=0, stop=0, quantity=10)
        for number in (X, A)
    ]
    found = answers_of(
        *deposits,
        order(1, SELL, 50, 5),
        order(2, BUY, 50, 5),
        venue(CommandKind.WITHDRAW, account=1, amount_fen=10**12 - 300),
        venue(CommandKind.REGISTER, account=1, instrument=A, quantity=-(10**6)),
        order(3, BUY, 40, 5, account=3, session=OTHER_MEMBER),
        basket_order(4, SELL, 30, 5, account=1, flags=WHOLE),
    )
    assert trades(found[-1]) == [(X, 3, 40, 5)]


def test_a_buy_needs_the_dearest_fee_and_pays_the_exact_one():
    fees = [
        venue(CommandKind.FEES, instrument=X, price=0, stop=1000),
        venue(CommandKind.FEES, instrument=A, price=9000, stop=2000),
    ]
    poor = venue(CommandKind.WITHDRAW, account=1, amount_fen=10**12 - 1009)
    found = answers_of(
        *fees,
        poor,
        order(1, SELL, 90, 5),
        order(2, SELL, 90, 4, instrument=A),
        basket_order(3, BUY, 101, 10),
        venue(CommandKind.WITHDRAW, account=1, amount_fen=1),
        basket_order(5, BUY, 100, 10),
        venue(CommandKind.FUND, account=1, amount_fen=1),
        basket_order(4, BUY, 100, 10),
        venue(CommandKind.WITHDRAW, account=1, amount_fen=199),
        venue(CommandKind.WITHDRAW, account=1, amount_fen=198),
    )
    # 450 x 0.001 = 0.45, then 360 x 0.002 = 0.72: 0 and 1, of 1.17 in sum.
    fills = found[-3].events[found[-3].events["kind"] == EventKind.FILLED]
    assert fills["fee_fen"].tolist() == [0, 0, 3, 1]
    assert [answer.reason for answer in found[-7:]] == [
        "FUNDS", "NONE", "FUNDS", "NONE", "NONE", "FUNDS", "NONE",
    ]  # fmt: skip


def test_icebergs_trade_slice_by_slice_and_equal_prices_go_to_the_first_listed():
    found = answers_of(
        order(1, SELL, 100, 5, display=2),
        order(2, SELL, 100, 1),
        order(3, SELL, 100, 9, instrument=A, display=1),
        basket_order(4, BUY, 100, 8),
        basket_order(5, BUY, 100, 7, tif=TimeInForce.FOK),
        basket_order(6, BUY, 100, 7, flags=WHOLE, tif=TimeInForce.FOK),
    )
    assert trades(found[3]) == [
        (X, 1, 100, 2), (X, 2, 100, 1), (X, 1, 100, 2), (X, 1, 100, 1),
        (A, 3, 100, 1), (A, 3, 100, 1),
    ]  # fmt: skip
    assert trades(found[4]) == [(A, 3, 100, 1)] * 7
    assert found[5].reason == "FOK"


@pytest.mark.parametrize("stp", [mode for mode in SelfTradePrevention if mode])
@pytest.mark.parametrize("flags", [SPLIT, WHOLE])
def test_an_order_passes_over_the_orders_of_its_owner(stp, flags):
    found = answers_of(
        order(1, SELL, 90, 5, account=1),
        order(2, SELL, 95, 2, account=1, instrument=A),
        order(3, SELL, 96, 2, instrument=A),
        order(4, SELL, 99, 3, instrument=A),
        basket_order(5, BUY, 99, 3, stp=stp, flags=flags),
        basket_order(6, BUY, 90, 3, flags=flags),
    )
    assert trades(found[4]) == [(A, 3, 96, 2), (A, 4, 99, 1)]
    assert trades(found[5]) == [(X, 1, 90, 3)]


def test_a_collar_bounds_prices_in_each_member_and_starts_no_auction():
    collar = venue(CommandKind.COLLAR, instrument=X, price=5, quantity=9)
    found = answers_of(
        collar,
        order(1, SELL, 104, 2),
        order(2, SELL, 106, 2),
        order(3, SELL, 110, 2, instrument=A),
        basket_order(4, BUY, 120, 5),
        basket_order(5, BUY, 120, 1, flags=WHOLE, tif=TimeInForce.FOK),
        order(6, SELL, 90, 1),
        order(7, SELL, 120, 1, instrument=A),
        basket_order(8, BUY, 120, 1),
    )
    assert trades(found[4]) == [(X, 1, 104, 2), (A, 3, 110, 2)]
    assert found[4].kinds[-1] == "CANCELLED"
    assert trades(found[5]) == [(X, 2, 106, 1)]  # the last price is 104 now
    assert trades(found[8]) == [(A, 7, 120, 1)]  # 90 is beyond 106 - 5
    assert not any("PHASE_CHANGED" in answer.kinds for answer in found[4:])


def test_stops_run_after_the_order_hour_by_hour_and_member_by_member():
    def stop(ref: int, number: int, price: int) -> Row:
        return order(ref, BUY, 0, 1, type=OrderType.STOP, stop=price, instrument=number)

    asks = [order(ref, SELL, 100, 2, instrument=ref) for ref in (X, Y, A, B)]
    found = answers_of(
        *asks,
        order(5, SELL, 101, 2, instrument=A),
        *(stop(10 + number, number, 100) for number in (B, A, Y, X)),
        basket_order(6, BUY, 101, 4),
        basket_order(7, BUY, 101, 3, hours=2, tif=TimeInForce.FOK),
    )
    triggered = [
        [
            int(event["instrument"])
            for event in answer.events
            if event["kind"] == EventKind.TRIGGERED
        ]
        for answer in found
    ]
    assert triggered[-2] == [X, A]
    assert triggered[-1] == []
    found = answers_of(
        *asks,
        *(stop(10 + number, number, 100) for number in (B, A, Y, X)),
        basket_order(7, BUY, 101, 3, hours=2, tif=TimeInForce.FOK),
    )
    events = found[-1].events
    assert events["instrument"][events["kind"] == EventKind.TRIGGERED].tolist() == [X, A, Y, B]
    assert found[-1].kinds.index("TRIGGERED") == 1 + 8


@pytest.mark.parametrize(("moved", "traded"), [(A, X), (X, A)], ids=["X", "A"])
def test_the_distance_of_a_stop_counts_from_the_last_price_of_its_own_instrument(moved, traded):
    def stop(ref: int, price: int) -> Row:
        return order(ref, BUY, 0, 1, type=OrderType.STOP, stop=price, instrument=traded)

    found = answers_of(
        order(1, SELL, 150, 2, instrument=moved),
        order(2, BUY, 150, 1, instrument=moved),
        order(3, BUY, 150, 1, instrument=moved),
        order(4, SELL, 110, 2, instrument=traded),
        stop(5, 108),
        stop(6, 104),
        basket_order(7, BUY, 110, 2),
    )
    events = found[-1].events
    assert events["user_ref"][events["kind"] == EventKind.TRIGGERED].tolist() == [6, 5]


@pytest.mark.parametrize("hours", [0, 2])
def test_whole_takes_the_best_total_and_of_equals_the_member_listed_first(hours):
    asks = [order(ref, SELL, 100, 2, instrument=ref) for ref in (X, Y, B)]
    more = {"flags": WHOLE, "hours": hours}
    found = answers_of(
        *asks,
        order(8, SELL, 99, 1, instrument=A),
        order(9, SELL, 100, 2, instrument=A),
        basket_order(5, BUY, 101, 2, **more),
        basket_order(6, BUY, 101, 1, **more),
    )
    assert {number for number, *_ in trades(found[-2])} == ({A, B} if hours else {A})
    assert {number for number, *_ in trades(found[-1])} == ({X, Y} if hours else {X})
    bids = [order(ref, BUY, 100 + ref, 2, instrument=ref) for ref in (X, Y, A, B)]
    found = answers_of(*bids, basket_order(5, SELL, 99, 2, **more))
    assert {number for number, *_ in trades(found[-1])} == ({A, B} if hours else {A})


def test_the_remainder_is_cancelled_before_the_stops_run():
    found = answers_of(
        order(1, SELL, 100, 2),
        order(2, BUY, 0, 1, type=OrderType.STOP, stop=100),
        basket_order(3, BUY, 100, 5),
    )
    assert found[-1].kinds == [
        "ACCEPTED", "FILLED", "FILLED", "CANCELLED", "TRIGGERED", "CANCELLED",
    ]  # fmt: skip


def test_standing_blocks_do_not_trade_with_the_order_and_are_tried_after_it():
    block = {"hours": 2, "tif": TimeInForce.DAY}
    collar = venue(CommandKind.COLLAR, instrument=X, price=3, quantity=9)
    found = answers_of(
        order(1, SELL, 90, 5, **block),
        basket_order(2, BUY, 95, 5, hours=2),
        target(CommandKind.CANCEL, 1),
        collar,
        order(3, SELL, 103, 1),
        order(4, SELL, 105, 5),
        order(5, SELL, 100, 5, instrument=Y),
        order(6, BUY, 106, 5, **block),
        basket_order(7, BUY, 103, 1),
    )
    assert found[1].kinds == ["ACCEPTED", "CANCELLED"]
    assert trades(found[-1]) == [(X, 3, 103, 1), (X, 4, 105, 5), (Y, 5, 100, 5)]
    fills = found[-1].events[found[-1].events["kind"] == EventKind.FILLED]
    assert fills["trade_group"].tolist() == [1] * 2 + [2] * 4


def test_events_name_the_basket_the_order_and_each_instrument():
    found = answers_of(
        order(1, SELL, 100, 1),
        order(2, SELL, 100, 1, instrument=A),
        order(3, SELL, 100, 1, instrument=B),
        basket_order(4, BUY, 100, 3, instrument=A),
        basket_order(5, BUY, 100, 1, hours=2, flags=WHOLE),
        order(6, SELL, 100, 3, instrument=A),
        basket_order(7, BUY, 100, 1, hours=2, flags=WHOLE),
        order(8, SELL, 100, 1, instrument=B),
        basket_order(9, BUY, 100, 1, hours=2),
    )
    accepted, *fills, cancelled = found[3].events
    assert (accepted["request_ref"], accepted["instrument"], accepted["shown"]) == (1, A, 0)
    assert [(f["instrument"], f["leaves"], f["cumulative"]) for f in fills[1::2]] == [
        (X, 2, 1), (A, 1, 2),
    ]  # fmt: skip
    assert [int(fill["flags"]) for fill in fills] == [0, 129, 0, 129]
    assert (cancelled["instrument"], cancelled["quantity"], cancelled["leaves"]) == (A, 1, 0)
    assert (accepted["flags"], cancelled["flags"]) == (EventFlag.BASKET, EventFlag.BASKET)
    both = EventFlag.BASKET | EventFlag.BLOCK
    assert found[4].events["flags"].tolist() == [both, both]
    assert found[4].events["hours"].tolist() == [2, 2]
    whole, split = found[6].events, found[8].events
    assert whole["flags"].tolist() == [both, 0, both | 1, 0, both | 1]
    assert split["flags"].tolist() == [both, *[0, EventFlag.BASKET | 1] * 2]


def test_pool_full_is_the_last_reason_before_the_book_of_an_order_for_a_basket():
    small = replace(MANY, orders=2)
    fok = {"tif": TimeInForce.FOK}
    assert reasons_of(
        order(1, SELL, 100, 2),
        order(2, SELL, 100, 2, instrument=A),
        basket_order(3, BUY, 100, 1),
        basket_order(4, BUY, 50, 1, **fok),
        basket_order(5, BUY, 300, 1),
        basket_order(6, BUY, 100, 1, instrument=LONE),
        target(CommandKind.CANCEL, 2),
        basket_order(7, BUY, 100, 1),
        limits=small,
    ) == [
        "NONE",
        "NONE",
        "POOL_FULL",
        "POOL_FULL",
        "BAND",
        "UNKNOWN_INSTRUMENT",
        "REQUESTED",
        "NONE",
    ]
    pages = replace(MANY, ref_pages=1)
    rows = (order(1, SELL, 100, 2), basket_order(2000, BUY, 100, 1), basket_order(2, BUY, 100, 1))
    assert reasons_of(*rows, limits=pages) == ["NONE", "POOL_FULL", "NONE"]


def test_a_sweep_may_have_more_events_than_the_buffer_has_room_for():
    asks = [order(ref, SELL, 100 + ref % 5, 2, instrument=(X, A)[ref % 2]) for ref in range(1, 40)]
    found = answers_of(*asks, basket_order(99, BUY, 104, 78))
    lots = trades(found[-1])
    assert len(lots) == 39
    assert [price for _, _, price, _ in lots] == sorted(price for _, _, price, _ in lots)
    assert len(set(found[-1].events["trade_group"][1:].tolist())) == 1


def test_a_snapshot_keeps_baskets():
    engine = Engine(MANY)
    engine.process(as_commands([*world(), order(1, SELL, 100, 2, instrument=A)]))
    again = Engine.restore(engine.snapshot())
    assert again.state_tables()["baskets"].tolist() == [[1, 1, X], [1, 2, A]]
    row = as_commands([basket_order(2, BUY, 100, 1)])
    row["sequence"] = 999
    events = again.process(row).copy()
    assert np.array_equal(events, engine.process(row))
    assert events["instrument"].tolist() == [X, A, A]
    assert again.state_hash() == engine.state_hash()


def test_a_member_whose_sequence_allows_only_shorter_blocks_is_not_used():
    rows = [*listed(6), *listed(7), *listed(8)]
    rows += [
        venue(CommandKind.SEQUENCE, instrument=number, target_ref=number - 1, quantity=2)
        for number in (7, 8)
    ]
    found = answers_of(
        *rows,
        basket(LONE, 2),
        basket(6, 2),
        basket_order(1, BUY, 50, 1, target_ref=2, instrument=6, hours=3),
        basket_order(2, BUY, 50, 1, target_ref=2, instrument=7, hours=2),
        basket_order(3, BUY, 50, 1, target_ref=2, instrument=8),
    )
    assert [answer.reason for answer in found[-3:]] == ["UNKNOWN_INSTRUMENT", "NONE", "NONE"]


def test_sessions_of_different_firms_may_use_one_basket():
    assert reasons_of(basket_order(1, BUY, 100, account=3, session=OTHER_MEMBER)) == ["NONE"]
    assert reasons_of(basket_order(1, BUY, 100, account=1, session=MEMBER)) == ["NONE"]

"""Rare cases of blocks that streams seldom reach, on kernel and reference alike."""

from dataclasses import replace

import pytest

from matching import Engine, Limits
from matching.records import (
    FEE_MAX_FEN,
    RATE_MAX,
    RATE_UNIT,
    CommandFlag,
    CommandKind,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
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
    mass_cancel,
    order,
    reasons,
    sequence,
    target,
    trades,
    venue,
)

HOURS = 4
MANY = replace(LIMITS, instruments=6, blocks=3, events=64)


def world(longest: int = 168) -> list[Row]:
    """Four hours in a row in continuous trading, and a fifth instrument in no sequence."""
    rows = head()
    for number in range(2, HOURS + 2):
        rows += [*listing(number), *capacity(number)]
    return rows + [sequence(number, number - 1, longest) for number in range(2, HOURS + 1)]


def block(ref: int, side: int, price: int, quantity: int = 1, **fields: int) -> Row:
    """A DAY block of the first two hours, unless other fields are given."""
    return order(ref, side, price, quantity, **{"hours": 2, "tif": TimeInForce.DAY, **fields})


def answers_of(*rows: Row, limits: Limits = MANY, longest: int = 168) -> list[Answer]:
    """The answers to rows after the setup of this file."""
    return answers(*rows, limits=limits, setup=world(longest))


def reasons_of(*rows: Row, limits: Limits = MANY) -> list[str]:
    """The reason of each answer; NONE where the command was accepted."""
    return reasons(*rows, limits=limits, setup=world())


@pytest.mark.parametrize(
    "fields",
    [
        {"hours": 1},
        {"hours": 169},
        {"side": 2},
        {"stp": 5},
        {"type": OrderType.MARKET, "price": 0},
        {"type": OrderType.STOP_LIMIT, "stop": 100},
        {"stop": 100},
        {"display": 1},
        {"flags": CommandFlag.POST_ONLY},
        {"tif": TimeInForce.GTC},
        {"tif": TimeInForce.GTD},
        {"tif": 2},
        {"expiry_s": START_S + 1},
        {"price": 0},
        {"quantity": 0},
        {"user_ref": 0},
        {"spare": 1},
    ],
)
def test_a_block_with_meaningless_fields_is_malformed(fields):
    assert reasons_of(block(1, BUY, 100, 5) | fields) == ["MALFORMED"]


@pytest.mark.parametrize(
    "row",
    [
        {"kind": CommandKind.CANCEL, "session": MEMBER, "user_ref": 2, "target_ref": 1},
        {"kind": CommandKind.REPLACE, "session": MEMBER, "user_ref": 2, "target_ref": 1},
        {"kind": CommandKind.MASS_CANCEL, "session": MEMBER, "user_ref": 2, "type": 1},
        venue(CommandKind.CLOCK),
        venue(CommandKind.PHASE, type=Phase.HALTED),
        venue(CommandKind.SEQUENCE, instrument=5, target_ref=4, quantity=2),
    ],
)
def test_only_a_new_order_has_hours(row):
    assert reasons_of(row | {"hours": 2}) == ["MALFORMED"]


def test_the_first_reason_of_the_table_rejects_a_block():
    rows = [
        block(1, BUY, 300, session=9, account=9, instrument=9),
        block(1, BUY, 300, account=9, instrument=9),
        block(1, BUY, 300, account=3, instrument=9),
        block(1, BUY, 300, instrument=9),
        block(1, BUY, 300, instrument=4),  # nothing follows
        block(1, BUY, 300, instrument=3, hours=3),
        block(1, BUY, 300, instrument=5),
        venue(CommandKind.PHASE, instrument=2, type=Phase.HALTED),
        block(1, BUY, 300),
        venue(CommandKind.PHASE, instrument=2, type=Phase.AUCTION),
        block(1, BUY, 300, tif=TimeInForce.FOK),
        block(1, BUY, 300, tif=TimeInForce.GTD, expiry_s=START_S),
        block(1, BUY, 201, 2**31 - 1),
        block(1, BUY, 200, 2**30),
        block(1, SELL, 200, 10**6 + 1),
        block(1, SELL, 200, 5),
        block(1, BUY, 300),
    ]
    assert reasons_of(*rows) == [
        "UNKNOWN_SESSION",
        "UNKNOWN_ACCOUNT",
        "NOT_ENTITLED",
        "UNKNOWN_INSTRUMENT",
        "UNKNOWN_INSTRUMENT",
        "UNKNOWN_INSTRUMENT",
        "UNKNOWN_INSTRUMENT",
        "NONE",
        "PHASE",
        "NONE",
        "ORDER_TYPE",
        "TIME_PAST",
        "BAND",
        "SIZE_LIMIT",
        "CAPACITY",
        "NONE",
        "DUPLICATE_REF",
    ]


def test_size_limits_count_all_hours_and_position_limits_each_hour():
    limit = venue(CommandKind.LIMITS, account=1, quantity=10, display=6, amount_fen=900)
    assert reasons_of(
        limit,
        block(1, BUY, 100, 6),
        block(2, BUY, 91, 5),
        order(3, BUY, 50, 2, instrument=2),
        block(4, BUY, 90, 5),
        block(5, BUY, 90, 4),
        venue(CommandKind.HALT_ACCOUNT, account=1, flags=CommandFlag.HALT),
        block(6, BUY, 90),
        target(CommandKind.REPLACE, 5, quantity=1),
    ) == [
        "NONE",
        "SIZE_LIMIT",
        "NOTIONAL_LIMIT",
        "NONE",
        "POSITION_LIMIT",
        "NONE",
        "HALT",
        "ACCOUNT_HALTED",
        "UNKNOWN_ORDER",
    ]


def test_the_dearest_fee_of_an_hour_bounds_the_size_of_a_block():
    """The largest fee of one order: at a tenth of the notional, 200 fen a lot at most."""
    dear = venue(CommandKind.FEES, instrument=2, price=0, stop=RATE_MAX, quantity=0)
    most = FEE_MAX_FEN * RATE_UNIT // RATE_MAX // 200 // 2
    larger = block(1, BUY, 1, most + 1)
    assert reasons_of(larger) == ["NONE"]
    assert reasons_of(dear, larger, block(2, BUY, 1, most)) == ["NONE", "SIZE_LIMIT", "NONE"]


def test_a_block_needs_money_and_deposits_of_all_hours():
    deposits = [
        venue(CommandKind.FEES, instrument=number, price=0, stop=0, quantity=10)
        for number in (1, 2)
    ]
    poor = [
        venue(CommandKind.WITHDRAW, account=account, amount_fen=10**12 - 100) for account in (1, 2)
    ]
    assert reasons_of(
        *deposits, *poor,
        block(1, BUY, 51, 1), block(2, BUY, 50, 1),
        block(3, SELL, 50, 6), block(4, SELL, 50, 5),
    ) == ["NONE"] * 4 + ["FUNDS", "NONE", "DEPOSIT", "NONE"]  # fmt: skip


def test_a_block_holds_the_dearest_fee_and_pays_the_exact_fees():
    fees = [
        venue(CommandKind.FEES, instrument=1, price=1000, stop=2000),
        venue(CommandKind.FEES, instrument=2, price=0, stop=0),
    ]
    found = answers_of(
        *fees,
        order(1, SELL, 100, 5),
        order(2, SELL, 100, 5, instrument=2),
        block(3, BUY, 100, 5),
    )
    assert found[-1].events["fee_fen"].tolist()[1:] == [0, 1, 0, 0]  # 0.5, 1.0


def test_pool_full_is_the_last_reason_before_the_book_of_a_block():
    three = [block(ref, BUY, 50) for ref in (1, 2, 3)]
    assert reasons_of(
        *three,
        block(4, BUY, 50),
        block(5, BUY, 50, tif=TimeInForce.IOC),
        block(6, BUY, 50, tif=TimeInForce.FOK),
        block(7, BUY, 300),
        target(CommandKind.CANCEL, 2),
        block(8, BUY, 50),
        order(9, SELL, 60),
        block(10, SELL, 90),
    ) == [
        *["NONE"] * 3, *["POOL_FULL"] * 3, "BAND", "REQUESTED", "NONE", "NONE",
        "POOL_FULL",
    ]  # fmt: skip


def test_blocks_count_as_orders():
    small = replace(MANY, orders=2)
    assert reasons_of(
        order(1, BUY, 50), block(2, BUY, 50), block(3, BUY, 50), block(4, BUY, 50, hours=9),
        limits=small,
    ) == ["NONE", "NONE", "POOL_FULL", "UNKNOWN_INSTRUMENT"]  # fmt: skip
    pages = replace(MANY, ref_pages=1)
    assert reasons_of(block(1, BUY, 50), block(2000, BUY, 50), limits=pages) == [
        "NONE",
        "POOL_FULL",
    ]


def test_a_sequence_is_permanent_and_has_no_circle():
    assert reasons_of(
        sequence(5, 4, 1),
        sequence(5, 4, 169),
        sequence(0, 5),
        sequence(5, 5),
        sequence(5, 0),
        sequence(1, 4),
        sequence(5, 4, session=OTHER_MEMBER),
        sequence(6, 5),
        sequence(99, 5),
        sequence(5, 99),
        sequence(5, 3),
        sequence(4, 2),
        venue(CommandKind.LIST, instrument=6, price=100, quantity=2),
        sequence(6, 5),
        sequence(5, 4, session=OPERATOR),
        block(1, BUY, 50, hours=5),
    ) == [
        *["MALFORMED"] * 5, "PHASE", "NOT_ENTITLED", "UNKNOWN_INSTRUMENT", "UNKNOWN_INSTRUMENT",
        "UNKNOWN_INSTRUMENT", "PHASE",
        "PHASE", "NONE", "PHASE", "NONE", "NONE",
    ]  # fmt: skip


def test_a_gated_instrument_joins_no_sequence():
    gate = venue(CommandKind.TIMES, instrument=5, target_ref=START_S + 1)
    late = {"time_ns": (START_S + 1) * 10**9}
    assert (
        answers_of(gate, venue(CommandKind.CLOCK) | late, sequence(5, 4) | late)[-1].reason
        == "PHASE"
    )


def test_no_block_is_longer_than_its_sequence_says():
    found = answers_of(block(1, BUY, 50, hours=3), block(2, BUY, 50), longest=2)
    assert [answer.reason for answer in found] == ["UNKNOWN_INSTRUMENT", "NONE"]


def test_band_and_fees_are_rejected_while_a_block_of_the_hour_is_live():
    assert reasons_of(
        block(1, BUY, 50),
        venue(CommandKind.BAND, instrument=2, price=1, stop=100),
        venue(CommandKind.FEES, instrument=1, price=1, stop=1),
        venue(CommandKind.FEES, instrument=3, price=1, stop=1),
    ) == ["NONE", "PHASE", "PHASE", "NONE"]


def test_a_replaced_block_keeps_or_loses_its_place_and_other_changes_are_rejected():
    found = answers_of(
        block(1, BUY, 100, 5),
        target(CommandKind.REPLACE, 1, quantity=5, stop=1),
        target(CommandKind.REPLACE, 1, quantity=5, display=1),
        target(CommandKind.REPLACE, 1, quantity=5, expiry_s=START_S + 9),
        target(CommandKind.REPLACE, 1, quantity=5, price=201),
        target(CommandKind.REPLACE, 1, quantity=2**31 - 1),
        target(CommandKind.REPLACE, 1, quantity=4),
        target(CommandKind.REPLACE, 1, quantity=4),
        target(CommandKind.REPLACE, 1, quantity=3, flags=CommandFlag.REQUEUE),
        target(CommandKind.REPLACE, 1, quantity=2, price=99),
        target(CommandKind.REPLACE, 1, quantity=0),
        target(CommandKind.REPLACE, 1, quantity=1),
    )
    assert [answer.reason for answer in found] == [
        "NONE", "ORDER_TYPE", "ORDER_TYPE", "ORDER_TYPE", "BAND", "SIZE_LIMIT", "NONE", "NONE",
        "NONE", "NONE", "REQUESTED", "UNKNOWN_ORDER",
    ]  # fmt: skip
    flags = [int(answer.events["flags"][0]) for answer in found[6:10]]
    assert flags == [32, 40, 40, 40]
    assert {int(answer.events["hours"][0]) for answer in found[6:11]} == {2}


def test_in_a_halt_a_replace_is_rejected_and_a_cancel_is_accepted():
    assert reasons_of(
        block(1, BUY, 100, 5),
        venue(CommandKind.PHASE, instrument=2, type=Phase.HALTED),
        target(CommandKind.REPLACE, 1, quantity=4),
        target(CommandKind.CANCEL, 1),
    ) == ["NONE", "NONE", "PHASE", "REQUESTED"]


def test_a_replaced_block_is_tried_first_and_may_trade_at_a_smaller_size():
    found = answers_of(
        order(1, SELL, 100, 2),
        order(2, SELL, 100, 2, instrument=2),
        order(3, SELL, 140, 2),
        order(4, SELL, 140, 2, instrument=2),
        block(5, BUY, 99, 4),
        block(6, BUY, 101, 4),
        target(CommandKind.REPLACE, 6, quantity=2),
        target(CommandKind.REPLACE, 5, quantity=2, price=145),
    )
    assert trades(found[6]) == [(1, 1, 100, 2), (2, 2, 100, 2)]
    assert trades(found[7]) == [(1, 3, 140, 2), (2, 4, 140, 2)]


def test_a_replace_of_the_expiry_moves_a_block_s_end():
    later = {"time_ns": (START_S + 5) * 10**9}
    found = answers_of(
        block(1, BUY, 100, tif=TimeInForce.GTD, expiry_s=START_S + 5),
        target(CommandKind.REPLACE, 1, quantity=1, expiry_s=START_S + 6),
        target(CommandKind.REPLACE, 1, quantity=1, expiry_s=START_S),
        venue(CommandKind.CLOCK) | later,
        target(CommandKind.CANCEL, 1) | later,
    )
    assert [answer.reason for answer in found] == ["NONE", "NONE", "TIME_PAST", "NONE", "REQUESTED"]


def test_a_mass_cancel_reaches_a_block_by_any_of_its_hours():
    found = answers_of(
        block(1, BUY, 100),
        block(2, BUY, 100, instrument=2),
        mass_cancel(MassCancelScope.INSTRUMENT, instrument=3),
        mass_cancel(MassCancelScope.INSTRUMENT, instrument=3),
        mass_cancel(MassCancelScope.ACCOUNT, account=1),
    )
    ended = [answer.events["user_ref"][:-1].tolist() for answer in found[2:]]
    assert ended == [[2], [], [1]]


def test_the_close_of_a_later_hour_ends_day_blocks_and_no_others():
    found = answers_of(
        venue(CommandKind.TIMES, instrument=2, expiry_s=START_S + 5),
        block(1, BUY, 100),
        block(2, SELL, 190, tif=TimeInForce.GTD, expiry_s=START_S + 5),
        block(3, BUY, 100, instrument=3, tif=TimeInForce.GTD, expiry_s=START_S + 5),
        venue(CommandKind.CLOCK, time_ns=(START_S + 5) * 10**9),
    )
    ended = found[-1].events
    assert ended["user_ref"][ended["kind"] == EventKind.EXPIRED].tolist() == [2, 1, 3]
    assert ended["reason"][ended["kind"] == EventKind.EXPIRED].tolist() == [36, 37, 36]


def test_a_gtd_block_ends_in_the_turn_of_its_first_hour_whatever_its_number():
    falling = [sequence(1, 5)]
    later = {"tif": TimeInForce.GTD, "expiry_s": START_S + 5}
    found = answers_of(
        *falling,
        venue(CommandKind.TIMES, instrument=1, expiry_s=START_S + 5),
        block(1, BUY, 100, instrument=5, **later),
        order(2, BUY, 50, instrument=2, **later),
        block(3, BUY, 100, instrument=5, hours=3),
        venue(CommandKind.CLOCK, time_ns=(START_S + 5) * 10**9),
    )
    ended = found[-1].events
    assert ended["user_ref"][ended["kind"] == EventKind.EXPIRED].tolist() == [3, 2, 1]


def test_a_phase_command_that_closes_an_hour_ends_day_blocks():
    found = answers_of(
        block(1, BUY, 100),
        block(2, SELL, 190, tif=TimeInForce.GTD, expiry_s=START_S + 5),
        venue(CommandKind.PHASE, instrument=2, type=Phase.CLOSED),
    )
    assert found[-1].events["user_ref"].tolist() == [1, 0]


def test_the_gate_closure_of_any_hour_ends_its_blocks_in_acceptance_sequence():
    found = answers_of(
        venue(CommandKind.TIMES, instrument=2, target_ref=START_S + 5),
        block(1, SELL, 190),
        order(2, BUY, 50, instrument=2),
        block(3, BUY, 50, instrument=2, tif=TimeInForce.GTD, expiry_s=START_S + 50),
        venue(CommandKind.CLOCK, time_ns=(START_S + 5) * 10**9),
    )
    assert found[-1].events["user_ref"].tolist() == [1, 2, 3, 0]


def test_a_block_trades_with_the_hidden_part_of_an_iceberg_slice_by_slice():
    found = answers_of(
        order(1, SELL, 100, 5, display=2),
        order(2, SELL, 100, 1),
        order(3, SELL, 90, 5, instrument=2),
        block(4, BUY, 95, 5),
    )
    assert trades(found[-1]) == [(1, 1, 100, 2), (1, 2, 100, 1), (1, 1, 100, 2), (2, 3, 90, 5)]
    assert found[-1].kinds.count("REFRESHED") == 2


def test_after_a_block_the_stops_run_hour_by_hour_and_then_other_blocks():
    def stop(ref: int, number: int) -> Row:
        return order(
            ref, BUY, 150, 1, instrument=number, type=OrderType.STOP_LIMIT, stop=100 + number
        )

    found = answers_of(
        stop(1, 2),
        stop(2, 1),
        order(3, SELL, 104, 1),
        order(4, SELL, 104, 1, instrument=2),
        block(5, SELL, 140),
        block(6, BUY, 104),
    )
    events = [
        (kind, ref)
        for kind, ref in zip(found[-1].kinds, found[-1].events["user_ref"].tolist(), strict=True)
    ]
    assert events[5:7] == [("TRIGGERED", 2), ("TRIGGERED", 1)]
    assert trades(found[-1])[2:] == [(1, 2, 150, 1), (2, 1, 150, 1)]
    assert found[-1].events["trade_group"].tolist()[-4:] == [2] * 4


def test_the_distance_of_a_stop_counts_from_the_last_price_of_its_own_hour():
    def stop(ref: int, price: int) -> Row:
        kind = {"type": OrderType.STOP_LIMIT, "instrument": 2, "stop": price}
        return order(ref, BUY, 110, 1, **kind)

    found = answers_of(
        order(1, SELL, 150, 3),
        order(2, BUY, 150, 1),
        order(3, BUY, 150, 1),  # distances in the first hour count from 150
        stop(4, 103),
        stop(5, 101),
        order(6, SELL, 104, 1, instrument=2),
        block(7, BUY, 130),
    )
    events = found[-1].events
    assert events["user_ref"][events["kind"] == EventKind.TRIGGERED].tolist() == [5, 4]


def test_opposite_blocks_with_different_first_hours_do_not_trade():
    found = answers_of(block(1, SELL, 99, 2), block(2, BUY, 99, 2, instrument=2))
    assert found[-1].kinds == ["ACCEPTED"]


def test_where_blocks_of_both_sides_can_trade_buys_are_first():
    found = answers_of(
        venue(CommandKind.PHASE, instrument=2, type=Phase.AUCTION),
        order(1, SELL, 110, 2),
        order(2, SELL, 110, 2, instrument=2),
        order(3, BUY, 90, 1),
        order(4, BUY, 90, 1, instrument=2),
        block(5, SELL, 90, 1),
        block(6, BUY, 110, 2),  # of another size: the two do not trade with each other
        venue(CommandKind.PHASE, instrument=2, type=Phase.CONTINUOUS),
    )
    assert trades(found[-1]) == [(1, 1, 110, 2), (2, 2, 110, 2), (1, 3, 90, 1), (2, 4, 90, 1)]


COLLAR = venue(CommandKind.COLLAR, instrument=1, price=5, quantity=60)


def test_a_block_does_not_trade_beyond_a_collar_and_starts_no_auction():
    found = answers_of(
        COLLAR,
        order(1, SELL, 106, 1),
        order(2, SELL, 100, 1, instrument=2),
        block(3, BUY, 105),
        venue(CommandKind.COLLAR, instrument=1, price=6, quantity=60),
    )
    assert found[3].kinds == ["ACCEPTED"]
    assert trades(found[4]) == [(1, 1, 106, 1), (2, 2, 100, 1)]


def test_a_best_order_beyond_the_collar_blocks_its_hour_until_it_leaves():
    wild = [
        order(1, SELL, 90, 1),
        order(2, SELL, 100, 1),
        order(3, SELL, 100, 1, instrument=2),
        block(4, BUY, 105),
    ]
    for way in (
        target(CommandKind.CANCEL, 1),
        target(CommandKind.REPLACE, 1, quantity=1, price=120),
    ):
        found = answers_of(COLLAR, *wild, way)
        assert found[4].kinds == ["ACCEPTED"]
        assert trades(found[5]) == [(1, 2, 100, 1), (2, 3, 100, 1)]


def test_no_block_trades_between_two_orders_that_expire_together():
    ends = {"tif": TimeInForce.GTD, "expiry_s": START_S + 5}
    found = answers_of(
        COLLAR,
        order(1, SELL, 90, 1, **ends),  # beyond the collar: it alone keeps the block waiting
        order(2, SELL, 100, 1, **ends),
        order(3, SELL, 100, 1, instrument=2),
        block(4, BUY, 105),
        venue(CommandKind.CLOCK, time_ns=(START_S + 5) * 10**9),
    )
    assert found[-1].kinds == ["EXPIRED", "EXPIRED"]


def test_a_trade_that_moves_the_collar_lets_a_block_trade():
    found = answers_of(
        COLLAR,
        order(1, SELL, 104, 1),
        order(2, SELL, 107, 2),
        order(3, SELL, 100, 2, instrument=2),
        block(4, BUY, 106, 2),
        order(5, BUY, 104, 1),
    )
    assert trades(found[4]) == []
    assert trades(found[5]) == [(1, 1, 104, 1), (1, 2, 107, 2), (2, 3, 100, 2)]


def test_a_block_that_moves_the_collar_lets_another_trade():
    found = answers_of(
        COLLAR,
        order(1, SELL, 107, 1),
        order(2, SELL, 100, 2, instrument=2),
        block(3, BUY, 106),
        block(4, BUY, 105),
        order(5, SELL, 104, 1),
    )
    assert trades(found[-1]) == [(1, 5, 104, 1), (2, 2, 100, 1), (1, 1, 107, 1), (2, 2, 100, 1)]


def test_blocks_that_cross_in_an_auction_trade_when_their_last_hour_opens():
    closed = [venue(CommandKind.PHASE, instrument=number, type=Phase.AUCTION) for number in (1, 2)]
    opened = [
        venue(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS) for number in (1, 2)
    ]
    found = answers_of(
        *closed,
        block(1, BUY, 100, 5),
        block(2, SELL, 95, 5),
        block(3, SELL, 90, 5),
        *opened,
    )
    assert found[-2].kinds == ["PHASE_CHANGED"]
    assert trades(found[-1]) == [(1, 1, 100, 5), (2, 1, 100, 5)]
    assert 3 in found[-1].events["user_ref"]


def test_a_block_takes_the_better_of_books_and_opposite_block_and_of_equals_the_books():
    for price, maker in ((100, 2), (99, 1), (101, 2)):
        found = answers_of(
            block(1, SELL, price, 2),
            order(2, SELL, 100, 2),
            order(3, SELL, 100, 2, instrument=2),
            block(4, BUY, 110, 2),
        )
        assert trades(found[-1])[0][1] == maker
    for price, maker in ((100, 2), (101, 1), (99, 2)):
        found = answers_of(
            block(1, BUY, price, 2),
            order(2, BUY, 100, 2),
            order(3, BUY, 100, 2, instrument=2),
            block(4, SELL, 90, 2),
        )
        assert trades(found[-1])[0][1] == maker


def test_a_block_trades_with_the_best_then_earliest_opposite_block_of_its_size():
    found = answers_of(
        block(1, SELL, 99, 3),
        block(2, SELL, 98, 2),
        block(3, SELL, 97, 2, hours=3),
        block(4, BUY, 99, 2),
        limits=replace(MANY, blocks=8),
    )
    assert trades(found[-1]) == [(1, 2, 98, 2), (2, 2, 98, 2)]
    found = answers_of(
        block(1, SELL, 99, 2), block(2, SELL, 98, 2), block(3, SELL, 98, 2), block(4, BUY, 99, 2),
        limits=replace(MANY, blocks=8),
    )  # fmt: skip
    assert trades(found[-1])[0][1] == 2


@pytest.mark.parametrize(("earlier", "later", "trade"), [(0, 1, False), (1, 0, True), (0, 0, True)])
def test_between_two_blocks_of_one_owner_the_mode_of_the_later_one_decides(earlier, later, trade):
    found = answers_of(
        block(1, SELL, 99, 2, account=1, stp=earlier),
        block(2, BUY, 99, 2, account=1, stp=later),
    )
    assert bool(trades(found[-1])) == trade


def test_a_trade_between_blocks_moves_no_last_price_and_triggers_no_stop():
    found = answers_of(
        order(1, BUY, 150, 1, type=OrderType.STOP_LIMIT, stop=100),
        block(2, SELL, 120, 2),
        block(3, BUY, 120, 2),
    )
    assert "TRIGGERED" not in found[-1].kinds
    assert len(trades(found[-1])) == 2


def test_a_block_trades_with_new_orders_behind_those_of_its_owner():
    found = answers_of(
        order(1, SELL, 40, 1, account=1),
        order(2, SELL, 60, 1),
        order(3, SELL, 60, 1, instrument=2),
        block(4, BUY, 50, 1, stp=1),
        order(5, SELL, 45, 1),
        order(6, SELL, 55, 1, instrument=2),
        limits=replace(MANY, blocks=8),
    )
    assert not any(map(trades, found[:-1]))
    assert [trade[2:] for trade in trades(found[-1])] == [(45, 1), (55, 1)]


def test_a_block_trades_before_the_next_due_work_is_done():
    found = answers_of(
        order(1, SELL, 100, 5, tif=TimeInForce.GTD, expiry_s=START_S + 6),
        order(2, SELL, 100, 5, instrument=2),
        venue(CommandKind.PHASE, instrument=2, type=Phase.AUCTION),
        block(3, BUY, 100, 5),
        venue(CommandKind.PHASE, instrument=2, type=Phase.CONTINUOUS, expiry_s=START_S + 5),
        venue(CommandKind.CLOCK, time_ns=(START_S + 7) * 10**9),
    )
    assert trades(found[-1]) == [(1, 1, 100, 5), (2, 2, 100, 5)]
    assert "EXPIRED" not in found[-1].kinds


def test_a_restored_snapshot_continues_with_standing_blocks():
    engine = Engine(MANY)
    rows = [*world(), block(1, BUY, 100, 5), block(2, BUY, 100, 5, instrument=2, hours=3)]
    engine.process(as_commands(rows))
    again = Engine.restore(engine.snapshot())
    assert again.state_hash() == engine.state_hash()
    for number in (1, 2):
        sell = as_commands([order(2 + number, SELL, 100, 5, instrument=number)])
        assert again.process(sell).tobytes() == engine.process(sell).tobytes()
    assert again.leaves(MEMBER, 1) is None
    assert again.leaves(MEMBER, 2) == 5

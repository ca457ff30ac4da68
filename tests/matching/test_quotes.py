"""Quotes, bid and ask replaced as one, and their protection, on kernel and reference alike."""

from dataclasses import replace

import pytest

from matching.records import (
    ACCEPTED_MAX,
    PROTECTION_MAX_S,
    CommandFlag,
    CommandKind,
    EventKind,
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
    OTHER_MEMBER,
    SELL,
    START_S,
    Row,
    answers,
    as_commands,
    at,
    capacity,
    head,
    listing,
    order,
    other,
    reasons,
    sequence,
    target,
    trades,
    venue,
)

QUOTE, PROTECT = CommandKind.QUOTE, CommandKind.PROTECT
IOC = TimeInForce.IOC


def quote(
    name: int, bid: tuple[int, int], ask: tuple[int, int], ref: int = 0, **fields: int
) -> Row:
    """A quote of account 1, price and quantity of bid and ask; `ref` if not its name."""
    return {
        "kind": QUOTE,
        "type": OrderType.LIMIT,
        "tif": TimeInForce.DAY,
        "session": MEMBER,
        "account": 1,
        "instrument": 1,
        "user_ref": ref or name,
        "target_ref": name,
        "price": bid[0],
        "quantity": bid[1],
        "stop": ask[0],
        "display": ask[1],
        **fields,
    }


def protect(lots: int = 0, fills: int = 0, fen: int = 0, seconds: int = 10, **fields: int) -> Row:
    """The protection of account 1's quotes."""
    return {
        "kind": PROTECT,
        "session": MEMBER,
        "account": 1,
        "user_ref": 900,
        "quantity": lots,
        "display": fills,
        "amount_fen": fen,
        "expiry_s": seconds,
        **fields,
    }


BID, ASK = (99, 5), (101, 5)
NOTHING = (0, 0)


# Setting and replacing


def test_a_quote_is_two_orders_of_two_refs():
    found = answers(quote(10, BID, ASK), target(CommandKind.CANCEL, 11), other(1, SELL, 99, 2))
    accepted = found[0].events
    assert found[0].kinds == ["ACCEPTED", "ACCEPTED"]
    assert accepted[["user_ref", "side", "price", "quantity"]].tolist() == [
        (10, 0, 99, 5),
        (11, 1, 101, 5),
    ]
    assert found[1].kinds == ["CANCELLED"]
    assert trades(found[2]) == [(1, 10, 99, 2)]


def test_both_sides_move_as_one_through_their_own_old_prices():
    """Up, where the new bid is above the old ask, and down again; nothing of it trades."""
    up, down = quote(10, (103, 5), (105, 5), 12), quote(10, BID, ASK, 14)
    for row in answers(quote(10, BID, ASK), up, down)[1:]:
        assert row.kinds == ["REPLACED", "REPLACED"]


@pytest.mark.parametrize("mode", list(SelfTradePrevention))
def test_a_quote_never_meets_its_own_old_side(mode):
    up = quote(10, (103, 5), (105, 5), 12, stp=mode)
    assert answers(quote(10, BID, ASK), up)[1].kinds == ["REPLACED", "REPLACED"]


def test_a_side_keeps_its_place_with_no_more_lots_at_its_price():
    rows = [
        quote(10, BID, ASK),
        order(1, BUY, 99, account=2),
        quote(10, (99, 5), (102, 5), 12),
        quote(10, (99, 4), (102, 5), 14),
        other(1, SELL, 99, 4),
        quote(10, (99, 6), (102, 5), 16),
        other(2, SELL, 99, 1),
    ]
    found = answers(*rows)
    flags = [event["flags"] for event in found[2].events]
    assert flags == [0, 8]
    assert trades(found[4]) == [(1, 10, 99, 4)]
    assert found[5].kinds == ["REPLACED", "ACCEPTED"]
    assert trades(found[6]) == [(1, 1, 99, 1)]


def test_a_quantity_is_what_shall_be_open():
    rows = [quote(10, BID, ASK), other(1, SELL, 99, 3), quote(10, BID, ASK, 12)]
    replaced = answers(*rows)[2].events[1]
    assert (replaced["leaves"], replaced["cumulative"], replaced["quantity"]) == (5, 3, 8)


def test_a_side_without_quantity_is_withdrawn():
    rows = [
        quote(10, BID, ASK),
        quote(10, NOTHING, ASK, 12),
        quote(10, NOTHING, NOTHING, 14),
        quote(10, NOTHING, NOTHING, 16),
        quote(10, BID, NOTHING, 18),
    ]
    found = answers(*rows)
    kinds = [answer.kinds for answer in found[1:]]
    assert kinds == [["CANCELLED", "REPLACED"], ["CANCELLED"], ["REJECTED"], ["ACCEPTED"]]
    assert found[3].reason == "UNKNOWN_ORDER"


def test_a_quote_trades_first_with_its_bid_then_with_its_ask():
    rows = [
        other(1, SELL, 98, 2),
        other(2, BUY, 97, 9),
        quote(10, (98, 5), (100, 5)),
        quote(10, (90, 5), (97, 5), 12),
    ]
    found = answers(*rows)
    assert trades(found[2]) == [(1, 1, 98, 2)]
    assert trades(found[3]) == [(1, 2, 97, 5)]
    assert found[3].kinds == ["REPLACED", "REPLACED", "FILLED", "FILLED"]


def test_the_ask_comes_after_all_that_the_bid_has_triggered():
    """A stop that the bid's trade triggers does not meet the quote's ask, old or new."""
    rows = [
        quote(10, (90, 5), (104, 5)),
        other(1, SELL, 100, 2),
        other(2, BUY, 0, 1, type=OrderType.STOP, stop=100),
        quote(10, (100, 5), (103, 5), 12),
    ]
    found = answers(*rows)[-1]
    assert found.kinds == [
        "REPLACED", "FILLED", "FILLED", "TRIGGERED", "CANCELLED", "REPLACED",
    ]  # fmt: skip


def test_a_bid_that_a_collar_stops_leaves_its_ask_to_the_auction():
    rows = [
        venue(CommandKind.COLLAR, price=5, quantity=60),
        other(1, SELL, 110, 2),
        quote(10, (120, 5), (121, 5)),
    ]
    assert answers(*rows)[-1].kinds == ["ACCEPTED", "PHASE_CHANGED", "ACCEPTED"]


def test_a_quote_is_replaced_and_cancelled_like_any_order():
    rows = [
        quote(10, BID, ASK),
        target(CommandKind.REPLACE, 11, price=102, quantity=7),
        quote(10, BID, ASK, 12),
        target(CommandKind.CANCEL, 10),
        quote(10, BID, ASK, 14),
    ]
    kinds = [answer.kinds for answer in answers(*rows)[1:]]
    assert kinds == [
        ["REPLACED"],
        ["REPLACED", "REPLACED"],
        ["CANCELLED"],
        ["REPLACED", "ACCEPTED"],
    ]


def test_quotes_of_the_day_end_with_it():
    rows = [
        venue(CommandKind.TIMES, expiry_s=START_S + 10),
        quote(10, BID, ASK),
        at(10, {"kind": CommandKind.CLOCK}),
    ]
    assert answers(*rows)[-1].kinds == ["EXPIRED", "EXPIRED", "PHASE_CHANGED"]


# Refusals: a quote is refused as a whole


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": 99},
        {"stop": 98},
        {"price": 0},
        {"quantity": 0},
        {"quantity": -1, "price": -1},
        {"display": -5},
        {"side": 1},
        {"type": OrderType.MARKET},
        {"tif": IOC},
        {"tif": TimeInForce.GTC},
        {"tif": TimeInForce.GTD, "expiry_s": START_S + 9},
        {"stp": 5},
        {"flags": CommandFlag.REQUEUE},
        {"hours": 2},
        {"spare": 1},
        {"expiry_s": START_S + 9},
        {"user_ref": 0},
        {"user_ref": LIMITS.refs},
        {"target_ref": 0},
        {"target_ref": LIMITS.refs - 1},
        {"target_ref": 2**32 - 1},
    ],
)
def test_a_quote_whose_fields_do_not_agree_is_malformed(fields):
    assert reasons(quote(10, BID, ASK) | fields) == ["MALFORMED"]


def test_a_quote_is_refused_for_the_first_reason():
    rows = [
        quote(10, BID, ASK, session=4),
        quote(10, BID, ASK, account=4),
        quote(10, BID, ASK, account=3),
        quote(10, BID, ASK, instrument=2),
        quote(10, BID, ASK, session=0),
        order(20, BUY, 90),
        quote(20, BID, ASK),
        quote(19, BID, ASK),
        quote(10, BID, ASK),
        quote(10, BID, ASK, 12, account=2),
        quote(11, BID, ASK, 14),
        quote(10, (201, 5), ASK),
        quote(10, BID, (250, 5), 16),
        venue(CommandKind.PHASE, type=Phase.HALTED),
        quote(10, BID, ASK, 18),
        venue(CommandKind.HALT_ACCOUNT, account=1, flags=CommandFlag.HALT),
        quote(10, BID, ASK, 20),
    ]
    assert reasons(*rows) == [
        "UNKNOWN_SESSION", "UNKNOWN_ACCOUNT", "NOT_ENTITLED", "UNKNOWN_INSTRUMENT", "NOT_ENTITLED",
        "NONE", "UNKNOWN_ORDER", "UNKNOWN_ORDER", "NONE", "UNKNOWN_ORDER", "UNKNOWN_ORDER",
        "MALFORMED", "BAND", "NONE", "PHASE", "HALT", "ACCOUNT_HALTED",
    ]  # fmt: skip


def test_a_refused_quote_leaves_both_sides_as_they_were():
    rows = [
        quote(10, BID, ASK),
        quote(10, (100, 5), (101, 10**7), 12),
        other(1, SELL, 99, 5),
        other(2, BUY, 101, 5),
    ]
    found = answers(*rows)
    assert found[1].reason == "CAPACITY"
    assert [trades(answer) for answer in found[2:]] == [[(1, 10, 99, 5)], [(1, 11, 101, 5)]]


def money(account_fen: int, deposit: int = 0) -> list[Row]:
    """A world where account 1 has little money, and sells need a deposit."""
    rows = head()
    rows.insert(2, venue(CommandKind.FEES, quantity=deposit))
    return [*rows, venue(CommandKind.WITHDRAW, account=1, amount_fen=10**12 - account_fen)]


def test_means_are_judged_for_both_sides_together():
    """The bid needs 495 fen, the ask 5 x 20 of deposit."""
    for fen, expected in ((595, "NONE"), (594, "FUNDS"), (99, "DEPOSIT")):
        assert reasons(quote(10, BID, ASK), setup=money(fen, 20)) == [expected]


def test_what_one_side_frees_pays_for_the_other():
    rows = [
        quote(10, (99, 5), NOTHING),
        quote(10, NOTHING, (101, 25), 12),
        quote(10, (99, 4), (101, 4), 14),
        quote(10, (99, 4), (101, 6), 16),
    ]
    assert reasons(*rows, setup=money(500, 20)) == ["NONE", "REQUESTED", "NONE", "DEPOSIT"]


def test_limits_of_an_account_hold_for_each_side():
    limits = venue(CommandKind.LIMITS, account=1, quantity=8, display=20, amount_fen=700)
    rows = [
        limits,
        quote(10, (50, 9), (60, 1)),
        quote(10, (50, 1), (60, 9)),
        quote(10, (100, 8), (110, 1)),
        quote(10, (50, 8), (60, 8)),
        order(1, BUY, 50, 8),
        quote(20, (50, 5), (60, 1)),
        quote(20, (50, 4), (60, 1)),
    ]
    assert reasons(*rows) == [
        "NONE", "SIZE_LIMIT", "SIZE_LIMIT", "NOTIONAL_LIMIT", "NONE", "NONE", "POSITION_LIMIT",
        "NONE",
    ]  # fmt: skip


def test_room_is_judged_for_both_sides_together():
    few = replace(LIMITS, session_orders=3)
    rows = [
        quote(10, BID, ASK),
        quote(20, BID, ASK),
        quote(20, BID, NOTHING),
        quote(10, (98, 9), (102, 9), 30),
        quote(10, NOTHING, ASK, 32),
    ]
    assert reasons(*rows, limits=few)[:3] == ["NONE", "SESSION_LIMIT", "NONE"]
    assert reasons(*rows, limits=few)[3:] == ["NONE", "REQUESTED"]
    assert reasons(*rows, limits=replace(LIMITS, orders=3))[:3] == ["NONE", "POOL_FULL", "NONE"]
    pages = replace(LIMITS, session_ref_pages=1)
    assert reasons(quote(1023, BID, ASK), quote(1022, BID, ASK), limits=pages) == [
        "SESSION_LIMIT",
        "NONE",
    ]
    full = replace(LIMITS, ref_pages=1)
    assert reasons(quote(1023, BID, ASK), quote(1022, BID, ASK), limits=full) == [
        "POOL_FULL",
        "NONE",
    ]


def test_used_slots_and_pages_count_as_room():
    rows = [
        quote(10, BID, ASK),
        quote(10, NOTHING, NOTHING, 12),
        quote(1023, BID, ASK),
        quote(1023, NOTHING, NOTHING, 1030),
        quote(2047, BID, ASK),
    ]
    limits = replace(LIMITS, orders=2, ref_pages=2)
    assert reasons(*rows, limits=limits) == ["NONE", "REQUESTED", "NONE", "REQUESTED", "NONE"]


def test_a_post_only_quote_is_refused_where_a_side_would_trade():
    flags = CommandFlag.POST_ONLY
    rows = [
        other(1, SELL, 101, 2),
        quote(10, (101, 5), (105, 5), flags=flags),
        quote(10, (100, 5), (105, 5), flags=flags),
        quote(10, (100, 5), (101, 5), 12, flags=flags),
        quote(10, (100, 4), (102, 5), 14, flags=flags),
        other(2, BUY, 103, 9),
        quote(10, (100, 4), (103, 5), 16, flags=flags),
        venue(CommandKind.PHASE, type=Phase.AUCTION),
        quote(10, (100, 4), (103, 5), 18, flags=flags),
    ]
    assert reasons(*rows) == [
        "NONE", "POST_ONLY", "NONE", "NONE", "NONE", "NONE", "POST_ONLY", "NONE", "NONE",
    ]  # fmt: skip


def test_a_post_only_quote_may_move_through_its_own_old_side_alone():
    flags = CommandFlag.POST_ONLY
    up = quote(10, (101, 5), (105, 5), 12, flags=flags)
    assert reasons(quote(10, BID, ASK), up) == ["NONE", "NONE"]
    rows = [quote(10, BID, ASK), order(1, SELL, 101), up]
    assert reasons(*rows) == ["NONE", "NONE", "POST_ONLY"]
    rows = [quote(10, BID, ASK), order(1, SELL, 100), up]
    assert reasons(*rows) == ["NONE", "NONE", "POST_ONLY"]


# Protection


@pytest.mark.parametrize("bound", [{"lots": 4}, {"fills": 2}, {"fen": 400}])
def test_quotes_are_withdrawn_when_a_bound_is_reached(bound):
    setup = [*head(), *listing(2), *capacity(2)]
    rows = [
        protect(**bound),
        quote(10, BID, ASK),
        quote(20, BID, ASK, instrument=2),
        order(30, BUY, 90),
        other(1, SELL, 99, 2),
        other(2, BUY, 101, 2),
        quote(10, BID, ASK, 40),
        protect(**bound),
        quote(10, BID, ASK, 42),
    ]
    found = answers(*rows, setup=setup)
    assert found[4].kinds == ["ACCEPTED", "FILLED", "FILLED"]
    assert found[5].kinds == ["ACCEPTED", "FILLED", "FILLED"] + ["CANCELLED"] * 4
    assert set(found[5].events["reason"][3:].tolist()) == {40}
    assert [answer.reason for answer in found[6:]] == ["ACCOUNT_HALTED", "NONE", "NONE"]


def test_a_protection_counts_within_its_time_alone():
    rows = [
        protect(lots=4, seconds=10),
        quote(10, BID, ASK),
        other(1, SELL, 99, 3),
        at(10, other(2, BUY, 101, 3)),
        at(19, other(3, SELL, 99, 1)),
    ]
    found = answers(*rows)
    assert "CANCELLED" not in found[3].kinds
    assert found[4].kinds == ["ACCEPTED", "FILLED", "FILLED", "CANCELLED", "CANCELLED"]


def test_other_orders_of_the_account_do_not_count_and_stay():
    rows = [protect(lots=2), order(1, BUY, 99, 5), other(1, SELL, 99, 3), order(2, BUY, 98)]
    assert [answer.reason for answer in answers(*rows)] == ["NONE"] * 4


def test_quotes_that_take_count_as_well_and_both_sides_run_first():
    rows = [
        protect(fills=1),
        other(1, SELL, 98, 2),
        quote(10, (98, 5), (100, 5)),
    ]
    assert answers(*rows)[-1].kinds == [
        "ACCEPTED", "FILLED", "FILLED", "ACCEPTED", "CANCELLED", "CANCELLED",
    ]  # fmt: skip


def test_quotes_are_withdrawn_before_stops_run():
    rows = [
        protect(fills=1),
        quote(10, BID, ASK),
        quote(20, (98, 5), (102, 5)),
        other(1, BUY, 0, 2, type=OrderType.STOP, stop=101),
        other(2, BUY, 101, 1),
    ]
    assert answers(*rows)[-1].kinds == [
        "ACCEPTED", "FILLED", "FILLED", "CANCELLED", "CANCELLED", "CANCELLED", "CANCELLED",
        "TRIGGERED", "CANCELLED",
    ]  # fmt: skip


def test_quotes_are_withdrawn_after_an_uncross_and_before_the_phase():
    rows = [
        venue(CommandKind.PHASE, type=Phase.AUCTION),
        protect(fills=1),
        quote(10, BID, ASK),
        other(1, BUY, 101, 2),
        venue(CommandKind.PHASE, type=Phase.CONTINUOUS),
    ]
    assert answers(*rows)[-1].kinds == [
        "FILLED",
        "FILLED",
        "CANCELLED",
        "CANCELLED",
        "PHASE_CHANGED",
    ]


def test_quotes_are_withdrawn_after_a_block_and_an_order_for_a_basket():
    setup = [*head(), *listing(2), *capacity(2), sequence(2, 1), *listing(3), *capacity(3)]
    setup += [
        venue(CommandKind.BASKET, instrument=1, target_ref=1),
        venue(CommandKind.BASKET, instrument=3, target_ref=1),
    ]
    block = other(1, BUY, 101, 2, tif=IOC, hours=2)
    basket = other(1, BUY, 101, 2, tif=IOC, flags=CommandFlag.SPLIT, target_ref=1)
    quotes = [quote(10, BID, ASK), quote(20, BID, ASK, instrument=2)]
    found = answers(protect(fills=1), *quotes, block, setup=setup)[-1]
    assert found.kinds == ["ACCEPTED", *["FILLED"] * 4, *["CANCELLED"] * 4]
    found = answers(protect(fills=1), *quotes, basket, setup=setup)[-1]
    assert found.kinds == ["ACCEPTED", *["FILLED"] * 2, *["CANCELLED"] * 4]


def test_several_accounts_are_withdrawn_in_acceptance_sequence():
    theirs = {"session": OTHER_MEMBER, "account": 3}
    rows = [
        protect(fills=1),
        protect(fills=1, **theirs),
        quote(10, NOTHING, (101, 2)),
        quote(20, (90, 1), (101, 2), **theirs),
        quote(30, (91, 1), NOTHING),
        order(1, BUY, 101, 4, account=2),
    ]
    found = answers(*rows)[-1]
    withdrawn = found.events[found.events["kind"] == EventKind.CANCELLED]
    assert withdrawn["user_ref"].tolist() == [20, 30]


def test_a_protection_is_the_firms_own_and_may_be_taken_off():
    rows = [
        protect(lots=1, account=3),
        protect(lots=1, account=4),
        protect(lots=1),
        protect(seconds=0),
        quote(10, BID, ASK),
        other(1, SELL, 99, 2),
    ]
    found = answers(*rows)
    assert [answer.reason for answer in found[:3]] == ["NOT_ENTITLED", "UNKNOWN_ACCOUNT", "NONE"]
    assert found[2].kinds == ["PROTECTED"]
    assert found[-1].kinds == ["ACCEPTED", "FILLED", "FILLED"]


@pytest.mark.parametrize(
    "fields",
    [
        {"quantity": -1},
        {"display": -1},
        {"amount_fen": -1},
        {"expiry_s": 0},
        {"expiry_s": PROTECTION_MAX_S + 1},
        {"quantity": 0},
        {"flags": 1},
        {"hours": 2},
        {"spare": 1},
        {"user_ref": 0},
    ],
)
def test_a_protection_whose_fields_do_not_agree_is_malformed(fields):
    assert reasons(protect(lots=5) | fields) == ["MALFORMED"]


def test_a_quote_needs_an_acceptance_for_each_side_that_enters():
    engine = ReferenceEngine(LIMITS)
    engine.process(as_commands(head()))
    engine._market.accepted = ACCEPTED_MAX - 1
    assert engine.process(as_commands([quote(10, BID, ASK)]))["reason"].tolist() == [20]
    assert engine.process(as_commands([quote(10, BID, NOTHING)]))["reason"].tolist() == [0]
    assert engine.process(as_commands([quote(10, (99, 4), NOTHING, 12)]))["reason"].tolist() == [0]

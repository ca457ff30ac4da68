"""The command BUST, on kernel and reference alike: a trade is taken back to the fen."""

import pytest

from matching import Engine
from matching.records import CommandKind, EventFlag, TimeInForce
from tests.support.scripts import (
    BUY,
    LIMITS,
    MEMBER,
    OPERATOR,
    SELL,
    START_S,
    answers,
    as_commands,
    head,
    order,
    reasons,
    venue,
)

FEES = venue(CommandKind.FEES, price=70_000, stop=30_000, quantity=9)
SETUP = [*head()[:2], FEES, *head()[2:]]
"""The maker pays 7%, the taker 3%, and a seller deposits 9 fen a lot."""

PRICE, LOTS = 101, 5
RESTS, MEETS = order(1, SELL, PRICE, LOTS), order(2, BUY, PRICE, LOTS)
SELL_FEE, BUY_FEE = 35, 15  # 5 x 101 x 7% and 3%, rounded down


def bust(**fields: int) -> dict[str, int]:
    """The bust of the one trade, in which the seller was the maker."""
    return venue(
        CommandKind.BUST,
        target_ref=1,
        account=1,
        seller=2,
        price=PRICE,
        quantity=LOTS,
        stop=BUY_FEE,
        display=SELL_FEE,
        side=SELL,
        **fields,
    )


def state_after(*rows):
    engine = Engine(LIMITS)
    engine.process(as_commands([*SETUP, *rows]))
    return engine.state_tables()


def test_a_bust_leaves_money_and_positions_as_they_were_before_the_trade():
    assert [len(found.events) for found in answers(RESTS, MEETS, bust(), setup=SETUP)] == [1, 3, 2]
    busted, before = state_after(RESTS, MEETS, bust()), state_after()
    assert busted["accounts"].tolist() == before["accounts"].tolist()
    assert busted["positions"].tolist() == before["positions"].tolist()
    assert len(busted["orders"]) == 0


def test_a_bust_reports_the_refund_of_each_side_the_maker_first():
    maker, taker = answers(RESTS, MEETS, bust(session=OPERATOR, user_ref=7), setup=SETUP)[-1].events
    assert [maker["account"], maker["side"], maker["fee_fen"]] == [2, SELL, SELL_FEE]
    assert [taker["account"], taker["side"], taker["fee_fen"]] == [1, BUY, BUY_FEE]
    assert [maker["flags"], taker["flags"]] == [0, EventFlag.TAKER]
    for event in (maker, taker):
        assert [event["trade_id"], event["price"], event["quantity"]] == [1, PRICE, LOTS]
        assert [event["session"], event["user_ref"]] == [OPERATOR, 7]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"target_ref": 0}, "MALFORMED"),
        ({"price": 0}, "MALFORMED"),
        ({"quantity": 0}, "MALFORMED"),
        ({"stop": -1}, "MALFORMED"),
        ({"display": -1}, "MALFORMED"),
        ({"side": 2}, "MALFORMED"),
        ({"flags": 1}, "MALFORMED"),
        ({"session": MEMBER}, "NOT_ENTITLED"),
        ({"account": 4}, "UNKNOWN_ACCOUNT"),
        ({"seller": 2**32 - 1}, "UNKNOWN_ACCOUNT"),
        ({"instrument": 2}, "UNKNOWN_INSTRUMENT"),
        ({"instrument": 2**32 - 1}, "UNKNOWN_INSTRUMENT"),
        ({"target_ref": 2}, "UNKNOWN_ORDER"),
        ({"price": 201}, "BAND"),
        ({"quantity": 2**31 - 1}, "SIZE_LIMIT"),
        ({"stop": 37}, "SIZE_LIMIT"),
        ({"display": 37}, "SIZE_LIMIT"),
        ({"quantity": LOTS + 1, "seller": 1}, "FUNDS"),
        ({"stop": BUY_FEE + 1}, "FUNDS"),
        ({"display": SELL_FEE - 1}, "FUNDS"),
        ({"seller": 3}, "FUNDS"),
        ({"quantity": 10**6 + 6, "price": 1}, "CAPACITY"),
    ],
)
def test_a_bust_of_an_impossible_trade_or_without_the_means_is_rejected(change, reason):
    found = answers(RESTS, MEETS, {**bust(), **change}, setup=SETUP)[-1]
    assert (found.kinds, found.reason) == (["REJECTED"], reason)


def test_a_buyer_that_sold_again_cannot_give_back():
    resold = order(3, SELL, 100, 10**6 + LOTS, account=1)
    assert reasons(RESTS, MEETS, resold, {**bust(), "stop": 0, "display": 0})[-1] == "CAPACITY"


def test_a_buyer_needs_the_deposit_of_offers_that_are_no_longer_resales():
    """Account 1 has offered all its capacity, and has no free money but the refund."""
    offered = order(3, SELL, 200, 10**6, account=1)
    worth_fen = PRICE * LOTS
    free_fen = 10**12 - worth_fen - BUY_FEE - 9 * (10**6 - LOTS)
    spent = venue(CommandKind.WITHDRAW, account=1, amount_fen=free_fen)
    dear = {**FEES, "quantity": 150}
    setup = [dear if row is FEES else row for row in SETUP]
    free_fen -= (150 - 9) * (10**6 - LOTS)
    spent = {**spent, "amount_fen": free_fen}
    found = answers(RESTS, MEETS, offered, spent, bust(), setup=setup)
    assert [answer.reason for answer in found] == ["NONE", "NONE", "NONE", "NONE", "DEPOSIT"]


def test_a_bust_that_could_exceed_the_position_bound_is_rejected():
    """The seller has sold short, and has bid for as much as it may hold."""
    bid = order(3, BUY, 1, 2**30 + LOTS, account=2)
    free = {**bust(), "stop": 0, "display": 0}
    assert reasons(RESTS, MEETS, bid, free) == ["NONE", "NONE", "NONE", "POSITION_LIMIT"]


def test_after_gate_closure_a_bust_is_rejected():
    gate = venue(CommandKind.TIMES, target_ref=START_S + 1)
    later = {"kind": CommandKind.CLOCK, "time_ns": (START_S + 1) * 10**9}
    late = {**bust(), "time_ns": (START_S + 1) * 10**9}
    assert answers(RESTS, MEETS, gate, later, late, setup=SETUP)[-1].reason == "PHASE"


def test_a_bust_brings_no_order_back():
    found = answers(RESTS, MEETS, bust(), order(3, BUY, PRICE, tif=TimeInForce.IOC), setup=SETUP)
    assert found[-1].kinds == ["ACCEPTED", "CANCELLED"]


def test_a_trade_is_taken_back_once():
    """Another trade of both sides leaves them the means to give it back twice."""
    again = [order(3, SELL, PRICE, LOTS), order(4, BUY, PRICE, LOTS)]
    other = {**bust(), "target_ref": 2}
    found = answers(RESTS, MEETS, *again, bust(), bust(), other, bust(), other, setup=SETUP)
    assert [answer.reason for answer in found[4:]] == [
        "NONE", "UNKNOWN_ORDER", "NONE", "UNKNOWN_ORDER", "UNKNOWN_ORDER",
    ]  # fmt: skip

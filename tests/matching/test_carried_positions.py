"""Carried positions, with which a day begins, on kernel and reference alike."""

import pytest

from matching import Engine
from matching.records import CommandFlag, CommandKind, Reason
from matching.state_tables import COLUMNS
from tests.support.scripts import BUY, LIMITS, SELL, answers, as_commands, head, order, venue

FEES = venue(CommandKind.FEES, price=0, stop=0, quantity=9)
SETUP = [*head()[:2], FEES, *head()[2:]]
"""A seller deposits 9 fen a lot; all accounts have money and capacity."""


def carry(buyer=1, seller=2, lots=5, **fields):
    fields = {"account": buyer, "seller": seller, "quantity": lots, **fields}
    return venue(CommandKind.REGISTER, flags=CommandFlag.CARRIED, **fields)


def tables_after(*rows):
    engine = Engine(LIMITS)
    engine.process(as_commands([*SETUP, *rows]))
    return engine.state_tables()


def account(tables, number):
    """Free money and deposit of an account, in fen."""
    names = ("free_fen", "deposit_fen")
    places = [COLUMNS["accounts"].index(each) for each in ("account", *names)]
    (found,) = [row for row in tables["accounts"].tolist() if row[places[0]] == number]
    return [found[place] for place in places[1:]]


def test_a_carried_purchase_is_resold_without_a_deposit_and_a_short_sale_holds_one():
    before = tables_after()
    answers(carry(), order(1, SELL, 100, 5, account=1), setup=SETUP)  # kernel and reference alike
    resold = tables_after(carry(), order(1, SELL, 100, 5, account=1))
    (free, _), (sold_free, _) = account(before, 1), account(before, 2)
    assert account(resold, 1) == [free, 0]
    assert account(resold, 2) == [sold_free - 45, 45]
    more = tables_after(carry(), order(1, SELL, 100, 6, account=1))
    assert account(more, 1) == [free - 9, 9]


def test_buying_back_frees_the_deposit_of_a_carried_sale():
    back = tables_after(
        carry(), order(1, SELL, 100, 5, account=1), order(2, BUY, 100, 5, account=2)
    )
    assert account(back, 2)[1] == 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (carry(seller=99), Reason.UNKNOWN_ACCOUNT),
        (carry(seller=1), Reason.MALFORMED),
        (carry(lots=-1), Reason.MALFORMED),
        (carry(lots=0), Reason.MALFORMED),
        (carry(instrument=7), Reason.UNKNOWN_INSTRUMENT),
        (carry(lots=2**30), Reason.CAPACITY),
    ],
)
def test_an_impossible_position_is_rejected(row, reason):
    assert answers(row, setup=SETUP)[0].reason == reason.name


def test_a_carried_sale_needs_its_deposit():
    poor = venue(CommandKind.WITHDRAW, account=2, amount_fen=10**12 - 44)
    found = answers(poor, carry(), carry(lots=4), setup=SETUP)
    assert [answer.reason for answer in found] == ["NONE", "DEPOSIT", "NONE"]


def test_fees_cannot_change_after_a_position_was_carried():
    """The seller holds a deposit at the old rate; at a new rate it would not be freed exactly."""
    dearer = venue(CommandKind.FEES, price=0, stop=0, quantity=10)
    found = answers(carry(), dearer, carry(buyer=2, seller=1), dearer, setup=SETUP)
    assert [answer.reason for answer in found] == ["NONE", "PHASE", "NONE", "NONE"]
    assert account(tables_after(carry(), dearer), 2)[1] == 45

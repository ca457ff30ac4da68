"""Positions that a day begins with: resold without a deposit; kernel and reference agree."""

import pytest

from matching import Engine
from matching.records import CommandFlag, CommandKind, Reason
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
    names = ("free_fen", "deposit_fen")
    from matching.state_tables import COLUMNS

    places = [COLUMNS["accounts"].index(each) for each in ("account", *names)]
    (found,) = [row for row in tables["accounts"].tolist() if row[places[0]] == number]
    return [found[place] for place in places[1:]]


def test_what_was_bought_yesterday_is_resold_without_a_deposit_and_short_sales_hold_theirs():
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
def test_a_position_that_cannot_be_is_refused(row, reason):
    assert answers(row, setup=SETUP)[0].reason == reason.name


def test_a_carried_sale_asks_for_its_deposit():
    poor = venue(CommandKind.WITHDRAW, account=2, amount_fen=10**12 - 44)
    found = answers(poor, carry(), carry(lots=4), setup=SETUP)
    assert [answer.reason for answer in found] == ["NONE", "DEPOSIT", "NONE"]


def test_fees_stay_as_they_are_where_a_position_was_carried():
    """The seller holds a deposit at the rate of then; a new one would not give it back whole."""
    dearer = venue(CommandKind.FEES, price=0, stop=0, quantity=10)
    found = answers(carry(), dearer, carry(buyer=2, seller=1), dearer, setup=SETUP)
    assert [answer.reason for answer in found] == ["NONE", "PHASE", "NONE", "NONE"]
    assert account(tables_after(carry(), dearer), 2)[1] == 45

"""A day that is open: nothing moves the cash that its log begins with, until it is settled."""

import pytest

from ledger.books.database import memory_books
from ledger.books.errors import DayOpenError, LedgerError
from ledger.books.open_day import opened_day
from ledger.day_opening import open_day, reverse_opening
from ledger.day_settlement import settle
from ledger.delivery.dispatch import claim, deliver, nominate
from ledger.delivery.meter_files import Meterings
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
from tests.support.ledger_world import INPUT, balances, events, programme, world

PROGRAMMES = (programme("p", model="reimburse"),)
FIRST = """
fund alice 1000.00
alice buys 5 A at 1000 from bob fees 3 2
"""
DAY, NEXT = "2026-11-22", "2026-11-23"


def day(date):
    return world(day=date, programmes=PROGRAMMES)


def next_events(books, more=""):
    """Events of the next day, which begins with the cash of the books."""
    cash = {name.removeprefix("cash:"): fen for name, fen in balances(books, "cash").items()}
    funds = [f"fund {name} {fen / 100:.2f}" for name, fen in cash.items() if fen]
    return events(day(NEXT), "\n".join([*funds, more]))


@pytest.fixture
def books():
    """The books of a settled day, with what it sold nominated, and the next day open."""
    filled = memory_books()
    settle(filled, day(DAY), events(day(DAY), FIRST), INPUT, deliver=False)
    nominate(filled, day(DAY), DAY)
    open_day(filled, "TEST", NEXT, INPUT)
    return filled


def test_a_day_is_open_from_its_opening_to_its_settlement(books):
    assert opened_day(books) == NEXT
    open_day(books, "TEST", NEXT, INPUT)
    settle(books, day(NEXT), next_events(books), "cd" * 32, deliver=False)
    assert opened_day(books) is None
    assert audit(books) == []
    kinds = [kind for (kind,) in books.rows("SELECT kind::VARCHAR FROM batches ORDER BY id")]
    assert kinds == ["settlement", "nomination", "opening", "settlement"]
    reverse_day(books, NEXT)
    assert opened_day(books) == NEXT
    settle(books, day(NEXT), next_events(books), "ef" * 32, deliver=False)
    assert opened_day(books) is None
    assert audit(books) == []


def test_nothing_that_moves_cash_is_posted_while_a_day_is_open(books):
    """A delivery in between made the day impossible to close."""
    before = balances(books)
    with pytest.raises(DayOpenError, match="waits until `suanshi day close` has settled 2026-11-2"):
        deliver(books, day(DAY), DAY, Meterings(INPUT, (), (), ()))
    with pytest.raises(DayOpenError, match="began with the cash that 2026-11-22 left"):
        reverse_day(books, DAY)
    with pytest.raises(DayOpenError, match="2026-11-24 cannot be settled beside it"):
        settle(books, day("2026-11-24"), next_events(books), INPUT)
    with pytest.raises(LedgerError, match="is open and not settled; nothing can be reversed"):
        reverse_day(books, NEXT)
    assert balances(books) == before
    settle(books, day(NEXT), next_events(books), "cd" * 32, deliver=False)
    deliver(books, day(NEXT), DAY, Meterings(INPUT, (), (), ()))
    with pytest.raises(LedgerError, match="no claim waits"):
        claim(books, day(NEXT))
    assert audit(books) == []


def test_one_day_is_open_at_a_time(books):
    with pytest.raises(DayOpenError, match="close it before 2026-11-24 opens"):
        open_day(books, "TEST", "2026-11-24", INPUT)
    open_day(books, "TEST", "2026-11-24", INPUT, instead=True)
    assert opened_day(books) == "2026-11-24"
    with pytest.raises(LedgerError, match="2026-11-23 is not open"):
        reverse_opening(books, NEXT)
    reverse_opening(books, "2026-11-24")
    assert opened_day(books) is None
    reverse_day(books, DAY)
    assert audit(books) == []


def test_the_audit_finds_cash_that_moved_under_an_open_day(books, monkeypatch):
    monkeypatch.setattr("ledger.books.batches.check_open_day", lambda *_: None)
    deliver(books, day(DAY), DAY, Meterings(INPUT, (), (), ()))
    (fault,) = audit(books)
    assert fault == "open day: batch 4 (delivery) moved cash while 2026-11-23 was open"

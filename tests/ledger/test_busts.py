"""Busts: quantity, money and fees are returned, on the same day and on later ones."""

import pytest

from ledger.books.database import memory_books
from ledger.books.errors import InputError
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.statements.summary import instrument_days, summarise
from tests.support.ledger_world import INPUT, balances, events, postings, programme, settled, world

TRADE = "alice buys 5 A at 1000 from bob fees 3 2"


def days(*texts, programmes=()):
    """Books with settled days in a row, positions carried."""
    books = memory_books()
    for number, text in enumerate(texts):
        registry = world(day=f"2026-11-{18 + number}", programmes=programmes)
        settle(books, registry, events(registry, text), INPUT, deliver=False)
        assert audit(books) == []
    return books


def test_a_trade_busted_on_its_day_leaves_only_the_deposit():
    books = days(f"fund alice 100.00\n{TRADE}\nbust 1: {TRADE}")
    assert postings(books) == ["deposit: bank -> cash:alice 10000"]
    assert summarise(books, "2026-11-18").fees_fen == 0
    assert instrument_days(books, "2026-11-18") == []


def test_a_busted_trade_does_not_count_in_the_settlement_price():
    other = "alice buys 1 A at 1400 from bob fees 1 1"
    books = days(f"fund alice 100.00\n{TRADE}\n{other}\nbust 2: {other}")
    (day,) = instrument_days(books, "2026-11-18")
    assert (day.settlement_ticks, day.trades, day.volume, day.high_ticks) == (1000, 1, 5, 1000)
    assert balances(books, "cash") == {"cash:alice": 4997}


def test_a_bust_on_a_later_day_gives_everything_back_at_the_price_of_the_trade():
    price_moves = "carol buys 1 A at 1200 from dave"
    books = days(
        f"fund alice 100.00\nfund bob 100.00\nfund carol 100.00\n{TRADE}",
        price_moves,
        f"bust 1: {TRADE}",
    )
    assert balances(books, "cash") == {
        "cash:alice": 10000, "cash:bob": 10000, "cash:carol": 8800,
    }  # fmt: skip
    assert balances(books, "clearing") == {}
    assert balances(books, "fees") == {}
    assert "fee-refund: fees -> cash:alice 3" in postings(books, "fee-refund")


def test_a_bust_of_what_was_resold_leaves_the_reseller_short():
    books = days(
        f"fund alice 100.00\nfund carol 100.00\n{TRADE}\ncarol buys 5 A at 1100 from alice",
        f"bust 1: {TRADE}",
    )
    held = books.rows(
        "SELECT substr(n.name, 6), quantity FROM open_positions "
        "JOIN names AS n ON n.id = account ORDER BY 1"
    )
    assert held == [("alice", -5), ("carol", 5)]


def test_an_account_long_again_by_a_busted_sale_is_ranked_by_the_bust():
    sale = "alice buys 8 A at 1000 from bob"
    books = days(
        "fund alice 100.00\nfund bob 100.00\nfund carol 100.00\nbob buys 5 A at 1000 from dave",
        sale,
        f"carol buys 2 B at 1000 from dave\nbust 1: {sale}",
        programmes=(programme("p"),),
    )  # so bob, who was short by the sale, is long by 5 again
    turns = books.rows(
        "SELECT substr(n.name, 6), first_day::VARCHAR, first_sequence FROM open_positions "
        "JOIN names AS n ON n.id = account WHERE quantity > 0 ORDER BY first_day, first_sequence"
    )
    assert turns == [("carol", "2026-11-20", 1), ("bob", "2026-11-20", 2)]


@pytest.mark.parametrize(
    ("bust", "rule"),
    [
        (
            "bust 7: alice buys 5 A at 1000 from bob",
            "bust of trade 7: the books have no such trade",
        ),
        (
            "bust 1: alice buys 4 A at 1000 from bob",
            "bust of trade 1: the books have no such trade",
        ),
        (f"bust 1: {TRADE}\nbust 1: {TRADE}", "bust of trade 1: it is busted already"),
    ],
)
def test_a_bust_of_no_trade_or_a_second_one_is_refused(bust, rule):
    with pytest.raises(InputError, match=rule):
        settled(world(), f"fund alice 100.00\n{TRADE}\n{bust}")


def test_a_bust_of_an_earlier_bust_is_refused():
    with pytest.raises(InputError, match="it is busted already"):
        days(f"fund alice 100.00\n{TRADE}", f"bust 1: {TRADE}", f"bust 1: {TRADE}")

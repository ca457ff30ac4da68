"""Reversals: mirrored postings, a new revision, and every balance as before."""

import pytest

from ledger.books.database import memory_books
from ledger.books.errors import LedgerError
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
from ledger.proof.verify import compare
from ledger.statements.explain import explain
from tests.support.ledger_world import INPUT, balances, events, postings, programme, settled, world

PROGRAMMES = (
    programme("p", per_firm_year_cap_fen=700, compute_hubs=("QD",)),
    programme("q", model="reimburse", pool_year_fen=1000, funders={"city": 1, "district": 1}),
)
FIRST = """
fund alice 1000.00
fund carol 1000.00
alice buys 5 A at 1000 from bob fees 3 2
carol buys 9 D at 1500 from dave fees 3 2
"""
SECOND = """
withdraw alice 1.00
alice buys 4 C at 1013 from bob fees 3 2
dave buys 1 C at 1490 from alice fees 1 1
"""


def day(number):
    return world(day=f"2026-11-{number}", programmes=PROGRAMMES)


@pytest.fixture
def books():
    filled = memory_books()
    settle(filled, day(19), events(day(19), FIRST), INPUT, deliver=False)
    return filled


def standing_rows(books, table):
    return books.rows(
        f"SELECT * EXCLUDE batch FROM {table} SEMI JOIN standing AS b ON b.id = batch ORDER BY ALL"
    )


def test_settle_reverse_settle_returns_every_balance(books):
    before, kept = balances(books), {}
    settle(books, day(20), events(day(20), SECOND), INPUT)
    settled = balances(books)
    for table in ("positions", "instrument_days", "deliveries"):
        kept[table] = standing_rows(books, table)
    assert reverse_day(books, "2026-11-20") == (3, 2)
    assert balances(books) == before
    assert audit(books) == []
    again = settle(books, day(20), events(day(20), SECOND), "cd" * 32)
    assert balances(books) == settled
    assert again.batches == (6, 7)
    assert standing_rows(books, "positions") == kept["positions"]
    assert audit(books) == []
    query = "SELECT id, kind::VARCHAR, revision, reverses FROM batches ORDER BY id"
    assert books.rows(query) == [
        (1, "settlement", 1, None), (2, "settlement", 1, None), (3, "delivery", 1, None),
        (4, "reversal", 1, 3), (5, "reversal", 1, 2), (6, "settlement", 2, None),
        (7, "delivery", 2, None),
    ]  # fmt: skip


def test_a_reversed_day_settled_anew_is_recomputed_to_the_row(books):
    settle(books, day(20), events(day(20), SECOND), INPUT)
    reverse_day(books, "2026-11-20")
    corrected = SECOND.replace("at 1490", "at 1480")
    settle(books, day(20), events(day(20), corrected), "cd" * 32)
    assert compare(books, day(20), events(day(20), corrected), "cd" * 32) == []
    assert compare(books, day(20), events(day(20), SECOND), "cd" * 32) != []


def test_vouchers_that_were_reversed_use_up_nothing(books):
    for _ in range(3):
        settle(books, day(20), events(day(20), SECOND), INPUT)
        grants = books.rows(
            "SELECT grant_fen FROM vouchers SEMI JOIN standing AS b ON b.id = batch "
            "WHERE agreement IS NOT NULL ORDER BY id"
        )
        assert [fen for (fen,) in grants] == [500, 1000, 200, 110]
        reverse_day(books, "2026-11-20")


def test_a_day_under_a_later_one_is_not_reversed(books):
    settle(books, day(20), events(day(20), SECOND), INPUT)
    with pytest.raises(LedgerError, match="builds on 2026-11-19; reverse that day first"):
        reverse_day(books, "2026-11-19")
    with pytest.raises(LedgerError, match="2026-11-18 has no standing batch"):
        reverse_day(books, "2026-11-18")


def test_a_dry_run_of_a_reversal_leaves_everything(books):
    before = balances(books)
    assert reverse_day(books, "2026-11-19", dry_run=True) == (1,)
    assert balances(books) == before
    assert books.scalar("SELECT count(*) FROM batches") == 1


def test_a_decision_is_explained_in_words(books):
    settle(books, day(20), events(day(20), SECOND), INPUT)
    said = explain(books, 4).sentences  # 1 was reserved on the trade day
    assert said == (
        "Agreement 3: alice buys H.QD for 2026-11-23 from bob, worth 33.24 CNY at settlement "
        "prices.",
        "It goes to programme p, version 1, which is in force from 2026-01-01 and pays by the "
        "rule `first-come` as `deduct`.",
        "Wanted: 10% of 33.24 CNY = 3.32 CNY, rounded down to the fen.",
        "Cap of a firm in 2026: 7.00 CNY, of which 5.00 CNY went before; 2.00 CNY left. This is "
        "what it stopped at.",
        "Granted: 2.00 CNY, the least of these (stopped at: firm-year).",
        "pool:p:city pays 2.00 CNY.",
        "2026-11-20: reserved, 2.00 CNY.",
        "2026-11-20: consumed, 2.00 CNY.",
    )
    with pytest.raises(LedgerError, match="no voucher line 99"):
        explain(books, 99)


def test_a_dry_run_of_a_reversal_says_each_mirrored_posting():
    books = settled(world(), "fund alice 100.00\nalice buys 5 A at 1000 from bob")
    before = postings(books)
    lines = []
    reverse_day(books, "2026-11-21", dry_run=True, lines=lines)
    mirrored = [
        f"{kind}: {target} -> {source} {fen}" for _, _, kind, source, target, _, fen in lines
    ]
    assert sorted(mirrored) == sorted(before)
    assert postings(books) == before

"""Verification finds every change: each fen, each row, each hash."""

import pytest

from ledger.books.database import create_books, memory_books, open_books
from ledger.books.schema import TABLES
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.proof.verify import compare
from tests.support.ledger_world import INPUT, events, programme, settled, world

PROGRAMMES = (
    programme("p", per_firm_year_cap_fen=700, compute_hubs=("QD",)),
    programme("q", model="reimburse", pool_year_fen=1000, funders={"city": 1, "district": 1}),
)
DAY = """
fund alice 1000.00
fund carol 1000.00
alice buys 5 A at 1000 from bob fees 3 2
alice buys 4 C at 1013 from bob fees 3 2
carol buys 5 A at 1001 from dave fees 3 2
carol buys 9 D at 1500 from dave fees 3 2
dave buys 1 D at 1490 from carol fees 1 1
"""


@pytest.fixture
def books():
    return settled(world(programmes=PROGRAMMES), DAY)


def tamper(books, statement):
    """Run a statement that the triggers forbid, as a program could that writes the file itself."""
    for table in TABLES:
        books.execute(f"DROP TRIGGER {table}_update ON {table}")
        books.execute(f"DROP TRIGGER {table}_delete ON {table}")
    books.execute("CREATE TEMP MACRO n(x) AS (SELECT id FROM names WHERE name = x)")
    books.execute(statement)


def differences(books):
    registry = world(programmes=PROGRAMMES)
    return compare(books, registry, events(registry, DAY), INPUT)


def test_untouched_books_have_no_faults(books):
    assert audit(books) == []
    assert differences(books) == []


def test_one_fen_in_a_posting_is_found_by_the_audit_and_by_recomputing(books):
    tamper(books, "UPDATE postings SET amount_fen = amount_fen + 1 WHERE id = 5")
    assert "batch 1: its lines do not have the hash that was sealed" in audit(books)
    ((right,),) = books.rows("SELECT amount_fen - 1 FROM postings WHERE id = 5")
    assert differences(books) == [f"postings: id 5: amount_fen is {right + 1}, recomputed {right}"]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE vouchers SET grant_fen = grant_fen - 1 WHERE id = 1", "certificate: voucher 1"),
        ("UPDATE vouchers SET want_fen = want_fen + 1 WHERE id = 2", "its want is not base x rate"),
        ("UPDATE vouchers SET base_fen = 9 WHERE id = 2", "its base is not the agreement's value"),
        ("UPDATE vouchers SET pool_cap_fen = 1 WHERE id = 4", "certificate: voucher 4"),
        ("UPDATE vouchers SET before_firm_fen = 1 WHERE id = 4", "what its firm had before"),
        ("DELETE FROM voucher_events WHERE state = 'paid'", "was redeemed, but not paid"),
        ("DELETE FROM postings WHERE id = 7", "numbers run to"),
        ("DELETE FROM postings WHERE kind = 'claim'", "and paid 0"),
        ("UPDATE postings SET to_account = n('fees') WHERE kind = 'difference' "
         "AND to_account = n('clearing') AND instrument = n('escrow:A')", "clearing: A is off by"),
        ("UPDATE postings SET to_account = n('fees') "
         "WHERE kind = 'escrow' AND instrument = n('escrow:C')",
         "balances: escrow:C after batch 1 does not follow"),
        ("UPDATE postings SET amount_fen = 200000 WHERE id = 1", "balances: |lines do not"),
        ("UPDATE balances SET balance_fen = -1 WHERE batch = 1 AND account = n('cash:alice')",
         "cash:alice is at -1 fen after batch 1"),
        ("UPDATE postings SET kind = 'fee' WHERE kind = 'delivery' AND instrument = n('escrow:C')",
         "what was posted is not what was delivered"),
        ("UPDATE positions SET quantity = 1 WHERE batch = 2 AND account = n('cash:bob')", "sum to"),
        ("DELETE FROM batches WHERE id = 1", "number 1 is missing, 2 follows"),
        ("UPDATE batches SET input_sha256 = 'x' WHERE id = 1", "the hash that it states"),
        ("UPDATE batches SET previous_sha256 = 'x' WHERE id = 2", "is not chained"),
        ("UPDATE trades SET price_ticks = 999 WHERE trade_id = 1", "lines do not have the hash"),
        ("DELETE FROM accounts WHERE number = 4", "lines do not have the hash"),
    ],
)  # fmt: skip
def test_the_audit_finds_by_itself(books, statement, fault):
    tamper(books, statement)
    found = audit(books)
    assert any(any(part in each for part in fault.split("|")) for each in found), found


def test_rows_that_are_missing_or_too_many_are_named(books):
    tamper(books, "DELETE FROM deliveries WHERE instrument = n('escrow:C')")
    books.execute("INSERT INTO voucher_events VALUES (2, 77, 1, 'paid', '2026-11-21', 5)")
    first, second = differences(books)
    assert first.startswith("deliveries: batch 2 agreement")
    assert first.endswith(": is missing from the books")
    assert second == (
        "voucher_events: voucher 77 turn 1: is in the books, but not in the day settled again"
    )


def test_many_differences_are_counted_not_listed(books):
    tamper(books, "UPDATE postings SET sequence = 77 + id")
    found = differences(books)
    assert len(found) == 21
    assert found[-1].endswith("differences more")


def test_another_input_is_a_difference(books):
    registry = world(programmes=PROGRAMMES)
    found = compare(books, registry, events(registry, DAY), "cd" * 32)
    assert "batch 1: was made from input abababababababab..., not from cdcdcdcdcdcdcdcd..." in found


def test_a_day_that_is_not_there_is_a_difference(books):
    registry = world(day="2026-11-25")
    assert compare(books, registry, events(registry, ""), INPUT) == [
        ":memory:: 2026-11-25 is not settled"
    ]


def test_a_later_day_is_recomputed_on_top_of_the_days_before(tmp_path):
    path = tmp_path / "a b's books.duckdb"
    days = [world(day=f"2026-11-{day}", programmes=PROGRAMMES) for day in (19, 20, 21)]
    with create_books(path) as books:
        for k, registry in enumerate(days):
            settle(books, registry, events(registry, DAY), INPUT, deliver=k > 0)
    with open_books(path, read_only=True) as books:
        assert audit(books) == []
        for registry in days:
            assert compare(books, registry, events(registry, DAY), INPUT) == []


def test_a_carried_position_is_recomputed_without_its_delivery():
    books = memory_books()
    registry = world(programmes=PROGRAMMES)
    settle(books, registry, events(registry, DAY), INPUT, deliver=False)
    assert differences(books) == []
    assert audit(books) == []

"""Blocks in the books: one supplier or a recorded split, in nominations, notices and reports."""

import pytest

from ledger.books.database import Books, memory_books
from ledger.day_settlement import settle
from ledger.delivery.block_trades import traded_blocks
from ledger.delivery.dispatch import nominate
from ledger.delivery.dispatch_notices import notices
from ledger.proof.audit import audit
from ledger.proof.verify import compare
from tests.support.ledger_world import INPUT, events, settled, world

# Hour by hour alice would be served by bob in A, because he comes first, and by dave in B.
WHOLE = """
fund alice 1000.00
fund carol 1000.00
carol buys 1 A at 900 from bob
alice buys 2 A at 1000 from bob fees 3 2 group 1 buyer
alice buys 1 A at 1006 from dave fees 3 2 group 1 buyer
alice buys 3 B at 1001 from dave fees 4 2 group 1 buyer
carol buys 2 A at 900 from dave
"""

SPLIT = """
fund alice 1000.00
alice buys 3 A at 1000 from bob group 1 buyer
alice buys 2 A at 1000 from carol group 1 buyer
alice buys 3 B at 1000 from bob group 1 buyer
alice buys 2 B at 1000 from carol group 1 buyer
alice buys 3 C at 1000 from bob group 1 buyer
alice buys 2 C at 1000 from carol group 1 buyer
"""


def served(books: Books) -> list[tuple[str, str, int]]:
    """Suppliers of the lots of blocks: supplier, symbol, lots."""
    return books.rows(
        "SELECT substr(s.name, 6), substr(i.name, 8), n.quantity FROM block_nominations AS n "
        "SEMI JOIN standing AS b ON b.id = n.batch "
        "JOIN agreements AS a ON a.id = n.agreement JOIN names AS s ON s.id = a.supplier "
        "JOIN names AS i ON i.id = n.instrument ORDER BY ALL"
    )


def test_a_block_has_one_supplier_where_one_can_serve_it() -> None:
    books = settled(world(), WHOLE)
    assert audit(books) == []
    assert served(books) == [("dave", "A", 3), ("dave", "B", 3)]
    assert compare(books, world(), events(world(), WHOLE), INPUT) == []
    plain = settled(world(), WHOLE.replace("group 1 buyer", ""))
    assert plain.scalar("SELECT count(*) FROM block_trades") == 0
    assert plain.scalar("SELECT count(*) FROM agreements") == 3
    assert books.scalar("SELECT count(*) FROM agreements") == 2


def test_the_report_shows_a_block_as_one() -> None:
    books = settled(world(), WHOLE)
    (block,) = traded_blocks(books)
    assert (block.day, block.trade_group, block.side, block.account) == (
        "2026-11-21", 1, "buy", "alice",
    )  # fmt: skip
    assert (block.first, block.hours, block.lots) == ("A", 2, 3)
    # (2 x 1000 + 1006 + 3 x 1001) / 6 = 1001.5
    assert (block.average_ticks, block.value_fen, block.fee_fen) == ("1001.50", 6009, 10)
    assert block.suppliers == [{"supplier": "dave", "first": "A", "hours": 2, "lots": 3}]
    assert traded_blocks(books, account="bob") == traded_blocks(books, until="2026-11-20") == []


def test_two_blocks_with_each_other_are_two_blocks_of_one_group() -> None:
    text = "fund alice 100.00\n" + "".join(
        f"alice buys 2 {hour} at 1000 from bob group 1 both\n" for hour in "AB"
    )
    books = settled(world(), text)
    assert [(each.side, each.account, each.lots) for each in traded_blocks(books)] == [
        ("buy", "alice", 2), ("sell", "bob", 2),
    ]  # fmt: skip
    assert audit(books) == []


def nominated(text: str) -> Books:
    """Two trading days, the second without trades; its delivery day is nominated."""
    books = memory_books()
    for day, delivered, told in (("21", "22", text), ("22", "23", "")):
        registry = world(day=f"2026-11-{day}")
        settle(books, registry, events(registry, told), day * 32, deliver=False)
        nominate(books, registry, f"2026-11-{delivered}")
    assert audit(books) == []
    return books


def test_a_split_is_stated_in_allocation_and_notice() -> None:
    books = nominated(SPLIT)
    for day, hours in (("2026-11-22", "AB"), ("2026-11-23", "C")):
        told = {
            (notice["supplier"], line["symbol"]): line["blocks"]
            for notice in notices(books, day)
            for line in notice["lines"]
        }
        assert told == {
            (who, hour): [{"block": "2026-11-21/1", "lots": lots, "of": 5}]
            for who, lots in (("bob", 3), ("carol", 2))
            for hour in hours
        }
    (block,) = traded_blocks(books)
    assert block.suppliers == [
        {"supplier": "bob", "first": "A", "hours": 3, "lots": 3},
        {"supplier": "carol", "first": "A", "hours": 3, "lots": 2},
    ]


@pytest.mark.parametrize(("group", "last"), [("group 1 buyer", "dave"), ("", "bob")])
def test_a_block_keeps_its_supplier_on_the_next_day_of_delivery(group: str, last: str) -> None:
    # bob and dave can both serve C, and bob comes first; but A and B are dave's.
    text = "fund alice 100.00\nfund carol 100.00\n"
    text += "".join(f"alice buys 2 {hour} at 1000 from dave {group}\n" for hour in "AB")
    text += f"alice buys 2 C at 1000 from bob {group}\ncarol buys 2 C at 1000 from dave\n"
    books = nominated(text)
    suppliers = books.rows(
        "SELECT substr(s.name, 6) FROM nominations AS n JOIN agreements AS a ON a.id = n.agreement "
        "JOIN names AS s ON s.id = a.supplier JOIN names AS b ON b.id = a.buyer "
        "WHERE b.name = 'cash:alice' ORDER BY n.batch, n.instrument"
    )
    assert suppliers == [("dave",), ("dave",), (last,)]


def test_a_busted_hour_is_no_hour_of_the_block_any_more() -> None:
    registry = world()
    text = "fund alice 100.00\n" + "".join(
        f"alice buys 2 {hour} at 1000 from bob group 1 buyer\n" for hour in "AB"
    )
    text += "alice buys 2 B at 1000 from carol\nbust 2: alice buys 2 B at 1000 from bob\n"
    books = settled(registry, text)
    assert served(books) == [("bob", "A", 2)]
    assert audit(books) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("INSERT INTO block_trades VALUES (1, 1, 7)", "trade 1 of batch 1 is no trade of a block"),
        ("UPDATE block_trades SET trade_id = 9 WHERE trade_id = 2", "trade 2 of batch 1 has no"),
        ("UPDATE trades SET quantity = 5 WHERE trade_id = 2", "traded 3 to 6 lots in 2 hours"),
        ("UPDATE block_nominations SET quantity = 9", "has more lots of blocks than lots"),
    ],
)
def test_the_audit_finds_blocks_that_are_none(change: str, fault: str) -> None:
    books = settled(world(), WHOLE)
    for table in ("block_trades", "block_nominations", "trades"):
        books.execute(f"DROP TRIGGER {table}_update ON {table}")
    books.execute(change)
    assert any(fault in each for each in audit(books)), audit(books)

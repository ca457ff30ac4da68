"""Reservations on the trade day: order of first buys; resold, busted and nominated positions."""

import msgspec

from ledger.books.database import memory_books
from ledger.day_settlement import settle
from ledger.delivery.dispatch import nominate
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
from ledger.statements.explain import explain
from tests.support.ledger_world import events, programme, world

DAY = "2026-11-22"


class Days:
    """Books into which days are settled one after another, positions carried."""

    def __init__(self, *programmes, firms=None):
        self.books = memory_books()
        made = world(programmes=programmes, firms=firms)
        closed = tuple(msgspec.structs.replace(each, gate_s=0) for each in made.instruments)
        self.base = msgspec.structs.replace(made, instruments=closed)
        self.number = self.trades = 0

    def settle(self, text):
        self.number += 1
        self.registry = msgspec.structs.replace(
            self.base, trading_day=f"2026-11-{10 + self.number}"
        )
        found = events(self.registry, text)
        filled = found["kind"] == 2
        found["trade_id"][filled] += self.trades
        self.trades += int(filled.sum()) // 2
        settle(self.books, self.registry, found, f"{self.number:064}", deliver=False)
        assert audit(self.books) == []

    def nominate(self):
        nominate(self.books, self.registry, DAY)
        assert audit(self.books) == []

    def reserved(self):
        """Open reservations in their order: holder, instrument, fen."""
        return self.books.rows(
            "SELECT substr(a.name, 6), substr(i.name, 8), grant_fen FROM vouchers AS v "
            "JOIN names AS a ON a.id = v.account JOIN names AS i ON i.id = v.instrument "
            "WHERE NOT EXISTS (FROM voucher_events AS e SEMI JOIN standing AS b ON b.id = e.batch "
            "WHERE e.voucher = v.id AND state <> 'reserved') "
            "AND v.batch IN (SELECT id FROM standing) ORDER BY v.id"
        )

    def agreed(self):
        """Decisions on agreements: buyer, fen, first and last state."""
        return self.books.rows(
            "SELECT substr(n.name, 6), v.grant_fen, arg_max(e.state, e.turn)::VARCHAR "
            "FROM vouchers AS v JOIN agreements AS a ON a.id = v.agreement "
            "JOIN names AS n ON n.id = a.buyer JOIN voucher_events AS e ON e.voucher = v.id "
            "GROUP BY v.id, n.name, v.grant_fen ORDER BY v.id"
        )


MONEY = "fund alice 1000.00\nfund carol 1000.00\nfund dave 1000.00\n"


def test_who_trades_first_has_the_pool_although_the_other_is_delivered_first():
    days = Days(programme("p", pool_year_fen=700))
    days.settle(MONEY + "carol buys 5 C at 1000 from bob")
    days.settle("alice buys 5 A at 1000 from bob")  # delivered a day before carol's
    assert days.reserved() == [("carol", "C", 500), ("alice", "A", 200)]
    days.nominate()
    assert days.agreed() == [("alice", 200, "reserved")]
    assert days.reserved() == [("carol", "C", 500)]


def test_a_resold_reservation_is_free_for_later_buyers():
    days = Days(programme("p", pool_year_fen=700))
    days.settle(MONEY + "carol buys 5 A at 1000 from bob\nalice buys 5 A at 1000 from bob")
    assert days.reserved() == [("carol", "A", 500), ("alice", "A", 200)]
    days.settle("dave buys 3 A at 1000 from carol")
    assert days.reserved() == [("carol", "A", 200), ("alice", "A", 500)]
    days.nominate()
    assert days.reserved() == []
    assert days.agreed() == [
        ("carol", 200, "reserved"), ("alice", 500, "reserved"), ("dave", 0, "rejected"),
    ]  # fmt: skip


def test_a_busted_trade_reserves_nothing_any_more():
    days = Days(programme("p"))
    days.settle(MONEY + "carol buys 5 A at 1000 from bob")
    days.settle("bust 1: carol buys 5 A at 1000 from bob")
    assert days.reserved() == []
    states = days.books.rows("SELECT state::VARCHAR, amount_fen FROM voucher_events ORDER BY turn")
    assert states == [("reserved", 500), ("released", 500)]


def test_a_reservation_follows_the_settlement_price():
    days = Days(programme("p"))
    days.settle(MONEY + "carol buys 5 A at 1000 from bob")
    days.settle("alice buys 5 A at 1100 from bob")
    assert days.reserved() == [("carol", "A", 550), ("alice", "A", 550)]


def test_a_position_whose_supplier_turns_out_to_be_related_is_the_buyers_to_pay():
    group = {"group": 7}
    days = Days(programme("p", pool_year_fen=600), firms={"alice": group, "bob": group})
    days.settle(MONEY + "alice buys 5 A at 1000 from bob\ncarol buys 5 C at 1000 from dave")
    assert days.reserved() == [("alice", "A", 500), ("carol", "C", 100)]
    days.nominate()
    assert days.agreed() == []
    days.settle("")
    assert days.reserved() == [("carol", "C", 500)]


def test_a_programme_that_pays_back_reserves_nothing():
    days = Days(programme("p", model="reimburse"))
    days.settle(MONEY + "alice buys 5 A at 1000 from bob")
    assert days.reserved() == []


def test_small_firms_come_first_where_the_programme_says_so():
    firms = {"carol": {"kind": "company"}}
    days = Days(programme("p", pool_year_fen=700, kinds_first=("sme",)), firms=firms)
    days.settle(MONEY + "carol buys 5 A at 1000 from bob\nalice buys 5 A at 1000 from bob")
    assert days.reserved() == [("alice", "A", 500), ("carol", "A", 200)]
    days.nominate()
    assert days.agreed() == [("alice", 500, "reserved"), ("carol", 200, "reserved")]


def test_a_funders_ceiling_is_held_by_reservations_too():
    days = Days(programme(
        "p", rate_bp=5000, funders={"city": 1, "district": 1}, funder_caps_fen={"city": 2000}
    ))  # fmt: skip
    days.settle(MONEY + "carol buys 5 C at 1000 from bob\nalice buys 5 A at 1000 from bob")
    assert days.reserved() == [("carol", "C", 2500), ("alice", "A", 1500)]
    days.nominate()
    assert days.agreed() == [("alice", 1500, "reserved")]


def test_a_reversed_day_restores_the_reservations_before_it():
    days = Days(programme("p"))
    days.settle(MONEY + "carol buys 5 A at 1000 from bob")
    days.settle("dave buys 5 A at 1000 from carol")
    reverse_day(days.books, "2026-11-12")
    assert days.reserved() == [("carol", "A", 500)]
    assert audit(days.books) == []


def test_a_reservation_is_explained_in_words():
    days = Days(programme("p", pool_year_fen=700, kinds_first=("university",)))
    days.settle(MONEY + "carol buys 5 C at 1000 from bob\nalice buys 5 A at 1000 from bob")
    said = explain(days.books, 2).sentences
    assert said[0] == (
        "Reserved on the trade day: alice is long of A, whose supplier is not known yet, worth "
        "50.00 CNY at settlement prices."
    )
    assert "The programme serves other kinds of firm first." in said
    assert said[-1] == "2026-11-11: reserved, 2.00 CNY."

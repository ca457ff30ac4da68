"""Shortfalls found after the payment: refunds, penalties, clawbacks and receivables, by hand."""

import msgspec
import pytest

from ledger.books.database import memory_books
from ledger.books.errors import InputError
from ledger.day_settlement import settle
from ledger.delivery.dispatch import claim, nominate
from ledger.delivery.meter_files import read_meterings
from ledger.delivery.shortfall import post_shortfalls
from ledger.proof.audit import audit
from ledger.proof.reversal import reverse_day
from ledger.statements.invoice import aged_receivables, invoice
from ledger.vouchers.supplier_year import pay_suppliers
from tests.ledger.test_delivery import DAY, HEAD, metered, registry_of
from tests.support.ledger_world import INPUT, balances, events, postings, programme

TRADES = """
fund alice 1000.00
alice buys 5 A at 1000 from bob fees 3 2
alice buys 3 D at 1000 from bob
"""  # agreement 1: 5000 fen by deduct, 10% of two funders; agreement 2: 3000 by reimburse, 20%
FULL = "m1,1,A,gpu-hour,H800,5,3600\nm2,2,D,pflops-day,H800,6,86400\n"


def delivered(tmp_path, text=FULL, trades=TRADES, registry=None, **contract):
    registry = registry or registry_of(**contract)
    books = memory_books()
    settle(books, registry, events(registry, trades), INPUT, deliver=False)
    nominate(books, registry, DAY)
    metered(books, registry, tmp_path, text)
    return books, registry


def found(books, registry, tmp_path, text, **more):
    path = tmp_path / "findings.csv"
    path.write_text(HEAD + text)
    findings = read_meterings(books, path, findings=True)
    assert findings.refused == ()
    done = post_shortfalls(books, registry, findings, **more)
    assert audit(books) == []
    return done


def life(books, voucher):
    return books.rows(
        "SELECT state::VARCHAR, amount_fen FROM voucher_events SEMI JOIN standing AS b "
        "ON b.id = batch WHERE voucher = $v ORDER BY turn", {"v": voucher},
    )  # fmt: skip


def line_of(books, agreement):
    return books.scalar("SELECT id FROM vouchers WHERE agreement = $a", {"a": agreement})


def test_a_consumed_voucher_is_clawed_back_in_proportion_from_each_funder(tmp_path):
    books, registry = delivered(tmp_path, penalty_bp=2000)
    before = balances(books)
    # 1 GPU for half an hour: half a lot of 1000 fen; 10% of it, from two funders alike; fine 20%.
    done = found(books, registry, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n")
    assert (done.refund_fen, done.penalty_fen, done.clawback_fen, done.owed_fen) == (
        500,
        100,
        50,
        0,
    )
    assert postings(books, batch=done.batch) == [
        "refund: cash:bob -> cash:alice 500", "penalty: cash:bob -> penalties 100",
        "clawback: cash:alice -> pool:p:city 25", "clawback: cash:alice -> pool:p:district 25",
    ]  # fmt: skip
    after = balances(books)
    assert after["cash:alice"] - before["cash:alice"] == 450
    assert life(books, line_of(books, 1))[-2:] == [("consumed", 500), ("clawed-back", 50)]


def test_shares_of_what_is_left_are_those_of_a_smaller_delivery_to_the_fen(tmp_path):
    books, registry = delivered(tmp_path)
    for number in range(3):  # 3 x 0.3 lots of 1000: left are 4100, of which 410, halves of 205
        found(books, registry, tmp_path, f"f{number},1,A,gpu-hour,H800,1,1080\n")
    assert [fen for _, fen in life(books, line_of(books, 1))[-3:]] == [30, 30, 30]
    sums = books.rows("SELECT sum(amount_fen)::BIGINT FROM voucher_shares GROUP BY pool")
    assert sums == [(205,), (205,)]


def test_a_paid_claim_is_clawed_back_and_a_waiting_one_is_reduced(tmp_path):
    books, registry = delivered(tmp_path)
    # 2 of 6 GPUs for the day: 1 of 3 PFLOPS-days, 200 of the 600 claimed.
    found(books, registry, tmp_path, "f1,2,D,pflops-day,H800,2,86400\n")
    assert life(books, line_of(books, 2)) == [("claimed", 600), ("reduced", 200)]
    assert claim(books, registry) == (1, 400)
    assert audit(books) == []
    # A quarter of what is left, 500 of 2000: 100 of the 400 paid.
    done = found(books, registry, tmp_path, "f2,2,D,pflops-day,H800,1,86400\n")
    assert (done.refund_fen, done.clawback_fen) == (500, 100)
    assert life(books, line_of(books, 2))[-2:] == [("paid", 400), ("clawed-back", 100)]


def test_a_claim_of_which_nothing_is_left_is_released(tmp_path):
    books, registry = delivered(tmp_path)
    found(books, registry, tmp_path, "f1,2,D,pflops-day,H800,6,86400\n")
    assert life(books, line_of(books, 2)) == [("claimed", 600), ("released", 600)]


def test_a_void_trade_is_refunded_in_full_without_penalty(tmp_path):
    books, registry = delivered(tmp_path, penalty_bp=2000)
    done = found(books, registry, tmp_path, "f1,1,A,gpu-hour,H800,5,3600\n", penalty=False)
    assert (done.refund_fen, done.penalty_fen, done.clawback_fen) == (5000, 0, 500)
    assert balances(books, "pool:p") == {}


def test_what_supplier_and_buyer_cannot_give_back_is_an_aged_receivable(tmp_path):
    books, registry = delivered(tmp_path)
    text = "withdraw bob 79.98\nwithdraw alice 924.97"
    later = msgspec.structs.replace(registry, trading_day="2026-11-23")
    settle(books, later, events(later, text), "cd" * 32, deliver=False)
    assert balances(books, "cash") == {}
    done = found(books, later, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n")
    # Bob owes the 500; alice gets them and gives 50 of them back.
    assert done.owed_fen == 500
    assert balances(books, "receivable") == {"receivable:bob": -500}
    assert balances(books, "cash") == {"cash:alice": 450}
    (owed,) = aged_receivables(books, "2026-11-25")
    assert owed == {"account": "bob", "owed_fen": 500, "since": "2026-11-23", "age_days": 2}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("f1,1,A,gpu-hour,H800,6,3600", "those delivered only 5000000 are left"),
        ("f1,1,A,gpu-hour,H800,3,3600\nf2,1,A,gpu-hour,H800,3,3600", "only 2000000 are left"),
    ],
)
def test_more_than_was_delivered_cannot_be_missing(line, rule, tmp_path):
    books, registry = delivered(tmp_path)
    before = balances(books)
    with pytest.raises(InputError, match=rule):
        found(books, registry, tmp_path, line + "\n")
    assert balances(books) == before


def test_what_is_not_delivered_yet_cannot_be_found_missing(tmp_path):
    registry = registry_of()
    books = memory_books()
    settle(books, registry, events(registry, TRADES), INPUT, deliver=False)
    nominate(books, registry, DAY)
    (tmp_path / "f.csv").write_text(HEAD + "f1,1,A,gpu-hour,H800,5,3600\n")
    findings = read_meterings(books, tmp_path / "f.csv", findings=True)
    assert "is not delivered yet: nothing can be missing" in findings.refused[0]
    with pytest.raises(InputError, match="no line of the file counts"):
        post_shortfalls(books, registry, findings)


def test_the_same_finding_again_counts_once(tmp_path):
    books, registry = delivered(tmp_path)
    found(books, registry, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n")
    again = read_meterings(books, tmp_path / "findings.csv", findings=True)
    assert (again.lines, len(again.repeated)) == ((), 1)


def test_a_reversal_includes_findings(tmp_path):
    books, registry = delivered(tmp_path)
    before = balances(books)
    later = msgspec.structs.replace(registry, trading_day="2026-11-23")
    settle(books, later, events(later, ""), "cd" * 32, deliver=False)
    found(books, later, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n")
    reverse_day(books, "2026-11-23")
    assert balances(books) == before
    assert audit(books) == []


def test_a_dry_run_says_each_posting_and_leaves_nothing(tmp_path):
    books, registry = delivered(tmp_path)
    before = books.scalar("SELECT count(*) FROM postings")
    done = found(books, registry, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n", dry_run=True)
    assert [line[2] for line in done.postings] == ["refund", "clawback", "clawback"]
    assert books.scalar("SELECT count(*) FROM postings") == before


def test_a_suppliers_yearly_subsidy_shrinks_with_what_was_found_missing(tmp_path):
    operators = programme(
        "o", side="supplier", rule="in-proportion", model="reimburse", rate_bp=5000,
        funders={"city": 1, "district": 1},
    )  # fmt: skip
    registry = msgspec.structs.replace(registry_of(), programmes=(operators,))
    books, registry = delivered(tmp_path, registry=registry)
    later = msgspec.structs.replace(registry, trading_day="2027-03-01")
    settle(books, later, events(later, ""), "cd" * 32, deliver=False)
    (grant,) = pay_suppliers(books, later, "o", 2026)
    assert grant.shares_fen == {"city": 2000, "district": 2000}  # half of 8000
    # 4 of 5 lots were missing: 4000 of 4000 + 4000; each funder gets half of its 2000 back.
    done = found(books, later, tmp_path, "f1,1,A,gpu-hour,H800,4,3600\n")
    assert (done.refund_fen, done.clawback_fen) == (4000, 2000)
    assert balances(books, "pool") == {"pool:o:city": -1000, "pool:o:district": -1000}


def test_an_invoice_leaves_out_what_was_found_missing_and_the_voucher_that_was_clawed_back(
    tmp_path,
):
    books, registry = delivered(tmp_path)
    found(books, registry, tmp_path, "f1,1,A,gpu-hour,H800,1,1800\n")
    (first, _) = invoice(books, "alice", since=DAY, until=DAY, vat_bp=600).lines
    assert (first.gross_fen, first.voucher_fen, first.net_fen) == (4500, 450, 4050)

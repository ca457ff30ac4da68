"""Invoices with VAT, origins of postings, aged debts, and the trial balance at an earlier batch."""

import json

import pytest

from exchange.cli import run
from ledger.books.database import create_books, memory_books
from ledger.books.errors import LedgerError, UnknownAccountError
from ledger.day_settlement import settle
from ledger.proof.reversal import reverse_day
from ledger.statements.account import trial_balance
from ledger.statements.invoice import aged_receivables, drill_down, invoice
from tests.support.ledger_world import INPUT, events, programme, world

DAY = """
fund alice 100.00
alice buys 5 A at 1000 from bob fees 3 2
alice buys 1 A at 1006 from carol fees 1 1
"""


def filled(books, **options):
    registry = world(programmes=(programme("p"),))
    settle(books, registry, events(registry, DAY), INPUT, **options)
    return books


def test_an_invoice_shows_gross_voucher_net_vat_and_fees():
    # Six lots at (5000 + 1006) / 6 = 1001: 6006, of which 6% VAT inside: 339.96, so 340.
    found = invoice(
        filled(memory_books()), "alice", since="2026-11-22", until="2026-11-22", vat_bp=600
    )
    assert [(line.supplier, line.gross_fen, line.voucher_fen) for line in found.lines] == [
        ("bob", 5005, 500), ("carol", 1001, 100),
    ]  # fmt: skip
    assert (found.gross_fen, found.voucher_fen, found.net_fen) == (6006, 600, 5406)
    assert (found.vat_fen, found.without_vat_fen) == (340, 5666)


@pytest.mark.parametrize(("vat_bp", "vat_fen"), [(0, 0), (300, 175), (1300, 691), (10_000, 3003)])
def test_the_rate_of_vat_is_an_argument(vat_bp, vat_fen):
    books = filled(memory_books())
    found = invoice(books, "alice", since="2026-11-22", until="2026-11-22", vat_bp=vat_bp)
    assert found.vat_fen == vat_fen


def test_an_invoice_of_other_days_is_empty_and_of_an_unknown_account_refused():
    books = filled(memory_books())
    assert invoice(books, "alice", since="2026-11-23", until="2026-11-30", vat_bp=600).lines == ()
    with pytest.raises(UnknownAccountError, match="no account `nobody`"):
        invoice(books, "nobody", since="2026-11-22", until="2026-11-22", vat_bp=600)
    with pytest.raises(LedgerError, match="VAT rate must be 0 to 10000"):
        invoice(books, "alice", since="2026-11-22", until="2026-11-22", vat_bp=-1)


def test_a_posting_leads_to_its_trades_and_commands():
    books = filled(memory_books())
    ((escrow,),) = books.rows("SELECT id FROM postings WHERE kind = 'escrow'")
    found = drill_down(books, escrow)
    assert [(each["trade_id"], each["command"]) for each in found["trades"]] == [(1, 2), (2, 3)]
    ((deposit,),) = books.rows("SELECT id FROM postings WHERE kind = 'deposit'")
    assert drill_down(books, deposit)["command"] == 1
    ((delivery,), _) = books.rows("SELECT id FROM postings WHERE kind = 'delivery' ORDER BY id")
    assert [each["value_fen"] for each in drill_down(books, delivery)["deliveries"]] == [5005]
    with pytest.raises(LedgerError, match="no posting 99"):
        drill_down(books, 99)


def test_debts_are_aged_from_the_first_advance_that_is_not_paid_back():
    books = memory_books()
    texts = (
        "fund alice 100.00\nfund dave 100.00\nalice buys 1 A at 1000 from bob",
        "dave buys 1 A at 1500 from carol",  # bob owes 500
        "fund bob 5.00",  # paid back
        "dave buys 1 A at 1600 from carol",  # bob owes 100, carol more
    )
    for number, text in enumerate(texts):
        registry = world(day=f"2026-11-{17 + number}")
        settle(books, registry, events(registry, text), INPUT, deliver=False)
    found = {each["account"]: each for each in aged_receivables(books, "2026-11-25")}
    assert found["bob"] == {
        "account": "bob", "owed_fen": 100, "since": "2026-11-20", "age_days": 5,
    }  # fmt: skip
    assert aged_receivables(books, "2026-11-17") == []


def test_the_trial_balance_knows_every_past_moment_even_those_corrected_since():
    books = filled(memory_books(), deliver=False)
    settled = trial_balance(books)
    reverse_day(books, "2026-11-21")
    assert all(each.balance_fen == 0 for each in trial_balance(books).accounts)
    assert trial_balance(books, batch=1).accounts == settled.accounts


def test_the_command_line_prints_papers(tmp_path, capsys):
    path = tmp_path / "books.duckdb"
    with create_books(path) as books:
        filled(books)
    span = ["--since", "2026-11-22", "--until", "2026-11-22", "--vat-bp", "600"]
    assert run(["ledger", "invoice", str(path), "alice", *span, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["vat_fen"] == 340
    assert run(["ledger", "invoice", str(path), "alice", *span]) == 0
    assert "VAT of 6% contained: 3.40" in capsys.readouterr().out
    assert run(["ledger", "posting", str(path), "2"]) == 0
    assert "trades" in capsys.readouterr().out
    assert run(["ledger", "receivables", str(path), "--until", "2026-11-30"]) == 0
    assert run(["ledger", "explain", str(path), "1"]) == 0
    assert "Granted: 5.00 CNY" in capsys.readouterr().out
    assert run(["ledger", "trial-balance", str(path), "--batch", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_fen"] == 0
    assert run(["ledger", "reverse", str(path), "2026-11-21", "--dry-run"]) == 0
    assert run(["ledger", "reverse", str(path), "2026-11-21", "--json"]) == 0

"""Applications: applied, approved, issued, used and expired vouchers, and refused steps."""

import json

import msgspec
import pytest

from exchange.cli import run
from ledger.books.database import memory_books
from ledger.books.errors import LedgerError
from ledger.day_settlement import settle
from ledger.delivery.dispatch import claim
from ledger.proof.audit import audit
from ledger.vouchers.applications import (
    applications,
    apply,
    approve,
    expire,
    issue,
    reject,
    reject_claim,
)
from tests.ledger.test_day import day_commands, write_log
from tests.support.ledger_world import events, grants, programme, world

RULES = {"application": True, "per_firm_year_cap_fen": 900, "pool_year_fen": 1200}
DAY = """
fund alice 1000.00
fund carol 1000.00
alice buys 5 A at 1000 from bob
carol buys 5 A at 1000 from bob
"""  # two agreements of 5000 fen: 500 wanted for each


def registry_of(day="2026-11-20", firms=None, **rules):
    return world(day=day, firms=firms, programmes=(programme("p", **{**RULES, **rules}),))


def issued(books, registry, firm="alice", fen=900, **more):
    """Issue a voucher for a firm, through all steps; returns its number."""
    number = apply(books, registry, "p", firm, 2026, fen, **more).id
    approve(books, registry, number)
    issue(books, registry, number)
    return number


def settled_on(books, registry, day="2026-11-21", text=DAY, **more):
    registry = msgspec.structs.replace(registry, trading_day=day)
    settle(books, registry, events(registry, text), day * 6, **more)
    assert audit(books) == []
    return registry


def test_a_firm_is_paid_from_its_voucher_and_gets_nothing_without_one():
    books, registry = memory_books(), registry_of()
    number = issued(books, registry, fen=400)
    settled_on(books, registry)
    assert grants(books) == [("p", 500, 400, "voucher"), ("p", 500, 0, "voucher")]
    (found,) = applications(books)
    assert (found.id, found.state, found.worth_fen, found.used_fen) == (number, "issued", 400, 400)
    states = books.rows("SELECT state::VARCHAR, amount_fen FROM application_events ORDER BY turn")
    assert states == [("applied", 400), ("approved", 400), ("issued", 400)]


def test_the_version_in_force_on_the_day_decides_an_application():
    books = memory_books()
    versions = (
        programme("p", effective_until="2026-11-20", **RULES),
        programme("p", version=2, effective_from="2026-11-21", application=False),
    )
    registry = world(day="2026-11-20", programmes=versions)
    number = apply(books, registry, "p", "alice", 2026, 5000).id
    assert approve(books, registry, number) == 900
    assert issue(books, registry, number) == "2026-11-20"
    with pytest.raises(LedgerError, match="takes no applications"):
        apply(books, world(programmes=versions), "p", "carol", 2026, 5000)
    with pytest.raises(LedgerError, match="not in force on 2025-12-31"):
        apply(books, world(day="2025-12-31", programmes=versions[:1]), "p", "carol", 2026, 5000)


def test_what_is_approved_fits_into_the_firms_cap_and_the_pool():
    books, registry = memory_books(), registry_of()
    first = apply(books, registry, "p", "alice", 2026, 5000).id
    with pytest.raises(LedgerError, match="901 fen cannot be approved: from 1 to 900 by the cap"):
        approve(books, registry, first, 901)
    assert approve(books, registry, first) == 900
    second = apply(books, registry, "p", "carol", 2026, 700).id
    with pytest.raises(LedgerError, match="from 1 to 300 by the pool of the year, 1200 fen, of "):
        approve(books, registry, second, 301)
    assert approve(books, registry, second, 250) == 250
    third = apply(books, registry, "p", "dave", 2026, 50).id
    with pytest.raises(LedgerError, match="51 fen cannot be approved: from 1 to 50 by what was"):
        approve(books, registry, third, 51)
    assert audit(books) == []


@pytest.mark.parametrize(
    ("steps", "refused", "rule"),
    [
        ("", issue, "is applied and cannot be issued; what can follow: approved"),
        ("a", approve, "is approved and cannot be approved; what can follow: expired"),
        ("ai", lambda *of: reject(*of, "x"), "is issued and cannot be rejected; what can follow: "
         r"expired \(what was not used of it ends with its validity\)"),
        ("r", approve, "is rejected and cannot be approved; what can follow: nothing"),
        ("ai", expire, "valid until 2026-12-31, not over"),
    ],
)  # fmt: skip
def test_a_step_that_does_not_exist_names_those_that_do(steps, refused, rule):
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 100).id
    for step in steps:
        match step:
            case "a":
                approve(books, registry, number)
            case "i":
                issue(books, registry, number)
            case "r":
                reject(books, registry, number, "no proof of use")
    with pytest.raises(LedgerError, match=rule):
        refused(books, registry, number)
    assert audit(books) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"programme_id": "x"}, "no programme `x`"),
        ({"firm_name": "zoe"}, "no firm 'zoe'"),
        ({"year": 2025}, "no vouchers of 2025 on 2026-11-20"),
        ({"amount_fen": 0}, "at least 1 fen, got 0"),
        ({"supplier": "alice"}, "'alice' and supplier 'alice' are related"),
        ({"supplier": "bob"}, "'alice' and supplier 'bob' are related"),
        ({"firm_name": "dave"}, "not eligible for p: kind must be one of sme, got company"),
    ],
)
def test_an_application_that_breaks_a_rule_is_refused_by_name(change, rule):
    group = {"group": 4}
    firms = {"alice": group, "bob": group, "dave": {"kind": "company"}}
    registry = registry_of(firms=firms, firm_kinds=("sme",))
    asked = {"programme_id": "p", "firm_name": "alice", "year": 2026, "amount_fen": 5, **change}
    with pytest.raises(LedgerError, match=rule):
        apply(memory_books(), registry, **asked)


def test_a_programme_that_needs_no_application_takes_none():
    with pytest.raises(LedgerError, match="takes no applications"):
        apply(memory_books(), registry_of(application=False), "p", "alice", 2026, 5)


def test_a_firm_has_one_voucher_at_a_time_and_may_apply_again_after_a_refusal():
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 5).id
    with pytest.raises(LedgerError, match="application 1 of alice for p 2026 is applied: a firm"):
        apply(books, registry, "p", "alice", 2026, 5)
    reject(books, registry, number, "papers missing")
    assert apply(books, registry, "p", "alice", 2026, 5).id == 2
    assert applications(books)[0].reason == "papers missing"


def test_parties_that_become_related_before_the_issue_get_no_voucher():
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 100, supplier="bob").id
    approve(books, registry, number)
    group = {"group": 4}
    later = registry_of(firms={"alice": group, "bob": group})
    with pytest.raises(LedgerError, match="'alice' and supplier 'bob' are related: p pays nothing"):
        issue(books, later, number)


def test_a_voucher_for_one_suppliers_compute_pays_for_no_other():
    books, registry = memory_books(), registry_of()
    issued(books, registry, supplier="dave")
    text = DAY + "alice buys 5 C at 1000 from dave"
    settled_on(books, registry, text=text)
    assert [grant for _, _, grant, _ in grants(books)] == [0, 0, 500]


@pytest.mark.parametrize(("until", "grant"), [("2026-11-22", 500), ("2026-11-21", 0)])
def test_a_voucher_pays_for_deliveries_until_its_last_day(until, grant):
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 900).id
    approve(books, registry, number)
    assert issue(books, registry, number, until) == until
    settled_on(books, registry)
    assert grants(books)[0][2] == grant


@pytest.mark.parametrize("until", ["2026-11-19", "2027-01-01"])
def test_a_validity_that_is_over_or_beyond_the_year_is_refused(until):
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 900).id
    approve(books, registry, number)
    with pytest.raises(LedgerError, match="is valid until 2026-12-31 at the latest, and not until"):
        issue(books, registry, number, until)


def test_the_unused_part_expires_and_can_be_issued_to_another_firm():
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 900).id
    approve(books, registry, number)
    issue(books, registry, number, "2026-11-23")
    later = settled_on(books, registry)
    assert expire(books, later) == []
    over = settled_on(books, registry, "2026-11-24", "")
    assert expire(books, over, dry_run=True) == [(number, 400)]
    assert expire(books, over) == [(number, 400)]
    assert applications(books)[0].worth_fen == 500
    carol = apply(books, over, "p", "carol", 2026, 900).id
    assert approve(books, over, carol) == 700  # 1200 less the 500 that were used
    again = apply(books, over, "p", "alice", 2026, 900).id
    with pytest.raises(LedgerError, match="from 1 to 0 by the pool of the year"):
        approve(books, over, again)
    assert audit(books) == []


def test_a_voucher_is_reserved_from_the_trade_day_on_and_more_than_it_is_worth_never():
    books, registry = memory_books(), registry_of()
    issued(books, registry, fen=700)
    settled_on(books, registry, deliver=False)
    assert applications(books)[0].used_fen == 500
    settled_on(books, registry, "2026-11-22", "alice buys 5 C at 1000 from bob", deliver=False)
    assert applications(books)[0].used_fen == 700
    assert audit(books) == []


def test_a_claim_that_the_programme_refuses_is_not_paid():
    books, registry = memory_books(), registry_of(model="reimburse")
    issued(books, registry)
    from ledger.delivery.dispatch import deliver, nominate
    from ledger.delivery.meter_files import Metering, Meterings

    closed = [msgspec.structs.replace(each, gate_s=0) for each in registry.instruments]
    registry = msgspec.structs.replace(registry, instruments=tuple(closed))
    day = settled_on(books, registry, deliver=False)
    nominate(books, day, "2026-11-22")
    (instrument,) = books.rows("SELECT DISTINCT instrument FROM nominations")
    lines = tuple(Metering(f"m{k}", k, instrument[0], "H800", 5, 3600, 5_000_000) for k in (1, 2))
    deliver(books, day, "2026-11-22", Meterings("ab" * 32, lines, (), ()))
    assert reject_claim(books, day, 1, "no proof of use") == 500
    with pytest.raises(LedgerError, match="voucher line 1 is rejected and cannot be rejected"):
        reject_claim(books, day, 1, "again")
    with pytest.raises(LedgerError, match="no voucher line 9"):
        reject_claim(books, day, 9, "x")
    with pytest.raises(LedgerError, match="no claim waits"):
        claim(books, day)
    assert audit(books) == []


def test_a_forged_step_is_found_by_the_audit():
    books, registry = memory_books(), registry_of()
    number = apply(books, registry, "p", "alice", 2026, 100).id
    books.execute(
        "INSERT INTO application_events VALUES (1, $n, 2, 'issued', '2026-11-20', 100, NULL, NULL)",
        {"n": number},
    )
    assert any("(application) went from applied to issued" in each for each in audit(books))


def test_the_command_line_takes_an_application_to_its_end(tmp_path, capsys):
    from tests.support.ledger_world import programme as make

    path = write_log(
        tmp_path / "1.log", day_commands(seed=1, count=5), programmes=(make("p", **RULES),)
    )
    log = str(path)
    for words in (
        ["apply", log, "p", "alice", "2026", "800"], ["approve", log, "1", "--fen", "700"],
        ["issue", log, "1", "--until", "2026-12-01"], ["expire", log],
    ):  # fmt: skip
        assert run(["voucher", *words, "--dry-run", "--json"]) in (0, 4)
        assert run(["voucher", *words]) == 0
    assert run(["voucher", "reject", log, "1", "--reason", "x"]) == 4
    assert "application 1 is issued and cannot be rejected" in capsys.readouterr().err
    assert run(["voucher", "list", str(tmp_path / "ledger.duckdb"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["state"], found["worth_fen"], found["valid_until"]) == (
        "issued", 700, "2026-12-01"
    )  # fmt: skip

"""Programmes' payments to the fen: rates, caps, dates, places, related parties, funders' shares."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.books.errors import InputError
from ledger.proof.audit import audit
from ledger.vouchers.allocation import (
    UNLIMITED_FEN,
    WANT,
    Caps,
    Funders,
    Grants,
    allocate,
    allocate_plain,
    no_funders,
    shares_of,
)
from tests.support.ledger_world import balances, firm, grants, postings, programme, settled, world

DAY = """
fund alice 1000.00
alice buys 5 A at 1007 from bob
"""  # one agreement of 5035 fen, delivered on 2026-11-22


def states(books):
    return [
        state for (state,) in books.rows("SELECT state FROM voucher_events ORDER BY voucher, turn")
    ]


def test_a_deduct_voucher_pays_its_rate_of_the_delivered_value_rounded_down():
    books = settled(world(programmes=(programme("p", rate_bp=3333),)), DAY)
    assert grants(books) == [("p", 1678, 1678, "rate")]  # 5035 x 0.3333 = 1678.17
    assert postings(books, "voucher") == ["voucher: pool:p:city -> cash:alice 1678"]
    assert states(books) == ["reserved", "consumed"]
    assert balances(books, "cash:alice") == {"cash:alice": 100_000 - 5035 + 1678}


def test_a_reimburse_programme_pays_a_claim_after_delivery():
    books = settled(world(programmes=(programme("p", model="reimburse"),)), DAY)
    assert postings(books, "claim") == ["claim: pool:p:city -> cash:alice 503"]
    assert states(books) == ["claimed", "redeemed", "paid"]


def test_the_cap_per_agreement_binds():
    books = settled(world(programmes=(programme("p", per_agreement_cap_fen=500),)), DAY)
    assert grants(books) == [("p", 503, 500, "agreement")]


TWO_DAYS = """
fund alice 1000.00
fund carol 1000.00
alice buys 5 A at 1000 from bob
alice buys 5 C at 1000 from bob
carol buys 5 A at 1000 from bob
"""  # three agreements of 5000 fen, in this order


def test_the_cap_per_firm_and_year_binds_and_leaves_other_firms_alone():
    books = settled(world(programmes=(programme("p", per_firm_year_cap_fen=700),)), TWO_DAYS)
    assert grants(books) == [
        ("p", 500, 500, "rate"),
        ("p", 500, 200, "firm-year"),
        ("p", 500, 500, "rate"),
    ]


def test_the_pool_of_the_year_binds_first_come_first_served():
    books = settled(world(programmes=(programme("p", pool_year_fen=900),)), TWO_DAYS)
    assert grants(books) == [
        ("p", 500, 500, "rate"),
        ("p", 500, 400, "pool-year"),
        ("p", 500, 0, "pool-year"),
    ]
    assert states(books).count("rejected") == 1


def test_what_one_cap_cut_does_not_count_in_full_against_the_other():
    caps = programme("p", per_firm_year_cap_fen=600, pool_year_fen=1000)
    books = settled(world(programmes=(caps,)), TWO_DAYS)
    assert [grant for _, _, grant, _ in grants(books)] == [500, 100, 400]


def test_who_bought_first_is_served_first_whatever_the_order_of_accounts():
    text = """
        fund alice 1000.00
        fund carol 1000.00
        carol buys 5 A at 1000 from bob
        alice buys 5 A at 1000 from dave
        """
    books = settled(world(programmes=(programme("p", pool_year_fen=700),)), text)
    query = (
        "SELECT substr(n.name, 6), grant_fen FROM vouchers AS v "
        "JOIN names AS n ON n.id = v.firm ORDER BY v.id"
    )
    assert books.rows(query) == [("carol", 500), ("alice", 200)]


def test_a_grant_of_an_earlier_day_counts_against_the_caps_of_the_year():
    capped = (programme("p", per_firm_year_cap_fen=700),)
    books = settled(world(day="2026-11-20", programmes=capped), DAY)
    settled(world(day="2026-11-21", programmes=capped), DAY, books=books)
    assert [grant for _, _, grant, _ in grants(books)] == [503, 197]
    assert audit(books) == []


@pytest.mark.parametrize(
    ("since", "until", "paid"),
    [
        ("2026-11-22", None, True),
        ("2026-11-23", None, False),
        ("2026-01-01", "2026-11-22", True),
        ("2026-01-01", "2026-11-21", False),
    ],
)
def test_a_programme_is_in_force_by_the_day_of_delivery_both_ends_included(since, until, paid):
    dated = programme("p", effective_from=since, effective_until=until)
    books = settled(world(programmes=(dated,)), DAY)
    assert (len(grants(books)) == 1) == paid


def test_the_version_in_force_on_the_day_of_delivery_decides():
    versions = (
        programme("p", version=1, effective_until="2026-11-22", rate_bp=1000),
        programme("p", version=2, effective_from="2026-11-23", rate_bp=2000),
    )
    books = settled(world(programmes=versions), TWO_DAYS)
    query = "SELECT version, grant_fen FROM vouchers ORDER BY id"
    assert books.rows(query) == [(1, 500), (2, 1000), (1, 500)]


@pytest.mark.parametrize(
    ("second", "granted"),
    [
        # The city's half of 2,500 is 1,250. The second version lets it pay 3,000: 1,250 more are
        # there, after which the 2,000 of the first are gone.
        ({"city": 3000}, [(2500, 4000), (2500, 3500), (0, 0)]),
        # It binds nothing of the second version, whose 1,250 count for the first all the same.
        ({}, [(2500, 4000), (2500, None), (0, 0)]),
        # The second version lets it pay 1,500 in all, of which 250 are left: 500 of both halves.
        # Then the first has 2,000 - 1,500 left: 1,000.
        ({"city": 1500}, [(2500, 4000), (500, 500), (1000, 1000)]),
    ],
)
def test_each_version_of_a_programme_has_its_own_ceilings_in_one_batch(second, granted):
    halves = {"rate_bp": 5000, "funders": {"city": 1, "district": 1}}
    versions = (
        programme("p", effective_until="2026-11-22", funder_caps_fen={"city": 2000}, **halves),
        programme("p", version=2, effective_from="2026-11-23", funder_caps_fen=second, **halves),
    )
    books = settled(world(programmes=versions), TWO_DAYS)
    query = "SELECT grant_fen, funder_cap_fen FROM vouchers ORDER BY id"
    assert books.rows(query) == granted
    assert audit(books) == []


@pytest.mark.parametrize(
    ("condition", "paid"),
    [
        ({"firm_kinds": ("sme", "university")}, True),
        ({"firm_kinds": ("university",)}, False),
        ({"buyer_cities": ("Qingdao",)}, True),
        ({"buyer_cities": ("Beijing",)}, False),
        ({"buyer_provinces": ("Shandong",)}, True),
        ({"buyer_provinces": ("Sichuan",)}, False),
        ({"compute_hubs": ("QD",)}, True),
        ({"compute_hubs": ("CD",)}, False),
        ({"compute_provinces": ("Shandong",)}, True),
        ({"compute_provinces": ("Guizhou",)}, False),
        ({"side": "supplier"}, False),
    ],
)
def test_a_programme_pays_only_where_its_conditions_are_met(condition, paid):
    books = settled(world(programmes=(programme("p", **condition),)), DAY)
    assert (len(grants(books)) == 1) == paid


@pytest.mark.parametrize(("groups", "paid"), [((7, 7), False), ((7, 8), True), ((0, 0), True)])
def test_related_parties_get_nothing(groups, paid):
    firms = {"alice": {"group": groups[0]}, "bob": {"group": groups[1]}}
    books = settled(world(programmes=(programme("p"),), firms=firms), DAY)
    assert (len(grants(books)) == 1) == paid


def test_two_accounts_of_one_firm_are_related():
    registry = world(programmes=(programme("p"),))
    accounts = tuple(msgspec.structs.replace(each, firm=1) for each in registry.accounts)
    books = settled(msgspec.structs.replace(registry, accounts=accounts), DAY)
    assert grants(books) == []


def test_an_agreement_goes_to_the_first_eligible_programme_and_to_no_other():
    programmes = (
        programme("far", compute_hubs=("CD",)),
        programme("near", pool_year_fen=100),
        programme("rich", rate_bp=5000),
    )
    books = settled(world(programmes=programmes), DAY)
    assert grants(books) == [("near", 503, 100, "pool-year")]


def test_funders_share_by_weight_and_the_odd_fen_goes_to_the_largest_remainder():
    shared = programme("p", funders={"city": 1, "district": 1, "province": 2})
    books = settled(world(programmes=(shared,)), DAY)  # 503: 125.75, 125.75, 251.5
    assert postings(books, "voucher") == [
        "voucher: pool:p:city -> cash:alice 126",
        "voucher: pool:p:district -> cash:alice 126",
        "voucher: pool:p:province -> cash:alice 251",
    ]


def test_equal_remainders_favour_the_first_funder_by_name():
    books = settled(world(programmes=(programme("p", funders={"b": 1, "a": 1}),)), DAY)
    assert balances(books, "pool") == {"pool:p:a": -252, "pool:p:b": -251}


def test_a_programme_without_named_funders_pays_undivided():
    books = settled(world(programmes=(programme("p", funders={}),)), DAY)
    assert balances(books, "pool") == {"pool:p:undivided": -503}


def test_a_want_of_nothing_is_rejected_without_a_posting():
    text = "fund alice 1.00\nalice buys 1 A at 1 from bob"
    books = settled(world(programmes=(programme("p"),)), text)
    assert grants(books) == [("p", 0, 0, "rate")]
    assert postings(books, "voucher") == []


def test_a_version_with_changed_terms_is_refused():
    books = settled(world(day="2026-11-20", programmes=(programme("p"),)), DAY)
    for change in ({"rate_bp": 2000}, {"funders": {"city": 2}}, {"per_agreement_cap_fen": 7}):
        with pytest.raises(InputError, match="programme p: version 1 differs"):
            settled(world(programmes=(programme("p", **change),)), DAY, books=books)
    settled(world(programmes=(programme("p", version=2, rate_bp=2000),)), DAY, books=books)


def test_every_decision_keeps_its_inputs():
    capped = programme("p", version=3, per_agreement_cap_fen=9000, per_firm_year_cap_fen=700)
    books = settled(world(programmes=(capped,)), TWO_DAYS)
    named = "(SELECT name FROM names AS n WHERE n.id = {}) AS {}"
    query = (
        f"SELECT * EXCLUDE batch REPLACE ({named.format('programme', 'programme')}, "
        f"{named.format('firm', 'firm')}) FROM vouchers WHERE vouchers.id = 2"
    )
    assert books.rows(query) == [
        (2, 2, None, None, None, "programme:p", 3, "first-come", "deduct", 0, "firm:alice", 2026,
         5000, 5000, 1000, 500, 9000, 700, 500, None, 500, None, 0, None, 200, "firm-year"),
    ]  # fmt: skip


def test_a_firm_that_moves_is_judged_by_where_it_was_when_the_day_was_settled():
    local = (programme("p", buyer_cities=("Qingdao",)),)
    books = settled(world(day="2026-11-20", programmes=local), DAY)
    moved = {"alice": {"city": "Chengdu"}}
    settled(world(day="2026-11-21", programmes=local, firms=moved), DAY, books=books)
    assert len(grants(books)) == 1
    assert firm(1, "alice").city == "Qingdao"


amounts = st.integers(0, 1000) | st.just(2**63 - 1)
rows = st.tuples(
    st.integers(0, 1000), amounts, amounts, amounts, st.integers(0, 3), st.integers(0, 1)
)


@settings(deadline=None)
@given(st.lists(rows, max_size=40), st.integers(0, 500))
def test_the_compiled_pass_decides_as_the_plain_one_and_never_above_a_cap(wants, used):
    table = np.array(wants, dtype=np.int64).reshape(-1, 6).T.copy()
    asked = np.zeros(len(wants), dtype=WANT)
    plain = Grants(*np.full((4, len(wants)), UNLIMITED_FEN))
    asked["want_fen"], asked["firm_slot"], asked["pool_slot"] = table[0], table[4], table[5]
    asked["rule"] = np.arange(len(wants))
    caps = Caps(*table[1:4])
    plain_used = np.full(4, used), np.full(2, used)
    compiled_used = np.full(4, used), np.full(2, used)
    allocate_plain(asked, plain, caps, *plain_used, no_funders(len(wants)))
    compiled = allocate(asked, caps, *compiled_used, no_funders(len(wants)))
    assert [each.tolist() for each in plain] == [each.tolist() for each in compiled]
    assert [each.tolist() for each in plain_used] == [each.tolist() for each in compiled_used]
    assert (plain.grant_fen >= 0).all()
    assert (plain.grant_fen <= asked["want_fen"]).all()
    granted = plain.grant_fen > 0
    for before, cap in (
        (plain.before_firm_fen, caps.firm_fen), (plain.before_pool_fen, caps.pool_fen)
    ):  # fmt: skip
        assert (before + plain.grant_fen <= cap)[granted].all()


def test_a_funder_of_several_rules_spends_its_ceiling_once():
    asked = np.zeros(3, dtype=WANT)
    asked["want_fen"], asked["rule"] = 70, [0, 1, 0]
    caps = Caps(*np.full((3, 2), UNLIMITED_FEN))
    # Rule 0: one funder with 100; rule 1: it and another, 1 to 1, with 100 and no ceiling.
    funders = Funders(
        np.array([0, 1, 3]), np.array([1, 1, 1]), np.array([100, 100, UNLIMITED_FEN]),
        np.array([0, 0, 1]), np.zeros(2, dtype=np.int64),
    )  # fmt: skip
    found = allocate(asked, caps, np.zeros(1, np.int64), np.zeros(1, np.int64), funders)
    assert found.grant_fen.tolist() == [70, 60, 0]  # it paid 70, then 30 of 60
    assert found.funder_cap_fen.tolist() == [100, 60, 0]
    assert funders.used_fen.tolist() == [100, 30]


@given(
    st.lists(st.integers(0, 2**53), min_size=1, max_size=20),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
)
def test_shares_of_funders_are_exact_for_any_weights(amounts, weights):
    shares = shares_of(np.array(amounts), np.array(weights)).tolist()
    whole = sum(weights)
    for amount, row in zip(amounts, shares, strict=True):
        assert sum(row) == amount
        assert all(
            -whole < share * whole - amount * weight < whole
            for share, weight in zip(row, weights, strict=True)
        )

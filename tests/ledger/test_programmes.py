"""The twelve published programmes: examples computed by hand, boundaries, refusals, roundings."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.definition.contract_rules import Problem
from exchange.definition.contracts import read_venue
from exchange.definition.programmes import (
    EnabledProgramme,
    check_pools,
    enable_programme,
    published_programmes,
)
from exchange.definition.toml_file import BadFile
from ledger.books.database import memory_books
from ledger.books.errors import LedgerError
from ledger.day_settlement import settle
from ledger.proof.audit import audit
from ledger.vouchers.applications import apply, approve, issue
from ledger.vouchers.supplier_year import pay_suppliers, share_out
from tests.support.ledger_world import balances, events, grants, programme, settled, world

SETTINGS = {
    "chengdu-national": {"pool_year_fen": 500_000_000, "compute_hubs": ["CD"]},
    "chengdu-provincial": {"pool_year_fen": 300_000_000, "compute_hubs": ["CD"]},
    "chengdu": {"rate_bp": 5000, "pool_year_fen": 200_000_000, "compute_hubs": ["CD"]},
    "hangzhou": {"rate_bp": 1500},
    "hubei": {"rate_bp": 1500},
    "ningxia": {"rate_bp": 1500},
    "guizhou": {"rate_bp": 2500},
    "guangzhou": {"rate_bp": 1000, "pool_year_fen": 100_000_000},
    "kunming": {"spend_counts_back": True},
    "qingyang": {"rate_bp": 2500},
}
"""What the policies leave open, chosen for these tests."""


def on(name, **settings):
    found = enable_programme(
        EnabledProgramme(id=name, settings={**SETTINGS.get(name, {}), **settings})
    )
    assert not isinstance(found, Problem), found
    return found


def test_every_published_policy_is_here_and_can_be_switched_on():
    assert len({each.policy for each in published_programmes().values()}) == 12
    for name in published_programmes():
        on(name)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_programme_without_its_unpublished_figures_is_refused_by_name(name):
    for setting in published_programmes()[name].required:
        given_ = {key: value for key, value in SETTINGS[name].items() if key != setting}
        problem = enable_programme(EnabledProgramme(id=name, settings=given_))
        assert problem == Problem(
            f"settings.{setting}",
            f"`{setting}` of {name} was not published: a setting must give it",
        )


@pytest.mark.parametrize(
    ("name", "settings", "rule"),
    [
        ("suzhou", {"rate_bp": 3000}, "`rate_bp` of suzhou is published and cannot be set"),
        ("suzhou", {"model": "deduct"}, "`model` of suzhou is published and cannot be set"),
        ("suzhou", {"id": "x"}, "`id` of suzhou is published and cannot be set"),
        ("atlantis", {}, "`atlantis` is not published; programmes are"),
        ("hubei", {"rate_bp": 0}, "hubei: Expected `int` >= 1"),
        ("hubei", {"rate_bp": 1, "colour": 1}, "hubei: Object contains unknown field `colour`"),
    ],
)
def test_settings_cannot_change_what_is_published_or_make_no_sense(name, settings, rule):
    problem = enable_programme(EnabledProgramme(id=name, settings=settings))
    assert isinstance(problem, Problem)
    assert problem.text.startswith(rule)


def test_a_programme_says_whether_it_needs_an_application():
    assert (on("beijing").application, on("suzhou").application) == (True, False)
    assert (on("hubei").application, on("hubei", application=True).application) == (False, True)
    assert isinstance(
        enable_programme(EnabledProgramme(id="suzhou", settings={"application": True})), Problem
    )


def test_beijing_pays_firms_of_the_city_only_and_suzhou_serves_small_ones_first():
    assert on("beijing").buyer_cities == ("Beijing",)
    assert on("suzhou").kinds_first == ("sme",)
    chosen = on("suzhou", pool_year_fen=1500)
    firms = {
        "alice": {"city": "Suzhou", "kind": "company"}, "carol": {"city": "Suzhou"},
        "dave": {"city": "Beijing"},
    }  # fmt: skip
    text = """
        fund alice 1000.00
        fund carol 1000.00
        fund dave 1000.00
        alice buys 5 A at 1000 from bob
        dave buys 5 A at 1000 from bob
        carol buys 5 A at 1000 from bob
        """
    books = settled(world(firms=firms, programmes=(chosen,)), text)
    assert grants(books) == [
        ("suzhou", 1000, 1000, "rate"), ("suzhou", 1000, 500, "pool-year"),
    ]  # fmt: skip
    assert books.rows("SELECT a.id FROM vouchers JOIN agreements AS a ON a.id = agreement "
                      "ORDER BY vouchers.id") == [(3,), (1,)]  # fmt: skip
    assert audit(books) == []


def test_a_way_of_payment_that_was_not_published_may_be_set():
    assert on("shanghai").model == "reimburse"
    assert on("shanghai", model="deduct").model == "deduct"


def test_the_parts_of_one_policy_share_its_pool():
    parts = [on(name) for name in ("chengdu-national", "chengdu-provincial", "chengdu")]
    assert check_pools(parts) is None
    more = check_pools([*parts[:2], on("chengdu", pool_year_fen=200_000_001)])
    assert more is not None
    assert "sum to 1000000001 fen, and must be at most 1000000000" in more.text


def test_a_venue_switches_programmes_on_in_its_files(tmp_path):
    import shutil

    from exchange.definition.contracts import DEFAULT_PATH

    folder = tmp_path / "venue"
    shutil.copytree(DEFAULT_PATH, folder)
    more = folder / "programmes" / "more.toml"
    more.write_text('[[programmes_on]]\nid = "guizhou"\nsettings = { rate_bp = 2500 }\n')
    assert [each.id for each in read_venue(folder).programmes][-1] == "suzhou"
    assert "guizhou" in [each.id for each in read_venue(folder).programmes]
    more.write_text('[[programmes_on]]\nid = "guizhou"\n')
    with pytest.raises(BadFile, match=r"more.toml: `rate_bp` of guizhou was not published"):
        read_venue(folder)


PLACES = {
    "chengdu-national": {"kind": "lead of national project"},
    "chengdu-provincial": {"kind": "lead of provincial project"},
    "chengdu": {"kind": "university"},
    "hangzhou": {"city": "Hangzhou"},
    "hubei": {"province": "Hubei"},
    "ningxia": {"kind": "institute"},
    "suzhou": {"city": "Suzhou"},
    "guangzhou": {"city": "Guangzhou"},
    "beijing": {"city": "Beijing"},
}
"""What a buyer must be for each programme, where a small firm of Qingdao is not eligible."""

# name, lots x ticks of 100 fen, and by hand: want, grant, what it stopped at.
EXAMPLES = [
    ("chengdu-national", 10_000, 12_000, 3_600_000_000, 300_000_000, "firm-year"),  # 30%, 3 M CNY
    ("chengdu-provincial", 10_000, 12_000, 3_600_000_000, 150_000_000, "firm-year"),  # 1.5 M CNY
    ("chengdu", 1, 333, 16_650, 16_650, "rate"),  # half of 333.00
    ("shanghai", 1, 33, 660, 660, "rate"),  # 20% of 33.00
    ("hangzhou", 3, 777, 34_965, 34_965, "rate"),  # 15% of 2,331.00
    ("hubei", 10_000, 60_000, 9_000_000_000, 5_000_000_000, "pool-year"),  # pool of 50 M CNY
    ("ningxia", 7, 1001, 105_105, 105_105, "rate"),  # 15% of 7,007.00
    ("suzhou", 10_000, 1_001, 200_200_000, 200_000_000, "firm-year"),  # 20%, at most 2 M CNY
    ("beijing", 10_000, 999, 199_800_000, 199_800_000, "rate"),  # just below 2 M CNY
    ("guizhou", 10_000, 40_000, 10_000_000_000, 8_000_000_000, "pool-year"),  # pool of 80 M CNY
    ("kunming", 10, 2_999, 0, 0, "minimum"),  # 29,990.00 spent of 300,000
    ("kunming", 100, 3_000, 9_000_000, 9_000_000, "rate"),  # 300,000.00 spent: 30%
    ("guangzhou", 1, 19, 190, 190, "rate"),  # 10% of 19.00
    ("qingyang", 10_000, 50_000, 12_500_000_000, 10_000_000_000, "pool-year"),  # 100 M CNY
]


@pytest.mark.parametrize(("name", "lots", "ticks", "want", "grant", "binding"), EXAMPLES)
def test_the_worked_example_of_a_programme(name, lots, ticks, want, grant, binding):
    chosen = msgspec.structs.replace(
        on(name), effective_until=None,
        compute_provinces=("Sichuan",) if on(name).compute_provinces else (),
    )  # fmt: skip
    registry = world(firms={"alice": PLACES.get(name, {})}, programmes=(chosen,), tick_fen=100)
    registry = msgspec.structs.replace(
        registry,
        contracts=tuple(
            msgspec.structs.replace(each, band_high_ticks=200_000) for each in registry.contracts
        ),
    )
    text = f"fund alice 9000000000.00\nalice buys {lots} D at {ticks} from bob"
    books = memory_books()
    if chosen.application:
        apply(books, registry, name, "alice", 2026, chosen.per_firm_year_cap_fen)
        approve(books, registry, 1)
        issue(books, registry, 1)
    settled(registry, text, books=books)
    assert grants(books) == [(name, want, grant, binding)]
    assert sum(balances(books, "pool").values()) == -grant
    assert audit(books) == []


@pytest.mark.parametrize("back", [True, False])
def test_spend_below_a_minimum_counts_once_it_is_reached_only_where_the_setting_says_so(back):
    chosen = on("kunming", spend_counts_back=back)
    registry = world(programmes=(chosen,), tick_fen=100)
    text = """
        fund alice 9000000.00
        alice buys 100 A at 1000 from bob
        alice buys 100 C at 2000 from bob
        alice buys 1 C at 2200 from bob
        """
    books = settled(registry, text)  # 100,000.00, then 101 lots at 2,001.98, rounded to 2002
    found = [grant for _, _, grant, _ in grants(books)]
    value = 101 * 2002 * 100
    base = value + (10_000_000 if back else 0)
    assert found == [0, base * 3000 // 10_000]
    assert audit(books) == []


@pytest.mark.parametrize(
    ("signed_from", "term_days", "paid"),
    [
        ("2026-11-21", None, True), ("2026-11-22", None, False),
        (None, 1, True), (None, 365, True),
    ],
)  # fmt: skip
def test_the_day_of_signing_and_the_term_decide_at_their_boundaries(signed_from, term_days, paid):
    chosen = programme("p", signed_from=signed_from, term_days_max=term_days)
    books = settled(world(programmes=(chosen,)), "fund alice 99.00\nalice buys 5 A at 9 from bob")
    assert bool(grants(books)) == paid


def test_a_term_longer_than_allowed_is_not_eligible():
    chosen = programme("p", term_days_max=1)
    books = settled(world(programmes=(chosen,)), "fund alice 99.00\nalice buys 5 C at 9 from bob")
    assert grants(books) == []


def test_a_funders_ceiling_binds_its_part_and_the_other_half_shrinks_with_it():
    chosen = programme(
        "p", rate_bp=5000, funders={"city": 1, "district": 1}, funder_caps_fen={"city": 2000}
    )
    text = """
        fund alice 1000.00
        fund carol 1000.00
        alice buys 5 A at 1000 from bob
        carol buys 5 A at 1000 from bob
        """
    books = settled(world(programmes=(chosen,)), text)
    assert grants(books) == [("p", 2500, 2500, "rate"), ("p", 2500, 1500, "funder-year")]
    assert balances(books, "pool") == {"pool:p:city": -2000, "pool:p:district": -2000}
    assert audit(books) == []


def test_redeemed_is_counted_apart_from_claimed():
    chosen = programme("p", model="reimburse", per_firm_year_redeemed_cap_fen=800)
    text = """
        fund alice 1000.00
        alice buys 5 A at 1000 from bob
        alice buys 5 C at 1000 from bob
        """
    books = settled(world(programmes=(chosen,)), text)
    assert [grant for _, _, grant, _ in grants(books)] == [500, 500]
    states = books.rows(
        "SELECT state::VARCHAR, amount_fen FROM voucher_events ORDER BY voucher, turn"
    )
    assert states == [
        ("claimed", 500), ("redeemed", 500), ("paid", 500),
        ("claimed", 500), ("reduced", 200), ("redeemed", 300), ("paid", 300),
    ]  # fmt: skip
    assert audit(books) == []


def operator(**changes):
    return msgspec.structs.replace(on("qingdao-operator"), **changes)


def test_the_supplier_batch_of_qingdao_pays_half_from_each_funder_below_the_ceiling():
    # 30,000,000 and 1.01 CNY: wants of 15,000,000 and 0.50, halves of 7,500,000 and 0.25.
    found = share_out(operator(), np.array([3_000_000_000, 101]))
    assert found.tolist() == [[750_000_000, 750_000_000], [25, 25]]


def test_the_supplier_batch_of_qingdao_is_shared_in_proportion_at_the_ceiling():
    # Contracts of 30, 20 and 10 million CNY want 30 million, the city's half 15: it has 10.
    amounts = np.array([3_000_000_000, 2_000_000_000, 1_000_000_000])
    found = share_out(operator(), amounts)
    assert found.tolist() == [
        [500_000_000, 500_000_000], [333_333_333, 333_333_333], [166_666_667, 166_666_667],
    ]  # fmt: skip


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=8), st.integers(1, 10**9))
def test_a_share_out_is_exact_and_within_every_bound(amounts, cap):
    chosen = operator(funder_caps_fen={"city": cap})
    found = share_out(chosen, np.array(amounts))
    wants = [amount // 2 for amount in amounts]
    assert int(found[:, 0].sum()) <= cap
    assert abs(int(found[:, 0].sum()) - int(found[:, 1].sum())) <= len(amounts)
    if sum(wants) > 2 * cap:
        assert 2 * cap - len(amounts) <= found.sum() <= 2 * cap
    for row, want in zip(found, wants, strict=True):
        assert 0 <= row.sum() <= want


def test_a_year_of_suppliers_is_shared_out_once_and_never_beside_the_buyers_voucher():
    buyers = programme("p", buyer_cities=("Qingdao",))
    firms = {"carol": {"city": "Chengdu"}}
    books = memory_books()
    registry = world(firms=firms, programmes=(buyers, operator()))
    text = """
        fund alice 1000.00
        fund carol 1000.00
        alice buys 5 A at 1000 from bob
        carol buys 4 A at 1000 from dave
        """
    settle(books, registry, events(registry, text), "ab" * 32)
    with pytest.raises(LedgerError, match="2026 is not over"):
        pay_suppliers(books, registry, "qingdao-operator", 2026)
    later = msgspec.structs.replace(registry, trading_day="2027-03-01")
    (grant,) = pay_suppliers(books, later, "qingdao-operator", 2026)
    assert (grant.supplier, grant.amount_fen, grant.grant_fen) == ("dave", 4000, 2000)
    assert grant.shares_fen == {"city": 1000, "district": 1000}
    assert audit(books) == []
    with pytest.raises(LedgerError, match="shared out 2026 in batch 3"):
        pay_suppliers(books, later, "qingdao-operator", 2026)
    with pytest.raises(LedgerError, match="no programme `p` for suppliers"):
        pay_suppliers(books, later, "p", 2026)

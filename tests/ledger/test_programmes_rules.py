"""Boundaries of the published programmes: each date, place, kind, cap and rounding, by hand.

The programmes are switched on as published; settings in ON give what was not published. Comments
derive the amounts from `rate_bp` and the caps of each policy.
"""

from datetime import date

import msgspec
import numpy as np
import pytest

from exchange.definition.contract_rules import Problem
from exchange.definition.programmes import EnabledProgramme, enable_programme
from ledger.books.database import memory_books
from ledger.books.errors import LedgerError
from ledger.day_settlement import settle
from ledger.daylog.registry import Chip
from ledger.delivery.dispatch import deliver, nominate
from ledger.delivery.meter_files import Metering, Meterings
from ledger.proof.audit import audit
from ledger.vouchers.applications import apply, approve, issue
from ledger.vouchers.supplier_year import pay_suppliers, share_out
from tests.support.ledger_world import INPUT, balances, events, grants, world

# Programme: settings for what is not published; what alice must be; where the compute must be.
ON = {
    "chengdu-national": (
        {"pool_year_fen": 400_000_000, "compute_hubs": ["CD"]},
        {"kind": "lead of national project"}, None),
    "chengdu-provincial": (
        {"pool_year_fen": 300_000_000, "compute_hubs": ["CD"]},
        {"kind": "lead of provincial project"}, None),
    "chengdu": ({"rate_bp": 5000, "pool_year_fen": 100, "compute_hubs": ["CD"]}, {}, None),
    "shanghai": ({}, {}, None),
    "hangzhou": ({"rate_bp": 2000}, {"city": "Hangzhou"}, None),
    "hubei": ({"rate_bp": 2000}, {"province": "Hubei"}, None),
    "ningxia": ({"rate_bp": 2000}, {"kind": "university"}, "Ningxia"),
    "suzhou": ({}, {"city": "Suzhou"}, None),
    "beijing": ({}, {"city": "Beijing"}, None),
    "guizhou": ({"rate_bp": 2000}, {}, "Guizhou"),
    "kunming": ({"spend_counts_back": False}, {}, None),
    "guangzhou": ({"rate_bp": 1000, "pool_year_fen": 10**12}, {"city": "Guangzhou"}, None),
    "qingyang": ({"rate_bp": 2000}, {}, None),
}  # fmt: skip

START = {
    "chengdu-national": "2023-01-01", "chengdu-provincial": "2023-01-01", "chengdu": "2023-01-01",
    "shanghai": "2023-05-01", "hangzhou": "2023-07-01", "hubei": "2023-08-01",
    "ningxia": "2023-08-01", "suzhou": "2023-08-01", "beijing": "2023-10-01",
    "guizhou": "2023-11-01", "kunming": "2023-11-01", "guangzhou": "2023-11-01",
    "qingyang": "2024-03-01",
}  # fmt: skip
"""The first of the month in which each policy was published, from programmes.csv."""

SPEND_FEN = 30_000_000
"""300,000 CNY: what Kunming asks a firm to have spent; enough to want something anywhere."""


def on(name, **settings):
    found = enable_programme(EnabledProgramme(id=name, settings={**ON[name][0], **settings}))
    assert not isinstance(found, Problem), found
    return found


def later(day):
    """Days from the world's own day of delivery to a day."""
    return (date.fromisoformat(day) - date(2026, 11, 22)).days


def registry_of(name, day, delivered=None, *, chosen=None, names="alice bob carol dave", **firm):
    """A world with one programme; D is delivered in Chengdu, or where the programme requires it."""
    _, own, province = ON[name]
    firms = {each: {**own, **firm} for each in names.split() if each != "bob"}
    made = world(
        names, day=day, firms=firms, programmes=(chosen or on(name),),
        later_days=later(delivered or day),
    )  # fmt: skip
    if province is None:
        return made
    hubs = tuple(
        msgspec.structs.replace(each, province=province) if each.code == "CD" else each
        for each in made.hubs
    )
    return msgspec.structs.replace(made, hubs=hubs)


def bought(name, fen, *, day="2025-06-30", delivered=None, books=None, **more):
    """Alice buys D for an amount in fen; returns the decisions."""
    registry = registry_of(name, day, delivered, **more)
    books = books or memory_books()
    if on(name).application:
        issued(books, registry, "alice")
    text = f"fund alice 9000000.00\nalice buys 1 D at {fen} from bob"
    settle(books, registry, events(registry, text), INPUT)
    assert audit(books) == []
    return [found[1:] for found in grants(books)]


def issued(books, registry, firm, fen=200_000_000):
    """A voucher with the firm's cap; none on a day on which the programme is not in force."""
    (chosen,), day = registry.programmes, registry.trading_day
    if not chosen.effective_from <= day <= (chosen.effective_until or day):
        with pytest.raises(LedgerError, match="is not in force"):
            apply(books, registry, chosen.id, firm, int(day[:4]), fen)
        return
    number = apply(books, registry, chosen.id, firm, int(day[:4]), fen).id
    approve(books, registry, number)
    issue(books, registry, number)


def test_every_programme_for_buyers_is_tried_here():
    from exchange.definition.programmes import published_programmes

    assert set(ON) == set(START)
    assert set(ON) | {"qingdao-operator"} == set(published_programmes())


# Dates


@pytest.mark.parametrize("name", START)
def test_a_programme_begins_on_its_first_day_of_delivery_and_not_a_day_before(name):
    first = date.fromisoformat(START[name])
    before = date.fromordinal(first.toordinal() - 1)
    assert len(bought(name, SPEND_FEN, day=first.isoformat())) == 1
    assert bought(name, SPEND_FEN, day=before.isoformat()) == []


@pytest.mark.parametrize("name", ["beijing", "hubei"])
def test_a_programme_that_ends_pays_for_its_last_day_and_for_none_after_it(name):
    ((want, grant, _),) = bought(name, SPEND_FEN, day="2025-12-31")
    assert want == grant == SPEND_FEN // 5
    assert bought(name, SPEND_FEN, day="2026-01-01") == []


@pytest.mark.parametrize("name", sorted(set(ON) - {"beijing", "hubei"}))
def test_a_programme_without_an_end_goes_on(name):
    assert len(bought(name, SPEND_FEN, day="2030-12-31")) == 1


@pytest.mark.parametrize(
    ("signed", "delivered", "paid"),
    [
        ("2023-09-01", "2023-10-01", True),  # the first day on which a contract may be signed
        ("2023-08-31", "2023-10-01", False),
        ("2024-01-01", "2024-12-31", True),  # 365 days, of a leap year
        ("2023-12-31", "2024-12-31", False),  # 366
    ],
)
def test_beijing_asks_when_a_contract_was_signed_and_for_how_long(signed, delivered, paid):
    books = memory_books()
    registry = registry_of("beijing", signed, delivered)
    text = "fund alice 9000000.00\nalice buys 1 D at 1000 from bob"
    settle(books, registry, events(registry, text), INPUT, deliver=False)
    registry = registry_of("beijing", delivered, delivered)
    issued(books, registry, "alice")
    settle(books, registry, events(registry, ""), INPUT)
    assert [found[1:] for found in grants(books)] == ([(200, 200, "rate")] if paid else [])
    assert audit(books) == []


# Who and where


WRONG = [
    ("chengdu-national", {"kind": "sme"}), ("chengdu-provincial", {"kind": "sme"}),
    ("chengdu", {"kind": "company"}), ("chengdu", {"kind": "lead of national project"}),
    ("shanghai", {"kind": "university"}), ("shanghai", {"kind": "institute"}),
    ("hangzhou", {"kind": "company"}), ("hangzhou", {"city": "Qingdao"}),
    ("hubei", {"province": "Shandong"}), ("ningxia", {"kind": "sme"}),
    ("ningxia", {"kind": "company"}), ("suzhou", {"city": "Qingdao"}),
    ("suzhou", {"kind": "university"}), ("guangzhou", {"city": "Qingdao"}),
    ("guangzhou", {"kind": "institute"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "firm"), WRONG)
def test_a_buyer_of_another_kind_or_place_gets_nothing(name, firm):
    assert bought(name, SPEND_FEN, **firm) == []


def test_beijing_refuses_a_firm_of_another_city_when_it_applies():
    registry = registry_of("beijing", "2025-06-30", city="Qingdao")
    rule = "'alice' is not eligible for beijing: city must be one of Beijing, got Qingdao"
    with pytest.raises(LedgerError, match=rule):
        apply(memory_books(), registry, "beijing", "alice", 2025, 1000)


def test_beijing_pays_no_firm_without_a_voucher():
    registry = registry_of("beijing", "2025-06-30")
    books = memory_books()
    text = "fund alice 9000000.00\nalice buys 1 D at 1000 from bob"
    settle(books, registry, events(registry, text), INPUT)
    assert [found[1:] for found in grants(books)] == [(200, 0, "voucher")]


@pytest.mark.parametrize("name", [*sorted(set(ON) - {"beijing"})])
def test_related_parties_get_nothing_from_any_programme(name):
    registry = registry_of(name, "2025-06-30")
    firms = tuple(msgspec.structs.replace(each, group=7) for each in registry.firms)
    registry = msgspec.structs.replace(registry, firms=firms)
    books = memory_books()
    text = f"fund alice 9000000.00\nalice buys 1 D at {SPEND_FEN} from bob"
    settle(books, registry, events(registry, text), INPUT)
    assert grants(books) == []


@pytest.mark.parametrize(
    "name", ["chengdu-national", "chengdu-provincial", "chengdu", "ningxia", "guizhou"]
)
def test_compute_of_another_place_is_not_paid_for(name):
    registry = registry_of(name, "2025-06-30")
    books = memory_books()
    text = "fund alice 9000000.00\nalice buys 1 A at 1000 from bob"  # of Qingdao, in Shandong
    settle(books, registry, events(registry, text), INPUT)
    assert grants(books) == []


@pytest.mark.parametrize("name", ["guizhou", "qingyang", "kunming"])
@pytest.mark.parametrize("firm", [{"kind": "university", "city": "Beijing", "province": "Beijing"}])
def test_buyers_from_anywhere_are_paid_where_the_policy_says_so(name, firm):
    assert len(bought(name, SPEND_FEN, **firm)) == 1


# Rounding: 10.07 CNY at the rate, rounded down to the fen.


@pytest.mark.parametrize(
    ("name", "grant"),
    [
        ("chengdu-national", 302), ("chengdu-provincial", 302),  # 30%: 302.1
        ("shanghai", 201), ("suzhou", 201), ("beijing", 201),  # 20%: 201.4
        ("hangzhou", 201), ("hubei", 201), ("ningxia", 201), ("guizhou", 201), ("qingyang", 201),
        ("guangzhou", 100),  # 10%: 100.7
    ],
)  # fmt: skip
def test_a_fraction_of_a_fen_is_dropped(name, grant):
    assert bought(name, 1007) == [(grant, grant, "rate")]


def test_a_rate_that_halves_drops_the_half_fen():
    chosen = on("chengdu", pool_year_fen=1000)
    assert bought("chengdu", 1007, chosen=chosen) == [(503, 503, "rate")]  # 50%: 503.5


@pytest.mark.parametrize(
    ("fen", "found"),
    [
        (29_999_999, (0, 0, "minimum")),  # a fen below 300,000 CNY
        (30_000_000, (9_000_000, 9_000_000, "rate")),
        (30_000_009, (9_000_002, 9_000_002, "rate")),  # 9,000,002.7
    ],
)
def test_kunming_pays_from_a_spend_of_300_000_on(fen, found):
    assert bought("kunming", fen) == [found]


# Caps


@pytest.mark.parametrize(
    ("name", "fen", "found"),
    [
        # 30% of 10,000,000.00 is the cap of 3,000,000.00; a fen of base more changes nothing,
        # four fen more want one more.
        ("chengdu-national", 1_000_000_000, (300_000_000, 300_000_000, "rate")),
        ("chengdu-national", 1_000_000_004, (300_000_001, 300_000_000, "firm-year")),
        ("chengdu-provincial", 500_000_000, (150_000_000, 150_000_000, "rate")),
        ("chengdu-provincial", 500_000_004, (150_000_001, 150_000_000, "firm-year")),
        # 20% of 10,000,000.00 is the cap of 2,000,000.00.
        ("suzhou", 1_000_000_000, (200_000_000, 200_000_000, "rate")),
        ("suzhou", 1_000_000_005, (200_000_001, 200_000_000, "firm-year")),
        ("beijing", 1_000_000_000, (200_000_000, 200_000_000, "rate")),
        ("beijing", 1_000_000_005, (200_000_001, 200_000_000, "voucher")),
        # 30% of 1,666,666.67 is 500,000.001: the cap of 500,000.00.
        ("kunming", 166_666_666, (49_999_999, 49_999_999, "rate")),
        ("kunming", 166_666_667, (50_000_000, 50_000_000, "rate")),
        ("kunming", 166_666_670, (50_000_001, 50_000_000, "firm-year")),
    ],
)
def test_what_a_firm_may_have_of_a_year_is_paid_to_the_fen(name, fen, found):
    assert bought(name, fen) == [found]


@pytest.mark.parametrize(
    ("name", "fen", "cap"),
    [("chengdu-national", 1_000_000_000, 300_000_000), ("suzhou", 1_000_000_000, 200_000_000),
     ("chengdu-provincial", 500_000_000, 150_000_000), ("kunming", 166_666_667, 50_000_000)],
)  # fmt: skip
def test_the_cap_of_a_firm_is_one_a_calendar_year(name, fen, cap):
    books = memory_books()
    for day in ("2024-12-30", "2024-12-31", "2025-01-01"):
        bought(name, fen, day=day, books=books)
    assert [found[2] for found in grants(books)] == [cap, 0, cap]


@pytest.mark.parametrize(
    ("name", "lots", "pool"),
    [  # 20% of lots at 1,000.00
        ("hangzhou", 250_000, 5_000_000_000), ("hubei", 250_000, 5_000_000_000),
        ("ningxia", 200_000, 4_000_000_000), ("guizhou", 400_000, 8_000_000_000),
        ("qingyang", 500_000, 10_000_000_000),
    ],
)  # fmt: skip
def test_a_pool_is_paid_out_to_its_last_fen_and_there_is_a_new_one_each_year(name, lots, pool):
    books = memory_books()
    for day in ("2024-12-30", "2025-01-01"):
        registry = registry_of(name, day)
        text = f"""
            fund alice 900000000.00
            fund carol 1000.00
            fund dave 1000.00
            alice buys {lots - 1} D at 100000 from bob
            carol buys 1 D at 100000 from bob
            dave buys 1 D at 100000 from bob
            """
        settle(books, registry, events(registry, text), INPUT)
        assert audit(books) == []
    year = [
        ((lots - 1) * 20_000, (lots - 1) * 20_000, "rate"), (20_000, 20_000, "rate"),
        (20_000, 0, "pool-year"),
    ]  # fmt: skip
    assert [found[1:] for found in grants(books)] == [*year, *year]
    assert -sum(balances(books, "pool").values()) == 2 * pool


def test_sixty_firms_at_their_caps_empty_kunmings_pool():
    names = " ".join(["bob", *(f"firm{k:02}" for k in range(61))])
    registry = registry_of("kunming", "2025-06-30", names=names)
    buyers = names.split()[1:]
    text = "".join(f"fund {each} 9000000.00\n" for each in buyers)
    text += "".join(f"{each} buys 1 D at 166666667 from bob\n" for each in buyers)
    books = memory_books()
    settle(books, registry, events(registry, text), INPUT)
    found = [grant for _, _, grant, _ in grants(books)]
    assert found == [50_000_000] * 60 + [0]  # 30,000,000.00 in all
    assert grants(books)[-1][3] == "pool-year"
    assert audit(books) == []


def test_the_parts_of_chengdus_policy_have_pools_of_their_own():
    chosen = on("chengdu", pool_year_fen=600)
    books = memory_books()
    registry = registry_of("chengdu", "2025-06-30", chosen=chosen)
    text = """
        fund alice 100.00
        fund carol 100.00
        alice buys 1 D at 1000 from bob
        carol buys 1 D at 1000 from bob
        """
    settle(books, registry, events(registry, text), INPUT)
    assert [found[1:] for found in grants(books)] == [(500, 500, "rate"), (500, 100, "pool-year")]


def test_beijing_counts_what_is_redeemed_in_a_year_apart_from_what_is_claimed():
    books = memory_books()
    chip = Chip(code="H800", vendor="x", dense_fp16_tflops=500, confidence="low", source="made up")
    registry = registry_of("beijing", "2024-12-30")
    registry = msgspec.structs.replace(
        registry, chips=(chip,),
        instruments=tuple(msgspec.structs.replace(each, gate_s=0) for each in registry.instruments),
    )  # fmt: skip
    issued(books, registry, "alice")
    text = "fund alice 90000000.00\nalice buys 1 D at 1000000000 from bob"
    settle(books, registry, events(registry, text), INPUT, deliver=False)
    nominate(books, registry, "2024-12-30")
    (line,) = books.rows("SELECT agreement, instrument FROM nominations")
    whole = Metering("m", *line, "H800", 2, 86_400, 1_000_000)
    deliver(books, registry, "2024-12-30", Meterings("ab" * 32, (whole,), (), ()))
    # Claimed in 2024: 2,000,000.00. In 2025 as much again may be claimed, but both are redeemed in
    # 2025, which takes 2,000,000.00 in all.
    registry = registry_of("beijing", "2025-01-02")
    issued(books, registry, "alice")
    text = "alice buys 1 D at 1000000000 from bob"
    settle(books, registry, events(registry, text), "cd" * 32)
    assert [grant for _, _, grant, _ in grants(books)] == [200_000_000, 200_000_000]
    lives = books.rows(
        "SELECT voucher, state::VARCHAR, amount_fen FROM voucher_events ORDER BY ALL"
    )
    assert [life for life in lives if life[1] in ("paid", "released")] == [
        (1, "paid", 200_000_000), (2, "released", 200_000_000),
    ]  # fmt: skip
    assert balances(books, "pool") == {"pool:beijing:city": -200_000_000}
    assert audit(books) == []


# The supplier side


def operator():
    found = enable_programme(EnabledProgramme(id="qingdao-operator"))
    assert not isinstance(found, Problem)
    return found


@pytest.mark.parametrize(
    ("amounts", "shares"),
    [
        # Half of 10.07 is 5.035: 5.03, of which the odd fen is the city's, the first by name.
        ([1007], [[252, 251]]),
        # Contracts of 40,000,000.00 want 20,000,000.00: the city's half is its ceiling.
        ([4_000_000_000], [[1_000_000_000, 1_000_000_000]]),
        ([3_999_999_998], [[1_000_000_000, 999_999_999]]),
        # Four fen of contracts more change nothing, for either half.
        ([4_000_000_004], [[1_000_000_000, 1_000_000_000]]),
        # Two at 3 to 1 above it: 750 to 250 million fen, from each.
        ([6_000_000_000, 2_000_000_000],
         [[750_000_000, 750_000_000], [250_000_000, 250_000_000]]),
    ],
)  # fmt: skip
def test_qingdao_shares_out_to_its_ceiling(amounts, shares):
    assert share_out(operator(), np.array(amounts)).tolist() == shares


def test_a_contract_counts_in_the_calendar_year_of_its_delivery():
    books = memory_books()
    for day, fen in (("2025-12-31", 1000), ("2026-01-01", 700)):
        registry = world(day=day, programmes=(operator(),), later_days=later(day))
        text = f"fund alice 100.00\nalice buys 1 A at {fen} from bob"
        settle(books, registry, events(registry, text), INPUT)
    later_on = msgspec.structs.replace(registry, trading_day="2027-02-01")
    for year, amount, half in ((2025, 1000, 250), (2026, 700, 175)):
        (found,) = pay_suppliers(books, later_on, "qingdao-operator", year)
        assert (found.supplier, found.amount_fen) == ("bob", amount)
        assert found.shares_fen == {"city": half, "district": half}
    with pytest.raises(LedgerError, match=r"2024|nothing|no "):
        pay_suppliers(books, later_on, "qingdao-operator", 2023)
    assert audit(books) == []

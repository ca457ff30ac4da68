"""Certificate: unchanged decisions pass, and a change of one fen is found."""

import numpy as np
import pytest

from ledger.books.database import memory_books
from ledger.day_settlement import settle
from ledger.proof.audit import certificate
from tests.support.ledger_world import events, programme, world

NAMES = "alice bob carol dave erin frank gina henry"
AMOUNTS = (
    "base_fen", "want_fen", "agreement_cap_fen", "firm_cap_fen", "before_firm_fen",
    "pool_cap_fen", "before_pool_fen", "grant_fen", "value_fen", "funder_cap_fen",
)  # fmt: skip


@pytest.fixture(scope="module")
def books():
    """Two days with some hundred decisions; each cap binds some of them."""
    dice = np.random.default_rng(3)
    names = NAMES.split()
    capped = (
        programme("p", rate_bp=3000, compute_hubs=("QD",), per_agreement_cap_fen=9_000,
                  per_firm_year_cap_fen=20_000, pool_year_fen=100_000,
                  funders={"city": 2, "district": 1}, funder_caps_fen={"city": 60_000}),
        programme("q", rate_bp=2000, model="reimburse", per_agreement_cap_fen=8_000,
                  per_firm_year_cap_fen=12_000, pool_year_fen=20_000,
                  funder_caps_fen={"city": 10**9}),
    )  # fmt: skip
    filled = memory_books()
    for day in ("2026-11-19", "2026-11-20"):
        lines = [f"fund {name} 1000000.00" for name in names]
        for _ in range(160):
            buyer, seller = dice.choice(len(names), 2, replace=False)
            lines.append(
                f"{names[buyer]} buys {dice.integers(1, 40)} {dice.choice(list('ABCD'))} at "
                f"{dice.integers(900, 1100)} from {names[seller]}"
            )
        registry = world(NAMES, day=day, programmes=capped)
        settle(filled, registry, events(registry, "\n".join(lines)), day * 6)
    return filled


def test_untouched_decisions_prove_themselves(books):
    assert certificate(books) == []
    bindings = books.rows("SELECT DISTINCT binding::VARCHAR FROM vouchers ORDER BY 1")
    assert bindings == [("agreement",), ("firm-year",), ("funder-year",), ("pool-year",), ("rate",)]


def caught(books, count):
    """Number of single changes by one fen that the certificate finds, of `count` changes."""
    dice = np.random.default_rng(count)
    decisions = books.scalar("SELECT count(*) FROM vouchers")
    found = 0
    books.execute("DROP TRIGGER IF EXISTS vouchers_update ON vouchers")
    for _ in range(count):
        column, fen = dice.choice(AMOUNTS), int(dice.choice([-1, 1]))
        voucher = int(dice.integers(1, decisions + 1))
        for change in (fen, -fen):
            if change == -fen:
                found += bool(certificate(books))
            books.execute(
                f"UPDATE vouchers SET {column} = {column} + {change} WHERE id = {voucher}"
            )
    assert certificate(books) == []
    return found


def test_thirty_changes_by_one_fen_are_all_caught(books):
    assert caught(books, 30) == 30


@pytest.mark.long
def test_a_thousand_changes_by_one_fen_are_all_caught(books):
    assert caught(books, 1_000) == 1_000

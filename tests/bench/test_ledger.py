"""The benchmark of the ledger: exact trades, and a rival that comes to the same rows."""

import numpy as np

from bench.ledger.allocation import measure_allocation
from bench.ledger.command import growth
from bench.ledger.settlement import settle_day
from bench.ledger.synthetic_day import write_day


def test_a_small_day_is_settled_and_sqlite_comes_to_the_same_rows(tmp_path):
    write_day(tmp_path / "day.log", 2_000)
    found = settle_day(tmp_path, 2_000, rivals=True)
    assert found["sqlite_differences"] == []
    assert (found["trades"], found["faults"]) == (2_000, 0)
    assert found["postings"] > 2_000
    assert set(found["stages_s"]) >= {"replay", "trades", "netting", "certificate"}


def test_the_allocation_is_proved_while_it_is_measured():
    found = measure_allocation(3_000)
    assert found["violations"] == 0
    assert np.isfinite(found["times_windows"])


def test_growth_is_seconds_a_trade_against_the_size_before():
    rows = [{"trades": 10, "settle_s": 1.0}, {"trades": 50, "settle_s": 6.0}]
    assert growth(rows) == {"10 to 50": 1.2}

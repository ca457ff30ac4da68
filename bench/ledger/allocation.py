"""Allocation of vouchers under three caps: the compiled pass, its certificate, chained windows.

The chained windows are the usual way in SQL. They reduce each want by one cap after the other: by
the cap of its agreement, then by the rest of its firm's cap (from a running sum of the reduced
wants), then by the rest of the pool. This is right only where a later reduction frees nothing for
other wants, so the rows that differ from the pass are counted.

Pass and windows run several times, into new arrays and a new table; the result compares the
medians. It also has the first runs, in which the system still allocates the memory of the answers.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np

from ledger.vouchers.allocation import WANT, Caps, Grants, allocate, no_funders

FIRMS, POOLS = 1_000, 3
ROUNDS = 5

_CHAINED = """
CREATE OR REPLACE TABLE chained AS
WITH own AS (
    SELECT *, least(want_fen, agreement_cap_fen) AS first_fen FROM wants
),
by_firm AS (
    SELECT *, greatest(0, least(first_fen, firm_cap_fen - coalesce(sum(first_fen) OVER (
        PARTITION BY firm_slot ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0))) AS second_fen
    FROM own
)
SELECT *, greatest(0, least(second_fen, pool_cap_fen - coalesce(sum(second_fen) OVER (
    PARTITION BY pool_slot ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
), 0))) AS chained_fen
FROM by_firm
"""

CERTIFICATE = """
WITH before AS (
    SELECT *,
        coalesce(sum(grant_fen) OVER (
            PARTITION BY firm_slot ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS firm_fen,
        coalesce(sum(grant_fen) OVER (
            PARTITION BY pool_slot ORDER BY k ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS pool_fen
    FROM granted
)
SELECT count(*) FROM before
WHERE before_firm_fen <> firm_fen OR before_pool_fen <> pool_fen OR grant_fen <> greatest(0, least(
    want_fen, agreement_cap_fen, firm_cap_fen - before_firm_fen, pool_cap_fen - before_pool_fen))
"""


def draw_wants(count: int, seed: int = 1) -> Any:
    """Draw wants such that each of the three caps limits some of them."""
    rng = np.random.default_rng(seed)
    wants = np.zeros(count, dtype=WANT)
    wants["want_fen"] = rng.integers(1, 1_000_000, count)
    firm = rng.integers(0, FIRMS, count)
    wants["pool_slot"] = rng.integers(0, POOLS, count)
    wants["firm_slot"] = firm * POOLS + wants["pool_slot"]
    wants["rule"] = wants["pool_slot"]
    return wants


def caps_of(count: int) -> Caps:
    """Return the three caps of each pool's programme, in fen."""
    fen = (900_000, count // FIRMS // POOLS * 400_000, count // POOLS * 300_000)
    return Caps(*(np.full(POOLS, each) for each in fen))


def measure_allocation(count: int) -> dict[str, Any]:
    """Time the pass, its certificate, and the chained windows on the same wants.

    Returns seconds, `violations` that the certificate finds in the pass (0), and
    `windows_wrong_rows`, the grants that the windows get wrong.
    """
    wants, caps = draw_wants(count), caps_of(count)
    allocate(wants[:10].copy(), caps, *_nothing_used(), no_funders(POOLS))  # compiles
    passes = [
        _seconds(lambda: allocate(wants, caps, *_nothing_used(), no_funders(POOLS)))
        for _ in range(ROUNDS)
    ]
    grants = allocate(wants, caps, *_nothing_used(), no_funders(POOLS))
    with duckdb.connect(":memory:") as connection:
        _create_tables(connection, wants, grants, caps)
        windows = [_seconds(lambda: connection.execute(_CHAINED)) for _ in range(ROUNDS)]
        certificate_s = _seconds(lambda: connection.execute(CERTIFICATE))
        ((violations,),) = connection.fetchall()
        sql = "SELECT count(*) FROM chained WHERE chained_fen <> grant_fen"
        ((wrong,),) = connection.execute(sql).fetchall()
    pass_s, windows_s = statistics.median(passes), statistics.median(windows)
    return {
        "wants": count, "rounds": ROUNDS, "pass_s": round(pass_s, 4),
        "first_pass_s": round(passes[0], 4), "certificate_s": round(certificate_s, 3),
        "violations": violations, "chained_windows_s": round(windows_s, 3),
        "times_windows": round(windows_s / pass_s, 1),
        "first_times_windows": round(windows[0] / passes[0], 1), "windows_wrong_rows": wrong,
    }  # fmt: skip


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _create_tables(connection: Any, wants: Any, grants: Grants, caps: Caps) -> None:
    """Create the table `wants`: a row for each want, with its caps and the grant of the pass."""
    columns = {name: np.ascontiguousarray(wants[name]) for name in WANT.names or ()}
    columns |= {name: np.ascontiguousarray(fen) for name, fen in grants._asdict().items()}
    columns |= {
        f"{name.removesuffix('_fen')}_cap_fen": fen[wants["rule"]]
        for name, fen in caps._asdict().items()
    }
    connection.register("granted", {"k": np.arange(len(wants)), **columns})
    connection.execute("CREATE TABLE wants AS SELECT * FROM granted")


def _nothing_used() -> tuple[Any, Any]:
    """Return zeros: the parts of the firms' and the pools' caps that are used up before."""
    return np.zeros(FIRMS * POOLS, dtype=np.int64), np.zeros(POOLS, dtype=np.int64)

"""Allocation: who gets how much of a programme when wants come first come, first served.

Each want stops at its own cap, at what its firm has left of the year and at what the pool has
left of the year; what is left depends on every grant before it, so the pass is sequential.
(Cumulative sums in SQL are wrong under two caps: a want that one cap cut must not count in full
against the other.)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLIMITED_FEN = 2**63 - 1
"""Stands for "no cap" in a want."""

WANT = np.dtype(
    [
        ("want_fen", "<i8"),
        ("agreement_cap_fen", "<i8"),
        ("firm_cap_fen", "<i8"),
        ("pool_cap_fen", "<i8"),
        ("firm_slot", "<i8"),  # index into firm_used_fen: (programme, firm, year)
        ("pool_slot", "<i8"),  # index into pool_used_fen: (programme, year)
        ("before_firm_fen", "<i8"),  # result: what the firm had before this want
        ("before_pool_fen", "<i8"),  # result: what the pool had paid before it
        ("grant_fen", "<i8"),  # result
    ]
)
"""A claim on a programme, in the order of claims, and the answer to it."""


def allocate_plain(
    wants: NDArray[np.void], firm_used_fen: NDArray[np.int64], pool_used_fen: NDArray[np.int64]
) -> None:
    """Decide all wants in order, writing the three result fields and the used amounts.

    grant = max(0, min(want, agreement cap, firm cap - used, pool cap - used)); amounts are not
    negative. The rule as Python; `allocate` runs this very function compiled.

    >>> wants = np.zeros(2, dtype=WANT)
    >>> wants["want_fen"] = wants["firm_cap_fen"] = wants["agreement_cap_fen"] = 70
    >>> wants["pool_cap_fen"] = 100
    >>> wants["firm_slot"] = [0, 1]
    >>> allocate_plain(wants, np.zeros(2, np.int64), np.zeros(1, np.int64))
    >>> wants["grant_fen"].tolist()
    [70, 30]
    """
    for k in range(len(wants)):
        firm = wants[k]["firm_slot"]
        pool = wants[k]["pool_slot"]
        before_firm = firm_used_fen[firm]
        before_pool = pool_used_fen[pool]
        grant = min(wants[k]["want_fen"], wants[k]["agreement_cap_fen"])
        grant = min(grant, wants[k]["firm_cap_fen"] - before_firm)
        grant = max(0, min(grant, wants[k]["pool_cap_fen"] - before_pool))
        wants[k]["before_firm_fen"] = before_firm
        wants[k]["before_pool_fen"] = before_pool
        wants[k]["grant_fen"] = grant
        firm_used_fen[firm] = before_firm + grant
        pool_used_fen[pool] = before_pool + grant


_compiled: list[Any] = []


def allocate(
    wants: NDArray[np.void], firm_used_fen: NDArray[np.int64], pool_used_fen: NDArray[np.int64]
) -> None:
    """`allocate_plain`, compiled: some 10 ns a want. The first call loads or compiles it."""
    if not _compiled:
        from matching.compile import entry

        _compiled.append(entry(allocate_plain))
    _compiled[0](wants, firm_used_fen, pool_used_fen)

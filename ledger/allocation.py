"""Allocation: who gets how much of a programme when wants come first come, first served.

Each want stops at its own cap, at what its firm has left of the year, at what the pool has left
of the year and at what the funders' own ceilings leave; what is left depends on every grant before
it, so the pass is sequential. (Cumulative sums in SQL are wrong under two caps: a want that one cap
cut must not count in full against the other.)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.kernels import compiled

UNLIMITED_FEN = 2**63 - 1
"""Stands for "no cap" in a want."""

WANT = np.dtype(
    [
        ("want_fen", "<i8"),
        ("agreement_cap_fen", "<i8"),
        ("firm_cap_fen", "<i8"),
        ("pool_cap_fen", "<i8"),
        ("firm_slot", "<i8"),  # index into firm_used_fen: (programme, firm, year)
        ("pool_slot", "<i8"),  # index into pool_used_fen: (programme, version, year)
        ("before_firm_fen", "<i8"),  # result: what the firm had before this want
        ("before_pool_fen", "<i8"),  # result: what the pool had paid before it
        ("funder_cap_fen", "<i8"),  # result: what the funders' ceilings leave for all of them
        ("grant_fen", "<i8"),  # result
    ]
)
"""A claim on a programme, in the order of claims, and the answer to it."""


class Funders(NamedTuple):
    """Funders of each pool slot: rows `first[slot]` to `first[slot + 1]` of the other columns."""

    first: NDArray[np.int64]
    weight: NDArray[np.int64]
    cap_fen: NDArray[np.int64]
    used_fen: NDArray[np.int64]


def no_funders(pool_slots: int) -> Funders:
    """Pools whose funders have no ceilings of their own."""
    empty = np.zeros(0, dtype=np.int64)
    return Funders(np.zeros(pool_slots + 1, dtype=np.int64), empty, empty, empty)


def allocate_plain(  # type: ignore[no-untyped-def]
    wants, firm_used_fen, pool_used_fen, first, weight, cap_fen, used_fen
) -> None:
    """Decide all wants in order, writing the four result fields and the used amounts.

    grant = max(0, min(want, agreement cap, firm cap - used, pool cap - used, funders' ceilings));
    a funder with weight w of W and f left bounds the grant at floor(f * W / w). Amounts are not
    negative. The rule as Python; this very function runs compiled.

    >>> wants = np.zeros(2, dtype=WANT)
    >>> wants["want_fen"] = wants["firm_cap_fen"] = wants["agreement_cap_fen"] = 70
    >>> wants["pool_cap_fen"] = 100
    >>> wants["firm_slot"] = [0, 1]
    >>> allocate_plain(wants, np.zeros(2, np.int64), np.zeros(1, np.int64), *no_funders(1))
    >>> wants["grant_fen"].tolist()
    [70, 30]
    """
    for k in range(len(wants)):
        firm = wants[k]["firm_slot"]
        pool = wants[k]["pool_slot"]
        before_firm = firm_used_fen[firm]
        before_pool = pool_used_fen[pool]
        left = np.int64(UNLIMITED_FEN)
        whole = np.int64(0)
        for f in range(first[pool], first[pool + 1]):
            whole += weight[f]
        for f in range(first[pool], first[pool + 1]):
            if cap_fen[f] < UNLIMITED_FEN:
                left = min(left, max(0, cap_fen[f] - used_fen[f]) * whole // weight[f])
        grant = min(wants[k]["want_fen"], wants[k]["agreement_cap_fen"])
        grant = min(grant, wants[k]["firm_cap_fen"] - before_firm)
        grant = max(0, min(grant, wants[k]["pool_cap_fen"] - before_pool, left))
        wants[k]["before_firm_fen"] = before_firm
        wants[k]["before_pool_fen"] = before_pool
        wants[k]["funder_cap_fen"] = left
        wants[k]["grant_fen"] = grant
        firm_used_fen[firm] = before_firm + grant
        pool_used_fen[pool] = before_pool + grant
        spare = grant
        for f in range(first[pool], first[pool + 1]):
            spare -= grant // whole * weight[f] + grant % whole * weight[f] // whole
        for f in range(first[pool], first[pool + 1]):
            rest = grant % whole * weight[f] % whole
            ahead = 0
            for g in range(first[pool], first[pool + 1]):
                other = grant % whole * weight[g] % whole
                if other > rest or (other == rest and g < f):
                    ahead += 1
            share = grant // whole * weight[f] + grant % whole * weight[f] // whole
            used_fen[f] += share + (1 if ahead < spare else 0)


def shares_of(amount_fen: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each amount split by weight, a column a funder; rows add up to the fen.

    What whole fen leave over goes to the largest remainders, the first funder where two are equal.

    >>> shares_of(np.array([503, 100]), np.array([1, 1, 2])).tolist()
    [[126, 126, 251], [25, 25, 50]]
    """
    whole = int(weights.sum())
    part = amount_fen[:, None] % whole * weights
    share = amount_fen[:, None] // whole * weights + part // whole
    spare = amount_fen - share.sum(axis=1)
    order = np.argsort(-(part % whole), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray(share + (rank < spare[:, None]))


def allocate(
    wants: NDArray[np.void],
    firm_used_fen: NDArray[np.int64],
    pool_used_fen: NDArray[np.int64],
    funders: Funders,
) -> None:
    """`allocate_plain`, compiled: some 10 ns a want. The first call loads or compiles it."""
    compiled(allocate_plain)(wants, firm_used_fen, pool_used_fen, *funders)

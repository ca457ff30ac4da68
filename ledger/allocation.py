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
        ("firm_slot", "<i4"),  # index into firm_used_fen: (programme, firm, year)
        ("pool_slot", "<i4"),  # index into pool_used_fen: (programme, year)
        ("rule", "<i4"),  # index into the caps: those of its programme's version
        ("spare", "<i4"),
    ]
)
"""A claim on a programme, in the order of claims. Small, because reading it is most of the work."""

GRANT = np.dtype(
    [
        ("before_firm_fen", "<i8"),  # what the firm had before this want
        ("before_pool_fen", "<i8"),  # what the pool had paid before it
        ("funder_cap_fen", "<i8"),  # what the funders' ceilings leave for all of them
        ("grant_fen", "<i8"),
    ]
)
"""The answer to a want, and what it was decided by."""


class Caps(NamedTuple):
    """The caps of each rule; UNLIMITED_FEN where it has none."""

    agreement_fen: NDArray[np.int64]
    firm_fen: NDArray[np.int64]
    pool_fen: NDArray[np.int64]


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
    wants, grants, agreement_cap_fen, firm_cap_fen, pool_cap_fen, firm_used_fen, pool_used_fen,
    first, weight, cap_fen, used_fen,
) -> None:  # fmt: skip
    """Decide all wants in order, writing the grants and the used amounts.

    grant = max(0, min(want, agreement cap, firm cap - used, pool cap - used, funders' ceilings));
    a funder with weight w of W and f left bounds the grant at floor(f * W / w). Amounts are not
    negative. The rule as Python; this very function runs compiled.

    >>> wants, grants = np.zeros(2, dtype=WANT), np.zeros(2, dtype=GRANT)
    >>> wants["want_fen"], wants["firm_slot"] = 70, [0, 1]
    >>> caps = Caps(np.array([70]), np.array([70]), np.array([100]))
    >>> allocate_plain(
    ...     wants, grants, *caps, np.zeros(2, np.int64), np.zeros(1, np.int64), *no_funders(1)
    ... )
    >>> grants["grant_fen"].tolist()
    [70, 30]
    """
    for k in range(len(wants)):
        firm, pool, rule = wants[k]["firm_slot"], wants[k]["pool_slot"], wants[k]["rule"]
        before_firm = firm_used_fen[firm]
        before_pool = pool_used_fen[pool]
        left = np.int64(UNLIMITED_FEN)
        whole = np.int64(0)
        for f in range(first[pool], first[pool + 1]):
            whole += weight[f]
        for f in range(first[pool], first[pool + 1]):
            if cap_fen[f] < UNLIMITED_FEN:
                left = min(left, max(0, cap_fen[f] - used_fen[f]) * whole // weight[f])
        grant = min(wants[k]["want_fen"], agreement_cap_fen[rule])
        grant = min(grant, firm_cap_fen[rule] - before_firm)
        grant = max(0, min(grant, pool_cap_fen[rule] - before_pool, left))
        grants[k]["before_firm_fen"] = before_firm
        grants[k]["before_pool_fen"] = before_pool
        grants[k]["funder_cap_fen"] = left
        grants[k]["grant_fen"] = grant
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
    caps: Caps,
    firm_used_fen: NDArray[np.int64],
    pool_used_fen: NDArray[np.int64],
    funders: Funders,
) -> NDArray[np.void]:
    """The grants by `allocate_plain`, compiled: some 5 ns a want. The first call loads or
    compiles it.
    """
    grants = np.empty(len(wants), dtype=GRANT)
    compiled(allocate_plain)(wants, grants, *caps, firm_used_fen, pool_used_fen, *funders)
    return grants

"""Allocation: the grants of programmes, first come, first served.

Each want stops at its own cap, at what its firm has left of the year, at what the pool has left of
the year, and at what the funders' own ceilings leave. What is left depends on every earlier grant,
so the pass is sequential. (Cumulative sums in SQL are wrong under two caps: a want that one cap has
cut must not count in full against the other.)
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.compiled import compiled

UNLIMITED_FEN = 2**63 - 1
"""Value of a missing cap."""

_UNLIMITED = np.array(UNLIMITED_FEN)

WANT = np.dtype(
    [
        ("want_fen", "<i8"),
        ("firm_slot", "<u4"),  # index into firm_used_fen: (programme, firm, year)
        ("pool_slot", "<u4"),  # index into pool_used_fen: (programme, year)
        ("rule", "<u4"),  # index into the caps: those of its programme's version
        ("spare", "<u4"),
    ]
)
"""A want of an amount from a programme, in the order of claims. It is small, because reading wants
is most of the work. Indices are unsigned, so that the kernel need not check for negative ones.
"""


class Caps(NamedTuple):
    """Caps of each rule; UNLIMITED_FEN where it has none."""

    agreement_fen: NDArray[np.int64]
    firm_fen: NDArray[np.int64]
    pool_fen: NDArray[np.int64]


class Funders(NamedTuple):
    """Funders with ceilings of their own. Those of a rule are rows `first[rule]` to `first[rule +
    1]` of weight, cap and slot.
    """

    first: NDArray[np.int64]
    weight: NDArray[np.int64]
    cap_fen: NDArray[np.int64]
    slot: NDArray[np.int64]  # index into used_fen: (funder, year), whichever rules it pays by
    used_fen: NDArray[np.int64]


class Grants(NamedTuple):
    """Grant of each want with its inputs, as columns."""

    before_firm_fen: NDArray[np.int64]  # grants of the firm before this want
    before_pool_fen: NDArray[np.int64]  # grants of the pool before it
    grant_fen: NDArray[np.int64]
    funder_cap_fen: NDArray[np.int64]  # bound of the grant by all funders' ceilings


def no_funders(rules: int) -> Funders:
    """Funders of rules without ceilings."""
    empty = np.zeros(0, dtype=np.int64)
    return Funders(np.zeros(rules + 1, dtype=np.int64), empty, empty, empty, empty)


def allocate_plain(  # type: ignore[no-untyped-def]
    wants, grants, caps, firm_used_fen, pool_used_fen, funders
) -> None:
    """Decide all wants in order, writing the grants and the used amounts.

    grant = max(0, min(want, agreement cap, firm cap - used, pool cap - used, funders' ceilings)).
    A funder with weight w of W and f left bounds the grant at floor(f * W / w). Amounts are not
    negative. `grants.funder_cap_fen` is written where a rule has funders. Plain twin of the
    compiled kernel.

    >>> wants, grants = np.zeros(2, dtype=WANT), Grants(*np.zeros((4, 2), dtype=np.int64))
    >>> wants["want_fen"], wants["firm_slot"] = 70, [0, 1]
    >>> caps = Caps(np.array([70]), np.array([70]), np.array([100]))
    >>> firms, pools = np.zeros(2, np.int64), np.zeros(1, np.int64)
    >>> allocate_plain(wants, grants, caps, firms, pools, no_funders(1))
    >>> grants.grant_fen.tolist()
    [70, 30]
    """
    before_firm_fen, before_pool_fen, grant_fen, funder_cap_fen = grants
    agreement_cap_fen, firm_cap_fen, pool_cap_fen = caps
    first, weight, cap_fen, slot, used_fen = funders
    for k in range(len(wants)):
        firm, pool, rule = wants[k]["firm_slot"], wants[k]["pool_slot"], wants[k]["rule"]
        before_firm = firm_used_fen[firm]
        before_pool = pool_used_fen[pool]
        left = np.int64(UNLIMITED_FEN)
        begin, end = first[rule], first[rule + 1]
        whole = np.int64(0)
        if begin < end:
            for f in range(begin, end):
                whole += weight[f]
            for f in range(begin, end):
                if cap_fen[f] < UNLIMITED_FEN:
                    unused = max(0, cap_fen[f] - used_fen[slot[f]])
                    left = min(left, unused * whole // weight[f])
            funder_cap_fen[k] = left
        grant = min(wants[k]["want_fen"], agreement_cap_fen[rule])
        grant = min(grant, firm_cap_fen[rule] - before_firm)
        grant = max(0, min(grant, pool_cap_fen[rule] - before_pool, left))
        before_firm_fen[k] = before_firm
        before_pool_fen[k] = before_pool
        grant_fen[k] = grant
        firm_used_fen[firm] = before_firm + grant
        pool_used_fen[pool] = before_pool + grant
        if begin < end:
            spare = grant
            for f in range(begin, end):
                spare -= grant // whole * weight[f] + grant % whole * weight[f] // whole
            for f in range(begin, end):
                rest = grant % whole * weight[f] % whole
                ahead = 0
                for g in range(begin, end):
                    other = grant % whole * weight[g] % whole
                    if other > rest or (other == rest and g < f):
                        ahead += 1
                share = grant // whole * weight[f] + grant % whole * weight[f] // whole
                used_fen[slot[f]] += share + (1 if ahead < spare else 0)


def shares_of(amount_fen: NDArray[np.int64], weights: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each amount split by weight, a column a funder; each row sums to its amount.

    Remaining fen go to the largest remainders; of equal ones to the first funder.

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
) -> Grants:
    """Decide all wants by the compiled `allocate_plain`; returns the grants and updates what is
    used.

    Cost: about 4 ns a want, and new memory for the grants. The first call loads or compiles the
    kernel.
    """
    count = len(wants)
    ceilings = np.empty(0, dtype=np.int64)
    if len(funders.weight):
        ceilings = np.full(count, UNLIMITED_FEN)
    before_firm, before_pool, grant = (np.empty(count, dtype=np.int64) for _ in range(3))
    grants = Grants(before_firm, before_pool, grant, ceilings)
    compiled(allocate_plain)(wants, grants, caps, firm_used_fen, pool_used_fen, funders)
    if not len(ceilings):
        grants = grants._replace(funder_cap_fen=np.broadcast_to(_UNLIMITED, count))
    return grants

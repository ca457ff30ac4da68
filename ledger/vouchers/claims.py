"""Claims: amounts that programmes pay back after delivery; they are claimed, redeemed and paid.

A claim is checked again at redemption: parties that have become related get nothing, a late claim
expires, and a firm's redemptions of a calendar year have a cap of their own. The part that is not
redeemed is released to the pool.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.queries import statements
from ledger.vouchers.decisions import distinct_rows
from ledger.vouchers.open_batch import OpenBatch

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


class NewClaims(NamedTuple):
    """Claims that a delivery has made, one row each."""

    voucher: Integers
    agreement: Integers
    programme_row: Integers  # in the registry
    turn: Integers  # of the last state
    amount_fen: Integers


def waiting_claims(books: Books) -> Columns:
    """Claims that wait for redemption, in the order of their decisions."""
    return books.arrays(statements("claims")["waiting"])


def made_claims(batch: OpenBatch, claims: NewClaims, agreements: Columns) -> Columns:
    """Claims that the batch has just made, with the columns of `waiting_claims`.

    `agreements` are all agreements that the batch made, by number.
    """
    row = claims.agreement - agreements["id"][:1]
    names = batch.directory.names
    programmes = batch.directory.registry.programmes
    number = names.numbers("programme", (each.id for each in programmes))
    version = np.array([each.version for each in programmes], dtype=np.int64)
    return {
        "voucher": claims.voucher, "agreement": claims.agreement, "turn": claims.turn,
        "programme": number[claims.programme_row], "version": version[claims.programme_row],
        "firm": agreements["buyer_firm"][row], "amount_fen": claims.amount_fen,
        **{name: agreements[name][row] for name in ("buyer", "supplier", "delivery_day")},
    }  # fmt: skip


def redeem_and_pay(batch: OpenBatch, claims: Columns) -> int:
    """Redeem and pay claims, including those of the batch itself; returns their number."""
    rows = _programme_rows(batch, claims)
    related = _related(batch, claims)
    late = _late(batch, claims, rows)
    due = np.where(related | late, 0, claims["amount_fen"])
    due = _capped(batch, claims, rows, due)
    voucher, turn = claims["voucher"], claims["turn"]
    found = ~related & ~late
    whole, less = claims["amount_fen"], claims["amount_fen"] - due
    reduced = (due > 0) & (less > 0)
    for state, chosen, step, fen in (
        ("rejected", related, 1, whole), ("expired", late & ~related, 1, whole),
        ("released", found & (due == 0), 1, whole), ("reduced", reduced, 1, less),
        ("redeemed", due > 0, 1 + reduced, due), ("paid", due > 0, 2 + reduced, due),
    ):  # fmt: skip
        batch.states.write(state, voucher[chosen], (turn + step)[chosen], fen[chosen])
    batch.states.pay(batch.journal, batch.directory, {
        "voucher": voucher, "agreement": claims["agreement"], "buyer": claims["buyer"],
        "programme_row": rows, "amount_fen": due,
    })  # fmt: skip
    return len(voucher)


def _programme_rows(batch: OpenBatch, claims: Columns) -> Integers:
    """Row in the day's registry of the programme version that decided each claim."""
    keys, inverse = distinct_rows([claims["programme"], claims["version"]])
    versions = zip(*keys.tolist(), strict=True)
    return batch.directory.programme_rows(versions, "claims")[inverse]


def _related(batch: OpenBatch, claims: Columns) -> NDArray[np.bool_]:
    """Whether buyer and supplier are one firm or of one group, by the day's registry."""
    directory = batch.directory

    def firm_rows(accounts: Integers) -> Integers:
        number = directory.account_numbers(accounts)
        return np.where(number > 0, directory.account_firm[number], -1 - accounts)

    buyer, supplier = firm_rows(claims["buyer"]), firm_rows(claims["supplier"])
    group = np.append(directory.firm_group, 0)
    together = (group[np.maximum(buyer, -1)] != 0) & (
        group[np.maximum(buyer, -1)] == group[np.maximum(supplier, -1)]
    )
    return np.asarray((buyer == supplier) | together)


def _late(batch: OpenBatch, claims: Columns, rows: Integers) -> NDArray[np.bool_]:
    """Whether the programme's time limit for claims has passed."""
    days = np.array(
        [each.claim_days_max or 1 << 40 for each in batch.directory.registry.programmes] or [0],
        dtype=np.int64,
    )
    since = np.datetime64(batch.day).astype(np.int64) - claims["delivery_day"]
    return np.asarray(since > days[rows]) if len(rows) else np.zeros(0, dtype=np.bool_)


def _capped(batch: OpenBatch, claims: Columns, rows: Integers, due: Integers) -> Integers:
    """The due amounts within the yearly caps on redemption, in the order of claims."""
    caps = [each.per_firm_year_redeemed_cap_fen for each in batch.directory.registry.programmes]
    capped = [row for row, cap in enumerate(caps) if cap is not None]
    chosen = np.flatnonzero(np.isin(rows, capped))
    if not len(chosen):
        return due
    redeemed = {
        tuple(key): int(fen) for *key, fen in batch.books.rows(statements("claims")["redeemed"])
    }
    due = due.copy()
    year = int(batch.day[:4])
    for k in chosen.tolist():
        key = (int(claims["programme"][k]), int(claims["firm"][k]), year)
        cap = caps[int(rows[k])]
        assert cap is not None
        before = redeemed.get(key, 0)
        due[k] = max(0, min(int(due[k]), cap - before))
        redeemed[key] = before + int(due[k])
    return due

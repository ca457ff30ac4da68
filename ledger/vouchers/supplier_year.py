"""Yearly subsidies of suppliers, in proportion to their contract amounts.

Each supplier wants the rate of its delivered service agreements of the year. An agreement for which
a programme paid the buyer does not count, because supplier and buyer never both claim. Where a
funder's ceiling binds, its part is shared in proportion to contract amounts, by largest remainder,
and the parts of the other funders shrink with it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import BatchHeader, next_batch, seal_batch
from ledger.books.database import Books
from ledger.books.directory import funders_of
from ledger.books.errors import LedgerError
from ledger.books.journal import Journal, journal_lines
from ledger.books.names import Names
from ledger.books.queries import statements
from ledger.books.registry_check import check_venue
from ledger.daylog.registry import Programme, Registry
from ledger.vouchers.allocation import UNLIMITED_FEN, shares_of

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class SupplierGrant:
    """A supplier's subsidy of a year, in fen."""

    supplier: str
    amount_fen: int  # of its contracts
    want_fen: int
    grant_fen: int
    shares_fen: dict[str, int]  # by funder


def share_out(programme: Programme, amounts_fen: Integers) -> NDArray[np.int64]:
    """Amount of each supplier from each funder: a row a supplier, a column a funder, by name.

    >>> p = Programme(id="p", version=1, place="", policy="", source="", model="reimburse",
    ...     side="supplier", rule="in-proportion", effective_from="2024-01-01", rate_bp=5000,
    ...     funders={"city": 1, "district": 1}, funder_caps_fen={"city": 300})
    >>> share_out(p, np.array([1000, 2000])).tolist()
    [[100, 100], [200, 200]]
    """
    funders = funders_of(programme)
    weights = np.array([weight for _, weight in funders], dtype=np.int64)
    caps = np.array(
        [programme.funder_caps_fen.get(name, UNLIMITED_FEN) for name, _ in funders], dtype=np.int64
    )
    wants = wants_of(programme, amounts_fen)
    free = shares_of(wants, weights)
    pool = UNLIMITED_FEN if programme.pool_year_fen is None else programme.pool_year_fen
    if (free.sum(axis=0) <= caps).all() and int(wants.sum()) <= pool:
        return free
    whole = int(weights.sum())
    ceilings = [
        int(cap) * whole // int(weight)
        for cap, weight in zip(caps, weights, strict=True) if cap < UNLIMITED_FEN
    ]  # fmt: skip
    total = min([int(wants.sum()), pool, *ceilings])
    parts = shares_of(np.array([total]), weights)[0]
    parts = np.minimum(parts, caps)
    shares = np.stack([_in_proportion(int(part), amounts_fen) for part in parts], axis=1)
    shares[:, -1] -= np.maximum(shares.sum(axis=1) - wants, 0)  # fen above the rate
    return shares


def wants_of(programme: Programme, amounts_fen: Integers) -> Integers:
    """The programme's rate of each amount, rounded down."""
    rate = programme.rate_bp
    return np.asarray(amounts_fen // 10_000 * rate + amounts_fen % 10_000 * rate // 10_000)


def _in_proportion(total: int, amounts_fen: Integers) -> Integers:
    """A total shared in proportion to amounts; remaining fen go to the largest remainders."""
    whole = int(amounts_fen.sum())
    exact = [total * int(amount) for amount in amounts_fen]
    shares = np.array([each // whole for each in exact], dtype=np.int64)
    order = sorted(range(len(exact)), key=lambda k: (-(exact[k] % whole), k))
    shares[order[: total - int(shares.sum())]] += 1
    return shares


def pay_suppliers(
    books: Books, registry: Registry, programme_id: str, year: int, *, dry_run: bool = False,
    lines: list[tuple[Any, ...]] | None = None,
) -> list[SupplierGrant]:  # fmt: skip
    """Share out a year of a programme, once, and post it, dated the registry's day.

    `lines` receives the postings. Raises LedgerError where the registry has no such programme for
    suppliers, where the year is not over, or where it was shared out already.
    """
    check_venue(books, registry.venue)
    programme = _programme(registry, programme_id, year)
    with books.transaction(keep=not dry_run):
        names = Names(books)
        number = names[f"programme:{programme.id}"]
        _check_once(books, number, programme_id, year)
        counted = _amounts(books, programme, year)
        accounts, row_of = np.unique(counted["supplier"], return_inverse=True)
        amounts = np.zeros(len(accounts), dtype=np.int64)
        np.add.at(amounts, row_of, counted["fen"])
        shares = (
            share_out(programme, amounts) if len(accounts)
            else np.zeros((0, len(funders_of(programme))), dtype=np.int64)
        )  # fmt: skip
        batch = next_batch(books)
        books.run_with(counted, "suppliers", "agreements", batch=batch, programme=number)
        journal = Journal(books, names)
        wants = wants_of(programme, amounts)
        for k, (name, _) in enumerate(funders_of(programme)):
            pool = names[f"pool:{programme.id}:{name}"]
            journal.add("subsidy", pool, accounts, shares[:, k])
            columns = {
                "supplier": accounts, "amount": amounts, "want": wants, "fen": shares[:, k].copy(),
                "cut": (shares.sum(axis=1) < wants).astype(np.int64),
            }  # fmt: skip
            books.run_with(
                columns, "suppliers", "grants", batch=batch, programme=number,
                version=programme.version, year=year, pool=pool,
            )  # fmt: skip
        journal.draft_advances()
        names.write(books, batch)
        postings = journal.post(books, batch, registry.trading_day)
        header = BatchHeader(
            "claims", registry.trading_day, registry.venue, f"{programme_id}:{year}"
        )
        seal_batch(books, batch, header, {"postings": postings})
        if lines is not None:
            lines += journal_lines(books, (batch,))
    funders = [name for name, _ in funders_of(programme)]
    return [
        SupplierGrant(
            names.bare(account), int(amount), int(want), int(row.sum()),
            dict(zip(funders, row.tolist(), strict=True)),
        )
        for account, amount, want, row in zip(
            accounts.tolist(), amounts, wants, shares, strict=True
        )
    ]  # fmt: skip


def _programme(registry: Registry, programme_id: str, year: int) -> Programme:
    found = [
        each for each in registry.programmes
        if each.id == programme_id and each.side == "supplier"
        and each.effective_from[:4] <= str(year) <= (each.effective_until or "9999")[:4]
    ]  # fmt: skip
    if not found:
        raise LedgerError(
            f"day {registry.trading_day}: no programme `{programme_id}` for suppliers in {year}"
        )
    if registry.trading_day[:4] <= str(year):
        raise LedgerError(f"programme {programme_id}: {year} is not over on {registry.trading_day}")
    return found[-1]


def _check_once(books: Books, number: int, programme_id: str, year: int) -> None:
    done = books.rows(
        "SELECT batch FROM supplier_grants SEMI JOIN standing AS b ON b.id = batch "
        "WHERE programme = $number AND year = $year LIMIT 1",
        {"number": number, "year": year},
    )
    if done:
        raise LedgerError(
            f"{books.path}: programme {programme_id} shared out {year} in batch {done[0][0]}"
        )


def _amounts(books: Books, programme: Programme, year: int) -> dict[str, Integers]:
    """Agreements that count, with the columns `agreement`, `supplier` and `fen` as delivered."""
    rows = books.rows(statements("suppliers")["amounts"], {
        "year": year, "hubs": list(programme.compute_hubs),
        "provinces": list(programme.compute_provinces),
    })  # fmt: skip
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return {name: columns[k].copy() for k, name in enumerate(("agreement", "supplier", "fen"))}

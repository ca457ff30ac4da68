"""Decisions of programmes on the agreements or positions of a batch.

A want is floor(base x rate). Grants are decided in sequence (`allocation.py`) and proved afterwards
(`sql/certificate.sql`). Earlier grants count against the caps of their year, less their freed
parts. A programme with applications grants from the voucher that it issued to the firm: the
voucher's worth then replaces the firm's cap.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.batches import NULL, NULL_INTEGER, begin_digest
from ledger.books.database import Books
from ledger.books.directory import Directory, funders_of
from ledger.books.queries import statements
from ledger.books.schema import enum_values
from ledger.vouchers.allocation import UNLIMITED_FEN, WANT, Caps, Funders, allocate
from ledger.vouchers.eligibility import NO_PROGRAMME, choose_programmes

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Decisions:
    """Decisions in the order of claims, one row each."""

    id: Integers
    agreement: Integers
    row: Integers  # in `wanted`
    programme_row: Integers  # in the registry
    grant_fen: Integers
    sha256: Future[str]  # of the written rows


@dataclass(frozen=True)
class PriorGrants:
    """Amounts of earlier decisions, in fen. They can be read before a batch is written."""

    last_id: int
    used: dict[tuple[int, ...], int]  # by programme, firm, year, application
    funders_used: dict[tuple[int, int], int]  # by pool, year
    spent: dict[tuple[int, ...], int]  # by programme, firm, year
    issued: dict[tuple[int, ...], tuple[Any, ...]]  # by programme, firm, year


def read_prior_grants(books: Books, batch: int) -> PriorGrants:
    """Earlier grants for `batch`: those of standing batches, less parts that the batch itself has
    freed.
    """
    sql, own = statements("vouchers"), {"batch": batch}
    return PriorGrants(
        last_id=int(books.scalar("SELECT coalesce(max(id), 0) FROM vouchers")),
        used={tuple(key): int(fen) for *key, fen in books.rows(sql["used"], own)},
        funders_used={
            (pool, year): int(fen) for pool, year, fen in books.rows(sql["funders_used"], own)
        },
        spent={tuple(key): int(fen) for *key, fen in books.rows(sql["spent"])},
        issued={tuple(row[1:4]): row for row in books.rows(sql["issued"])},
    )


def decide(
    books: Books, batch: int, wanted: Columns, directory: Directory, prior: PriorGrants
) -> Decisions:
    """Decide on agreements or long positions, in their order, and write the decisions.

    `wanted` has agreement, account, instrument (0: none), buyer_firm, supplier_firm (0: not known
    yet), buyer_row, contract_row, delivery_day, first_day, value_fen, related. Positions have no
    agreement; only programmes that deduct decide on them.
    """
    choice = choose_programmes(wanted, directory)
    deducts = np.append(directory.programme_deducts, False)  # the last for NO_PROGRAMME
    choice[(wanted["agreement"] == 0) & ~deducts[choice]] = NO_PROGRAMME
    rows = np.flatnonzero(choice != NO_PROGRAMME)
    tier = _tiers(wanted["buyer_row"][rows], choice[rows], directory)
    rows, tier = rows[np.argsort(tier, kind="stable")], np.sort(tier)
    chosen = choice[rows]
    first = prior.last_id + 1
    columns = _inputs(prior, wanted, directory, rows, chosen)
    wants, caps, uses, funders = _wants(prior, columns, directory, chosen)
    grants = allocate(wants, caps, *uses, funders)
    columns |= {name: np.ascontiguousarray(fen) for name, fen in grants._asdict().items()}
    columns["want_fen"] = np.ascontiguousarray(wants["want_fen"])
    columns |= {
        name: cap_fen[wants["rule"]] for name, cap_fen in zip(_CAPS, caps, strict=True)
    }  # fmt: skip
    columns |= {"id": np.arange(first, first + len(rows)), "tier": tier}
    stored = _stored(columns, directory, chosen)
    books.run_with(stored, "vouchers", "decisions", batch=batch)
    return Decisions(
        columns["id"], columns["agreement"], rows, chosen, np.asarray(columns["grant_fen"]),
        begin_digest("vouchers", stored),
    )  # fmt: skip


def _stored(columns: Columns, directory: Directory, chosen: Integers) -> Columns:
    """Decisions as stored and hashed: enumerations by position in the schema, NULL by its hash
    value.
    """
    programmes = directory.registry.programmes
    rules, models = enum_values("voucher_rule"), enum_values("payment_model")
    of_programmes = np.array([
        (each.version, rules.index(each.rule), models.index(each.model)) for each in programmes
    ], dtype=np.int64).reshape(-1, 3)[chosen]  # fmt: skip
    nulls = {
        **dict.fromkeys(("agreement", "application", "spend_min_fen"), (0, NULL)),
        **dict.fromkeys(("account", "instrument"), (0, NULL_INTEGER)),
        **dict.fromkeys((*_CAPS, "funder_cap_fen"), (UNLIMITED_FEN, NULL)),
    }
    none = {
        name: np.where(columns[name] == stands_for_none, null, columns[name])
        for name, (stands_for_none, null) in nulls.items()
    }
    named = zip(("version", "rule", "model"), of_programmes.T.copy(), strict=True)
    return columns | none | dict(named) | {"binding": _binding(columns)}


def _binding(columns: Columns) -> Integers:
    """The limit at which each grant stopped: the first bound that it is equal to."""
    grant = columns["grant_fen"]
    firm, pool = (
        np.maximum(columns[f"{who}_cap_fen"] - columns[f"before_{who}_fen"], 0)
        for who in ("firm", "pool")
    )
    bounds = {
        "minimum": (columns["base_fen"] == 0) & (columns["spend_min_fen"] > 0),
        "rate": grant == columns["want_fen"],
        "agreement": grant == columns["agreement_cap_fen"],
        "voucher": (grant == firm) & (columns["needed"] > 0),
        "firm-year": grant == firm,
        "pool-year": grant == pool,
    }
    words = enum_values("voucher_binding")
    codes = [words.index(word) for word in bounds]
    return np.select(list(bounds.values()), codes, words.index("funder-year"))


def _tiers(buyer_rows: Integers, chosen: Integers, directory: Directory) -> Integers:
    """0 for a buyer of a kind that its programme serves first, else 1; 0 without such kinds."""
    programmes, firms = directory.registry.programmes, directory.registry.firms
    after = np.array([
        [bool(each.kinds_first) and firm.kind not in each.kinds_first for firm in firms]
        for each in programmes
    ], dtype=np.int64).reshape(len(programmes), len(firms))  # fmt: skip
    return after[chosen, buyer_rows]


def _inputs(
    prior: PriorGrants, wanted: Columns, directory: Directory, rows: Integers, chosen: Integers
) -> Columns:
    """Inputs of the decisions except earlier grants."""
    programmes = directory.registry.programmes
    number = directory.names.numbers("programme", (each.id for each in programmes))[chosen]
    days = wanted["delivery_day"][rows]
    year = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    columns: Columns = {
        "programme": number,
        "firm": wanted["buyer_firm"][rows],
        "year": year,
        "rate_bp": _programme_setting(directory, chosen, "rate_bp"),
        "spend_min_fen": _programme_setting(directory, chosen, "firm_spend_min_fen"),
        **{
            name: wanted[name][rows] for name in ("agreement", "account", "instrument", "value_fen")
        },
    }
    needed = columns["needed"] = _programme_setting(directory, chosen, "application")
    columns["application"], columns["worth_fen"] = _issued_vouchers(
        prior, columns, days, wanted["supplier_firm"][rows], needed
    )
    spent = _spent_before(prior, columns)
    counts_back = _programme_setting(directory, chosen, "spend_counts_back") > 0
    columns["before_spend_fen"], columns["base_fen"] = spent, _base_fen(columns, spent, counts_back)
    return columns


def _issued_vouchers(
    prior: PriorGrants, columns: Columns, days: Integers, supplier_firm: Integers, needed: Integers
) -> tuple[Integers, Integers]:
    """The issued voucher that each decision uses and its worth; 0 and 0 where there is none.

    A voucher pays for deliveries until its last day, and only of its supplier where it names one.
    """
    found = np.zeros((2, len(needed)), dtype=np.int64)
    if not needed.any():
        return found[0], found[1]
    keys = zip(*(columns[name].tolist() for name in ("programme", "firm", "year")), strict=True)
    for k, key in enumerate(keys):
        row = prior.issued.get(key)
        if not needed[k] or row is None or days[k] > row[6]:
            continue
        if row[4] == 0 or supplier_firm[k] in (0, row[4]):
            found[:, k] = row[0], row[5]
    return found[0], found[1]


def _programme_setting(directory: Directory, chosen: Integers, name: str) -> Integers:
    """A number of each decision's programme; 0 where it has none."""
    values = [int(getattr(each, name) or 0) for each in directory.registry.programmes]
    return np.array(values, dtype=np.int64)[chosen]


def _base_fen(columns: Columns, spent: Integers, counts_back: NDArray[np.bool_]) -> Integers:
    """Base of the rate: 0 below a minimum spend; earlier spend is added where the programme counts
    it.
    """
    value, least = columns["value_fen"], columns["spend_min_fen"]
    reached = spent + value >= least
    earlier = np.where(counts_back & (spent < least) & (least > 0), spent, 0)
    return np.where(reached, value + earlier, 0)


def _spent_before(prior: PriorGrants, columns: Columns) -> Integers:
    """Spend of each firm under the programme in the year before each agreement."""
    if not columns["spend_min_fen"].any():
        return np.zeros(len(columns["agreement"]), dtype=np.int64)
    before = dict(prior.spent)
    spent = np.zeros(len(columns["agreement"]), dtype=np.int64)
    keys = zip(*(columns[name].tolist() for name in ("programme", "firm", "year")), strict=True)
    for k, key in enumerate(keys):
        if columns["spend_min_fen"][k]:
            spent[k] = before.get(key, 0)
            before[key] = int(spent[k]) + int(columns["value_fen"][k])
    return spent


_CAPS = ("agreement_cap_fen", "firm_cap_fen", "pool_cap_fen")
"""Columns of the caps in `vouchers`, in the order of `Caps`."""


def _wants(
    prior: PriorGrants, columns: Columns, directory: Directory, chosen: Integers
) -> tuple[NDArray[np.void], Caps, tuple[Integers, Integers], Funders]:
    """The wants, their caps, the used amounts of firms and pools, and the funders' ceilings."""
    wants = np.zeros(len(chosen), dtype=WANT)
    base, rate = columns["base_fen"], columns["rate_bp"]
    wants["want_fen"] = base // 10_000 * rate + base % 10_000 * rate // 10_000
    rules, wants["rule"] = distinct_rows([chosen, columns["worth_fen"], columns["year"]])
    settings = ("per_agreement_cap_fen", "per_firm_year_cap_fen", "pool_year_fen")
    fen = [_programme_setting(directory, rules[0], setting) for setting in settings]
    caps = Caps(*(np.where(each > 0, each, UNLIMITED_FEN) for each in fen))
    needed = _programme_setting(directory, rules[0], "application") > 0
    caps = caps._replace(firm_fen=np.where(needed, rules[1], caps.firm_fen))
    names = ("programme", "firm", "year", "application")
    firm_keys, wants["firm_slot"] = distinct_rows([columns[name] for name in names])
    pool_keys, wants["pool_slot"] = distinct_rows([columns["programme"], columns["year"]])
    used = prior.used
    firm_used = np.array([used.get(key, 0) for key in zip(*firm_keys.tolist(), strict=True)] or [0])
    pool_used = np.array([
        sum(fen for (programme, _, year, _), fen in used.items() if (programme, year) == key)
        for key in zip(*pool_keys.tolist(), strict=True)
    ] or [0])  # fmt: skip
    funders = _funders(prior, directory, zip(rules[0].tolist(), rules[2].tolist(), strict=True))
    return wants, caps, (firm_used, pool_used), funders


def _funders(prior: PriorGrants, directory: Directory, rules: Iterable[tuple[int, int]]) -> Funders:
    """Funders of each rule (a version and a year), for programmes with a funder's ceiling.

    Payments by a version without ceilings count against the ceilings of other versions.
    """
    programmes = directory.registry.programmes
    bounded = {each.id for each in programmes if each.funder_caps_fen}
    slots: dict[tuple[int, int], int] = {}
    first, rows = [0], []
    for turn, year in rules:
        programme = programmes[turn]
        if programme.id in bounded:
            for name, weight in funders_of(programme):
                pool = directory.names[f"pool:{programme.id}:{name}"]
                cap = programme.funder_caps_fen.get(name, UNLIMITED_FEN)
                rows.append((weight, cap, slots.setdefault((pool, year), len(slots))))
        first.append(len(rows))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
    used = np.array([prior.funders_used.get(key, 0) for key in slots], dtype=np.int64)
    return Funders(np.array(first, dtype=np.int64), table[0], table[1], table[2], used)


def distinct_rows(columns: list[Integers]) -> tuple[Integers, Integers]:
    """The distinct rows of some columns, as columns, and the index of each row among them.

    >>> keys, place = distinct_rows([np.array([7, 7, 5]), np.array([1, 1, 2])])
    >>> keys.tolist(), place.tolist()
    ([[5, 7], [2, 1]], [1, 1, 0])
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        low = int(column.min(initial=0))
        key = key * (int(column.max(initial=0)) - low + 1) + column - low
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return np.stack([column[first] for column in columns]), place

"""Vouchers: the programmes' decisions on a batch's agreements or positions, their states, payments.

A want is floor(base x rate); how much of it is granted is decided in sequence (allocation.py) and
proved afterwards (certificate.sql). Grants of standing batches count against the caps of their
year, less what was freed of them. A programme that asks for an application grants out of what it
issued to the firm: that voucher's worth then stands in the place of the firm's cap.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.allocation import UNLIMITED_FEN, WANT, Funders, allocate, shares_of
from ledger.books import Books
from ledger.directory import Directory, funders_of
from ledger.eligibility import NO_PROGRAMME, choose_programmes
from ledger.journal import Journal
from ledger.queries import statements

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Decided:
    """Decisions in the order of claims, one row each."""

    id: Integers
    agreement: Integers
    row: Integers  # in what was decided on
    programme_row: Integers  # in the registry
    grant_fen: Integers


def decide(books: Books, batch: int, wanted: Columns, directory: Directory) -> Decided:
    """Decide on agreements or long positions, in their order, and write the decisions.

    `wanted` has agreement, account, instrument (0: none), buyer_firm, supplier_firm (0: not known
    yet), buyer_row, contract_row, delivery_day, first_day, value_fen, related. Positions, which
    have no agreement, go to programmes that deduct.
    """
    choice = choose_programmes(wanted, directory)
    programmes = directory.registry.programmes
    deducts = np.array([each.model == "deduct" for each in programmes] + [False])
    choice[(wanted["agreement"] == 0) & ~deducts[choice]] = NO_PROGRAMME
    rows = np.flatnonzero(choice != NO_PROGRAMME)
    tier = _tiers(wanted["buyer_row"][rows], choice[rows], directory)
    rows, tier = rows[np.argsort(tier, kind="stable")], np.sort(tier)
    chosen = choice[rows]
    first = int(books.scalar("SELECT coalesce(max(id), 0) + 1 FROM vouchers"))
    columns = _inputs(books, wanted, directory, rows, chosen)
    wants, funders, uses = _wants(books, batch, columns, directory, chosen)
    allocate(wants, *uses, funders)
    columns |= {
        name: np.ascontiguousarray(wants[name])
        for name in ("want_fen", "before_firm_fen", "before_pool_fen", "funder_cap_fen",
                     "grant_fen", "agreement_cap_fen", "firm_cap_fen", "pool_cap_fen")
    }  # fmt: skip
    columns |= {"id": np.arange(first, first + len(rows)), "turn": chosen, "tier": tier}
    books.run_with(columns, "vouchers", "decisions", batch=batch, unlimited=UNLIMITED_FEN)
    return Decided(
        columns["id"], columns["agreement"], rows, chosen, np.asarray(columns["grant_fen"])
    )


def _tiers(buyer_rows: Integers, chosen: Integers, directory: Directory) -> Integers:
    """0 for a buyer of a kind that its programme serves first, else 1; 0 where it has no such."""
    programmes, firms = directory.registry.programmes, directory.registry.firms
    after = np.array([
        [bool(each.kinds_first) and firm.kind not in each.kinds_first for firm in firms]
        for each in programmes
    ], dtype=np.int64).reshape(len(programmes), len(firms))  # fmt: skip
    return after[chosen, buyer_rows]


def _inputs(
    books: Books, wanted: Columns, directory: Directory, rows: Integers, chosen: Integers
) -> Columns:
    """What a decision looks at, but for what went before."""
    programmes = directory.registry.programmes
    number = directory.names.numbers("programme", (each.id for each in programmes))[chosen]
    days = wanted["delivery_day"][rows]
    year = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    columns: Columns = {
        "programme": number,
        "firm": wanted["buyer_firm"][rows],
        "year": year,
        "rate_bp": _setting(directory, chosen, "rate_bp"),
        "spend_min_fen": _setting(directory, chosen, "firm_spend_min_fen"),
        **{
            name: wanted[name][rows] for name in ("agreement", "account", "instrument", "value_fen")
        },
    }
    columns["application"], columns["worth_fen"] = _issued(
        books,
        columns,
        days,
        wanted["supplier_firm"][rows],
        _setting(directory, chosen, "application"),
    )
    spent = _spent_before(books, columns)
    counts_back = _setting(directory, chosen, "spend_counts_back") > 0
    columns["before_spend_fen"], columns["base_fen"] = spent, _base(columns, spent, counts_back)
    return columns


def _issued(
    books: Books, columns: Columns, days: Integers, supplier_firm: Integers, needed: Integers
) -> tuple[Integers, Integers]:
    """The issued voucher that each decision draws on and its worth; 0 and 0 where there is none.

    It pays for deliveries until its last day, and only for its supplier's where it names one.
    """
    found = np.zeros((2, len(needed)), dtype=np.int64)
    if not needed.any():
        return found[0], found[1]
    issued = {tuple(row[1:4]): row for row in books.rows(statements("vouchers")["issued"])}
    keys = zip(*(columns[name].tolist() for name in ("programme", "firm", "year")), strict=True)
    for k, key in enumerate(keys):
        row = issued.get(key)
        if not needed[k] or row is None or days[k] > row[6]:
            continue
        if row[4] == 0 or supplier_firm[k] in (0, row[4]):
            found[:, k] = row[0], row[5]
    return found[0], found[1]


def _setting(directory: Directory, chosen: Integers, name: str) -> Integers:
    """A figure of each decision's programme; 0 where it has none."""
    values = [int(getattr(each, name) or 0) for each in directory.registry.programmes]
    return np.array(values, dtype=np.int64)[chosen]


def _base(columns: Columns, spent: Integers, counts_back: NDArray[np.bool_]) -> Integers:
    """What the rate is applied to: nothing below a minimum of spend, all of it where it says so."""
    value, least = columns["value_fen"], columns["spend_min_fen"]
    reached = spent + value >= least
    earlier = np.where(counts_back & (spent < least) & (least > 0), spent, 0)
    return np.where(reached, value + earlier, 0)


def _spent_before(books: Books, columns: Columns) -> Integers:
    """What each firm spent under the programme in the year before each agreement."""
    if not columns["spend_min_fen"].any():
        return np.zeros(len(columns["agreement"]), dtype=np.int64)
    before = {tuple(key): int(fen) for *key, fen in books.rows(statements("vouchers")["spent"])}
    spent = np.zeros(len(columns["agreement"]), dtype=np.int64)
    keys = zip(*(columns[name].tolist() for name in ("programme", "firm", "year")), strict=True)
    for k, key in enumerate(keys):
        if columns["spend_min_fen"][k]:
            spent[k] = before.get(key, 0)
            before[key] = int(spent[k]) + int(columns["value_fen"][k])
    return spent


def _wants(
    books: Books, batch: int, columns: Columns, directory: Directory, chosen: Integers
) -> tuple[NDArray[np.void], Funders, tuple[Integers, Integers]]:
    """The wants, the funders' ceilings, and what firms and pools have used of the year."""
    wants = np.zeros(len(chosen), dtype=WANT)
    base, rate = columns["base_fen"], columns["rate_bp"]
    wants["want_fen"] = base // 10_000 * rate + base % 10_000 * rate // 10_000
    for name, setting in (
        ("agreement_cap_fen", "per_agreement_cap_fen"), ("firm_cap_fen", "per_firm_year_cap_fen"),
        ("pool_cap_fen", "pool_year_fen"),
    ):  # fmt: skip
        caps = _setting(directory, chosen, setting)
        wants[name] = np.where(caps > 0, caps, UNLIMITED_FEN)
    needed = _setting(directory, chosen, "application") > 0
    wants["firm_cap_fen"] = np.where(needed, columns["worth_fen"], wants["firm_cap_fen"])
    names = ("programme", "firm", "year", "application")
    firm_keys, wants["firm_slot"] = distinct([columns[name] for name in names])
    pool_keys, wants["pool_slot"] = distinct([columns["programme"], columns["year"]])
    used = {
        tuple(key): int(fen)
        for *key, fen in books.rows(statements("vouchers")["used"], {"batch": batch})
    }
    firm_used = np.array([used.get(key, 0) for key in zip(*firm_keys.tolist(), strict=True)] or [0])
    pool_used = np.array([
        sum(fen for (programme, _, year, _), fen in used.items() if (programme, year) == key)
        for key in zip(*pool_keys.tolist(), strict=True)
    ] or [0])  # fmt: skip
    turns = np.zeros(pool_keys.shape[1], dtype=np.int64)
    turns[wants["pool_slot"]] = chosen
    return wants, _funders(books, batch, directory, pool_keys, turns), (firm_used, pool_used)


def _funders(
    books: Books, batch: int, directory: Directory, pool_keys: Integers, turns: Integers
) -> Funders:
    """The ceilings of the funders of each pool, where it has any."""
    paid = {
        (pool, year): int(fen)
        for pool, year, fen in books.rows(statements("vouchers")["funders_used"], {"batch": batch})
    }
    first, rows = [0], []
    for slot, turn in enumerate(turns.tolist()):
        programme = directory.registry.programmes[turn]
        if programme.funder_caps_fen:
            for name, weight in funders_of(programme):
                pool = directory.names[f"pool:{programme.id}:{name}"]
                cap = programme.funder_caps_fen.get(name, UNLIMITED_FEN)
                rows.append((weight, cap, paid.get((pool, int(pool_keys[1, slot])), 0)))
        first.append(len(rows))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
    return Funders(np.array(first, dtype=np.int64), table[0], table[1], table[2])


def distinct(columns: list[Integers]) -> tuple[Integers, Integers]:
    """The distinct rows of some columns, as columns, and which of them each row is.

    >>> keys, place = distinct([np.array([7, 7, 5]), np.array([1, 1, 2])])
    >>> keys.tolist(), place.tolist()
    ([[5, 7], [2, 1]], [1, 1, 0])
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        low = int(column.min(initial=0))
        key = key * (int(column.max(initial=0)) - low + 1) + column - low
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return np.stack([column[first] for column in columns]), place


def pay(
    books: Books, batch: int, journal: Journal, directory: Directory, payments: Columns
) -> None:
    """Draft what funders pay: `voucher`, `agreement`, `buyer`, `programme_row`, `amount_fen`."""
    programmes = directory.registry.programmes
    for row in np.unique(payments["programme_row"]).tolist():
        programme = programmes[row]
        chosen = (payments["programme_row"] == row) & (payments["amount_fen"] > 0)
        own = {name: column[chosen] for name, column in payments.items()}
        named = funders_of(programme)
        weights = np.array([weight for _, weight in named], dtype=np.int64)
        shares = shares_of(own["amount_fen"], weights)
        pools = directory.names.numbers(f"pool:{programme.id}", (name for name, _ in named))
        flat = shares.ravel()
        columns = {
            "voucher": np.repeat(own["voucher"], len(pools)),
            "pool": np.tile(pools, len(shares)),
            "fen": flat,
        }
        books.load(
            f"INSERT INTO voucher_shares SELECT {batch}, voucher, pool, fen FROM columns "
            "WHERE fen > 0",
            columns,
        )
        journal.add(
            "voucher" if programme.model == "deduct" else "claim",
            columns["pool"], np.repeat(own["buyer"], len(pools)), flat,
            agreement=np.repeat(own["agreement"], len(pools)),
        )  # fmt: skip


def write_states(
    books: Books, batch: int, day: str, voucher: Integers, turn: Integers, state: str,
    amount_fen: Integers,
) -> None:  # fmt: skip
    """Append one state to the lives of vouchers; `turn` counts the states of each."""
    if len(voucher):
        columns = {"voucher": voucher, "turn": turn, "fen": amount_fen}
        books.run_with(columns, "vouchers", "states", batch=batch, day=day, state=state)

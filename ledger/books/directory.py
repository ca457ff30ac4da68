"""Directory: firms, accounts, instruments and programmes of a day's registry, in the books'
numbers.

They are written again with every settlement, because firms move and programmes change: a row is
judged by what was in force when it was written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.database import Books
from ledger.books.errors import InputError
from ledger.books.names import Names
from ledger.books.registry_check import check_registry, check_versions
from ledger.daylog.registry import Programme, Registry

_SHANGHAI_S = 8 * 3600
DAY_S = 86_400
EPOCH = date(1970, 1, 1)

UNDIVIDED = "undivided"
"""Name of the only funder of a programme that names none."""

Integers = NDArray[np.int64]


def shanghai_day(time_s: int) -> date:
    """The date in Asia/Shanghai, which has no daylight saving, of seconds since the epoch.

    >>> shanghai_day(1795276800), shanghai_day(1795276799)
    (datetime.date(2026, 11, 22), datetime.date(2026, 11, 21))
    """
    return EPOCH + timedelta(days=(time_s + _SHANGHAI_S) // DAY_S)


def day_number(day: date | str) -> int:
    """Days since the epoch, the form of dates in arrays.

    >>> day_number("1970-01-03")
    2
    """
    return ((date.fromisoformat(day) if isinstance(day, str) else day) - EPOCH).days


def day_start_s(day: int) -> int:
    """Start of a day in Shanghai, in seconds since the epoch; `day` counts from the epoch.

    >>> day_start_s(0)
    -28800
    """
    return day * DAY_S - _SHANGHAI_S


@dataclass(frozen=True)
class Directory:
    """Tables of a day's registry, indexed by the registry's own numbers; 0 where it has no such
    number.

    `account` and `instrument` map to the books' numbers, `account_number` and `instrument_number`
    back. Firms, contracts and programmes are rows, in the order of the registry.
    """

    registry: Registry
    names: Names
    account: Integers
    account_firm: Integers  # row of its firm
    account_number: Integers
    instrument: Integers
    instrument_number: Integers
    instrument_contract: Integers  # row of its contract
    instrument_day: Integers  # day of delivery, days since the epoch
    instrument_start_s: Integers
    firm: Integers
    firm_group: Integers
    contract: Integers
    contract_tick_fen: Integers
    contract_deposit_fen: Integers
    contract_penalty_bp: Integers
    contract_reference_ticks: Integers

    @property
    def programme_deducts(self) -> NDArray[np.bool_]:
        """Whether each programme of the registry deducts its voucher from the price."""
        return np.array([each.model == "deduct" for each in self.registry.programmes], dtype=bool)

    def account_numbers(self, accounts: Integers) -> Integers:
        """The registry's numbers of accounts of the books; 0 where it does not name them."""
        return _look_up(self.account_number, accounts)

    def instrument_numbers(self, instruments: Integers) -> Integers:
        """The registry's numbers of instruments of the books; 0 where it does not name them."""
        return _look_up(self.instrument_number, instruments)

    def programme_rows(self, keys: Iterable[tuple[int, int]], waiting: str) -> Integers:
        """Rows of programmes in the registry, by their number in the books and their version.

        Raises InputError, naming what is `waiting`, where the registry lacks a version.
        """
        rows = {
            (self.names[f"programme:{each.id}"], each.version): row
            for row, each in enumerate(self.registry.programmes)
        }
        found = []
        for programme, version in keys:
            if (programme, version) not in rows:
                raise InputError(
                    f"{waiting} of programme {self.names.bare(programme)} version {version} wait, "
                    "but the day's registry does not have that version"
                )
            found.append(rows[programme, version])
        return np.array(found, dtype=np.int64)

    def check_holders(self, positions: Mapping[str, Integers], accounts: Integers) -> None:
        """Raise InputError where a holder of positions has no number in the registry.

        `positions` has account and instrument, `accounts` the holders' numbers, a row a position.
        """
        unknown = np.flatnonzero(accounts == 0)
        if len(unknown):
            account, instrument = (
                self.names.bare(int(positions[name][unknown[0]]))
                for name in ("account", "instrument")
            )
            raise InputError(
                f"account {account!r} holds {instrument}, but the day's registry does not name "
                "the account"
            )


def _look_up(table: Integers, numbers: Integers) -> Integers:
    """Entries of a table; 0 where it is too short, because it is older than a name."""
    found: Integers = table[np.where(numbers < len(table), numbers, 0)]
    return found


def read_directory(registry: Registry, names: Names) -> Directory:
    """The tables of a registry. Names that are new to the books get numbers."""
    accounts = names.numbers("cash", (each.name for each in registry.accounts))
    instruments = names.numbers("escrow", (each.symbol for each in registry.instruments))
    firms = names.numbers("firm", (each.name for each in registry.firms))
    contracts = names.numbers("contract", (each.code for each in registry.contracts))
    account_ids = [each.id for each in registry.accounts]
    instrument_ids = [each.id for each in registry.instruments]
    firm_row = {each.id: row for row, each in enumerate(registry.firms)}
    contract_row = {each.code: row for row, each in enumerate(registry.contracts)}

    def column(rows: Sequence[Any], name: str) -> Integers:
        return np.array([getattr(each, name) for each in rows], dtype=np.int64)

    def by_id(ids: list[int], values: Any) -> Integers:
        table = np.zeros(max(ids, default=0) + 1, dtype=np.int64)
        table[ids] = values
        return table

    def back(numbers: Integers, ids: list[int]) -> Integers:
        table = np.zeros(len(names), dtype=np.int64)
        table[numbers] = ids
        return table

    return Directory(
        registry=registry,
        names=names,
        account=by_id(account_ids, accounts),
        account_firm=by_id(account_ids, [firm_row[each.firm] for each in registry.accounts]),
        account_number=back(accounts, account_ids),
        instrument=by_id(instrument_ids, instruments),
        instrument_number=back(instruments, instrument_ids),
        instrument_contract=by_id(
            instrument_ids, [contract_row[each.contract] for each in registry.instruments]
        ),
        instrument_day=by_id(
            instrument_ids,
            [day_number(shanghai_day(each.delivery_start_s)) for each in registry.instruments],
        ),
        instrument_start_s=by_id(instrument_ids, column(registry.instruments, "delivery_start_s")),
        firm=firms,
        firm_group=column(registry.firms, "group"),
        contract=contracts,
        contract_tick_fen=column(registry.contracts, "tick_fen"),
        contract_deposit_fen=column(registry.contracts, "deposit_fen"),
        contract_penalty_bp=column(registry.contracts, "penalty_bp"),
        contract_reference_ticks=column(registry.contracts, "reference_ticks"),
    )


def write_directory(books: Books, batch: int, registry: Registry, names: Names) -> Directory:
    """Write the registry's names under `batch`; returns its tables.

    Raises InputError where names are not unique, where a reference leads nowhere, or where the
    terms of a programme's version have changed.
    """
    check_registry(registry)
    directory = read_directory(registry, names)
    _write_parties(books, batch, directory)
    _write_instruments(books, batch, directory)
    for turn, programme in enumerate(registry.programmes):
        _write_programme(books, batch, turn, programme, names)
    check_versions(books, batch)
    return directory


def _write_parties(books: Books, batch: int, directory: Directory) -> None:
    registry = directory.registry
    _load(books, "firms", batch, [
        (
            firm.id, int(directory.firm[row]), firm.name, firm.kind, firm.city, firm.province,
            firm.group,
        )
        for row, firm in enumerate(registry.firms)
    ])  # fmt: skip
    _load(books, "accounts", batch, [
        (
            account.id, int(directory.account[account.id]), account.name, account.role,
            int(directory.firm[directory.account_firm[account.id]]),
        )
        for account in registry.accounts
    ])  # fmt: skip


def _write_instruments(books: Books, batch: int, directory: Directory) -> None:
    registry = directory.registry
    hubs = {hub.code: hub for hub in registry.hubs}
    ratings = {chip.code: chip.dense_fp16_tflops for chip in registry.chips}
    _load(books, "contracts", batch, [
        (
            int(directory.contract[row]), each.code, each.product, each.hub, hubs[each.hub].city,
            hubs[each.hub].province, each.tick_fen, each.deposit_fen, each.penalty_bp,
            each.reference_ticks,
        )
        for row, each in enumerate(registry.contracts)
    ])  # fmt: skip
    _load(books, "contract_chips", batch, [
        (int(directory.contract[row]), chip, ratings.get(chip, 0))
        for row, each in enumerate(registry.contracts)
        for chip in each.chips
    ])  # fmt: skip
    _load(books, "instruments", batch, [
        (
            each.id, int(directory.instrument[each.id]), each.symbol,
            int(directory.contract[directory.instrument_contract[each.id]]),
            shanghai_day(each.delivery_start_s).isoformat(), each.delivery_start_s,
            each.delivery_end_s, each.gate_s,
        )
        for each in registry.instruments
    ])  # fmt: skip


def _load(books: Books, table: str, batch: int, rows: list[tuple[int | str, ...]]) -> None:
    """Insert rows of numbers and texts, as columns."""
    if not rows:
        return
    columns = {f"c{n}": _column(values) for n, values in enumerate(zip(*rows, strict=True))}
    names = ", ".join(columns)
    books.load(f"INSERT INTO {table} SELECT {batch}, {names} FROM columns", columns)


def _column(values: tuple[int | str, ...]) -> NDArray[Any]:
    return np.array(values, dtype=np.int64 if isinstance(values[0], int) else object)


def _write_programme(
    books: Books, batch: int, turn: int, programme: Programme, names: Names
) -> None:
    number = names[f"programme:{programme.id}"]
    row = [
        batch, turn, number, programme.id, programme.version, programme.model, programme.side,
        programme.rule, programme.application, _day(programme, programme.effective_from),
        programme.effective_until and _day(programme, programme.effective_until),
        programme.signed_from and _day(programme, programme.signed_from),
        programme.term_days_max, programme.rate_bp, programme.per_agreement_cap_fen,
        programme.per_firm_year_cap_fen, programme.per_firm_year_redeemed_cap_fen,
        programme.pool_year_fen, programme.firm_spend_min_fen, programme.spend_counts_back,
        programme.claim_days_max, list(programme.firm_kinds), list(programme.kinds_first),
        list(programme.buyer_cities), list(programme.buyer_provinces), list(programme.compute_hubs),
        list(programme.compute_provinces),
    ]  # fmt: skip
    marks = ", ".join(f"$p{n}" for n in range(len(row)))
    values = {f"p{n}": value for n, value in enumerate(row)}
    books.execute(f"INSERT INTO programmes VALUES ({marks})", values)
    for place, (name, weight) in enumerate(funders_of(programme)):
        values = {
            "batch": batch, "programme": number, "version": programme.version, "turn": place,
            "pool": names[f"pool:{programme.id}:{name}"], "name": name, "weight": weight,
            "cap": programme.funder_caps_fen.get(name),
        }  # fmt: skip
        marks = ", ".join(f"${name}" for name in values)
        books.execute(f"INSERT INTO funders VALUES ({marks})", values)


def funders_of(programme: Programme) -> list[tuple[str, int]]:
    """A programme's funders and their weights, by name. Odd fen are given out in this order."""
    return sorted((programme.funders or {UNDIVIDED: 1}).items())


def _day(programme: Programme, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"programme {programme.id}: `{text}` is not a date YYYY-MM-DD") from error

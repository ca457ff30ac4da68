"""The day's names in the books: firms, accounts, instruments, programmes, as the registry has them.

They are written again with every day, because firms move and programmes change: a line of the
books is judged by what was in force when it was written.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books import Books
from ledger.errors import InputError
from ledger.registry import Programme, Registry

_SHANGHAI_S = 8 * 3600
_DAY_S = 86_400

UNDIVIDED = "undivided"
"""The funder of a programme that names none."""


def shanghai_day(time_s: int) -> date:
    """The date in Asia/Shanghai, which has no daylight saving, of seconds since the epoch.

    >>> shanghai_day(1795276800), shanghai_day(1795276799)
    (datetime.date(2026, 11, 22), datetime.date(2026, 11, 21))
    """
    return date(1970, 1, 1) + timedelta(days=(time_s + _SHANGHAI_S) // _DAY_S)


def write_directory(books: Books, batch: int, registry: Registry) -> None:
    """Write the registry's names under `batch`.

    Raises InputError where names are not unique, where one leads nowhere, or where a programme's
    version says something else than it did before.
    """
    _check_unique(registry)
    _check_links(registry)
    _load(books, "firms", batch, [
        (firm.id, firm.name, firm.kind, firm.city, firm.province, firm.group)
        for firm in registry.firms
    ])  # fmt: skip
    _load(books, "accounts", batch, [
        (account.id, account.name, account.role, account.firm) for account in registry.accounts
    ])  # fmt: skip
    contracts = {contract.code: contract for contract in registry.contracts}
    hubs = {hub.code: hub for hub in registry.hubs}
    _load(books, "instruments", batch, [
        (
            instrument.id, instrument.symbol, instrument.contract, contract.hub,
            hubs[contract.hub].province, contract.tick_fen,
            shanghai_day(instrument.delivery_start_s).isoformat(),
        )
        for instrument in registry.instruments
        for contract in (contracts[instrument.contract],)
    ])  # fmt: skip
    for turn, programme in enumerate(registry.programmes):
        _write_programme(books, batch, turn, programme)
    _check_versions(books, batch)


def _load(books: Books, table: str, batch: int, rows: list[tuple[int | str, ...]]) -> None:
    """Insert rows of numbers and texts as columns."""
    if not rows:
        return
    columns = {f"c{n}": _column(values) for n, values in enumerate(zip(*rows, strict=True))}
    names = ", ".join(columns)
    books.load(f"INSERT INTO {table} SELECT {batch}, {names} FROM columns", columns)


def _column(values: tuple[int | str, ...]) -> NDArray[Any]:
    return np.array(values, dtype=np.int64 if isinstance(values[0], int) else object)


def _write_programme(books: Books, batch: int, turn: int, programme: Programme) -> None:
    row = [
        batch, turn, programme.id, programme.version, programme.model, programme.side,
        _day(programme, programme.effective_from),
        programme.effective_until and _day(programme, programme.effective_until),
        programme.rate_bp, programme.per_agreement_cap_fen, programme.per_firm_year_cap_fen,
        programme.pool_year_fen, list(programme.firm_kinds), list(programme.buyer_cities),
        list(programme.buyer_provinces), list(programme.compute_hubs),
        list(programme.compute_provinces),
    ]  # fmt: skip
    marks = ", ".join(f"$p{n}" for n in range(len(row)))
    values = {f"p{n}": value for n, value in enumerate(row)}
    books.execute(f"INSERT INTO programmes VALUES ({marks})", values)
    funders = sorted((programme.funders or {UNDIVIDED: 1}).items())
    _load(books, "funders", batch, [
        (programme.id, programme.version, place, name, weight)
        for place, (name, weight) in enumerate(funders)
    ])  # fmt: skip


def _day(programme: Programme, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"programme {programme.id}: `{text}` is not a date YYYY-MM-DD") from error


def _check_unique(registry: Registry) -> None:
    _unique("firm", (firm.name for firm in registry.firms))
    _unique("firm id", (firm.id for firm in registry.firms))
    _unique("account", (account.name for account in registry.accounts))
    _unique("account id", (account.id for account in registry.accounts))
    _unique("instrument", (instrument.symbol for instrument in registry.instruments))
    _unique("instrument id", (instrument.id for instrument in registry.instruments))
    _unique("contract", (contract.code for contract in registry.contracts))
    _unique("programme version", ((each.id, each.version) for each in registry.programmes))


def _unique(what: str, names: Iterable[Any]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise InputError(f"registry: {what} {name!r} stands there twice")
        seen.add(name)


def _check_links(registry: Registry) -> None:
    firms = {firm.id for firm in registry.firms}
    contracts = {contract.code for contract in registry.contracts}
    hubs = {hub.code for hub in registry.hubs}
    for account in registry.accounts:
        _known("account", account.name, "firm", account.firm in firms, account.firm)
    for instrument in registry.instruments:
        found = instrument.contract in contracts
        _known("instrument", instrument.symbol, "contract", found, instrument.contract)
    for contract in registry.contracts:
        _known("contract", contract.code, "hub", contract.hub in hubs, contract.hub)


def _known(what: str, name: str, /, target: str, found: bool, wanted: int | str) -> None:
    if not found:
        raise InputError(f"registry: {what} {name!r} names {target} {wanted!r}, which is not there")


def _check_versions(books: Books, batch: int) -> None:
    """A version of a programme is written once and for all: a change needs a new version."""
    changed = books.rows(
        """
        SELECT id, version FROM programmes WHERE batch <= $batch GROUP BY id, version
        HAVING count(DISTINCT (model, side, effective_from, effective_until, rate_bp,
            agreement_cap_fen, firm_cap_fen, pool_cap_fen, firm_kinds, buyer_cities,
            buyer_provinces, compute_hubs, compute_provinces)) > 1
        UNION ALL
        SELECT programme, version FROM (
            SELECT batch, programme, version, list((name, weight) ORDER BY name) AS shares
            FROM funders WHERE batch <= $batch GROUP BY batch, programme, version
        ) GROUP BY programme, version HAVING count(DISTINCT shares) > 1
        ORDER BY ALL
        """,
        {"batch": batch},
    )
    if changed:
        name, version = changed[0]
        raise InputError(
            f"programme {name}: version {version} differs from what the books have under that "
            "number; a change needs a new version"
        )

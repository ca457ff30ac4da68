"""Checks of a registry before the books accept it."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from ledger.books.database import Books
from ledger.books.errors import InputError
from ledger.daylog.registry import Registry


def check_registry(registry: Registry) -> None:
    """Raise InputError where a name is not unique or a reference leads nowhere."""
    _check_unique(registry)
    _check_links(registry)


def _check_unique(registry: Registry) -> None:
    _require_unique("firm", (firm.name for firm in registry.firms))
    _require_unique("firm id", (firm.id for firm in registry.firms))
    _require_unique("account", (account.name for account in registry.accounts))
    _require_unique("account id", (account.id for account in registry.accounts))
    _require_unique("instrument", (instrument.symbol for instrument in registry.instruments))
    _require_unique("instrument id", (instrument.id for instrument in registry.instruments))
    _require_unique("contract", (contract.code for contract in registry.contracts))
    for each in registry.programmes:
        for what, name in (("id", each.id), *(("funder", name) for name in each.funders)):
            if ":" in name:
                raise InputError(f"registry: {what} {name!r} of a programme must not have a colon")
    _require_unique("programme version", ((each.id, each.version) for each in registry.programmes))


def _require_unique(what: str, names: Iterable[Any]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise InputError(f"registry: {what} {name!r} is there twice")
        seen.add(name)


def _check_links(registry: Registry) -> None:
    firms = {firm.id for firm in registry.firms}
    contracts = {contract.code for contract in registry.contracts}
    hubs = {hub.code for hub in registry.hubs}
    for account in registry.accounts:
        _require_known("account", account.name, "firm", account.firm in firms, account.firm)
    for instrument in registry.instruments:
        found = instrument.contract in contracts
        _require_known("instrument", instrument.symbol, "contract", found, instrument.contract)
    for contract in registry.contracts:
        _require_known("contract", contract.code, "hub", contract.hub in hubs, contract.hub)


def _require_known(what: str, name: str, /, target: str, found: bool, wanted: int | str) -> None:
    if not found:
        raise InputError(f"registry: {what} {name!r} names {target} {wanted!r}, which is not there")


def check_versions(books: Books, batch: int) -> None:
    """Raise InputError where a programme's version differs from the same version in earlier
    batches.
    """
    changed = books.rows(
        """
        SELECT id, version FROM programmes WHERE batch <= $batch GROUP BY id, version
        HAVING count(DISTINCT (model, side, rule, application, effective_from, effective_until,
            signed_from, term_days_max, rate_bp, agreement_cap_fen, firm_cap_fen, redeemed_cap_fen,
            pool_cap_fen, firm_spend_min_fen, spend_counts_back, claim_days_max, firm_kinds,
            kinds_first,
            buyer_cities, buyer_provinces, compute_hubs, compute_provinces)) > 1
        UNION ALL
        SELECT split_part(n.name, ':', 2), version FROM (
            SELECT batch, programme, version, list((name, weight, cap_fen) ORDER BY name) AS shares
            FROM funders WHERE batch <= $batch GROUP BY batch, programme, version
        ) JOIN names AS n ON n.id = programme
        GROUP BY ALL HAVING count(DISTINCT shares) > 1
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


def trading_day(registry: Registry) -> str:
    """The registry's trading day as YYYY-MM-DD; raises InputError where it is not a date."""
    try:
        return date.fromisoformat(registry.trading_day).isoformat()
    except ValueError as error:
        raise InputError(
            f"registry: trading day `{registry.trading_day}` is not a date YYYY-MM-DD"
        ) from error


def check_venue(books: Books, venue: str) -> None:
    """Raise InputError where the books belong to another venue."""
    for (other,) in books.rows("SELECT DISTINCT venue FROM batches"):
        if other != venue:
            raise InputError(f"{books.path}: these are the books of {other}, not of {venue}")

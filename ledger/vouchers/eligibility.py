"""Eligibility: the programme that decides on an agreement.

An agreement goes to the first programme of the registry that is in force on its day of delivery and
whose conditions it meets. It goes to no other, even where that programme has nothing left. Related
parties get nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.books.directory import Directory, day_number
from ledger.daylog.registry import Firm, Programme

Columns = dict[str, NDArray[Any]]

NO_PROGRAMME = -1


def choose_programmes(agreements: Columns, directory: Directory) -> NDArray[np.int64]:
    """Row in the registry of each agreement's programme; NO_PROGRAMME where there is none."""
    choice = np.full(len(agreements["buyer_row"]), NO_PROGRAMME, dtype=np.int64)
    for row, programme in enumerate(directory.registry.programmes):
        if programme.side == "buyer":
            fits = _fits(agreements, programme, directory)
            choice[(choice == NO_PROGRAMME) & fits] = row
    return choice


def _fits(agreements: Columns, programme: Programme, directory: Directory) -> NDArray[np.bool_]:
    firms = directory.registry.firms
    eligible = np.array([firm_fits(programme, firm) is None for firm in firms], dtype=np.bool_)
    hubs = {hub.code: hub for hub in directory.registry.hubs}
    contract_fits = np.array([
        _one_of(programme.compute_hubs, contract.hub)
        and _one_of(programme.compute_provinces, hubs[contract.hub].province)
        for contract in directory.registry.contracts
    ], dtype=np.bool_)  # fmt: skip
    delivered = agreements["delivery_day"]
    fits = eligible[agreements["buyer_row"]] & contract_fits[agreements["contract_row"]]
    fits &= ~agreements["related"] & (delivered >= day_number(programme.effective_from))
    if programme.effective_until is not None:
        fits &= delivered <= day_number(programme.effective_until)
    if programme.signed_from is not None:
        fits &= agreements["first_day"] >= day_number(programme.signed_from)
    if programme.term_days_max is not None:
        fits &= delivered - agreements["first_day"] <= programme.term_days_max
    return np.asarray(fits)


def firm_fits(programme: Programme, firm: Firm) -> str | None:
    """The first condition of a programme that a firm does not meet, as a sentence; None: it meets
    all.
    """
    for name, allowed, value in (
        ("kind", programme.firm_kinds, firm.kind), ("city", programme.buyer_cities, firm.city),
        ("province", programme.buyer_provinces, firm.province),
    ):  # fmt: skip
        if not _one_of(allowed, value):
            return f"{name} must be one of {', '.join(allowed)}, got {value}"
    return None


def _one_of(allowed: tuple[str, ...], value: str) -> bool:
    """Whether a condition holds; an empty one always holds."""
    return not allowed or value in allowed

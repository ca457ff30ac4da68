"""Capacity that suppliers offer: parts of the GPUs that are installed at a contract's hub."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from exchange.definition.toml_file import BadFile
from ledger.daylog.registry import Chip, Contract, Inventory

Ints = npt.NDArray[np.int64]

HOURS_PERCENT = 12
"""Part of a supplier's GPUs that it offers as GPU-hours."""

DAYS_PERCENT = 20
"""Part of a supplier's GPUs that it offers as PFLOPS-days."""


class NothingToTrade(BadFile):
    """A venue, members and a trace with no common contract or no buyer or supplier."""


@dataclass(frozen=True)
class Offers:
    """Capacity in lots: one element for each account and instrument."""

    account: Ints
    index: Ints  # of the instrument, its number less one
    capacity: Ints


def offers_of(
    members: Members,
    columns: InstrumentColumns,
    chips: Iterable[Chip],
    *,
    hours_percent: int = HOURS_PERCENT,
    days_percent: int = DAYS_PERCENT,
) -> Offers:
    """The capacity that each supplier registers, within its inventory.

    GPU-hours come from the GPUs of their chip, PFLOPS-days from those of all chips that the
    contract lists. Raises NothingToTrade if no supplier has GPUs for any contract.
    """
    rating = {chip.code: chip.dense_fp16_tflops for chip in chips}
    capacity: dict[tuple[int, int], int] = {}
    for number, contract in enumerate(columns.contracts):
        percent = hours_percent if contract.product == "gpu-hour" else days_percent
        for account, lots in _contract_lots(contract, members.inventory, rating, percent).items():
            capacity[account, number] = lots
    if not capacity:
        raise NothingToTrade(
            "flow: no supplier has inventory for a contract of the venue; "
            "add [[inventory]] to the members"
        )
    rows = [
        (account, index, capacity[account, number])
        for account, number in sorted(capacity)
        for index in np.flatnonzero(columns.contract == number)
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Offers(account=table[:, 0], index=table[:, 1], capacity=table[:, 2])


def _contract_lots(
    contract: Contract,
    inventory: Iterable[Inventory],
    rating: Mapping[str, int],
    percent: int,
) -> dict[int, int]:
    """Lots of a contract by account: GPUs, at least one; or whole PFLOPS of all its chips."""
    lots: dict[int, int] = {}
    for entry in inventory:
        if entry.hub != contract.hub or entry.chip not in contract.chips:
            continue
        gpus = entry.gpus * percent // 100
        amount = max(1, gpus) if contract.product == "gpu-hour" else gpus * rating[entry.chip]
        lots[entry.account] = lots.get(entry.account, 0) + amount
    if contract.product == "gpu-hour":
        return lots
    return {account: tflops // 1_000 for account, tflops in lots.items() if tflops >= 1_000}

"""Capacity that suppliers offer: shares of the GPUs that stand at a contract's hub."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.instrument_columns import Listing
from exchange.definition.members import Members
from exchange.definition.toml_file import BadFile
from ledger.daylog.registry import Chip

HOURS_PERCENT = 12
"""Share of a supplier's GPUs that it offers as GPU-hours."""

DAYS_PERCENT = 20
"""Share of a supplier's GPUs that it offers as PFLOPS-days."""


class NothingToTrade(BadFile):
    """The venue, its members and a trace make no market together; the message says why."""


@dataclass(frozen=True)
class Offers:
    """Capacity in lots: one element for each account and instrument."""

    account: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]  # of the instrument in the listing, from 0
    capacity: npt.NDArray[np.int64]


def offers_of(
    members: Members,
    listing: Listing,
    chips: tuple[Chip, ...],
    *,
    hours_percent: int = HOURS_PERCENT,
    days_percent: int = DAYS_PERCENT,
) -> Offers:
    """Return the capacity that each supplier registers, within its inventory.

    GPU-hours come from the GPUs of their chip, PFLOPS-days from those of all chips that the
    contract lists. Raises NothingToTrade where no supplier has any that a contract asks for.
    """
    rating = {chip.code: chip.dense_fp16_tflops for chip in chips}
    capacity: dict[tuple[int, int], int] = {}
    for number, contract in enumerate(listing.contracts):
        tflops: dict[int, int] = {}
        for entry in members.inventory:
            if entry.hub != contract.hub or entry.chip not in contract.chips:
                continue
            if contract.product == "gpu-hour":
                key = (entry.account, number)
                gpus = max(1, entry.gpus * hours_percent // 100)
                capacity[key] = capacity.get(key, 0) + gpus
            else:
                gpus = entry.gpus * days_percent // 100
                share = tflops.get(entry.account, 0)
                tflops[entry.account] = share + gpus * rating[entry.chip]
        for account, amount in tflops.items():
            if amount >= 1_000:
                capacity[account, number] = amount // 1_000
    if not capacity:
        raise NothingToTrade("flow: no supplier has inventory for a contract of the venue")
    pairs = sorted(capacity)
    rows = [(a, i, capacity[a, n]) for a, n in pairs for i in np.flatnonzero(listing.contract == n)]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Offers(account=columns[:, 0], index=columns[:, 1], capacity=columns[:, 2])

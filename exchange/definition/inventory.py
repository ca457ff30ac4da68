"""The inventory rule: capacity that a supplier registers must be installed.

In every hour, the GPUs sold as GPU-hours and those behind PFLOPS-days must be installed. A
PFLOPS-day takes 1000 / rating GPUs for the whole day, from any chip that its contract lists; with
several chips, the GPUs left of each count by their rating. Registered capacity bounds what can be
sold, so the rule is checked on it.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from exchange.definition.calendar import HOUR_S
from ledger.daylog.registry import Registry
from matching.records import CommandFlag, CommandKind


def inventory_breaches(registry: Registry, commands: npt.NDArray[np.void]) -> list[str]:
    """One line for each supplier, hub and hour with more registered than installed.

    Takes all commands of a day and looks at its REGISTER commands. Returns an empty list if the
    rule holds.
    """
    installed = {(entry.account, entry.hub, entry.chip): entry.gpus for entry in registry.inventory}
    ratings = {chip.code: chip.dense_fp16_tflops for chip in registry.chips}
    gpus: dict[tuple[int, str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    pflops: dict[tuple[int, str, int], int] = defaultdict(int)
    chips: dict[tuple[int, str, int], set[str]] = defaultdict(set)
    for account, hub, hour_s, product, listed, quantity in _registered(registry, commands):
        key = (account, hub, hour_s)
        if product == "gpu-hour":
            gpus[key][listed[0]] += quantity
        else:
            pflops[key] += quantity
            chips[key].update(listed)
    breaches = []
    for key in sorted(gpus.keys() | pflops.keys()):
        account, hub, hour_s = key
        for chip, sold in sorted(gpus[key].items()):
            if sold > installed.get((account, hub, chip), 0):
                breaches.append(
                    f"account {account} at {hub}, hour from {hour_s}: {sold} {chip} registered, "
                    f"{installed.get((account, hub, chip), 0)} installed"
                )
        left_tflops = sum(
            max(0, installed.get((account, hub, chip), 0) - gpus[key][chip]) * ratings[chip]
            for chip in chips[key]
        )
        if pflops[key] * 1_000 > left_tflops:
            breaches.append(
                f"account {account} at {hub}, hour from {hour_s}: {pflops[key]} PFLOPS-days "
                f"registered, GPUs for {left_tflops // 1_000} left"
            )
    return breaches


def _registered(
    registry: Registry, commands: npt.NDArray[np.void]
) -> list[tuple[int, str, int, str, tuple[str, ...], int]]:
    """Account, hub, hour, product, chips and quantity for each hour of each REGISTER command.

    Capacity that is carried over from the day before is left out.
    """
    contracts = {contract.code: contract for contract in registry.contracts}
    instruments = {instrument.id: instrument for instrument in registry.instruments}
    rows: list[tuple[int, str, int, str, tuple[str, ...], int]] = []
    registers = commands["kind"] == CommandKind.REGISTER
    for command in commands[registers & (commands["flags"] != CommandFlag.CARRIED)]:
        instrument = instruments[int(command["instrument"])]
        contract = contracts[instrument.contract]
        for hour_s in range(instrument.delivery_start_s, instrument.delivery_end_s, HOUR_S):
            row = (contract.hub, hour_s, contract.product, contract.chips)
            rows.append((int(command["account"]), *row, int(command["quantity"])))
    return rows

"""The inventory rule: capacity that a supplier registers must be installed.

In every hour, the GPUs behind GPU-hours and those behind PFLOPS-days must be installed at the hub.
A PFLOPS-day takes 1000 / rating GPUs for the whole day, of any chips that its contract lists; the
GPUs that are left beside the GPU-hours count by their ratings. Registered capacity bounds what can
be sold, so the rule is kept on it. Lots that were sold on an earlier day, in an instrument that no
longer trades, take their GPUs, too (`Registry.committed`).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.daylog.registry import Contract, Registry
from matching.records import CommandFlag, CommandKind, EventKind

HOUR_S = 3_600
TFLOPS_OF_A_LOT = 1_000
"""Of a PFLOPS-day: 1 PFLOPS is 1,000 TFLOPS, as chips are rated."""

RULE = "GPU-hours + PFLOPS-days x 1000 / rating <= GPUs installed"

_SHANGHAI = timedelta(hours=8)
_REGISTER = int(CommandKind.REGISTER)
assert EventKind.REGISTERED == _REGISTER  # so that `note` takes commands and events


class Hour(NamedTuple):
    """An hour of one supplier's GPUs at one hub."""

    account: int
    hub: str
    start_s: int


class Room(NamedTuple):
    """Lots that may still be registered, and the hour that allows no more."""

    lots: int
    hour: Hour


class RegisteredCapacity:
    """Capacity registered so far, for every supplier, hub and hour, against the GPUs installed.

    Kept from the REGISTER commands of a day, or from their events: `note` them in order. An account
    without an entry in the inventory has nothing installed.
    """

    def __init__(self, registry: Registry) -> None:
        self.breaches: list[str] = []
        """One line for each supplier, hub and hour that ever had more registered than installed."""
        self._broken: set[Hour | int] = set()  # hours and unknown instruments with a line
        self._lots: dict[Hour, dict[str, int]] = {}  # by contract
        self.use(registry)
        for each in registry.committed or ():
            contract = self._contracts[each.contract]
            self._add(each.account, contract, each.delivery_start_s, each.delivery_end_s, each.lots)

    def use(self, registry: Registry) -> None:
        """Use a registry with more instruments from now on; its inventory must be the same."""
        self._contracts = {contract.code: contract for contract in registry.contracts}
        self._instruments = {each.id: each for each in registry.instruments}
        self._ratings = {chip.code: chip.dense_fp16_tflops for chip in registry.chips}
        self._installed = {
            (entry.account, entry.hub, entry.chip): entry.gpus for entry in registry.inventory
        }

    def note(self, records: NDArray[np.void]) -> None:
        """Count the REGISTER commands, or the REGISTERED events, among COMMAND[n] or EVENT[n].

        Positions that are carried into the day are no capacity. Cost: one pass over the kinds, and
        for each registration a look at every hour of its instrument.
        """
        chosen = (records["kind"] == _REGISTER) & (records["flags"] & CommandFlag.CARRIED == 0)
        for record in records[chosen]:
            number, lots = int(record["instrument"]), int(record["quantity"])
            instrument = self._instruments.get(number)
            if instrument is None:
                text = f"instrument {number}: {lots} lots registered, but no registry lists it"
                self._report(number, text)
                continue
            contract = self._contracts[instrument.contract]
            start_s, end_s = instrument.delivery_start_s, instrument.delivery_end_s
            self._add(int(record["account"]), contract, start_s, end_s, lots)

    def room(self, account: int, instrument: int) -> Room:
        """Return how many lots of an instrument an account may still register.

        Less than 0 where more is registered than installed. Raises KeyError for an instrument that
        the registry does not list.
        """
        listed = self._instruments[instrument]
        contract = self._contracts[listed.contract]
        hours = _hours(account, contract.hub, listed.delivery_start_s, listed.delivery_end_s)
        return min(Room(self._room(hour, contract), hour) for hour in hours)

    def describe(self, hour: Hour) -> str:
        """Return the rule, what is installed in an hour and what is registered there, in words."""
        registered = ", ".join(
            f"{lots:,} {code}" for code, lots in sorted(self._lots.get(hour, {}).items()) if lots
        )
        installed = ", ".join(
            f"{gpus:,} {chip}"
            for (account, hub, chip), gpus in sorted(self._installed.items())
            if (account, hub) == (hour.account, hour.hub)
        )
        return (
            f"account {hour.account} at {hour.hub}, hour from {_text(hour.start_s)}: "
            f"{registered or 'nothing'} registered, {installed or 'nothing'} installed; {RULE}"
        )

    def _add(self, account: int, contract: Contract, start_s: int, end_s: int, lots: int) -> None:
        """Count lots of a contract in every hour of a delivery period."""
        for hour in _hours(account, contract.hub, start_s, end_s):
            registered = self._lots.setdefault(hour, {})
            registered[contract.code] = registered.get(contract.code, 0) + lots
            if lots > 0 and self._room(hour, contract) < 0:
                self._report(hour, self.describe(hour))

    def _report(self, place: Hour | int, text: str) -> None:
        if place not in self._broken:
            self._broken.add(place)
            self.breaches.append(text)

    def _room(self, hour: Hour, contract: Contract) -> int:
        """Lots of a contract that fit into an hour; less than 0: so many too many are registered.

        PFLOPS-days fit where, for every set of chips, those that can use no other chips fit. It is
        enough to look at unions of the chips that contracts list (Hall's theorem, for divisible
        GPUs).
        """
        hours: dict[str, int] = {}  # GPU-hours by chip
        days: dict[frozenset[str], int] = {}  # PFLOPS-days by the chips that may deliver them
        for code, lots in self._lots.get(hour, {}).items():
            other = self._contracts[code]
            if other.product == "gpu-hour":
                hours[other.chips[0]] = hours.get(other.chips[0], 0) + lots
            elif lots:
                chips = frozenset(other.chips)
                days[chips] = days.get(chips, 0) + lots
        needed = frozenset(contract.chips)
        rooms = []
        tflops_of_a_lot = TFLOPS_OF_A_LOT
        if contract.product == "gpu-hour":
            rooms.append(self._gpus(hour, contract.chips[0]) - hours.get(contract.chips[0], 0))
            tflops_of_a_lot = self._ratings[contract.chips[0]]
        else:
            days.setdefault(needed, 0)
        for chips in _unions(days):
            if needed <= chips:
                left = sum(
                    max(0, self._gpus(hour, chip) - hours.get(chip, 0)) * self._ratings[chip]
                    for chip in chips
                )
                left -= TFLOPS_OF_A_LOT * sum(lots for of, lots in days.items() if of <= chips)
                rooms.append(left // tflops_of_a_lot)
        return min(rooms)

    def _gpus(self, hour: Hour, chip: str) -> int:
        return self._installed.get((hour.account, hour.hub, chip), 0)


def inventory_breaches(registry: Registry, records: NDArray[np.void]) -> list[str]:
    """One line for each supplier, hub and hour with more registered than installed.

    Takes all commands of a day, or all of its events. Returns an empty list if the rule holds.
    """
    capacity = RegisteredCapacity(registry)
    capacity.note(records)
    return capacity.breaches


def has_inventory(registry: Registry) -> bool:
    """Whether the inventory rule holds for a day: it was served, or its registry has an inventory.

    A day that is generated to measure the machine has neither keys nor an inventory.
    """
    return bool(registry.inventory) or any(session.key for session in registry.sessions)


def _hours(account: int, hub: str, start_s: int, end_s: int) -> Iterator[Hour]:
    """Yield the hours of a delivery period."""
    return (Hour(account, hub, second) for second in range(start_s, end_s, HOUR_S))


def _unions(sets: Iterable[frozenset[str]]) -> set[frozenset[str]]:
    """Return all unions of one or more of these sets."""
    found: set[frozenset[str]] = set()
    for each in sets:
        found |= {each | other for other in found} | {each}
    return found


def _text(start_s: int) -> str:
    """Return the hour that begins at a second since the epoch, in Shanghai: 2026-11-22 14:00."""
    return f"{datetime.fromtimestamp(start_s, UTC) + _SHANGHAI:%Y-%m-%d %H:%M}"

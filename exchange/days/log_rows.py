"""Commands and events of a day log as rows with names, for the study of an incident."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.daylog import DayLog
from ledger.daylog.registry import Registry
from matching.records import NANOSECONDS, CommandKind, EventKind, Reason, Side

Records = NDArray[np.void]

_NAMED = ("session", "account", "instrument")
_MONEY = (CommandKind.FUND, CommandKind.WITHDRAW)
_QUANTITIES = ("price", "quantity", "stop", "display", "target_ref", "user_ref", "hours")
_RESULTS = ("trade_id", "request_ref", "price", "quantity", "leaves", "cumulative", "fee_fen",
            "user_ref", "hours")  # fmt: skip


class UnknownName(ValueError):
    """The registry of the log has no session, account or instrument of this name."""


@dataclass(frozen=True)
class Chosen:
    """The rows to show: of these sessions, accounts and instruments (0: of all), in this time."""

    session: int = 0
    account: int = 0
    instrument: int = 0
    from_s: int = 0
    until_s: int = 2**63 // NANOSECONDS

    def mask(self, records: Records) -> NDArray[np.bool_]:
        """Whether each of some commands or events is chosen."""
        time_s = records["time_ns"] // NANOSECONDS
        chosen = (time_s >= self.from_s) & (time_s < self.until_s)
        for kind in _NAMED:
            wanted = getattr(self, kind)
            if wanted:
                chosen &= records[kind] == wanted
        return np.asarray(chosen)


@dataclass(frozen=True)
class Names:
    """Names of sessions, accounts and instruments by number, of a day's registry."""

    session: dict[int, str]
    account: dict[int, str]
    instrument: dict[int, str]

    @classmethod
    def of(cls, registry: Registry) -> "Names":
        """The names in a registry."""
        return cls(
            {each.id: each.name for each in registry.sessions},
            {each.id: each.name for each in registry.accounts},
            {each.id: each.symbol for each in registry.instruments},
        )

    def number(self, kind: str, text: str | None) -> int:
        """The number of what a person named, by name or number; 0 for None.

        Raises UnknownName.
        """
        if text is None:
            return 0
        known: dict[int, str] = getattr(self, kind)
        for number, name in known.items():
            if text in (name, str(number)):
                return number
        raise UnknownName(f"the log has no {kind} {text}")

    def named(self, record: np.void) -> dict[str, Any]:
        """Session, account and instrument of a record, by name where they have one."""
        found = {kind: int(record[kind]) for kind in _NAMED}
        return {kind: getattr(self, kind).get(n, n) for kind, n in found.items() if n}


def command_rows(log: DayLog, names: Names, chosen: Chosen) -> Iterator[dict[str, Any]]:
    """Yield the chosen commands, each as a row of what is not 0."""
    for block in log.blocks():
        for record in block[chosen.mask(block)]:
            kind = int(record["kind"])
            known = kind in set(CommandKind)
            row = _head(record, CommandKind(kind).name if known else f"KIND_{kind}")
            row |= names.named(record)
            if kind in (CommandKind.NEW, CommandKind.REPLACE):
                row["side"] = Side(int(record["side"])).name.lower()
            if kind == CommandKind.CLOCK:  # its only field is a seed
                yield row
                continue
            if kind in _MONEY:
                row["amount_fen"] = int(record["amount_fen"])
            else:
                row |= _numbers(record, _QUANTITIES)
            yield row


def event_rows(events: Iterable[Records], names: Names, chosen: Chosen) -> Iterator[dict[str, Any]]:
    """Yield the chosen events, each as a row of what is not 0."""
    for part in events:
        for record in part[chosen.mask(part)]:
            row = _head(record, EventKind(int(record["kind"])).name) | names.named(record)
            if record["reason"]:
                row["reason"] = Reason(int(record["reason"])).name
            yield row | _numbers(record, _RESULTS)


def _head(record: np.void, kind: str) -> dict[str, Any]:
    return {"sequence": int(record["sequence"]), "time_ns": int(record["time_ns"]), "kind": kind}


def _numbers(record: np.void, names: tuple[str, ...]) -> dict[str, int]:
    found = {name: int(record[name]) for name in names}
    return {name: value for name, value in found.items() if value}

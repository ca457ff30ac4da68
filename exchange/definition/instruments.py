"""Instruments: one for each contract and delivery period, with its symbol and gate closure."""

from collections.abc import Iterable
from datetime import date, timedelta

from exchange.definition.calendar import DAY_S, HOUR_S, day_start_s
from ledger.daylog.registry import Contract, Instrument

DAYS_MAX = 366


def instruments(
    contracts: Iterable[Contract], first_day: date, days: int, *, gate_after_s: int = 0
) -> tuple[Instrument, ...]:
    """All instruments that deliver in `days` days from `first_day`, numbered from 1.

    They are in order of the contracts as given, then of delivery: 24 periods a day for GPU-hours,
    one for PFLOPS-days. Instruments whose gate closes at or before `gate_after_s` (seconds since
    the epoch) are left out and take no number. Raises ValueError unless 1 <= days <= 366.

    >>> from exchange.definition.contracts import read_venue
    >>> listed = instruments(read_venue().contracts, date(2026, 11, 22), 1)
    >>> [i.symbol for i in listed if i.contract in ("H800.QD", "PF16.QD")][14::10]
    ['H800.QD.2026112214', 'PF16.QD.20261122']
    """
    if not 1 <= days <= DAYS_MAX:
        raise ValueError(f"instruments: days must be 1 to {DAYS_MAX}, got {days}")
    found: list[Instrument] = []
    for contract in contracts:
        for symbol, start_s, end_s in _deliveries(contract, first_day, days):
            gate_s = start_s - contract.gate_closure_s
            if gate_s <= gate_after_s:
                continue
            found.append(
                Instrument(
                    id=len(found) + 1,
                    symbol=symbol,
                    contract=contract.code,
                    delivery_start_s=start_s,
                    delivery_end_s=end_s,
                    gate_s=gate_s,
                )
            )
    return tuple(found)


def _deliveries(contract: Contract, first_day: date, days: int) -> Iterable[tuple[str, int, int]]:
    """Symbol, start and end of each delivery period of a contract."""
    for number in range(days):
        day = first_day + timedelta(days=number)
        start_s = day_start_s(day)
        if contract.product == "pflops-day":
            yield f"{contract.code}.{day:%Y%m%d}", start_s, start_s + DAY_S
            continue
        for hour in range(24):
            hour_s = start_s + hour * HOUR_S
            yield f"{contract.code}.{day:%Y%m%d}{hour:02d}", hour_s, hour_s + HOUR_S

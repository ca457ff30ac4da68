"""A day's instruments as columns, one array a field, for array arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ledger.daylog.registry import Contract, Instrument

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class InstrumentColumns:
    """One element for each instrument, at index `id - 1`.

    `contract` holds indices into `contracts`. Bands are in ticks, money in fen, times in seconds
    since the epoch.
    """

    instruments: tuple[Instrument, ...]
    contracts: tuple[Contract, ...]
    contract: Ints
    start_s: Ints
    gate_s: Ints
    is_day: npt.NDArray[np.bool_]  # a PFLOPS-day
    low_ticks: Ints
    high_ticks: Ints
    tick_fen: Ints
    deposit_fen: Ints

    def __len__(self) -> int:
        return len(self.instruments)

    def find(self, contract: Ints, start_s: Ints) -> Ints:
        """The index of the instrument of each contract and start of delivery; -1: not listed."""
        keys = self.contract * _KEY + self.start_s
        order = np.argsort(keys, kind="stable")
        wanted = contract * _KEY + start_s
        found = order[np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)]
        return np.where(keys[found] == wanted, found, -1)


_KEY = 1 << 40


def build_columns(
    instruments: Sequence[Instrument], contracts: Sequence[Contract]
) -> InstrumentColumns:
    """The columns of instruments that are numbered 1, 2, 3, ..., with their contracts."""
    assert [instrument.id for instrument in instruments] == list(range(1, len(instruments) + 1))
    numbers = {contract.code: number for number, contract in enumerate(contracts)}
    of = [contracts[numbers[instrument.contract]] for instrument in instruments]

    def column(values: list[int]) -> Ints:
        return np.array(values, dtype=np.int64)

    return InstrumentColumns(
        instruments=tuple(instruments),
        contracts=tuple(contracts),
        contract=column([numbers[instrument.contract] for instrument in instruments]),
        start_s=column([instrument.delivery_start_s for instrument in instruments]),
        gate_s=column([instrument.gate_s for instrument in instruments]),
        is_day=np.array([contract.product == "pflops-day" for contract in of]),
        low_ticks=column([contract.band_low_ticks for contract in of]),
        high_ticks=column([contract.band_high_ticks for contract in of]),
        tick_fen=column([contract.tick_fen for contract in of]),
        deposit_fen=column([contract.deposit_fen for contract in of]),
    )

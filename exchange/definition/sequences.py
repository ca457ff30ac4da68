"""Delivery sequences: the order of a contract's delivery periods, which blocks need."""

from collections.abc import Container, Iterable

import numpy as np

from exchange.definition.command_drafts import Draft, draft_admin
from ledger.daylog.registry import Contract, Instrument
from matching.records import BLOCK_HOURS_MAX, NANOSECONDS, CommandKind

BLOCK_DAYS_MAX = 31
"""Days of the longest block of PFLOPS-days."""


def draft_sequences(
    instruments: Iterable[Instrument],
    contracts: Iterable[Contract],
    time_ns: int,
    *,
    new: Container[int] | None = None,
) -> Draft:
    """A SEQUENCE command for each instrument whose delivery begins when another's ends.

    Both are of one contract, and their gates are open at `time_ns`. With `new`, only pairs with at
    least one instrument number in `new` count.
    """
    listed = [each for each in instruments if each.gate_s * NANOSECONDS > time_ns]
    longest = {
        contract.code: BLOCK_DAYS_MAX if contract.product == "pflops-day" else BLOCK_HOURS_MAX
        for contract in contracts
    }
    by_end = {(each.contract, each.delivery_end_s): each.id for each in listed}
    rows = [
        (each.id, before, longest[each.contract])
        for each in listed
        if (before := by_end.get((each.contract, each.delivery_start_s), 0))
        and (new is None or each.id in new or before in new)
    ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return draft_admin(
        CommandKind.SEQUENCE,
        np.full(len(rows), time_ns),
        instrument=columns[0],
        target_ref=columns[1],
        quantity=columns[2],
    )

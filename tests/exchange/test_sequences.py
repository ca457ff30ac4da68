"""Sequences of delivery periods: at the first listing, at a later one, and on the next day."""

from datetime import date

import numpy as np

from exchange.days.carry_forward import _columns, _draft_blocks, _draft_sequences
from exchange.definition.contracts import read_venue
from exchange.definition.instruments import instruments
from exchange.definition.sequences import draft_sequences
from matching.records import CommandKind, Phase, TimeInForce
from matching.reference.engine import ReferenceEngine
from tests.support.scripts import BUY, LIMITS, START_S, as_commands, head, order, venue

DAY = date(2026, 11, 22)


def test_hours_and_days_are_linked_within_their_contract_only():
    contracts = read_venue().contracts
    listed = instruments(contracts, DAY, 2)
    links = draft_sequences(listed, contracts, 0).commands
    by_id = {each.id: each for each in listed}
    for link in links:
        before, after = by_id[int(link["target_ref"])], by_id[int(link["instrument"])]
        assert before.contract == after.contract
        assert before.delivery_end_s == after.delivery_start_s
        is_day = after.contract.startswith("PF")
        assert link["quantity"] == (31 if is_day else 168)
    codes = {each.contract for each in listed}
    assert len(links) == len(listed) - len(codes)


def test_an_hour_listed_later_is_linked_on_both_sides_unless_a_gate_is_closed():
    contracts = read_venue().contracts
    listed = instruments(contracts, DAY, 1)[:3]
    links = draft_sequences(listed, contracts, 0, new={2}).commands
    pairs = list(zip(links["target_ref"].tolist(), links["instrument"].tolist(), strict=True))
    assert pairs == [(1, 2), (2, 3)]
    closed_ns = listed[0].gate_s * 10**9
    links = draft_sequences(listed, contracts, closed_ns, new={2}).commands
    assert links["instrument"].tolist() == [3]


def test_a_carried_day_has_the_links_and_gtd_blocks_whose_hours_trade():
    rows = head()
    for number in (2, 3):
        rows += [
            venue(CommandKind.LIST, instrument=number, price=100, quantity=1),
            venue(CommandKind.BAND, instrument=number, price=1, stop=200),
            venue(CommandKind.PHASE, instrument=number, type=Phase.CONTINUOUS),
            venue(CommandKind.SEQUENCE, instrument=number, target_ref=number - 1, quantity=31),
        ]
    life = {"hours": 2, "tif": TimeInForce.GTD, "expiry_s": START_S + 99}
    rows += [
        order(1, BUY, 90, 4, **life),
        order(2, BUY, 91, 5, **life | {"instrument": 2}),
        order(3, BUY, 91, 5, **life | {"instrument": 2, "tif": TimeInForce.DAY, "expiry_s": 0}),
        order(4, BUY, 92, 6, **life | {"instrument": 2, "expiry_s": START_S + 9}),
    ]
    engine = ReferenceEngine(LIMITS)
    assert not (engine.process(as_commands(rows))["kind"] == 8).any()
    state = {name: _columns(name, cells) for name, cells in engine.state_tables().items()}
    trading = np.array([2, 3])
    carried = _draft_blocks(state, trading, START_S + 9).commands
    assert carried["user_ref"].tolist() == [2]
    assert (int(carried["hours"][0]), int(carried["quantity"][0])) == (2, 5)
    chosen = np.isin(state["instruments"]["instrument"], trading)
    kept = {name: column[chosen] for name, column in state["instruments"].items()}
    links = _draft_sequences(kept, trading).commands
    assert [int(links[0][name]) for name in ("instrument", "target_ref", "quantity")] == [3, 2, 31]
    assert len(links) == 1

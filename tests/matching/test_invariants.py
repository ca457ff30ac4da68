"""Each invariant of matching/invariants is reported when a state breaks it."""

from dataclasses import replace

import pytest

from matching import Limits
from matching.invariants.state_invariants import violations
from matching.records import CommandKind, OrderType, Phase, TimeInForce
from matching.reference.engine import ReferenceEngine
from matching.state_tables import COLUMNS, Tables, differences
from tests.support.scripts import BUY, LIMITS, SELL, START_S, as_commands, head, order, venue

ICEBERG, STOP, GTD, FIRST, SECOND = range(5)
"""Rows of the orders table."""


def some_state() -> Tables:
    """A state with an iceberg, a stop, a GTD order, two orders of one level, and a trade."""
    engine = ReferenceEngine(LIMITS)
    engine.process(
        as_commands(
            [
                *head(),
                venue(CommandKind.FEES, price=10, stop=10, quantity=7),
                venue(CommandKind.PHASE, type=Phase.AUCTION, expiry_s=START_S + 9),
                venue(CommandKind.TIMES, target_ref=START_S + 99),
                order(1, SELL, 120, 9, display=2),
                order(2, BUY, 0, 3, type=OrderType.STOP, stop=150),
                order(3, BUY, 80, 5, tif=TimeInForce.GTD, expiry_s=START_S + 50),
                order(4, BUY, 90, 3),
                order(5, BUY, 90, 3),
                order(6, SELL, 90, 1),
            ]
        )
    )
    return engine.state_tables()


def test_a_sound_state_breaks_no_rule():
    assert violations(some_state()) == []


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "violation"),
    [
        ("orders", SECOND, "user_ref", 4, "order 1/4: its name is live twice"),
        ("orders", FIRST, "leaves", 0, "order 1/4: leaves 0, cumulative 1"),
        ("orders", FIRST, "cumulative", -1, "order 1/4: leaves 2, cumulative -1"),
        ("orders", STOP, "shown", 1, "order 1/2: waits and shows 1"),
        ("orders", ICEBERG, "shown", 10, "order 1/1: shows 10 of 9"),
        ("orders", FIRST, "shown", 1, "order 1/4: is no iceberg and shows 1 of 2"),
        ("orders", FIRST, "price", 201, "order 1/4: 201 is outside the band"),
        ("orders", STOP, "stop", 201, "order 1/2: 201 is outside the band"),
        ("orders", FIRST, "price", 0, "order 1/4: rests without a limit"),
        ("orders", GTD, "expiry_s", START_S, f"order 1/3: should have ended at {START_S}"),
        ("orders", FIRST, "fraction", 10**6, "order 1/4: a fraction of 1000000"),
        ("orders", SECOND, "place", 2, "level (1, 0, 90): places [0, 2]"),
        ("orders", FIRST, "accepted", 9, "level (1, 0, 90): acceptances [9, 5] by priority"),
        ("orders", ICEBERG, "price", 90, "instrument 1: crossed, 90 against 90"),
        ("instruments", 0, "last", 150, "instrument 1: stop at 150 waits, last 150"),
        ("positions", 0, "open_buy", 1, "open quantity of (1, 1, 0): 1, orders have 13"),
        ("positions", 1, "registered", 1, "account 2 in 1: offers more than it has"),
        ("positions", 0, "registered", 2**30 + 1, "account 1 in 1: 1073741825 registered"),
        ("positions", 0, "net", 2**30, "account 1 in 1: may grow beyond 1073741824"),
        ("positions", 0, "net", 2, "instrument 1: net positions sum to 1"),
        ("accounts", 0, "free_fen", -1, "account 1: free -1, earned 0"),
        ("accounts", 1, "earned_fen", -1, "account 2: free 999999999930, earned -1"),
        ("accounts", 0, "reserved_fen", 0, "account 1: reserved 0, orders ask for "),
        ("accounts", 1, "deposit_fen", 0, "account 2: deposit 0, positions ask for 70"),
        ("accounts", 2, "funded_fen", 1, "account 3: funded 1, found 1000000000000"),
        ("accounts", 1, "earned_fen", 91, "accounts: more was earned than paid"),
        ("instruments", 0, "gated", 1, "instrument 1: gated, and in phase 3"),
        ("instruments", 0, "gated", 1, "order 1/1: live after gate closure"),
        ("instruments", 0, "gate_s", START_S, f"instrument 1: gate of {START_S} not closed"),
        ("instruments", 0, "band_high", 201, "instrument 1: band wider than its 200 ticks"),
        ("schedule", 0, "due_s", START_S, f"instrument 1: phase change of {START_S} not done"),
        ("machine", 0, "ticks", 199, "machine: 199 ticks allotted, instruments have others"),
    ],
)
def test_each_broken_rule_is_reported(table, row, column, value, violation):
    tables = {name: rows.copy() for name, rows in some_state().items()}
    tables[table][row, COLUMNS[table].index(column)] = value
    assert any(line.startswith(violation) for line in violations(tables)), violations(tables)


BUYER, SELLER = range(2)
"""Rows of the blocks table."""


def state_with_blocks() -> Tables:
    """Two blocks of two hours that do not cross, and asks that are too dear for the buyer."""
    engine = ReferenceEngine(replace(LIMITS, events=64))
    rows = [*head(), venue(CommandKind.LIST, instrument=2, price=100, quantity=1)]
    rows += [
        venue(CommandKind.BAND, instrument=2, price=1, stop=200),
        venue(CommandKind.PHASE, instrument=2, type=Phase.CONTINUOUS),
        venue(CommandKind.REGISTER, instrument=2, account=2, quantity=9),
        venue(CommandKind.SEQUENCE, instrument=2, target_ref=1, quantity=168),
        order(1, SELL, 110, 5),
        order(2, SELL, 110, 5, instrument=2),
        order(3, BUY, 100, 3, hours=2, tif=TimeInForce.GTD, expiry_s=START_S + 9),
        order(4, SELL, 120, 3, hours=2, tif=TimeInForce.DAY),
    ]
    engine.process(as_commands(rows))
    return engine.state_tables()


def test_a_sound_state_with_blocks_breaks_no_rule():
    assert violations(state_with_blocks()) == []


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "violation"),
    [
        ("blocks", BUYER, "quantity", 0, "block 1/3: 0 in 2 of 2 hours"),
        ("blocks", BUYER, "hours", 3, "block 1/3: 3 in 2 of 3 hours"),
        ("instruments", 1, "follows", 0, "block 1/3: 3 in 1 of 2 hours"),
        ("blocks", BUYER, "price", 201, "block 1/3: 201 is outside the band of 1"),
        ("instruments", 1, "gated", 1, "block 1/3: stands after gate closure of 2"),
        ("blocks", BUYER, "expiry_s", START_S, f"block 1/3: should have ended at {START_S}"),
        ("blocks", BUYER, "price", 110, "block 1/3: stands and could trade"),
        ("orders", 0, "price", 80, "block 1/3: stands and could trade"),
        ("blocks", SELLER, "price", 100, "block 1/3: crosses 1/4"),
        ("blocks", SELLER, "user_ref", 1, "order 1/1: its name is live twice"),
        ("accounts", 0, "reserved_fen", 0, "account 1: reserved 0, orders ask for 600"),
        ("positions", 1, "open_buy", 2, "open quantity of (1, 2, 0): 2, orders have 3"),
    ],
)
def test_each_broken_rule_of_blocks_is_reported(table, row, column, value, violation):
    tables = {name: rows.copy() for name, rows in state_with_blocks().items()}
    tables[table][row, COLUMNS[table].index(column)] = value
    assert any(line.startswith(violation) for line in violations(tables)), violations(tables)


@pytest.mark.parametrize(("collar", "trades"), [(0, True), (20, True), (5, False)])
def test_a_block_may_stand_where_a_collar_keeps_it_from_trading(collar, trades):
    tables = {name: rows.copy() for name, rows in state_with_blocks().items()}
    tables["blocks"][BUYER, COLUMNS["blocks"].index("price")] = 110
    tables["instruments"][0, COLUMNS["instruments"].index("collar")] = collar
    assert ("block 1/3: stands and could trade" in violations(tables)) == trades


def state_with_a_basket() -> Tables:
    """A sequence of instruments 1 and 2, and a basket of 3 and 1."""
    engine = ReferenceEngine(replace(LIMITS, events=64))
    rows = [venue(CommandKind.LIST, instrument=n, price=100, quantity=1) for n in (1, 2, 3)]
    rows.append(venue(CommandKind.SEQUENCE, instrument=2, target_ref=1, quantity=168))
    rows += [venue(CommandKind.BASKET, instrument=n, target_ref=2) for n in (3, 1)]
    engine.process(as_commands(rows))
    return engine.state_tables()


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "violation"),
    [
        ("baskets", 1, "place", 3, ["basket 2: places [1, 3]"]),
        ("baskets", 1, "basket", 2, []),
        ("baskets", 0, "instrument", 2, ["basket 2: 2 members of 1 sequences"]),
        ("instruments", 2, "tick_fen", 7, ["basket 2: [1, 7] fen per tick"]),
    ],
)
def test_each_broken_rule_of_baskets_is_reported(table, row, column, value, violation):
    tables = {name: rows.copy() for name, rows in state_with_a_basket().items()}
    assert violations(tables) == []
    tables[table][row, COLUMNS[table].index(column)] = value
    assert violations(tables) == violation


def test_differences_name_rows_and_cells():
    left = some_state()
    right = {name: rows.copy() for name, rows in left.items()}
    right["orders"][FIRST, COLUMNS["orders"].index("leaves")] = 7
    right["accounts"] = right["accounts"][:2]
    assert differences(left, right) == [
        "accounts: 3 rows against 2",
        "orders[3].leaves: 2 against 7",
    ]


def test_impossible_limits_raise():
    with pytest.raises(ValueError, match="limits: `events` must be between 16 and 67108864, got 1"):
        Limits(events=1)
    assert Limits(orders=7).as_dict()["orders"] == 7

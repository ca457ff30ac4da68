"""Blocks on small books: every sequence of orders is compared with a brute-force solver."""

from itertools import product

import numpy as np
import pytest

from matching import COMMAND, Engine, Limits
from matching.records import (
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from tests.support.block_solver import Market, Request
from tests.support.scripts import MEMBER, Row, as_commands, listing, mass_cancel, sequence, venue

HOURS = 3
LIMITS = Limits(sessions=2, accounts=2, instruments=HOURS, orders=16, blocks=8, refs=64, ticks=64)

ARRIVALS: tuple[Request | int, ...] = (
    Request(False, 1, 1, 1, 1),
    Request(False, 1, 1, 2, 2),
    Request(False, 2, 1, 1, 1),
    Request(False, 2, 1, 3, 2),
    Request(False, 3, 1, 2, 1),
    Request(True, 1, 1, 2, 1),
    Request(True, 2, 1, 3, 1, can_rest=False),
    Request(True, 2, 1, 1, 1),
    Request(True, 1, 2, 2, 1),
    Request(True, 1, 2, 1, 2, can_rest=False),
    Request(True, 1, 3, 2, 1),
    Request(True, 2, 2, 3, 2),
    Request(False, 1, 2, 2, 1),
    Request(False, 1, 2, 1, 1),
    Request(False, 1, 3, 2, 1),
    1,  # a cancel of the first order
)


def head() -> list[Row]:
    """Three hours in a row, a buyer and a seller with enough money and capacity."""
    rows = [venue(CommandKind.SESSION, target_ref=MEMBER, account=1)]
    for hour in range(1, HOURS + 1):
        rows += listing(hour, 1, 4, reference=2)
    rows += [sequence(hour, hour - 1) for hour in range(2, HOURS + 1)]
    for account in (1, 2):
        rows.append(venue(CommandKind.ACCOUNT, account=account, target_ref=1))
        rows.append(venue(CommandKind.FUND, account=account, amount_fen=10**12))
        for hour in range(1, HOURS + 1):
            rows.append(
                venue(CommandKind.REGISTER, account=account, instrument=hour, quantity=10**8)
            )
    return rows


def as_row(number: int, arrival: Request | int) -> Row:
    """An order or cancel as a command; the user_ref of an order is its place in the sequence."""
    if isinstance(arrival, int):
        return {
            "kind": CommandKind.CANCEL,
            "session": MEMBER,
            "user_ref": 63,
            "target_ref": arrival,
        }
    return {
        "kind": CommandKind.NEW,
        "type": OrderType.LIMIT,
        "tif": TimeInForce.DAY if arrival.can_rest else TimeInForce.IOC,
        "session": MEMBER,
        "account": 1 if arrival.is_buy else 2,
        "instrument": arrival.hour,
        "hours": arrival.hours if arrival.hours > 1 else 0,
        "user_ref": number,
        "side": 0 if arrival.is_buy else 1,
        "price": arrival.price,
        "quantity": arrival.quantity,
    }


CLEAR = mass_cancel(MassCancelScope.SESSION)
"""Ends live orders of a sequence of arrivals before the next one."""


def all_commands(length: int) -> np.ndarray:
    """Every sequence of `length` orders and cancels, each followed by a mass cancel."""
    table = {
        number: as_commands([as_row(number, arrival) for arrival in ARRIVALS])
        for number in range(1, length + 1)
    }
    clear = as_commands([CLEAR])
    picks = np.array(list(product(range(len(ARRIVALS)), repeat=length)))
    commands = np.zeros((len(picks), length + 1), COMMAND)
    for number in range(1, length + 1):
        commands[:, number - 1] = table[number][picks[:, number - 1]]
    commands[:, length] = clear[0]
    commands = commands.reshape(-1)
    commands["sequence"] = np.arange(1, len(commands) + 1)
    return commands


def trades_by_command(events: np.ndarray) -> dict[int, list[tuple[int, int, int, int]]]:
    """Traded lots by the command's sequence: maker, taker, hour and price of each."""
    fills = events[events["kind"] == EventKind.FILLED]
    taken = (fills["flags"] & EventFlag.TAKER) != 0
    made, took = fills[~taken], fills[taken]
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    for number, maker, taker, hour, price, lots in zip(
        took["sequence"].tolist(),
        made["user_ref"].tolist(),
        took["user_ref"].tolist(),
        took["instrument"].tolist(),
        took["price"].tolist(),
        took["quantity"].tolist(),
        strict=True,
    ):
        found.setdefault(number, []).extend([(maker, taker, hour, price)] * lots)
    return found


def assert_engine_solves(engine_class: type, length: int) -> tuple[int, int]:
    """Compare an engine's trades with the solver's.

    Returns the number of trades, and of fills that are part of a block trade.
    """
    engine = engine_class(LIMITS)
    engine.process(as_commands(head()))
    commands = all_commands(length)
    found: dict[int, list[tuple[int, int, int, int]]] = {}
    in_blocks = 0
    for start in range(0, len(commands), 8192):
        events = engine.process(commands[start : start + 8192])
        assert not (events["kind"] == EventKind.REJECTED)[events["target_ref"] != 1].any()
        found |= trades_by_command(events)
        in_blocks += int((events["trade_group"][events["kind"] == EventKind.FILLED] != 0).sum())
    at, total = 0, 0
    for arrivals in product(ARRIVALS, repeat=length):
        market = Market()
        for number, arrival in enumerate(arrivals, start=1):
            at += 1
            if isinstance(arrival, int):
                market.cancel(arrival)
                expected = []
            else:
                expected = market.enter(number, arrival)
            got = found.get(at, [])
            assert got == expected, (arrivals[:number], got, expected)
            total += len(expected)
        at += 1
    return total, in_blocks


@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_sequence_of_three_orders_trades_as_the_solver_says(engine_class):
    trades, in_blocks = assert_engine_solves(engine_class, 3)
    assert trades > 900
    assert in_blocks > 200


@pytest.mark.long
@pytest.mark.parametrize("engine_class", [ReferenceEngine, Engine], ids=["reference", "kernel"])
def test_every_sequence_of_four_orders_trades_as_the_solver_says(engine_class):
    trades, in_blocks = assert_engine_solves(engine_class, 4)
    assert trades > 25_000
    assert in_blocks > 15_000


@pytest.mark.long
def test_every_sequence_of_five_orders_trades_as_the_solver_says():
    trades, in_blocks = assert_engine_solves(Engine, 5)
    assert trades > 500_000
    assert in_blocks > 300_000

"""`python -m bench worst`: single commands against the state that is most unlucky for them.

Each case builds a machine in that state, then times one command, on a machine restored from a
snapshot for each repeat. A CLOCK command to the same machine is timed beside it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
import numpy as np

from bench.machine import machine
from bench.matching.timing import Commands, progress_on_stderr
from bench.workloads.opening import link_hours, rows_of
from matching import Engine, Limits
from matching.records import (
    CommandFlag,
    CommandKind,
    MassCancelScope,
    OrderType,
    Phase,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

MEMBER, OTHER, OPERATOR = 1, 2, 3  # sessions; accounts 1 and 2 are the members'
HOURS = 24
LOW, HIGH = 1, 1 << 17
BAR_US = 20_000
"""No command may take longer in all."""

Build = Callable[[int], tuple[list[Commands], Commands]]
"""Takes a number of orders. Returns the commands that make the state, and the one to time."""


@dataclass(frozen=True)
class Case:
    """A command, and the state that is most unlucky for it."""

    name: str
    build: Build


def orders(count: int, side: Side, price: Any, **columns: Any) -> Commands:
    """New limit orders of the member (buys) or the other one (sells), good till cancelled."""
    fields: dict[str, Any] = {
        "session": MEMBER if side == Side.BUY else OTHER,
        "account": MEMBER if side == Side.BUY else OTHER,
        "instrument": 1,
        "user_ref": np.arange(1, count + 1),
        "side": side,
        "type": OrderType.LIMIT,
        "tif": TimeInForce.GTC,
        "price": price,
        "quantity": 1,
    }
    return rows_of(CommandKind.NEW, **fields | columns)


def opening(hours: int) -> list[Commands]:
    """The venue's commands: so many linked instruments in continuous trading, two members."""
    numbers = np.arange(1, hours + 1)
    members = np.array([MEMBER, OTHER])
    rows = [
        rows_of(CommandKind.LIST, instrument=numbers, price=1_000, quantity=1),
        rows_of(CommandKind.BAND, instrument=numbers, price=LOW, stop=HIGH if hours == 1 else 2048),
        rows_of(CommandKind.PHASE, instrument=numbers, type=Phase.CONTINUOUS),
        rows_of(CommandKind.SESSION, target_ref=members, account=members),
        rows_of(CommandKind.SESSION, target_ref=OPERATOR, flags=CommandFlag.OPERATOR),
        rows_of(CommandKind.ACCOUNT, account=members, target_ref=members),
        rows_of(CommandKind.FUND, account=members, amount_fen=10**17),
    ]
    rows += [
        rows_of(CommandKind.REGISTER, instrument=numbers, account=each, quantity=1 << 29)
        for each in members
    ]
    return [*rows, link_hours(numbers)] if hours > 1 else rows


def empty_mass_cancel(count: int) -> tuple[list[Commands], Commands]:
    """A member without orders cancels them all, while another has `count`."""
    mass = rows_of(CommandKind.MASS_CANCEL, type=MassCancelScope.SESSION, session=OTHER, user_ref=1)
    return [orders(count, Side.BUY, 100)], mass


def full_mass_cancel(count: int) -> tuple[list[Commands], Commands]:
    """A member cancels all its `count` orders."""
    mass = rows_of(
        CommandKind.MASS_CANCEL, type=MassCancelScope.SESSION, session=MEMBER, user_ref=1
    )
    return [orders(count, Side.BUY, 100)], mass


def operators_mass_cancel(count: int) -> tuple[list[Commands], Commands]:
    """An operator cancels an account's orders, of which there are none."""
    mass = rows_of(
        CommandKind.MASS_CANCEL, type=MassCancelScope.ACCOUNT, session=OPERATOR, account=OTHER
    )
    return [orders(count, Side.BUY, 100)], mass


def refused_fill_or_kill(count: int) -> tuple[list[Commands], Commands]:
    """A fill or kill wants one lot more than `count` orders have."""
    wanted = orders(1, Side.BUY, 100, quantity=count + 1, tif=TimeInForce.FOK)
    return [orders(count, Side.SELL, 100)], wanted


def sweep(count: int) -> tuple[list[Commands], Commands]:
    """An IOC trades with `count` orders of one lot."""
    return [orders(count, Side.SELL, 100)], orders(
        1, Side.BUY, 100, quantity=count, tif=TimeInForce.IOC
    )


def slices(count: int) -> tuple[list[Commands], Commands]:
    """An IOC trades with one iceberg of `count` lots that shows one at a time."""
    return [orders(1, Side.SELL, 100, quantity=count, display=1)], orders(
        1, Side.BUY, 100, quantity=count, tif=TimeInForce.IOC
    )


def uncross_with_prevention(count: int) -> tuple[list[Commands], Commands]:
    """An uncross of own buys at as many prices with one own sell, which ends them one by one."""
    count = min(count >> 8, HIGH - 2)
    fields = {"account": MEMBER, "session": MEMBER, "stp": SelfTradePrevention.OLDEST}
    auction = rows_of(CommandKind.PHASE, instrument=1, type=Phase.AUCTION)
    buys = orders(count, Side.BUY, np.arange(2, count + 2), **fields)
    sell = orders(1, Side.SELL, 1, **fields | {"user_ref": count + 1})
    go_on = rows_of(CommandKind.PHASE, instrument=1, type=Phase.CONTINUOUS)
    return [auction, buys, sell], go_on


def new_times(count: int) -> tuple[list[Commands], Commands]:
    """Times of an instrument are replaced while `count` orders have their own."""
    first = rows_of(CommandKind.TIMES, instrument=1, expiry_s=2**31, target_ref=2**31 + 9)
    gtd = orders(count, Side.BUY, 100, tif=TimeInForce.GTD, expiry_s=2**31 + 5)
    return [first, gtd], first


def halt(count: int) -> tuple[list[Commands], Commands]:
    """An instrument with `count` orders is halted."""
    return [orders(count, Side.BUY, 100)], rows_of(
        CommandKind.PHASE, instrument=1, type=Phase.HALTED
    )


def cancel_in_a_collared_hour(count: int) -> tuple[list[Commands], Commands]:
    """A cancel in an hour with a collar, where blocks of a day rest that cannot trade."""
    return [
        *_blocks(count >> 10, price=100),
        orders(1, Side.SELL, 1_001, user_ref=2 * count - 1),
    ], (rows_of(CommandKind.CANCEL, session=OTHER, user_ref=1, target_ref=2 * count - 1))


def trade_in_a_collared_hour(count: int) -> tuple[list[Commands], Commands]:
    """A trade moves the last price of an hour whose collar alone keeps all blocks from trading."""
    far = orders(HOURS, Side.SELL, 1_500, instrument=np.arange(1, HOURS + 1), quantity=count)
    near = orders(1, Side.SELL, 1_001, user_ref=2 * count - 1)
    taker = orders(1, Side.BUY, 1_001, user_ref=2 * count - 1, tif=TimeInForce.IOC)
    return [*_blocks(count >> 10, price=2_000), far, near], taker


def _blocks(count: int, price: int) -> list[Commands]:
    """A collar in each of a day's hours, and so many blocks that buy all of them."""
    collar = rows_of(CommandKind.COLLAR, instrument=np.arange(1, HOURS + 1), price=5, quantity=60)
    blocks = orders(count, Side.BUY, price, hours=HOURS, tif=TimeInForce.DAY)
    return [collar, blocks]


CASES = [
    Case("a mass cancel of nothing", empty_mass_cancel),
    Case("a mass cancel of all", full_mass_cancel),
    Case("an operator's mass cancel of nothing", operators_mass_cancel),
    Case("a refused fill or kill", refused_fill_or_kill),
    Case("a sweep of all orders", sweep),
    Case("a sweep of one iceberg", slices),
    Case("an uncross that prevention empties", uncross_with_prevention),
    Case("TIMES", new_times),
    Case("a halt", halt),
    Case("a cancel in a collared hour with blocks", cancel_in_a_collared_hour),
    Case("a trade in a collared hour with blocks", trade_in_a_collared_hour),
]


@click.command()
@click.option("--orders", "count", default=1 << 20, show_default=True, type=click.IntRange(1024))
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--only", default="", help="Cases whose name contains this text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def worst(count: int, repeats: int, only: str, as_json: bool) -> None:
    """Time single commands in their most unlucky state. Progress goes to stderr."""
    rows = []
    for case in CASES:
        if only in case.name:
            rows.append(time_case(case, count, repeats))
            progress_on_stderr("worst")(case.name)
    result = {
        "machine": machine(), "orders": count, "repeats": repeats, "bar_us": BAR_US, "cases": rows,
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(rows)))


def time_case(case: Case, count: int, repeats: int) -> dict[str, Any]:
    """Return the median microseconds of a case's command, of a CLOCK beside it, and its events."""
    before, command = case.build(count)
    hours = HOURS if "hour" in case.name else 1
    engine = Engine(
        Limits(
            sessions=3, accounts=2, instruments=hours, orders=count + 4096, blocks=4096,
            refs=2 * count, ref_pages=count // 512 + 16, ticks=HIGH, session_orders=count + 4096,
            session_blocks=4096, session_ref_pages=count // 512 + 16,
        )
    )  # fmt: skip
    for rows in [*opening(hours), *before]:
        rejected = engine.process(rows)["reason"]
        assert not rejected.any(), f"{case.name}: rejected for reason {rejected.max()}"
    snapshot = engine.snapshot()
    clock = rows_of(CommandKind.CLOCK, time_ns=np.zeros(1, np.int64))
    own, clocks, made = [], [], 0
    for _ in range(repeats):
        engine = Engine.restore(snapshot)
        engine.process(clock)  # untimed: the first use of memory is slow
        clocks.append(_seconds(engine, clock)[0])
        seconds, made = _seconds(engine, command)
        own.append(seconds)
    return {
        "case": case.name,
        "us": round(1e6 * median(own), 1),
        "clock_us": round(1e6 * median(clocks), 1),
        "events": made,
        "holds": 1e6 * median(own) <= BAR_US,
    }


def _seconds(engine: Engine, command: Commands) -> tuple[float, int]:
    start = time.perf_counter()
    events = engine.process(command)
    return time.perf_counter() - start, len(events)


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the cases as lines of a table."""
    return [
        f"{row['case']:<42} {row['us']:>12,.1f} us  (CLOCK {row['clock_us']:.1f})  "
        f"{row['events']:>9,} events  {'' if row['holds'] else 'above the bar'}"
        for row in rows
    ]

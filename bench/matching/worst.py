"""`python -m bench worst`: single commands against the state that is most unlucky for them.

Each case builds a machine in that state, then times one command, on a machine restored from a
snapshot for each repeat: in all, and its longest slice, between two of which a venue receives and
answers. A CLOCK command to the same machine is timed beside it. Two cases have a member's default
share of orders instead of the whole number: what its own commands end is bounded by its share.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
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
"""No command of a member may take longer in all, within its default share."""

SLICE_BAR_US = 2_000
"""No slice of any command may take longer."""

SHARE = Limits().session_orders

Build = Callable[[int], tuple[list[Commands], Commands]]
"""Takes a number of orders. Returns the commands that make the state, and the one to time."""


@dataclass(frozen=True)
class Case:
    """A command, and the state that is most unlucky for it."""

    name: str
    build: Build
    by_others: bool = False  # takes as long as others' orders, or the operator's reach, make it


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
    """A member cancels all its orders, its whole share."""
    mass = rows_of(
        CommandKind.MASS_CANCEL, type=MassCancelScope.SESSION, session=MEMBER, user_ref=1
    )
    return [orders(min(count, SHARE), Side.BUY, 100)], mass


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
    count = min(count >> 4, HIGH - 2)
    fields = {"account": MEMBER, "session": MEMBER, "stp": SelfTradePrevention.OLDEST}
    auction = rows_of(CommandKind.PHASE, instrument=1, type=Phase.AUCTION)
    buys = orders(count, Side.BUY, np.arange(2, count + 2), **fields)
    sell = orders(1, Side.SELL, 1, **fields | {"user_ref": count + 1})
    go_on = rows_of(CommandKind.PHASE, instrument=1, type=Phase.CONTINUOUS)
    return [auction, buys, sell], go_on


def large_uncross(count: int) -> tuple[list[Commands], Commands]:
    """An uncross of half as many buys as orders with as many sells, at 1,024 prices."""
    half = count // 2
    auction = rows_of(CommandKind.PHASE, instrument=1, type=Phase.AUCTION)
    prices = 1_000 + np.arange(half) % 1_024
    go_on = rows_of(CommandKind.PHASE, instrument=1, type=Phase.CONTINUOUS)
    return [auction, orders(half, Side.BUY, prices), orders(half, Side.SELL, prices)], go_on


def indicative_price(count: int) -> tuple[list[Commands], Commands]:
    """A CLOCK in an auction of as many crossing orders."""
    before, _ = large_uncross(count)
    return before, rows_of(CommandKind.CLOCK, time_ns=np.zeros(1, np.int64))


def many_stops(count: int) -> tuple[list[Commands], Commands]:
    """A trade triggers `count` stops, none of which finds anything."""
    stops = orders(count, Side.BUY, 0, type=OrderType.STOP, stop=100)
    sell = orders(1, Side.SELL, 100)
    taker = orders(1, Side.BUY, 100, user_ref=count + 1)
    return [stops, sell], taker


def close(count: int) -> tuple[list[Commands], Commands]:
    """An instrument with `count` orders of the day is closed."""
    day = orders(count, Side.BUY, 100, tif=TimeInForce.DAY)
    return [day], rows_of(CommandKind.PHASE, instrument=1, type=Phase.CLOSED)


def halted_account(count: int) -> tuple[list[Commands], Commands]:
    """An account with `count` orders is halted."""
    halt = rows_of(CommandKind.HALT_ACCOUNT, account=MEMBER, flags=CommandFlag.HALT)
    return [orders(count, Side.BUY, 100)], halt


def tripped_protection(count: int) -> tuple[list[Commands], Commands]:
    """A fill of one lot withdraws a member's whole share of quotes."""
    quotes = min(count, SHARE) // 2
    fields = {"session": OTHER, "account": OTHER, "instrument": 1, "type": OrderType.LIMIT}
    names = np.arange(1, 2 * quotes, 2)
    asks = 101 + np.arange(quotes) % 512
    rows = rows_of(
        CommandKind.QUOTE, user_ref=names, target_ref=names, price=100, quantity=1, stop=asks,
        display=1, **fields,
    )  # fmt: skip
    bound = rows_of(
        CommandKind.PROTECT, session=OTHER, account=OTHER, user_ref=1, display=1, expiry_s=60
    )
    return [bound, rows], orders(1, Side.BUY, 101, tif=TimeInForce.IOC)


def quote_in_a_full_book(count: int) -> tuple[list[Commands], Commands]:
    """A quote changes both sides between `count` orders of others."""
    half = count // 2 - 2
    prices = np.arange(half) % 900
    before = [orders(half, Side.BUY, 100 + prices), orders(half, Side.SELL, 1_100 + prices)]
    fields = {"session": OTHER, "account": OTHER, "instrument": 1, "type": OrderType.LIMIT}
    name = count + 3

    def quote(ref: int, bid: int, ask: int) -> Commands:
        return rows_of(
            CommandKind.QUOTE, user_ref=ref, target_ref=name, price=bid, quantity=5, stop=ask,
            display=5, **fields,
        )  # fmt: skip

    return [*before, quote(name, 1_020, 1_030)], quote(name + 2, 1_040, 1_050)


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
    Case("a sweep of all orders", sweep, by_others=True),
    Case("a sweep of one iceberg", slices, by_others=True),
    Case("a trade that triggers stops", many_stops, by_others=True),
    Case("a quote between others' orders", quote_in_a_full_book),
    Case("a protection that withdraws all quotes", tripped_protection),
    Case("an uncross of all orders", large_uncross, by_others=True),
    Case("an uncross that prevention empties", uncross_with_prevention, by_others=True),
    Case("an indicative price", indicative_price, by_others=True),
    Case("a close of an instrument", close, by_others=True),
    Case("a halt of an account", halted_account, by_others=True),
    Case("TIMES", new_times),
    Case("a halt of an instrument", halt),
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
        "machine": machine(), "orders": count, "repeats": repeats, "bar_us": BAR_US,
        "slice_bar_us": SLICE_BAR_US, "cases": rows,
    }  # fmt: skip
    click.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines(rows)))


def time_case(case: Case, count: int, repeats: int) -> dict[str, Any]:
    """Return the median microseconds of a case's command, of its longest slice and of a CLOCK
    beside it, and its events."""
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
    own, longest, clocks, made = [], [], [], 0
    clock = rows_of(CommandKind.CLOCK, time_ns=np.zeros(1, np.int64), session=OTHER)
    for _ in range(repeats):
        engine = Engine.restore(snapshot)
        engine.process(clock)  # untimed: the first use of memory is slow
        clocks.append(_times(engine, clock)[0])
        seconds, slice_s, made = _times(engine, command)
        own.append(seconds)
        longest.append(slice_s)
    us, slice_us = 1e6 * median(own), 1e6 * median(longest)
    return {
        "case": case.name,
        "us": round(us, 1),
        "slice_us": round(slice_us, 1),
        "clock_us": round(1e6 * median(clocks), 1),
        "events": made,
        "holds": slice_us <= SLICE_BAR_US and (case.by_others or us <= BAR_US),
    }


def _times(engine: Engine, command: Commands) -> tuple[float, float, int]:
    """Seconds of processor time of a command in all, and of its longest slice; and its number of
    events. Time in which the system runs other processes does not count."""
    at = [time.thread_time()]
    made = 0

    def end_slice(events: Commands) -> None:
        """Note the end of a slice, and the events that it made."""
        nonlocal made
        at.append(time.thread_time())
        made += len(events)

    events = engine.process(command, end_slice)
    at.append(time.thread_time())
    return at[-1] - at[0], max(after - before for before, after in pairwise(at)), made + len(events)


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the cases as lines of a table."""
    return [
        f"{row['case']:<42} {row['us']:>12,.1f} us  slice {row['slice_us']:>8,.1f}  "
        f"(CLOCK {row['clock_us']:.1f})  {row['events']:>9,} events  "
        f"{'' if row['holds'] else 'above a bar'}"
        for row in rows
    ]

"""Traffic of sessions: commands and trades of a day, against a count one by one."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from exchange.days.traffic import SessionTraffic, TrafficCount
from ledger.daylog.registry import Registry, Session
from matching import Engine
from matching.records import EVENT, CommandKind, EventKind
from tests.support.scripts import (
    BUY,
    LIMITS,
    MEMBER,
    OPERATOR,
    OTHER_MEMBER,
    SELL,
    Row,
    as_commands,
    head,
    mass_cancel,
    order,
    target,
    venue,
)
from tests.support.stream_generator import ALL, stream


def registry(sessions: int = 3, opening: int = 0) -> Registry:
    opened = (Session(id=i, name=f"s-{i}", firm=i) for i in range(1, sessions + 1))
    return Registry(
        venue="V", trading_day="2026-11-22", note="", limits={}, sessions=tuple(opened),
        opening_commands=opening,
    )  # fmt: skip


def traffic(*rows: Row, opening: int = 0) -> dict[int, SessionTraffic]:
    """The traffic of rows that follow a setup of the venue, by session."""
    commands = as_commands([*head(), *rows])
    count = TrafficCount(registry(opening=len(head()) + opening if opening else 0))
    count.add_commands(commands)
    count.add_events(Engine(LIMITS).process(commands))
    return {each.session: each for each in count.result()}


def test_commands_count_by_kind_whether_accepted_or_rejected() -> None:
    found = traffic(
        order(1, BUY, 90, 5),
        order(1, BUY, 91, 5),  # rejected: the ref is live
        target(CommandKind.REPLACE, 1, quantity=4, price=90),
        target(CommandKind.CANCEL, 77, user_ref=4_001),  # rejected: no such order
        mass_cancel(1),
        venue(CommandKind.FUND, account=1, amount_fen=5, session=OPERATOR),
        venue(CommandKind.MASS_CANCEL, type=1, target_ref=MEMBER),  # of the venue itself
    )
    member = found[MEMBER]
    assert member.commands_by_kind == {"NEW": 2, "CANCEL": 1, "REPLACE": 1, "MASS_CANCEL": 1}
    assert (member.commands, member.rejected, member.ordered_lots) == (5, 2, 10)
    assert (member.trades, member.traded_lots, member.commands_per_trade) == (0, 0, None)
    assert found[OPERATOR].commands_by_kind == {"FUND": 1}
    assert found[OTHER_MEMBER].commands == 0
    assert (found[OTHER_MEMBER].name, found[OTHER_MEMBER].firm) == ("s-2", 2)


def test_a_trade_counts_once_for_each_session_in_it() -> None:
    other = {"session": OTHER_MEMBER, "account": 3}
    found = traffic(
        order(1, SELL, 100, 5),
        order(2, BUY, 100, 2),  # the session with itself
        order(1, BUY, 100, 3, **other),
        order(2, BUY, 95, 4, **other),
        order(3, SELL, 95, 1),
        order(4, SELL, 95, 1),
    )
    assert (found[MEMBER].trades, found[MEMBER].traded_lots) == (4, 7)
    assert (found[OTHER_MEMBER].trades, found[OTHER_MEMBER].traded_lots) == (3, 5)
    assert (found[MEMBER].commands, found[MEMBER].commands_per_trade) == (4, 1.0)


def test_orders_that_are_carried_into_the_day_are_no_commands_of_it_but_trade() -> None:
    other = {"session": OTHER_MEMBER, "account": 3}
    carried = order(1, SELL, 100, 5), order(1, SELL, 101, 5)
    found = traffic(*carried, order(1, BUY, 100, 3, **other), opening=2)
    assert (found[MEMBER].commands, found[MEMBER].rejected, found[MEMBER].trades) == (0, 0, 1)
    assert (found[OTHER_MEMBER].commands, found[OTHER_MEMBER].trades) == (1, 1)


def test_the_excess_is_what_no_allowance_covers() -> None:
    found = traffic(order(1, SELL, 100), order(2, BUY, 100), order(3, BUY, 99))[MEMBER]
    assert (found.commands, found.trades) == (3, 1)
    assert [found.excess(free, each) for free, each in ((0, 0), (0, 2), (1, 1), (1, 2))] == [
        3, 1, 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_random_day_counts_as_one_by_one_in_pieces_of_any_size(seed: int) -> None:
    made = stream(seed, 1_500, ALL)
    engine, days = Engine(made.limits), registry(made.limits.sessions)
    expected: dict[str, Counter[Any]] = {
        name: Counter() for name in ("kinds", "rejected", "ordered", "trades", "traded")
    }
    counts = [TrafficCount(days), TrafficCount(days)]
    seen: set[tuple[int, int]] = set()
    whole = []
    for start in range(0, len(made.commands), 37):
        piece = made.commands[start : start + 37]
        events = engine.process(piece).copy()
        whole.append(events.tobytes())
        counts[0].add_commands(piece)
        counts[0].add_events(events)
        for command in piece:
            session = int(command["session"])
            if session == 0:
                continue
            expected["kinds"][session] += 1
            if command["kind"] == CommandKind.NEW:
                lots = max(0, int(command["quantity"])) * max(1, int(command["hours"]))
                expected["ordered"][session] += lots
        for event in events:
            session, trade = int(event["session"]), int(event["trade_id"])
            if event["kind"] == EventKind.REJECTED:
                expected["rejected"][session] += 1
            elif event["kind"] == EventKind.FILLED and (session, trade) not in seen:
                seen.add((session, trade))
                expected["trades"][session] += 1
                expected["traded"][session] += int(event["quantity"])
    counts[1].add_commands(made.commands)
    counts[1].add_events(np.frombuffer(b"".join(whole), EVENT))
    assert counts[0].result() == counts[1].result()
    for each in counts[0].result():
        assert each.commands == sum(each.commands_by_kind.values())
        found = (each.commands, each.rejected, each.ordered_lots, each.trades, each.traded_lots)
        assert found == tuple(expected[name][each.session] for name in expected)
    assert sum(expected["trades"].values()) > 10

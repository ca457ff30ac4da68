"""Bounds of times, money, numbers and memory, and what an engine refuses to its caller."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from matching import COMMAND, Engine, Limits
from matching.memory.compiler import JIT_DISABLED
from matching.records import (
    ACCEPTED_MAX,
    AUCTION_MAX_S,
    FUNDED_MAX_FEN,
    NANOSECONDS,
    SCHEDULED_MAX,
    TIME_MAX_NS,
    TRADES_MAX,
    CommandFlag,
    CommandKind,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from matching.reference.engine import ReferenceEngine
from matching.state_tables import differences
from tests.support.scripts import (
    BUY,
    LIMITS,
    OTHER_MEMBER,
    SELL,
    START_S,
    Row,
    answers,
    as_commands,
    at,
    capacity,
    head,
    listing,
    mass_cancel,
    order,
    other,
    reasons,
    sequence,
    target,
    venue,
)

CLOCK, FUND, REGISTER = CommandKind.CLOCK, CommandKind.FUND, CommandKind.REGISTER
FOK, IOC = TimeInForce.FOK, TimeInForce.IOC


def clock(time_ns: int) -> Row:
    """A CLOCK command at a time."""
    return {"kind": CLOCK, "time_ns": time_ns}


def collar_auction(seconds: int = 60) -> list[Row]:
    """Set a collar of 5 ticks, and have an order reach it: the instrument is in its auction."""
    return [
        venue(CommandKind.COLLAR, price=5, quantity=seconds),
        other(1, SELL, 110),
        order(1, BUY, 120),
    ]


# Times


@pytest.mark.parametrize("time_ns", [TIME_MAX_NS + 1, 2**63 - 1])
def test_a_time_beyond_the_last_second_of_expiries_is_malformed(time_ns):
    rows = [clock(time_ns), order(1, BUY, 100) | {"time_ns": time_ns}, order(2, BUY, 100)]
    assert reasons(*rows) == ["MALFORMED", "MALFORMED", "NONE"]


def test_the_latest_time_is_taken_and_ends_what_is_due():
    gtd = order(1, BUY, 100, tif=TimeInForce.GTD, expiry_s=2**32 - 1)
    found = answers(gtd, clock(TIME_MAX_NS), order(2, BUY, 100) | {"time_ns": TIME_MAX_NS})
    assert [answer.kinds for answer in found] == [["ACCEPTED"], ["EXPIRED"], ["ACCEPTED"]]


def test_an_auction_that_would_end_after_the_latest_time_goes_on():
    late = [row | {"time_ns": TIME_MAX_NS - NANOSECONDS} for row in collar_auction()]
    beyond = order(2, BUY, 100, instrument=2) | {"time_ns": TIME_MAX_NS + 1}
    setup = [*head(), *listing(2), *capacity(2)]
    found = answers(*late, beyond, clock(TIME_MAX_NS), setup=setup)
    assert found[2].kinds == ["ACCEPTED", "PHASE_CHANGED"]
    assert found[3].reason == "MALFORMED"
    assert found[4].kinds == ["INDICATIVE"]


def test_a_collars_auction_lasts_a_day_at_most():
    lengths = (AUCTION_MAX_S, AUCTION_MAX_S + 1, 2**31 - 1)
    rows = [venue(CommandKind.COLLAR, price=5, quantity=length) for length in lengths]
    assert reasons(*rows) == ["NONE", "MALFORMED", "MALFORMED"]


def test_the_end_of_a_collars_auction_ends_no_later_auction():
    phases = [venue(CommandKind.PHASE, type=phase) for phase in (Phase.HALTED, Phase.AUCTION)]
    found = answers(*collar_auction(), *phases, at(60, clock(0)), at(99, clock(0)))
    kinds = [answer.kinds for answer in found[3:]]
    assert kinds == [["PHASE_CHANGED"], ["PHASE_CHANGED"], ["INDICATIVE"], []]


def test_the_gate_closes_in_a_collars_auction():
    rows = [venue(CommandKind.TIMES, target_ref=START_S + 30), *collar_auction()]
    assert answers(*rows, at(30, clock(0)))[4].kinds == ["EXPIRED", "EXPIRED", "PHASE_CHANGED"]
    assert answers(*rows, at(60, clock(0)), at(61, clock(0)))[5].kinds == []


def test_new_day_times_replace_all_earlier_ones():
    later = venue(CommandKind.TIMES, expiry_s=START_S + 90, target_ref=START_S + 99)
    sooner = venue(CommandKind.TIMES, expiry_s=START_S + 20, target_ref=START_S + 30)
    found = answers(sooner, later, *(at(second, clock(0)) for second in (20, 30, 90, 99)))
    assert [answer.kinds for answer in found[2:]] == [[], [], ["PHASE_CHANGED"], []]


# Money and capacity


def test_the_money_of_all_accounts_together_is_bounded():
    left = FUNDED_MAX_FEN - 3 * 10**12
    rows = [
        venue(FUND, account=1, amount_fen=left),
        venue(FUND, account=2, amount_fen=1),
        venue(CommandKind.WITHDRAW, account=1, amount_fen=5),
        venue(FUND, account=2, amount_fen=6),
        venue(FUND, account=2, amount_fen=5),
    ]
    assert reasons(*rows) == ["NONE", "FUNDS", "NONE", "FUNDS", "NONE"]


def test_no_less_than_nothing_is_registered_so_that_a_bust_can_take_back():
    bust = venue(
        CommandKind.BUST, target_ref=1, price=100, quantity=10, account=1, seller=3, side=Side.SELL
    )
    rows = [
        venue(REGISTER, account=1, quantity=-(10**6)),
        other(1, SELL, 100, 10),
        order(1, BUY, 100, 10),
        venue(REGISTER, account=1, quantity=-10),
        bust,
    ]
    assert reasons(*rows) == ["NONE", "NONE", "NONE", "CAPACITY", "NONE"]


# Fill or kill


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (SelfTradePrevention.NONE, "NONE"),
        (SelfTradePrevention.NEWEST, "FOK"),
        (SelfTradePrevention.OLDEST, "NONE"),
        (SelfTradePrevention.BOTH, "FOK"),
        (SelfTradePrevention.DECREMENT, "FOK"),
    ],
)
def test_a_fill_or_kill_behind_an_own_order_trades_all_or_nothing(mode, expected):
    own = order(1, SELL, 100, 5, account=1)
    rows = [own, other(1, SELL, 100, 10), order(2, BUY, 100, 10, tif=FOK, stp=mode)]
    found = answers(*rows)[-1]
    assert found.reason == expected
    fills = found.events[found.events["kind"] == 2]
    assert found.kinds[0] == ("ACCEPTED" if expected == "NONE" else "REJECTED")
    assert fills["quantity"][1::2].sum() == (10 if expected == "NONE" else 0)


def test_a_fill_or_kill_in_front_of_an_own_order_trades_under_decrement():
    rows = [other(1, SELL, 100, 10), order(1, SELL, 100, 5, account=1)]
    last = order(2, BUY, 100, 10, tif=FOK, stp=SelfTradePrevention.DECREMENT)
    assert answers(*rows, last)[-1].kinds == ["ACCEPTED", "FILLED", "FILLED"]


# Memory and numbers


def test_a_full_pool_is_a_reason_before_a_look_at_the_book():
    """A fill or kill that finds no room tells nothing about hidden quantity."""
    iceberg = other(1, SELL, 100, 50, display=1)
    rows = [order(2, BUY, 100, quantity, tif=FOK) for quantity in (50, 51)]
    rows.append(order(2, BUY, 100, flags=CommandFlag.POST_ONLY))
    assert reasons(iceberg, *rows, limits=replace(LIMITS, orders=1)) == ["NONE"] + 3 * ["POOL_FULL"]


def test_full_pools_come_before_fill_or_kill_for_blocks_and_baskets():
    setup = [*head(), *listing(2), *capacity(2), sequence(2, 1)]
    setup.append(venue(CommandKind.BASKET, instrument=1, target_ref=1))
    block = order(2, BUY, 100, 5, tif=FOK, hours=2)
    basket = order(2, BUY, 100, 5, tif=FOK, flags=CommandFlag.SPLIT, target_ref=1)
    rows = [other(1, SELL, 150), block, basket]
    limits = replace(LIMITS, orders=1)
    assert reasons(*rows, setup=setup, limits=limits)[1:] == ["POOL_FULL", "POOL_FULL"]
    assert reasons(*rows, setup=setup)[1:] == ["FOK", "FOK"]


SHARES = replace(LIMITS, session_orders=2, session_ref_pages=1)


def test_a_session_has_a_share_of_live_orders():
    """What uses it up is the session's refusal, whether or not the order would rest."""
    rows = [
        order(1, BUY, 90),
        order(2, BUY, 150, type=OrderType.STOP_LIMIT, stop=140),
        order(3, BUY, 90),
        order(4, BUY, 90, tif=IOC),
        other(1, SELL, 120),
        target(CommandKind.CANCEL, 1),
        order(5, BUY, 120),
        order(6, BUY, 90),
        order(7, BUY, 90),
    ]
    expected = [*["NONE"] * 2, *["SESSION_LIMIT"] * 2, "NONE", "REQUESTED", "NONE", "NONE"]
    assert reasons(*rows, limits=SHARES) == [*expected, "SESSION_LIMIT"]


def test_a_session_has_a_share_of_pages_of_refs():
    """Refs 1,024 apart take a page each; another session's orders are not refused for it."""
    rows = [order(1, BUY, 90), order(1025, BUY, 90), other(1025, SELL, 120), order(2, BUY, 90)]
    rows += [target(CommandKind.MASS_CANCEL, 0, type=MassCancelScope.SESSION), order(1025, BUY, 9)]
    expected = ["NONE", "SESSION_LIMIT", "NONE", "NONE", "MASS_CANCEL", "NONE"]
    assert reasons(*rows, limits=SHARES) == expected


def test_a_session_has_a_share_of_live_blocks():
    setup = [*head(), *listing(2), *capacity(2), sequence(2, 1)]
    day = {"hours": 2, "tif": TimeInForce.DAY}
    rows = [order(1, BUY, 90, **day), order(2, BUY, 90, **day), order(3, BUY, 90)]
    rows += [other(1, SELL, 150, **day), target(CommandKind.CANCEL, 1), order(4, BUY, 90, **day)]
    limits = replace(LIMITS, session_blocks=1)
    expected = ["NONE", "SESSION_LIMIT", "NONE", "NONE", "REQUESTED", "NONE"]
    assert reasons(*rows, setup=setup, limits=limits) == expected


def test_a_share_of_its_own_comes_before_the_pool_of_all():
    limits = replace(LIMITS, orders=1, session_orders=1)
    rows = [order(1, BUY, 90), order(2, BUY, 90), other(1, SELL, 120)]
    assert reasons(*rows, limits=limits) == ["NONE", "SESSION_LIMIT", "POOL_FULL"]


@pytest.mark.parametrize(
    ("accepted", "trades", "reason"),
    [
        (ACCEPTED_MAX - 1, 0, "NONE"),
        (ACCEPTED_MAX, 0, "POOL_FULL"),
        (9, TRADES_MAX - 1, "NONE"),
        (9, TRADES_MAX, "POOL_FULL"),
    ],
)
def test_the_numbers_of_a_day_never_wrap(accepted, trades, reason):
    """What needs a new acceptance sequence is rejected when they are used up; the rest goes on."""
    setup = [*head(), *listing(2), *capacity(2), sequence(2, 1)]
    setup.append(venue(CommandKind.BASKET, instrument=1, target_ref=1))
    setup += [order(1, BUY, 90, 5), order(3, BUY, 80, 5, hours=2, tif=TimeInForce.DAY)]
    engine = Engine(LIMITS)
    engine.process(as_commands(setup))
    rows = [
        order(2, BUY, 95),
        order(2, BUY, 95, tif=IOC, flags=CommandFlag.SPLIT, target_ref=1),
        order(2, BUY, 80, hours=2, tif=TimeInForce.DAY),
        target(CommandKind.REPLACE, 1, quantity=6),
        target(CommandKind.REPLACE, 3, quantity=6),
    ]
    less = [target(CommandKind.REPLACE, ref, quantity=4) for ref in (1, 3)]
    for row in rows:
        copy = Engine.restore(engine.snapshot())
        copy._arrays["state"]["accepted"], copy._arrays["state"]["trades"] = accepted, trades
        found = copy.process(as_commands([row, *less]))
        assert found["reason"][0] == (0 if reason == "NONE" else Reason.POOL_FULL), row
        if reason != "NONE":
            assert found["reason"].tolist()[1:] == [0, 0]
            market = ReferenceEngine(LIMITS)
            market.process(as_commands(setup))
            market._market.accepted, market._market.trades = accepted, trades
            assert market.process(as_commands([row, *less])).tobytes() == found.tobytes()
            assert differences(market.state_tables(), copy.state_tables()) == []


@pytest.mark.parametrize(
    ("scheduled", "is_room"), [(SCHEDULED_MAX - 1, True), (SCHEDULED_MAX, False)]
)
def test_the_order_of_scheduling_never_wraps(scheduled, is_room):
    """Operators schedule no more when it is used up; collars, which follow orders, still do."""
    setup = [*head(), *listing(2), *capacity(2)]
    times = {"instrument": 2, "expiry_s": START_S + 9}
    schedule = [
        venue(CommandKind.TIMES, **times),
        venue(CommandKind.PHASE, type=Phase.HALTED, **times),
    ]
    other_rows = [
        venue(CommandKind.TIMES, instrument=2, target_ref=START_S + 9),
        *collar_auction(),
        clock((START_S + 70) * NANOSECONDS),
    ]
    for row in schedule:
        commands = as_commands([row, *other_rows])
        engine, market = Engine(LIMITS), ReferenceEngine(LIMITS)
        for machine in (engine, market):
            machine.process(as_commands(setup))
        engine._arrays["state"]["scheduled"] = market._market.agenda.scheduled = scheduled
        found = engine.process(commands)
        assert found.tobytes() == market.process(commands).tobytes()
        assert differences(market.state_tables(), engine.state_tables()) == []
        assert (found["reason"][0] != Reason.POOL_FULL) == is_room
        changes = found[(found["kind"] == EventKind.PHASE_CHANGED) & (found["instrument"] == 1)]
        assert len(changes) == 2
        Engine.restore(engine.snapshot())


# The cost of a mass cancel


@pytest.mark.skipif(JIT_DISABLED, reason="times a compiled engine")
def test_a_mass_cancel_costs_what_its_session_has_and_not_what_others_had():
    """It reads the pages of its session, however many orders were live once."""
    count = 1 << 20
    pages = count // 1024 + 1
    limits = Limits(
        orders=count, refs=count + 1, ref_pages=pages, ticks=1024, session_orders=count,
        session_ref_pages=pages,
    )  # fmt: skip
    engine = Engine(limits)
    engine.process(as_commands(head()))
    rows = np.zeros(count, COMMAND)
    rows[:] = as_commands([order(1, BUY, 100)])[0]
    rows["user_ref"] = np.arange(1, count + 1)
    assert (engine.process(rows)["kind"] == 1).all()
    idle = as_commands([mass_cancel(MassCancelScope.SESSION, OTHER_MEMBER)])
    nothing = as_commands([clock(START_S * NANOSECONDS)])

    def seconds(commands: np.ndarray) -> float:
        times = []
        for _ in range(15):
            start = time.perf_counter()
            engine.process(commands)
            times.append(time.perf_counter() - start)
        return min(times)

    assert len(engine.process(idle)) == 1
    assert seconds(idle) < 100 * seconds(nothing)


# What an engine refuses to its caller


def test_concatenated_commands_are_taken():
    halves = [as_commands(head()), as_commands([order(1, BUY, 100)])]
    joined = np.concatenate(halves)
    assert joined.dtype != COMMAND
    expected = Engine(LIMITS).process(np.concatenate(halves, dtype=COMMAND)).tobytes()
    assert Engine(LIMITS).process(joined).tobytes() == expected
    joined["amount_fen"][0] = 7
    with pytest.raises(ValueError, match="differs from a field that shares its bytes"):
        Engine(LIMITS).process(joined)


def test_another_shape_is_an_error():
    with pytest.raises(ValueError, match="one dimension"):
        Engine(LIMITS).process(np.zeros((2, 2), COMMAND))
    with pytest.raises(ValueError, match="one dimension"):
        Engine(LIMITS).process(np.zeros((), COMMAND))


def test_an_engine_that_was_interrupted_goes_no_further(monkeypatch):
    """The exception of a signal handler, between two event buffers of one call."""
    engine = Engine(LIMITS)
    advance, calls = engine._advance, []

    def interrupted(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(engine, "_advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.process(as_commands([*head(), *(order(ref, BUY, 100) for ref in range(1, 40))]))
    for call in (lambda: engine.process(as_commands([clock(0)])), engine.snapshot):
        with pytest.raises(RuntimeError, match="ended a call in the middle"):
            call()


def test_a_second_thread_is_refused_while_the_first_is_in_a_call(monkeypatch):
    engine = Engine(LIMITS)
    advance, inside, go_on = engine._advance, threading.Event(), threading.Event()

    def slow(*arguments: object) -> int:
        inside.set()
        assert go_on.wait(20)
        return advance(*arguments)

    monkeypatch.setattr(engine, "_advance", slow)
    thread = threading.Thread(target=engine.process, args=(as_commands(head()),))
    thread.start()
    assert inside.wait(20)
    with pytest.raises(RuntimeError, match="another thread is in a call"):
        engine.process(as_commands([clock(0)]))
    go_on.set()
    thread.join()
    assert engine.free_fen(1) == 10**12

"""Rare cases that random streams seldom reach, on kernel and reference alike."""

from dataclasses import replace

import pytest

from matching import Engine
from matching.records import (
    POSITION_MAX,
    CommandFlag,
    CommandKind,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    SelfTradePrevention,
    TimeInForce,
)
from tests.support.scripts import (
    BUY,
    LIMITS,
    MEMBER,
    OPERATOR,
    OTHER_MEMBER,
    SELL,
    START_S,
    answers,
    as_commands,
    head,
    mass_cancel,
    order,
    reasons,
    target,
    venue,
)

WIDEST = 1 << 18
NEW, CANCEL, REPLACE = CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE
IOC, GTD = TimeInForce.IOC, TimeInForce.GTD


@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_best_price_is_found_across_the_widest_band(side):
    """Every level of the bitmap empties and fills: words of 64 ticks, groups of 4,096, the top."""
    far = [0, 1, 63, 64, 65, 4095, 4096, 4097, 5000, 131_072, WIDEST - 2, WIDEST - 1]
    prices = [WIDEST - away if side == BUY else 1 + away for away in far]
    rows = [order(ref, side, price) for ref, price in enumerate(prices, 1)]
    swept = order(100, 1 - side, prices[-1], 4, tif=IOC)
    cancels = [target(CANCEL, ref) for ref in (6, 8, 12)]
    again = [order(ref, side, prices[ref - 1]) for ref in (12, 1)]
    last = order(101, 1 - side, prices[-1], 20, tif=IOC)
    limits = replace(LIMITS, ticks=WIDEST)
    found = answers(*rows, swept, *cancels, *again, last, limits=limits, setup=head(1, WIDEST))
    fills = found[-1].events
    assert fills["price"][fills["kind"] == EventKind.FILLED].tolist()[::2] == [
        prices[at] for at in (0, 4, 6, 8, 9, 10, 11)
    ]


def test_a_fill_or_kill_counts_across_the_rows_of_the_bitmap():
    prices = [10, 5000, 5001, 70_000, 250_000]
    rows = [order(ref, SELL, price, 2) for ref, price in enumerate(prices, 1)]
    enough = order(10, BUY, WIDEST, 10, tif=TimeInForce.FOK)
    much = enough | {"user_ref": 11, "quantity": 11}
    limits = replace(LIMITS, ticks=WIDEST)
    found = answers(*rows, much, enough, limits=limits, setup=head(1, WIDEST))
    assert [answer.reason for answer in found[-2:]] == ["FOK", "NONE"]


def test_a_fill_or_kill_under_prevention_counts_hidden_lots_of_other_owners():
    theirs = order(1, SELL, 100, 10, session=OTHER_MEMBER, account=3, display=1)
    fok = order(2, BUY, 101, 5, tif=TimeInForce.FOK, stp=SelfTradePrevention.NEWEST)
    own = order(3, SELL, 101, 10, account=1)
    assert reasons(theirs, fok) == ["NONE", "NONE"]
    assert reasons(theirs, own, fok | {"quantity": 10}) == ["NONE", "NONE", "NONE"]
    assert reasons(theirs, own, fok | {"quantity": 11}) == ["NONE", "NONE", "FOK"]


def test_triggered_stops_are_cancelled_when_a_collar_ends_trading():
    """One command ends more stops than the event buffer has room for."""
    stops = [
        order(ref, BUY, 0, 5, type=OrderType.STOP, stop=100, account=1) for ref in range(20, 50)
    ]
    limited = order(19, BUY, 112, 5, type=OrderType.STOP_LIMIT, stop=100)
    found = answers(
        venue(CommandKind.COLLAR, price=5, quantity=60),
        order(1, SELL, 100, 1),
        order(2, SELL, 104, 1),
        order(3, SELL, 110, 50),
        limited,
        *stops,
        order(60, BUY, 100, 1),
    )
    kinds = found[-1].kinds
    assert kinds.count("TRIGGERED") == 31
    assert kinds.count("CANCELLED") == 30
    assert kinds.count("PHASE_CHANGED") == 1


@pytest.mark.parametrize(
    "kind",
    [
        CommandKind.BAND,
        CommandKind.FEES,
        CommandKind.TIMES,
        CommandKind.COLLAR,
        CommandKind.PHASE,
        CommandKind.REGISTER,
    ],
)
def test_settings_of_an_instrument_that_is_not_listed_are_rejected(kind):
    fields = {"price": 1, "stop": 1, "quantity": 1, "type": Phase.AUCTION, "account": 1}
    absent = [venue(kind, **fields) | {"instrument": number} for number in (0, 2, 4, 2**32 - 1)]
    assert reasons(*absent) == ["UNKNOWN_INSTRUMENT"] * 4


def test_an_instrument_beyond_the_limits_cannot_be_listed():
    rows = [venue(CommandKind.LIST, price=1, quantity=1) | {"instrument": n} for n in (0, 4, 1, 2)]
    assert reasons(*rows) == ["UNKNOWN_INSTRUMENT", "UNKNOWN_INSTRUMENT", "PHASE", "NONE"]


def test_settings_of_a_gated_instrument_are_rejected():
    rows = [
        venue(CommandKind.TIMES, target_ref=START_S + 1),
        venue(CommandKind.CLOCK, time_ns=(START_S + 1) * 10**9),
    ]
    kinds = (CommandKind.BAND, CommandKind.FEES, CommandKind.TIMES, CommandKind.COLLAR)
    fields = {"price": 1, "stop": 1, "quantity": 1, "time_ns": (START_S + 1) * 10**9}
    rows += [venue(kind, **fields) for kind in kinds]
    rows += [venue(CommandKind.PHASE, type=Phase.AUCTION, time_ns=fields["time_ns"])]
    rows += [venue(CommandKind.REGISTER, account=1, quantity=1, time_ns=fields["time_ns"])]
    assert reasons(*rows)[2:] == ["PHASE"] * 6


def test_a_mass_cancel_is_rejected_for_the_first_reason():
    session, account, instrument = MassCancelScope
    assert reasons(
        mass_cancel(0),
        mass_cancel(4),
        mass_cancel(session, user_ref=0),
        mass_cancel(session, session=4),
        mass_cancel(session, session=OPERATOR, user_ref=0, target_ref=4),
        mass_cancel(session, session=0, target_ref=0),
        mass_cancel(account, account=4),
        mass_cancel(account, account=99),
        mass_cancel(account, account=3),
        mass_cancel(account, account=3, session=OPERATOR),
        mass_cancel(instrument, instrument=2),
        mass_cancel(instrument, instrument=1),
    ) == [
        *("MALFORMED", "MALFORMED", "MALFORMED"),
        *("UNKNOWN_SESSION", "UNKNOWN_SESSION", "UNKNOWN_SESSION"),
        *("UNKNOWN_ACCOUNT", "UNKNOWN_ACCOUNT", "NOT_ENTITLED", "NONE"),
        *("UNKNOWN_INSTRUMENT", "NONE"),
    ]


def test_a_mass_cancel_of_an_operator_reaches_all_orders_and_of_a_member_its_own():
    both = [
        order(1, BUY, 10),
        order(2, SELL, 20),
        order(1, BUY, 11, session=OTHER_MEMBER, account=3),
    ]
    scopes = (
        (mass_cancel(MassCancelScope.INSTRUMENT, instrument=1), 2),
        (mass_cancel(MassCancelScope.INSTRUMENT, instrument=1, session=OPERATOR), 3),
        (mass_cancel(MassCancelScope.ACCOUNT, account=1), 1),
        (mass_cancel(MassCancelScope.ACCOUNT, account=3, session=OPERATOR), 1),
        (mass_cancel(MassCancelScope.SESSION), 2),
        (mass_cancel(MassCancelScope.SESSION, session=OPERATOR, target_ref=OTHER_MEMBER), 1),
        (mass_cancel(MassCancelScope.SESSION, session=OTHER_MEMBER, target_ref=MEMBER), 1),
    )
    for command, reached in scopes:
        found = answers(*both, command)[-1]
        assert found.kinds == ["CANCELLED"] * reached + ["MASS_CANCELLED"]


def test_a_post_only_order_is_not_replaced_into_a_trade_but_may_cross_in_an_auction():
    resting = [order(1, SELL, 105), order(2, BUY, 95, flags=CommandFlag.POST_ONLY)]
    moved = [target(REPLACE, 2, quantity=1, price=price) for price in (105, 104)]
    assert reasons(*resting, *moved) == ["NONE", "NONE", "POST_ONLY", "NONE"]
    auction = venue(CommandKind.PHASE, type=Phase.AUCTION)
    assert reasons(*resting, auction, moved[0])[-1] == "NONE"


def test_a_replace_changes_only_fields_that_its_order_has():
    rows = [
        order(1, BUY, 90, 5),
        order(2, BUY, 0, 5, type=OrderType.STOP, stop=120),
        order(3, BUY, 90, 5, tif=GTD, expiry_s=START_S + 10),
    ]
    changes = [
        target(REPLACE, 1, quantity=5, stop=100),
        target(REPLACE, 1, quantity=5, display=1),
        target(REPLACE, 1, quantity=5, expiry_s=START_S + 5),
        target(REPLACE, 2, quantity=5, price=100),
        target(REPLACE, 1, quantity=5, price=201),
        target(REPLACE, 2, quantity=5, stop=201),
        target(REPLACE, 3, quantity=5, expiry_s=START_S),
        target(REPLACE, 3, quantity=5, expiry_s=START_S + 5),
        target(REPLACE, 3, quantity=4),
        target(REPLACE, 9, quantity=5),
        target(REPLACE, 5000, quantity=5),
        target(REPLACE, 1, quantity=5, session=4),
    ]
    assert reasons(*rows, *changes)[3:] == [
        *("ORDER_TYPE", "ORDER_TYPE", "ORDER_TYPE", "ORDER_TYPE", "BAND", "BAND", "TIME_PAST"),
        *("NONE", "NONE", "UNKNOWN_ORDER", "UNKNOWN_ORDER", "UNKNOWN_SESSION"),
    ]


def test_a_requeue_beyond_the_largest_quantity_exceeds_the_size_limit():
    most = 2**31 - 1
    rows = [order(1, BUY, 100, 2), order(2, SELL, 100, 1)]
    big = target(REPLACE, 1, quantity=most, flags=CommandFlag.REQUEUE)
    assert reasons(*rows, big)[-1] == "SIZE_LIMIT"


def test_the_number_of_scheduled_phase_changes_is_bounded():
    later = [
        venue(CommandKind.PHASE, type=Phase.AUCTION, expiry_s=START_S + 1 + n) for n in range(13)
    ]
    assert reasons(*later) == ["NONE"] * 12 + ["POOL_FULL"]
    assert reasons(venue(CommandKind.PHASE, type=Phase.AUCTION, expiry_s=START_S)) == ["TIME_PAST"]


def test_band_and_fees_are_rejected_while_orders_are_live_or_after_a_trade():
    band = venue(CommandKind.BAND, price=50, stop=150)
    wider = venue(CommandKind.BAND, price=1, stop=201)
    fees = venue(CommandKind.FEES, price=1, stop=1)
    stop = order(1, BUY, 0, type=OrderType.STOP, stop=120)
    assert reasons(stop, band, fees) == ["NONE", "PHASE", "PHASE"]
    traded = [order(1, BUY, 100), order(2, SELL, 100)]
    assert reasons(*traded, band, wider, fees)[2:] == ["NONE", "POOL_FULL", "PHASE"]


def test_only_the_venue_and_its_operators_send_administrative_commands():
    fund = {"kind": CommandKind.FUND, "account": 1, "amount_fen": 1}
    phase = {"kind": CommandKind.PHASE, "instrument": 1, "type": Phase.HALTED}
    for row in (fund, phase):
        senders = [row | {"session": session} for session in (4, 99, MEMBER, OPERATOR)]
        assert reasons(*senders) == ["UNKNOWN_SESSION", "UNKNOWN_SESSION", "NOT_ENTITLED", "NONE"]


def test_sessions_and_accounts_are_opened_once():
    assert reasons(
        venue(CommandKind.SESSION, target_ref=0, account=1),
        venue(CommandKind.SESSION, target_ref=5, account=1),
        venue(CommandKind.SESSION, target_ref=MEMBER, account=2),
        venue(CommandKind.SESSION, target_ref=MEMBER, account=1, flags=CommandFlag.OPERATOR),
        venue(CommandKind.ACCOUNT, account=0, target_ref=1),
        venue(CommandKind.ACCOUNT, account=5, target_ref=1),
        venue(CommandKind.ACCOUNT, account=1, target_ref=1),
        venue(CommandKind.LIMITS, account=4),
    ) == [
        *("UNKNOWN_SESSION", "UNKNOWN_SESSION", "NOT_ENTITLED", "NONE"),
        *("UNKNOWN_ACCOUNT", "UNKNOWN_ACCOUNT", "NOT_ENTITLED", "UNKNOWN_ACCOUNT"),
    ]


def test_funded_money_is_bounded_whatever_was_withdrawn_or_is_held():
    most = 2**61 - 3 * 10**12  # that all accounts together may still be funded with
    fund = {"kind": CommandKind.FUND, "account": 1}
    withdraw = {"kind": CommandKind.WITHDRAW, "account": 1}
    assert reasons(
        fund | {"amount_fen": most + 1},
        order(1, BUY, 100, 50),
        fund | {"amount_fen": most + 1},
        fund | {"amount_fen": most},
        withdraw | {"amount_fen": 2**61},
        withdraw | {"amount_fen": most + 10**12 - 5000},
        withdraw | {"amount_fen": 1},
        fund | {"amount_fen": 2**63 - 1},
    ) == ["FUNDS", "NONE", "FUNDS", "NONE", "FUNDS", "NONE", "FUNDS", "FUNDS"]


def test_capacity_is_bounded():
    had = venue(CommandKind.REGISTER, account=2, quantity=-(10**6))
    most = venue(CommandKind.REGISTER, account=2, quantity=POSITION_MAX)
    more = venue(CommandKind.REGISTER, account=2, quantity=1)
    assert reasons(had, most, more) == ["NONE", "NONE", "CAPACITY"]
    assert reasons(had, more, most) == ["NONE", "NONE", "CAPACITY"]


def test_depth_shows_the_best_levels_only():
    rows = [order(ref, BUY, 90 - ref // 2, 3, display=1) for ref in range(1, 7)]
    engine = Engine(LIMITS)
    engine.process(as_commands([*head(), *rows, order(9, SELL, 120, 4)]))
    assert engine.depth(1, 2) == ([(90, 1), (89, 2)], [(120, 4)])
    assert engine.depth(1, 9) == ([(90, 1), (89, 2), (88, 2), (87, 1)], [(120, 4)])


def test_a_mass_cancel_may_have_more_events_than_the_buffer_has_room_for():
    rows = [order(ref, BUY, 50) for ref in range(1, 61)]
    found = answers(*rows, mass_cancel(MassCancelScope.SESSION))[-1]
    assert found.kinds == ["CANCELLED"] * 60 + ["MASS_CANCELLED"]


def test_a_prefetched_cancel_never_ends_the_order_that_reused_its_slot():
    """The page of refs goes to another session between the prefetch and the cancel."""
    nothing = [target(CANCEL, 99) for _ in range(40)]
    again = order(1, SELL, 120, 1, session=OTHER_MEMBER, account=3)
    found = answers(
        order(1, BUY, 90), *nothing, target(CANCEL, 1), again, target(CANCEL, 1), *nothing
    )
    assert [answer.reason for answer in found[41:44]] == ["REQUESTED", "NONE", "UNKNOWN_ORDER"]


def used_slots() -> list[dict[str, int]]:
    """Orders that come and go: the fast path takes only slots that were used before."""
    refs = range(50, 53)
    return [*(order(ref, BUY, 50) for ref in refs), *(target(CANCEL, ref) for ref in refs)]


def test_an_order_that_fills_its_session_s_only_other_order_can_still_be_cancelled():
    rows = [order(1, SELL, 100, 1), *used_slots(), order(2, BUY, 100, 3), target(CANCEL, 2)]
    assert answers(*rows)[-1].kinds == ["CANCELLED"]


def test_the_remainder_of_an_incoming_iceberg_shows_no_more_than_its_leaves():
    rows = [
        order(1, SELL, 100, 6, session=OTHER_MEMBER, account=3),
        order(4, BUY, 50),
        *used_slots(),
        order(2, BUY, 100, 8, display=5),
        order(3, SELL, 100, 4, session=OTHER_MEMBER, account=3),
    ]
    fills = answers(*rows)[-1].events
    assert fills["quantity"][fills["kind"] == EventKind.FILLED].tolist() == [2, 2]

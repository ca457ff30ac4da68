"""Limits of a served day: the shares of all sessions fit the pools, whatever is configured."""

from typing import Any

import numpy as np
import pytest

from exchange.definition.calendar import parse_day
from exchange.definition.contracts import read_venue
from exchange.definition.instrument_columns import build_columns
from exchange.definition.instruments import instruments
from exchange.definition.members import read_members
from exchange.definition.toml_file import BadFile
from exchange.venue.config import VenueConfig
from exchange.venue.limits import limits_of
from matching.limits import Limits
from matching.records import COMMAND, CommandKind

MEMBERS, VENUE = read_members(), read_venue()
LISTED = instruments(VENUE.contracts, parse_day("2026-11-22"), 1)
LISTING = build_columns(LISTED, VENUE.contracts)
POOLS = ("orders", "blocks", "ref_pages")


def limits(settings: dict[str, int], **options: Any) -> Limits:
    config = VenueConfig(limits=settings)
    return limits_of(
        config, LISTING, MEMBERS.accounts, MEMBERS.sessions, last=len(LISTED), **options
    )


def shares(of: Limits) -> dict[str, int]:
    return {name: getattr(of, f"session_{name}") for name in POOLS}


def assert_shares_fit(of: Limits, *names: str) -> None:
    for name in names or POOLS:
        assert 1 <= getattr(of, f"session_{name}") * of.sessions <= getattr(of, name), name


def orders(*rows: tuple[int, int, int]) -> np.ndarray:
    """Carried NEWs of (session, user_ref, hours)."""
    commands = np.zeros(len(rows), COMMAND)
    commands["kind"] = CommandKind.NEW
    for command, (session, ref, hours) in zip(commands, rows, strict=True):
        command["session"], command["user_ref"], command["hours"] = session, ref, hours
    return commands


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sessions": 1_000},
        {"sessions": 11},
        {"sessions": 65_536},
        {"orders": 640, "blocks": 64, "ref_pages": 128},
        {"orders": 10, "sessions": 500},
        {"accounts": 5_000, "instruments": 5_000},
    ],
)
def test_the_shares_of_all_sessions_fit_each_pool(settings: dict[str, int]) -> None:
    found = limits(settings)
    assert_shares_fit(found)
    assert found.sessions == settings.get("sessions", 64)


def test_each_pool_is_divided_by_the_sessions_that_the_day_may_have() -> None:
    found = limits({"sessions": 1_000, "orders": 50_000, "blocks": 2_000})
    assert shares(found) == {"orders": 50, "blocks": 2, "ref_pages": 16}
    assert (found.orders, found.blocks) == (50_000, 2_000)


def test_a_pool_has_room_for_a_share_of_one_for_each_session() -> None:
    found = limits({"sessions": 1_000, "orders": 10, "blocks": 999})
    assert (found.orders, found.blocks) == (1_000, 1_000)
    assert shares(found) == {"orders": 1, "blocks": 1, "ref_pages": 16}


def test_shares_that_the_configuration_sets_are_its_own_and_the_others_are_divided() -> None:
    found = limits({"sessions": 100, "session_orders": 50_000, "ref_pages": 1_000})
    assert shares(found) == {"orders": 50_000, "blocks": 10, "ref_pages": 10}
    assert_shares_fit(found, "blocks", "ref_pages")


def test_the_next_day_divides_anew_but_has_room_for_all_that_is_carried() -> None:
    before = limits({"orders": 6_400}).as_dict()
    assert before["session_orders"] == 100
    grown = limits({"sessions": 640, "orders": 6_400}, before=before)
    assert shares(grown)["orders"] == 10
    carried = orders(*((3, ref, 0) for ref in range(1, 31)), *((4, 1, 0),) * 9)
    grown = limits({"sessions": 640, "orders": 6_400}, before=before, carried=carried)
    assert (grown.session_orders, grown.orders) == (30, 19_200)
    assert_shares_fit(grown)
    pages = orders(*((3, 1_024 * page, 2) for page in range(40)))
    grown = limits({"sessions": 640}, before=before, carried=pages)
    assert shares(grown) == {"orders": 204, "blocks": 40, "ref_pages": 40}
    assert_shares_fit(grown)
    own = limits({"session_orders": 5}, before=before, carried=carried)
    assert own.session_orders == 30


def test_no_other_limit_falls_below_that_of_the_day_before() -> None:
    before = limits({"sessions": 128, "orders": 1 << 20, "ticks": 1 << 25}).as_dict()
    after = limits({"accounts": 9_999}, before=before)
    assert (after.sessions, after.orders, after.ticks) == (128, 1 << 20, 1 << 25)
    assert after.accounts == 9_999
    assert after.session_orders == (1 << 20) // 128


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sessions": 9}, "limits: `sessions` must be at least 10, the greatest number in use, "),
        ({"accounts": 3}, "limits: `accounts` must be at least 24, "),
        ({"instruments": 1}, f"limits: `instruments` must be at least {len(LISTED)}, "),
        ({"sessions": 1 << 17}, "limits: `sessions` must be between 1 and 65536"),
        ({"seats": 1}, "limits: there is no limit `seats`; there are sessions, "),
    ],
)  # fmt: skip
def test_a_limit_that_does_not_hold_the_day_is_refused(settings: dict[str, int], text: str) -> None:
    with pytest.raises(BadFile) as caught:
        limits(settings)
    assert str(caught.value).startswith(text)

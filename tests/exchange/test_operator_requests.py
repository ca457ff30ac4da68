"""Answers to operators' requests, read from the events of the command that the venue made."""

import numpy as np
import pytest

from exchange.venue.bust_requests import read_bust
from exchange.venue.capacity_requests import read_registered
from exchange.venue.errors import RequestRefused
from feeds.protocol.messages import RefusalReason
from matching.records import CommandKind, EventFlag, EventKind, TimeInForce
from tests.support.scripts import BUY, SELL, START_S, Row, answers, order, venue

PRICE, LOTS = 101, 5
DIES = order(9, BUY, PRICE - 9, tif=TimeInForce.GTD, expiry_s=START_S + 1)
"""An order that expires before the request's command is carried out, and with it."""
LATER = {"time_ns": (START_S + 2) * 10**9}


def events_of(*rows: Row) -> np.ndarray:
    """The events of the last command."""
    return answers(*rows)[-1].events


def bust(**fields: int) -> Row:
    row = {"target_ref": 1, "account": 1, "seller": 2, "price": PRICE, "quantity": LOTS}
    return venue(CommandKind.BUST, **{**row, "side": SELL, **fields})


def test_the_answer_to_a_bust_comes_after_what_was_due_by_then() -> None:
    trade = order(1, SELL, PRICE, LOTS), order(2, BUY, PRICE, LOTS)
    events = events_of(*trade, DIES, bust(**LATER))
    assert events["kind"].tolist() == [EventKind.EXPIRED, EventKind.BUSTED, EventKind.BUSTED]
    done = read_bust(events, 1)
    assert (done.buyer, done.seller, done.price, done.quantity) == (1, 2, PRICE, LOTS)
    events = events_of(
        *trade, DIES, order(3, SELL, PRICE, 10**6), bust(**LATER, account=2, seller=1)
    )
    assert events["kind"].tolist() == [EventKind.EXPIRED, EventKind.REJECTED]
    with pytest.raises(RequestRefused, match="trade 1 stands: FUNDS") as caught:
        read_bust(events, 1)
    assert caught.value.reason == RefusalReason.REJECTED


def test_the_answer_to_a_registration_comes_after_what_was_due_by_then() -> None:
    registered = venue(CommandKind.REGISTER, account=2, quantity=7, **LATER)
    events = events_of(DIES, registered)
    assert events["kind"].tolist() == [EventKind.EXPIRED, EventKind.REGISTERED]
    done = read_registered(events)
    assert (done.account, done.instrument, done.quantity, done.registered) == (2, 1, 7, 10**6 + 7)
    events = events_of(DIES, registered | {"quantity": -(10**6) - 1})
    assert events["kind"].tolist() == [EventKind.EXPIRED, EventKind.REJECTED]
    assert events["flags"][-1] & EventFlag.CARRIED == 0
    with pytest.raises(
        RequestRefused, match="account 2, instrument 1: CAPACITY: more than"
    ) as caught:
        read_registered(events)
    assert caught.value.reason == RefusalReason.REJECTED

"""Funding: the limits and the money that accounts of a generated day start with.

A day is drafted first, so what an account needs is known. Most get that and a little more. One
buyer and one supplier get a part at the opening and the rest during the day, and are refused in
between; some money leaves again, as it does.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.instrument_columns import Listing
from exchange.definition.members import Members
from exchange.definition.offers import Offers
from exchange.flow.random_integers import Ints
from matching.records import CommandKind, Side

UNIT_FEN = 100_000
"""Deposits are made in whole thousands of yuan."""


@dataclass(frozen=True)
class BuyerLimits:
    """The limits of every buyer's account: what a day's honest orders need, and little more."""

    order_lots: int
    position_lots: int
    notional_fen: int


def buyer_limits(orders: Draft, listing: Listing) -> BuyerLimits:
    """Limits that admit each of these orders, and refuse an order many times their size."""
    buys = orders.commands[_bought(orders)]
    index = buys["instrument"].astype(np.int64) - 1
    hours = np.maximum(buys["hours"].astype(np.int64), 1)
    quantity = buys["quantity"].astype(np.int64)
    place = np.repeat(buys["account"].astype(np.int64) * len(listing) + index, hours)
    nth = np.arange(len(place)) - np.repeat(np.cumsum(hours) - hours, hours)
    held = np.bincount(place + nth, np.repeat(quantity, hours))
    quantity = quantity * hours
    notional = quantity * listing.high_ticks[index] * listing.tick_fen[index]
    position = max(64, int(held.max()) + 8)
    return BuyerLimits(
        order_lots=max(256, position + 64, 4 * int(quantity.max())),
        position_lots=position,
        notional_fen=max(400_000, int(notional.max())),
    )


def draft_limits(members: Members, limits: BuyerLimits, time_ns: int) -> Draft:
    """LIMITS for every buyer."""
    numbers = [account.id for account in members.buyers]
    return draft_admin(
        CommandKind.LIMITS,
        np.full(len(numbers), time_ns),
        account=numbers,
        quantity=limits.order_lots,
        display=limits.position_lots,
        amount_fen=limits.notional_fen,
    )


def needs_fen(bids: Draft, offers: Offers, listing: Listing, members: Members) -> Ints:
    """What each account (by number) can have reserved at most in the day, in whole units.

    A buyer all its bids at their dearest, fees included; a supplier the deposit of all capacity.
    """
    buys = bids.commands[_bought(bids)]
    raised = np.zeros(int(bids.handles.max(initial=0)) + 1, np.int64)
    np.maximum.at(raised, bids.targets, bids.commands["price"])
    dearest = np.maximum(raised[bids.handles[_bought(bids)]], buys["price"])
    index = buys["instrument"].astype(np.int64) - 1
    value = dearest * buys["quantity"] * np.maximum(buys["hours"], 1) * listing.tick_fen[index]
    need = np.zeros(max(account.id for account in members.accounts) + 1, np.int64)
    np.add.at(need, buys["account"], value + value // 100)
    np.add.at(need, offers.account, offers.capacity * listing.deposit_fen[offers.index])
    return -(-need // UNIT_FEN) * UNIT_FEN + UNIT_FEN


def _bought(orders: Draft) -> npt.NDArray[np.bool_]:
    new = orders.commands["kind"] == CommandKind.NEW
    return np.asarray(new & (orders.commands["side"] == Side.BUY))


@dataclass(frozen=True)
class ShortOfMoney:
    """An account that gets only a part at the opening, and when the rest comes."""

    account: int
    percent: int
    until_ns: int


def draft_funding(
    members: Members,
    need_fen: Ints,
    short: tuple[ShortOfMoney, ...],
    *,
    opening_ns: int,
    withdrawal_ns: int,
    operator: int,
) -> Draft:
    """FUND every account at the opening, top up those that are short, and WITHDRAW a little."""
    numbers = np.array([account.id for account in members.accounts], np.int64)
    amount = need_fen[numbers].copy()
    drafts = []
    for part in short:
        at = numbers == part.account
        rest = amount[at] * (100 - part.percent) // 100
        amount[at] -= rest
        drafts.append(
            draft_admin(
                CommandKind.FUND,
                np.full(1, part.until_ns),
                account=numbers[at],
                amount_fen=rest,
                session=operator,
            )
        )
    opening = draft_admin(
        CommandKind.FUND, np.full(len(numbers), opening_ns), account=numbers, amount_fen=amount
    )
    leaving = numbers[:: max(1, len(numbers) // 4)]
    drafts.append(
        draft_admin(
            CommandKind.WITHDRAW,
            np.full(len(leaving), withdrawal_ns),
            account=leaving,
            amount_fen=UNIT_FEN // 4,
            session=operator,
        )
    )
    return join([opening, *drafts])

"""Funding: the limits and the money of the accounts of a generated day.

The orders are drafted first, so the need of each account is known. Most accounts get a little more
than that. One buyer and one supplier get a part at the opening and the rest during the day, so some
of their orders are refused in between. Some accounts withdraw money during the day.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from exchange.definition.offers import Offers
from exchange.flow.random_integers import Ints
from matching.records import CommandKind, Side

UNIT_FEN = 100_000
"""Unit of deposits: 1,000 yuan."""


@dataclass(frozen=True)
class BuyerLimits:
    """Limits of every buyer's account, a little above the need of the day's regular orders."""

    order_lots: int
    position_lots: int
    notional_fen: int


def buyer_limits(orders: Draft, columns: InstrumentColumns) -> BuyerLimits:
    """Limits that accept each of these orders, and refuse an order many times their size."""
    buys = orders.commands[_is_new_buy(orders)]
    index = buys["instrument"].astype(np.int64) - 1
    hours = np.maximum(buys["hours"].astype(np.int64), 1)
    quantity = buys["quantity"].astype(np.int64)
    key = np.repeat(buys["account"].astype(np.int64) * len(columns) + index, hours)
    nth = np.arange(len(key)) - np.repeat(np.cumsum(hours) - hours, hours)
    held = np.bincount(key + nth, np.repeat(quantity, hours))
    quantity = quantity * hours
    notional = quantity * columns.high_ticks[index] * columns.tick_fen[index]
    position = max(64, int(held.max()) + 8)
    return BuyerLimits(
        order_lots=max(256, position + 64, 4 * int(quantity.max())),
        position_lots=position,
        notional_fen=max(400_000, int(notional.max())),
    )


def draft_limits(members: Members, limits: BuyerLimits, time_ns: int) -> Draft:
    """A LIMITS command for every buyer's account."""
    numbers = [account.id for account in members.buyers]
    return draft_admin(
        CommandKind.LIMITS,
        np.full(len(numbers), time_ns),
        account=numbers,
        quantity=limits.order_lots,
        display=limits.position_lots,
        amount_fen=limits.notional_fen,
    )


def required_fen(bids: Draft, offers: Offers, columns: InstrumentColumns, members: Members) -> Ints:
    """The most that each account may have reserved in the day, in fen, rounded up to UNIT_FEN.

    The index is the account's number. For a buyer it is the value of all its bids at their highest
    prices, with fees; for a supplier, the deposit for all its capacity.
    """
    buys = bids.commands[_is_new_buy(bids)]
    raised = np.zeros(int(bids.handles.max(initial=0)) + 1, np.int64)
    np.maximum.at(raised, bids.targets, bids.commands["price"])
    highest = np.maximum(raised[bids.handles[_is_new_buy(bids)]], buys["price"])
    index = buys["instrument"].astype(np.int64) - 1
    value = highest * buys["quantity"] * np.maximum(buys["hours"], 1) * columns.tick_fen[index]
    need = np.zeros(max(account.id for account in members.accounts) + 1, np.int64)
    np.add.at(need, buys["account"], value + value // 100)
    np.add.at(need, offers.account, offers.capacity * columns.deposit_fen[offers.index])
    return -(-need // UNIT_FEN) * UNIT_FEN + UNIT_FEN


def _is_new_buy(orders: Draft) -> npt.NDArray[np.bool_]:
    new = orders.commands["kind"] == CommandKind.NEW
    return np.asarray(new & (orders.commands["side"] == Side.BUY))


@dataclass(frozen=True)
class PartialFunding:
    """An account that gets a part of its money at the opening, and the rest later."""

    account: int
    percent: int  # of its need, at the opening
    top_up_ns: int


def draft_funding(
    members: Members,
    need_fen: Ints,
    partial: tuple[PartialFunding, ...],
    *,
    opening_ns: int,
    withdrawal_ns: int,
    operator: int,
) -> Draft:
    """FUND commands at the opening, FUND commands of later top-ups, and WITHDRAW commands."""
    numbers = np.array([account.id for account in members.accounts], np.int64)
    amount = need_fen[numbers].copy()
    drafts = []
    for part in partial:
        at = numbers == part.account
        rest = amount[at] * (100 - part.percent) // 100
        amount[at] -= rest
        drafts.append(
            draft_admin(
                CommandKind.FUND,
                np.full(1, part.top_up_ns),
                account=numbers[at],
                amount_fen=rest,
                session=operator,
            )
        )
    opening = draft_admin(
        CommandKind.FUND, np.full(len(numbers), opening_ns), account=numbers, amount_fen=amount
    )
    withdrawing = numbers[:: max(1, len(numbers) // 4)]
    drafts.append(
        draft_admin(
            CommandKind.WITHDRAW,
            np.full(len(withdrawing), withdrawal_ns),
            account=withdrawing,
            amount_fen=UNIT_FEN // 4,
            session=operator,
        )
    )
    return join([opening, *drafts])

"""Mistakes: what brokers get wrong in a day, so that a day has what a venue must refuse.

Each is one that people make: a minus sign kept, yuan typed for fen, GPU-hours for PFLOPS-days, a
time without its UTC offset, a line that times out and an order sent again. Most come a few
seconds before the right order, because somebody then typed it again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.calendar import UTC_OFFSET_S
from exchange.definition.command_drafts import Draft, join
from exchange.definition.instrument_columns import Listing
from exchange.definition.members import Members
from exchange.flow.random_integers import Dice, Ints
from matching.records import NANOSECONDS, CommandKind, Side, TimeInForce

EACH = 7
EACH_LARGE = 2
"""How often each mistake is made, where the day has as many orders to get wrong; the second for
those with huge quantities, which would outweigh the honest demand."""


@dataclass(frozen=True)
class Desk:
    """What the mistakes are made with: the right orders, and who and what there is."""

    orders: Draft  # every NEW of the day but blocks
    listing: Listing
    members: Members
    begin_ns: int  # no order comes before
    end_ns: int  # nor at or after
    position_limit: int  # of every buyer
    late_session: int  # opened during the day, used by its broker too early
    late_session_opens_ns: int


def draft_mistakes(desk: Desk, seed: int) -> Draft:
    """The mistaken commands of a day."""
    drafts = []
    for mistake in MISTAKES:
        dice = Dice(seed, f"mistake {mistake.__name__}")
        drafts.append(mistake(desk, dice))
    return join(drafts)


def minus_sign(desk: Desk, dice: Dice) -> Draft:
    """A quantity below zero."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["quantity"] = -wrong.commands["quantity"]
    return wrong


def account_mistyped(desk: Desk, dice: Dice) -> Draft:
    """One digit too many in the account."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["account"] = wrong.commands["account"] * 10 + 7
    return wrong


def account_of_another_broker(desk: Desk, dice: Dice) -> Draft:
    """The account of a client that another broker holds."""
    wrong = _some(desk, dice, _buys(desk))
    member = {account.id: account.member for account in desk.members.accounts}
    for command in wrong.commands:
        own = member[int(command["account"])]
        command["account"] = next(number for number, of in member.items() if of != own)
    return wrong


def not_yet_listed(desk: Desk, dice: Dice) -> Draft:
    """An instrument of the day after the last one listed."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["instrument"] = len(desk.listing) + 1 + dice.below(24, len(wrong))
    return wrong


def after_the_gate(desk: Desk, dice: Dice) -> Draft:
    """An order that comes when its instrument no longer trades."""
    gate_ns = desk.listing.gate_s[desk.orders.commands["instrument"].astype(np.int64) - 1]
    gate_ns = gate_ns * NANOSECONDS
    closes = _buys(desk) & (gate_ns + 60 * NANOSECONDS < desk.end_ns)
    wrong = _some(desk, dice, closes)
    index = wrong.commands["instrument"].astype(np.int64) - 1
    late_s = dice.between(0, 58, len(wrong))
    late_ns = dice.between(1, NANOSECONDS, len(wrong))
    wrong.commands["time_ns"] = (desk.listing.gate_s[index] + late_s) * NANOSECONDS + late_ns
    return wrong


def yuan_for_fen(desk: Desk, dice: Dice) -> Draft:
    """A price in yuan where the tick is a fen."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["price"] = np.maximum(1, wrong.commands["price"] // 100)
    return wrong


def zeros(desk: Desk, dice: Dice) -> Draft:
    """Four zeros too many in the quantity."""
    single = desk.orders.commands["quantity"] == 1
    wrong = _some(desk, dice, _buys(desk) & single, EACH_LARGE)
    wrong.commands["quantity"] = 10_000
    return wrong


def hours_for_days(desk: Desk, dice: Dice) -> Draft:
    """GPU-hours typed where the contract counts PFLOPS-days."""
    index = desk.orders.commands["instrument"].astype(np.int64) - 1
    wrong = _some(desk, dice, _buys(desk) & desk.listing.is_day[index])
    wrong.commands["quantity"] = np.minimum(wrong.commands["quantity"], 1_000) * 24
    return wrong


def whole_run_in_one_hour(desk: Desk, dice: Dice) -> Draft:
    """All hours of a run ordered in one: more than the account may hold of an instrument."""
    index = desk.orders.commands["instrument"].astype(np.int64) - 1
    references = np.array([contract.reference_ticks for contract in desk.listing.contracts])
    cheapest = references <= np.sort(references)[len(references) // 4]
    chosen = _buys(desk) & ~desk.listing.is_day[index] & cheapest[desk.listing.contract[index]]
    wrong = _some(desk, dice, chosen, EACH_LARGE)
    wrong.commands["quantity"] = desk.position_limit + 1
    return wrong


def utc_for_shanghai(desk: Desk, dice: Dice) -> Draft:
    """Good for an hour, by a clock that is eight hours behind."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["tif"] = TimeInForce.GTD
    until_s = wrong.commands["time_ns"] // NANOSECONDS + 3_600 - UTC_OFFSET_S
    wrong.commands["expiry_s"] = until_s
    return wrong


def sent_again(desk: Desk, dice: Dice) -> Draft:
    """The line timed out, and the same order comes again under the same ref."""
    chosen = _candidates(dice, desk.orders.commands["side"] == Side.SELL, EACH)
    again = desk.orders.select(chosen).copy()
    again.commands["time_ns"] += 2 * NANOSECONDS
    return Draft(again.commands, again.handles, desk.orders.handles[chosen])


def more_than_registered(desk: Desk, dice: Dice) -> Draft:
    """A supplier offers its whole hall where it registered a part."""
    suppliers = {account.id for account in desk.members.suppliers}
    sells = np.isin(desk.orders.commands["account"], sorted(suppliers))
    wrong = _some(desk, dice, sells)
    wrong.commands["quantity"] = 5_000
    return wrong


def order_of_yesterday(desk: Desk, dice: Dice) -> Draft:
    """A cancel of an order that is long over, or never was."""
    wrong = _some(desk, dice, _buys(desk))
    wrong.commands["kind"] = CommandKind.CANCEL
    for name in ("price", "quantity", "type", "tif"):
        wrong.commands[name] = 0
    wrong.commands["target_ref"] = 900_000 + dice.below(1_000, len(wrong))
    return wrong


def before_logon(desk: Desk, dice: Dice) -> Draft:
    """A broker's second line is used before the operator has opened it."""
    broker = next((s.firm for s in desk.members.sessions if s.id == desk.late_session), 0)
    held = [account.id for account in desk.members.accounts if account.member == broker]
    early = desk.orders.commands["time_ns"] < desk.late_session_opens_ns
    wrong = _some(desk, dice, early & np.isin(desk.orders.commands["account"], held))
    wrong.commands["session"] = desk.late_session
    return wrong


MISTAKES: tuple[Callable[[Desk, Dice], Draft], ...] = (
    minus_sign,
    account_mistyped,
    account_of_another_broker,
    not_yet_listed,
    after_the_gate,
    yuan_for_fen,
    zeros,
    hours_for_days,
    whole_run_in_one_hour,
    utc_for_shanghai,
    sent_again,
    more_than_registered,
    order_of_yesterday,
    before_logon,
)


def _buys(desk: Desk) -> npt.NDArray[np.bool_]:
    return np.asarray(desk.orders.commands["side"] == Side.BUY)


def _candidates(dice: Dice, mask: npt.NDArray[np.bool_], count: int) -> Ints:
    """Up to `count` orders of a mask, drawn without repeating one."""
    found = np.flatnonzero(mask)
    if not len(found):
        return found.astype(np.int64)
    return np.unique(found[dice.below(len(found), count)]).astype(np.int64)


def _some(desk: Desk, dice: Dice, mask: npt.NDArray[np.bool_], count: int = EACH) -> Draft:
    """Copies of some orders of a mask, three seconds before the right ones."""
    wrong = desk.orders.select(_candidates(dice, mask, count)).copy()
    earlier_ns = wrong.commands["time_ns"] - 3 * NANOSECONDS
    wrong.commands["time_ns"] = np.maximum(earlier_ns, desk.begin_ns)
    return wrong

"""Mistakes of brokers, so that a generated day has what a venue must refuse.

Each is a mistake that people make: a minus sign kept, yuan typed for fen, GPU-hours for
PFLOPS-days, a time without its UTC offset, an order sent again after a timeout. Most wrong orders
come three seconds before the right one, as if the broker then corrected it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exchange.definition.calendar import UTC_OFFSET_S
from exchange.definition.command_drafts import Draft, join
from exchange.definition.instrument_columns import InstrumentColumns
from exchange.definition.members import Members
from exchange.flow.random_integers import Ints, SeededIntegers
from matching.records import NANOSECONDS, CommandKind, Side, TimeInForce

EACH = 7
EACH_LARGE = 2
"""The number of times that each mistake is made, if the day has as many orders to copy.

EACH_LARGE is for mistakes with huge quantities, which would outweigh the regular demand.
"""


@dataclass(frozen=True)
class MistakeContext:
    """The regular orders, and the members and instruments, that mistakes are made from."""

    orders: Draft  # every NEW of the day except blocks
    columns: InstrumentColumns
    members: Members
    begin_ns: int  # no order comes before this time
    end_ns: int  # no order comes at or after this time
    position_limit: int  # of every buyer, in lots
    late_session: int  # opens during the day; its broker uses it too early
    late_session_opens_ns: int


def draft_mistakes(day: MistakeContext, seed: int) -> Draft:
    """All mistaken commands of a day.

    Each mistake has a random stream of its own, which the name of its function selects.
    """
    drafts = []
    for mistake in MISTAKES:
        random = SeededIntegers(seed, f"mistake {mistake.__name__}")
        drafts.append(mistake(day, random))
    return join(drafts)


def minus_sign(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders with a negative quantity."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["quantity"] = -wrong.commands["quantity"]
    return wrong


def account_mistyped(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders whose account number has one digit too many."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["account"] = wrong.commands["account"] * 10 + 7
    return wrong


def account_of_another_broker(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders for the account of a client of another broker."""
    wrong = _copies(day, random, _buys(day))
    member = {account.id: account.member for account in day.members.accounts}
    for command in wrong.commands:
        own = member[int(command["account"])]
        command["account"] = next(number for number, of in member.items() if of != own)
    return wrong


def not_yet_listed(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders in instruments of the day after the last one listed."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["instrument"] = len(day.columns) + 1 + random.below(24, len(wrong))
    return wrong


def after_the_gate(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders that come after gate closure of their instrument."""
    gate_ns = day.columns.gate_s[day.orders.commands["instrument"].astype(np.int64) - 1]
    gate_ns = gate_ns * NANOSECONDS
    closes = _buys(day) & (gate_ns + 60 * NANOSECONDS < day.end_ns)
    wrong = _copies(day, random, closes)
    index = wrong.commands["instrument"].astype(np.int64) - 1
    late_s = random.between(0, 58, len(wrong))
    late_ns = random.between(1, NANOSECONDS, len(wrong))
    wrong.commands["time_ns"] = (day.columns.gate_s[index] + late_s) * NANOSECONDS + late_ns
    return wrong


def yuan_for_fen(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders with a price in yuan although the tick is a fen."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["price"] = np.maximum(1, wrong.commands["price"] // 100)
    return wrong


def zeros(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders with four zeros too many in the quantity."""
    single = day.orders.commands["quantity"] == 1
    wrong = _copies(day, random, _buys(day) & single, EACH_LARGE)
    wrong.commands["quantity"] = 10_000
    return wrong


def hours_for_days(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders in GPU-hours although the contract counts PFLOPS-days."""
    index = day.orders.commands["instrument"].astype(np.int64) - 1
    wrong = _copies(day, random, _buys(day) & day.columns.is_day[index])
    wrong.commands["quantity"] = np.minimum(wrong.commands["quantity"], 1_000) * 24
    return wrong


def whole_run_in_one_hour(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders for all hours of a run in one instrument, beyond the account's position limit."""
    index = day.orders.commands["instrument"].astype(np.int64) - 1
    references = np.array([contract.reference_ticks for contract in day.columns.contracts])
    cheapest = references <= np.sort(references)[len(references) // 4]
    chosen = _buys(day) & ~day.columns.is_day[index] & cheapest[day.columns.contract[index]]
    wrong = _copies(day, random, chosen, EACH_LARGE)
    wrong.commands["quantity"] = day.position_limit + 1
    return wrong


def utc_for_shanghai(day: MistakeContext, random: SeededIntegers) -> Draft:
    """GTD orders for one hour, by a clock that is eight hours behind."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["tif"] = TimeInForce.GTD
    until_s = wrong.commands["time_ns"] // NANOSECONDS + 3_600 - UTC_OFFSET_S
    wrong.commands["expiry_s"] = until_s
    return wrong


def sent_again(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders sent again under the same ref, two seconds later, as after a timeout."""
    chosen = _draw_orders(random, day.orders.commands["side"] == Side.SELL, EACH)
    again = day.orders.select(chosen).copy()
    again.commands["time_ns"] += 2 * NANOSECONDS
    return Draft(again.commands, again.handles, day.orders.handles[chosen])


def more_than_registered(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Offers of a supplier beyond the capacity that it registered."""
    suppliers = {account.id for account in day.members.suppliers}
    sells = np.isin(day.orders.commands["account"], sorted(suppliers))
    wrong = _copies(day, random, sells)
    wrong.commands["quantity"] = 5_000
    return wrong


def order_of_yesterday(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Cancels of orders that ended long ago or never existed."""
    wrong = _copies(day, random, _buys(day))
    wrong.commands["kind"] = CommandKind.CANCEL
    for name in ("price", "quantity", "type", "tif"):
        wrong.commands[name] = 0
    wrong.commands["target_ref"] = 900_000 + random.below(1_000, len(wrong))
    return wrong


def before_logon(day: MistakeContext, random: SeededIntegers) -> Draft:
    """Orders of a broker's second session before the operator opened it."""
    broker = next((s.firm for s in day.members.sessions if s.id == day.late_session), 0)
    held = [account.id for account in day.members.accounts if account.member == broker]
    early = day.orders.commands["time_ns"] < day.late_session_opens_ns
    wrong = _copies(day, random, early & np.isin(day.orders.commands["account"], held))
    wrong.commands["session"] = day.late_session
    return wrong


MISTAKES: tuple[Callable[[MistakeContext, SeededIntegers], Draft], ...] = (
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


def _buys(day: MistakeContext) -> npt.NDArray[np.bool_]:
    return np.asarray(day.orders.commands["side"] == Side.BUY)


def _draw_orders(random: SeededIntegers, mask: npt.NDArray[np.bool_], count: int) -> Ints:
    """Indices of up to `count` orders of a mask, each at most once."""
    found = np.flatnonzero(mask)
    if not len(found):
        return found.astype(np.int64)
    return np.unique(found[random.below(len(found), count)]).astype(np.int64)


def _copies(
    day: MistakeContext, random: SeededIntegers, mask: npt.NDArray[np.bool_], count: int = EACH
) -> Draft:
    """Copies of up to `count` orders of a mask, three seconds before the originals."""
    wrong = day.orders.select(_draw_orders(random, mask, count)).copy()
    earlier_ns = wrong.commands["time_ns"] - 3 * NANOSECONDS
    wrong.commands["time_ns"] = np.maximum(earlier_ns, day.begin_ns)
    return wrong

"""A synthetic day of any size, all generated: for measuring the machine, not for looking at.

Every account may buy and sell everything with money and capacity to spare, so that commands reach
the book. Prices stand in a narrow range about each instrument's worth, which drifts; a command is
a new order that waits, one that crosses, an IOC, a cancel or a replace, in fixed shares. Cancels
(no order twice) and replaces aim at recent orders of the same session that were to wait; some of
those are over by then.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import numpy.typing as npt

from exchange.days.opening import draft_listing, draft_members
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.contracts import Venue, read_venue
from exchange.definition.instrument_columns import Listing, listing_of
from exchange.definition.instruments import instruments as list_instruments
from exchange.definition.members import Members
from exchange.flow.limits import limits_for
from exchange.flow.random_integers import Dice, Ints
from ledger.daylog.registry import Account, Firm, Registry, Session
from matching.records import COMMAND, NANOSECONDS, CommandKind, OrderType, Side, TimeInForce

TRADING_DAY = date(2026, 11, 22)
SIZE_MAX = 50_000_000
PAIRS_MAX = 1 << 20
FUNDS_FEN = 1 << 52
CAPACITY_LOTS = 1 << 28

REST, CROSS, IOC, CANCEL, REPLACE, CLOCK = range(6)


class BadSize(ValueError):
    """A synthetic day of a size that makes no sense; the message is one complete line."""


@dataclass(frozen=True)
class Mix:
    """Shares of the commands, in a thousand, and how far from the worth prices stand."""

    # rest, cross, IOC, cancel, replace, clock
    shares: tuple[int, ...] = (430, 85, 50, 270, 160, 5)
    spread_ticks: int = 32
    aim_back: int = 200  # replaces aim at one of a session's last so many orders


def build_synthetic_day(
    n: int,
    seed: int = 1,
    *,
    instruments: int = 100,
    accounts: int = 64,
    venue: Venue | None = None,
    mix: Mix | None = None,
) -> tuple[Registry, npt.NDArray[np.void]]:
    """The registry and about `n` commands of a generated day: `n` after the opening's.

    Raises BadSize where the size makes no sense.
    """
    if not 1 <= n <= SIZE_MAX:
        raise BadSize(f"synthetic day: commands must be 1 to {SIZE_MAX}, got {n}")
    if not 2 <= accounts <= 4_096:
        raise BadSize(f"synthetic day: accounts must be 2 to 4096, got {accounts}")
    venue = venue or read_venue()
    mix = mix or Mix()
    start_s = day_start_s(TRADING_DAY)
    listing = _listing(venue, instruments)
    members = _members(accounts)
    opening = _opening(members, listing, start_s)
    flow = _flow(n, listing, members, Dice(seed, "synthetic"), mix)
    commands = np.empty(len(opening) + n, COMMAND)
    commands[: len(opening)] = opening.commands
    commands[len(opening) :] = flow
    commands["sequence"] = np.arange(1, len(commands) + 1)
    registry = Registry(
        venue=venue.venue,
        trading_day=TRADING_DAY.isoformat(),
        note=f"Synthetic, to measure with: {n} commands from seed {seed}. Nothing in it is real.",
        limits=limits_for(commands, listing, members).as_dict(),
        chips=venue.chips,
        hubs=venue.hubs,
        contracts=venue.contracts,
        instruments=listing.instruments,
        firms=members.firms,
        accounts=members.accounts,
        sessions=members.sessions,
    )
    return registry, commands


def _flow(n: int, listing: Listing, members: Members, dice: Dice, mix: Mix) -> npt.NDArray[np.void]:
    """The commands after the opening, evenly over the day."""
    flow = np.zeros(n, COMMAND)
    span_ns = (DAY_S - 10) * NANOSECONDS
    at = np.arange(n, dtype=np.int64)
    flow["time_ns"] = (day_start_s(TRADING_DAY) + 1) * NANOSECONDS + at * (span_ns // n)
    act = dice.pick(mix.shares, n)
    new = act <= IOC
    kinds = np.array([1, 1, 1, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.CLOCK])
    flow["kind"] = kinds[act]
    member_of = np.array([account.member for account in members.accounts], np.int64)
    account = dice.below(len(member_of), n)
    flow["session"] = np.where(act == CLOCK, 0, member_of[account])  # one session a member
    flow["account"] = np.where(act == CLOCK, 0, account + 1)
    index = dice.below(len(listing), n)
    side = dice.below(2, n)
    back = np.minimum(dice.below(mix.spread_ticks, n), dice.below(mix.spread_ticks, n))
    flow["instrument"] = np.where(new, index + 1, 0)
    flow["side"] = np.where(new, side, 0)
    flow["type"] = np.where(new, OrderType.LIMIT, 0)
    flow["tif"] = np.where(act == IOC, TimeInForce.IOC, TimeInForce.DAY)
    flow["quantity"] = np.where(new, dice.between(1, 10, n), 0)
    away = np.where(act == REST, 1 + back, -back)
    price = _worth_ticks(listing, index, at, n) + np.where(side == Side.BUY, -away, away)
    flow["price"] = np.where(new, price, 0)
    for session in range(1, len(members.sessions) + 1):
        own = np.flatnonzero(flow["session"] == session)
        _aim(flow, act[own], own, dice, mix)
    repriced = np.flatnonzero((act == REPLACE) & (flow["instrument"] > 0))
    _reprice(flow, repriced, listing, dice)
    flow["side"][~new] = 0
    return flow


def _worth_ticks(listing: Listing, index: Ints, at: Ints, n: int) -> Ints:
    """What instruments are worth at a position in the day: 0.5% up and down, some faster."""
    references = np.array([contract.reference_ticks for contract in listing.contracts], np.int64)
    reference = references[listing.contract[index]]
    swing = np.abs(at * 2_000 // n * (1 + index % 3) % 2_000 - 1_000) - 500
    return np.asarray(reference + reference * swing // 100_000)


def _aim(flow: npt.NDArray[np.void], act: Ints, own: Ints, dice: Dice, mix: Mix) -> None:
    """Give a session's commands their refs, and its cancels and replaces an order to aim at.

    `own` are the session's rows of the flow, `act` what they do. A cancel or replace takes over
    the account, instrument, side, price and quantity of the order it is about.
    """
    flow["user_ref"][own] = np.arange(1, len(own) + 1)
    resting = own[act == REST]
    before = np.cumsum(act == REST)
    for kind in (CANCEL, REPLACE):
        chosen = act == kind
        placed = before[chosen]
        if kind == CANCEL:
            aim = _each_once(len(resting), int(chosen.sum()), mix.aim_back, dice)
        else:
            aim = placed - 1 - dice.below(mix.aim_back, len(placed))
        # Early in the day there is nothing to aim at yet; such a command comes to nothing.
        valid = (aim >= 0) & (aim < placed)
        rows, targets = own[chosen][valid], resting[aim[valid]]
        flow["target_ref"][own[chosen]] = 1
        flow["target_ref"][rows] = flow["user_ref"][targets]
        for name in ("account", "instrument", "side", "quantity"):
            flow[name][rows] = flow[name][targets]
        if kind == CANCEL:
            flow["quantity"][rows] = 0


def _each_once(orders: int, cancels: int, block: int, dice: Dice) -> Ints:
    """For each of a session's cancels one of its orders, none twice, a while back; -1: none."""
    if not orders:
        return np.full(cancels, -1, np.int64)
    groups = np.arange(orders, dtype=np.int64) // block << 32
    shuffled = np.argsort(groups + dice.below(2**31, orders), kind="stable")
    position = np.arange(cancels, dtype=np.int64) * orders // max(1, cancels) - 2 * block
    return np.where(position >= 0, shuffled[np.maximum(position, 0)], -1)


def _reprice(flow: npt.NDArray[np.void], rows: Ints, listing: Listing, dice: Dice) -> None:
    """New prices near the present worth; a third ask for one lot less at the same price."""
    index = flow["instrument"][rows].astype(np.int64) - 1
    quantity = flow["quantity"][rows].astype(np.int64)
    away = 1 + dice.below(12, len(rows))
    worth = _worth_ticks(listing, index, rows, len(flow))
    price = worth + np.where(flow["side"][rows] == Side.BUY, -away, away)
    less = dice.chance(33, len(rows)) & (quantity > 1)
    flow["price"][rows] = np.where(less, 0, price)
    flow["quantity"][rows] = np.where(less, quantity - 1, quantity)


def _listing(venue: Venue, count: int) -> Listing:
    """So many instruments, evenly over all contracts, none of which closes during the day."""
    a_day = sum(1 if c.product == "pflops-day" else 24 for c in venue.contracts)
    days = -(-count // a_day)
    if count < 1 or days > 366:
        raise BadSize(f"synthetic day: instruments must be 1 to {366 * a_day}, got {count}")
    all_ = list_instruments(venue.contracts, TRADING_DAY + timedelta(days=2), days)
    spread = [all_[number * len(all_) // count] for number in range(count)]
    numbered = [msgspec.structs.replace(i, id=number + 1) for number, i in enumerate(spread)]
    return listing_of(numbered, venue.contracts)


def _members(accounts: int) -> Members:
    """Brokers with one session each, and clients who are related to nobody."""
    brokers = min(8, accounts)
    ids = range(1, brokers + 1)
    clients = range(brokers + 1, brokers + accounts + 1)

    def firm(number: int, kind: str) -> Firm:
        name = f"Example {kind.title()} {number}"
        return Firm(id=number, name=name, kind=kind, city="Qingdao", province="Shandong")

    firms = [firm(i, "broker") for i in ids] + [firm(i, "company") for i in clients]
    return Members(
        firms=tuple(firms),
        accounts=tuple(
            Account(
                id=number + 1,
                name=f"client-{number + 1}",
                firm=firm,
                member=number % brokers + 1,
                role="buyer" if number % 2 else "supplier",
            )
            for number, firm in enumerate(clients)
        ),
        sessions=tuple(Session(id=i, name=f"broker-{i}", firm=i) for i in ids),
    )


def _opening(members: Members, listing: Listing, start_s: int) -> Draft:
    """List, fund, register: money and capacity to spare for every account everywhere."""
    opening_ns = start_s * NANOSECONDS
    numbers = np.arange(1, len(members.accounts) + 1)
    pairs = len(numbers) * len(listing)
    if pairs > PAIRS_MAX:
        raise BadSize(
            f"synthetic day: accounts x instruments must be at most {PAIRS_MAX}, got {pairs}"
        )
    return join(
        [
            draft_members(members, members.sessions, opening_ns),
            draft_listing(listing, opening_ns, start_s + DAY_S),
            draft_admin(
                CommandKind.FUND,
                np.full(len(numbers), opening_ns),
                account=numbers,
                amount_fen=FUNDS_FEN,
            ),
            draft_admin(
                CommandKind.REGISTER,
                np.full(pairs, opening_ns),
                account=np.repeat(numbers, len(listing)),
                instrument=np.tile(np.arange(1, len(listing) + 1), len(numbers)),
                quantity=CAPACITY_LOTS,
            ),
        ]
    )

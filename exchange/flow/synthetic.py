"""A synthetic day of any size, all of it generated: for measuring the machine only.

Every account has enough money and capacity to buy and sell everything, so commands reach the book.
Prices are near each instrument's fair value, which drifts. A command is a new resting order, a new
order that crosses, an IOC, a cancel or a replace, in fixed shares. Cancels (of each order at most
once) and replaces name recent resting orders of the same session, some of which have ended by then.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from exchange.days.opening import draft_listing, draft_members
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.contracts import Venue, read_venue
from exchange.definition.instrument_columns import InstrumentColumns, build_columns
from exchange.definition.instruments import instruments as list_instruments
from exchange.definition.members import Members
from exchange.flow.limits import limits_for
from exchange.flow.random_integers import Ints, SeededIntegers
from ledger.daylog.registry import Account, Firm, Registry, Session
from matching.records import COMMAND, NANOSECONDS, CommandKind, OrderType, Side, TimeInForce

TRADING_DAY = date(2026, 11, 22)
SIZE_MAX = 50_000_000
PAIRS_MAX = 1 << 20
FUNDS_FEN = 1 << 52
CAPACITY_LOTS = 1 << 28


class Action(IntEnum):
    """The action of a generated command; the first three are new orders."""

    REST = 0
    CROSS = 1
    IOC = 2
    CANCEL = 3
    REPLACE = 4
    CLOCK = 5


COMMAND_KINDS = np.array(
    [
        CommandKind.NEW, CommandKind.NEW, CommandKind.NEW,
        CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.CLOCK,
    ]
)  # fmt: skip
"""The kind of command of each action."""


class BadSize(ValueError):
    """A synthetic day of an impossible size; the message is one complete line."""


@dataclass(frozen=True)
class CommandMix:
    """Shares of the commands, in a thousand, by action; and the spread of their prices."""

    shares: tuple[int, ...] = (430, 85, 50, 270, 160, 5)
    spread_ticks: int = 32
    target_window: int = 200  # a replace names one of so many last orders of its session


def build_synthetic_day(
    n: int,
    seed: int = 1,
    *,
    instruments: int = 100,
    accounts: int = 64,
    venue: Venue | None = None,
    mix: CommandMix | None = None,
) -> tuple[Registry, npt.NDArray[np.void]]:
    """The registry and the commands of a generated day: the opening's, then `n` commands.

    Raises BadSize if `n`, `instruments` or `accounts` is out of range.
    """
    if not 1 <= n <= SIZE_MAX:
        raise BadSize(f"synthetic day: commands must be 1 to {SIZE_MAX}, got {n}")
    if not 2 <= accounts <= 4_096:
        raise BadSize(f"synthetic day: accounts must be 2 to 4096, got {accounts}")
    venue = venue or read_venue()
    mix = mix or CommandMix()
    start_s = day_start_s(TRADING_DAY)
    columns = _columns(venue, instruments)
    members = _members(accounts)
    opening = _opening(members, columns, start_s)
    trading = _trading_commands(n, columns, members, SeededIntegers(seed, "synthetic"), mix)
    commands = np.empty(len(opening) + n, COMMAND)
    commands[: len(opening)] = opening.commands
    commands[len(opening) :] = trading
    commands["sequence"] = np.arange(1, len(commands) + 1)
    registry = Registry(
        venue=venue.venue,
        trading_day=TRADING_DAY.isoformat(),
        note=f"Synthetic, to measure with: {n} commands from seed {seed}. Nothing in it is real.",
        limits=limits_for(commands, columns, members).as_dict(),
        chips=venue.chips,
        hubs=venue.hubs,
        contracts=venue.contracts,
        instruments=columns.instruments,
        firms=members.firms,
        accounts=members.accounts,
        sessions=members.sessions,
    )
    return registry, commands


def _trading_commands(
    n: int,
    columns: InstrumentColumns,
    members: Members,
    random: SeededIntegers,
    mix: CommandMix,
) -> npt.NDArray[np.void]:
    """The commands after the opening, evenly over the day."""
    commands = np.zeros(n, COMMAND)
    span_ns = (DAY_S - 10) * NANOSECONDS
    at = np.arange(n, dtype=np.int64)
    commands["time_ns"] = (day_start_s(TRADING_DAY) + 1) * NANOSECONDS + at * (span_ns // n)
    action = random.pick(mix.shares, n)
    new = action <= Action.IOC
    commands["kind"] = COMMAND_KINDS[action]
    member_of = np.array([account.member for account in members.accounts], np.int64)
    account = random.below(len(member_of), n)
    is_clock = action == Action.CLOCK
    commands["session"] = np.where(is_clock, 0, member_of[account])  # one session a member
    commands["account"] = np.where(is_clock, 0, account + 1)
    index = random.below(len(columns), n)
    side = random.below(2, n)
    back = np.minimum(random.below(mix.spread_ticks, n), random.below(mix.spread_ticks, n))
    commands["instrument"] = np.where(new, index + 1, 0)
    commands["side"] = np.where(new, side, 0)
    commands["type"] = np.where(new, OrderType.LIMIT, 0)
    commands["tif"] = np.where(action == Action.IOC, TimeInForce.IOC, TimeInForce.DAY)
    commands["quantity"] = np.where(new, random.between(1, 10, n), 0)
    distance = np.where(action == Action.REST, 1 + back, -back)
    fair_value = _fair_value_ticks(columns, index, at, n)
    price = fair_value + np.where(side == Side.BUY, -distance, distance)
    commands["price"] = np.where(new, price, 0)
    for session in range(1, len(members.sessions) + 1):
        own = np.flatnonzero(commands["session"] == session)
        _assign_targets(commands, action[own], own, random, mix)
    repriced = np.flatnonzero((action == Action.REPLACE) & (commands["instrument"] > 0))
    _reprice(commands, repriced, columns, random)
    commands["side"][~new] = 0
    return commands


def _fair_value_ticks(columns: InstrumentColumns, index: Ints, at: Ints, n: int) -> Ints:
    """Fair values at positions `at` of `n` in the day: they swing by 0.5% up and down."""
    references = np.array([contract.reference_ticks for contract in columns.contracts], np.int64)
    reference = references[columns.contract[index]]
    swing = np.abs(at * 2_000 // n * (1 + index % 3) % 2_000 - 1_000) - 500
    return np.asarray(reference + reference * swing // 100_000)


def _assign_targets(
    commands: npt.NDArray[np.void],
    action: Ints,
    own: Ints,
    random: SeededIntegers,
    mix: CommandMix,
) -> None:
    """Give a session's commands their refs, and its cancels and replaces their target orders.

    `own` are the rows of the session, `action` their actions. A cancel or replace takes over the
    account, instrument, side and quantity of its target. A command that comes before any order of
    the session names ref 1, and is refused.
    """
    commands["user_ref"][own] = np.arange(1, len(own) + 1)
    resting = own[action == Action.REST]
    before = np.cumsum(action == Action.REST)
    for kind in (Action.CANCEL, Action.REPLACE):
        chosen = action == kind
        placed = before[chosen]
        if kind == Action.CANCEL:
            target = _draw_once(len(resting), int(chosen.sum()), mix.target_window, random)
        else:
            target = placed - 1 - random.below(mix.target_window, len(placed))
        valid = (target >= 0) & (target < placed)
        rows, targets = own[chosen][valid], resting[target[valid]]
        commands["target_ref"][own[chosen]] = 1
        commands["target_ref"][rows] = commands["user_ref"][targets]
        for name in ("account", "instrument", "side", "quantity"):
            commands[name][rows] = commands[name][targets]
        if kind == Action.CANCEL:
            commands["quantity"][rows] = 0


def _draw_once(orders: int, cancels: int, window: int, random: SeededIntegers) -> Ints:
    """For each cancel of a session, an order placed shortly before, each at most once; -1: none."""
    if not orders:
        return np.full(cancels, -1, np.int64)
    groups = np.arange(orders, dtype=np.int64) // window << 32
    shuffled = np.argsort(groups + random.below(2**31, orders), kind="stable")
    position = np.arange(cancels, dtype=np.int64) * orders // max(1, cancels) - 2 * window
    return np.where(position >= 0, shuffled[np.maximum(position, 0)], -1)


def _reprice(
    commands: npt.NDArray[np.void], rows: Ints, columns: InstrumentColumns, random: SeededIntegers
) -> None:
    """Give replaces a price near the fair value; a third keep the price and take one lot less."""
    index = commands["instrument"][rows].astype(np.int64) - 1
    quantity = commands["quantity"][rows].astype(np.int64)
    distance = 1 + random.below(12, len(rows))
    fair_value = _fair_value_ticks(columns, index, rows, len(commands))
    price = fair_value + np.where(commands["side"][rows] == Side.BUY, -distance, distance)
    less = random.chance(33, len(rows)) & (quantity > 1)
    commands["price"][rows] = np.where(less, 0, price)
    commands["quantity"][rows] = np.where(less, quantity - 1, quantity)


def _columns(venue: Venue, count: int) -> InstrumentColumns:
    """`count` instruments, evenly over all contracts; none closes during the day."""
    a_day = sum(1 if c.product == "pflops-day" else 24 for c in venue.contracts)
    days = -(-count // a_day)
    if count < 1 or days > 366:
        raise BadSize(f"synthetic day: instruments must be 1 to {366 * a_day}, got {count}")
    all_ = list_instruments(venue.contracts, TRADING_DAY + timedelta(days=2), days)
    spread = [all_[number * len(all_) // count] for number in range(count)]
    numbered = [msgspec.structs.replace(i, id=number + 1) for number, i in enumerate(spread)]
    return build_columns(numbered, venue.contracts)


def _members(accounts: int) -> Members:
    """Brokers with one session each, and clients of which no two are related."""
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


def _opening(members: Members, columns: InstrumentColumns, start_s: int) -> Draft:
    """The opening: members, instruments, and ample money and capacity for every account."""
    opening_ns = start_s * NANOSECONDS
    numbers = np.arange(1, len(members.accounts) + 1)
    pairs = len(numbers) * len(columns)
    if pairs > PAIRS_MAX:
        raise BadSize(
            f"synthetic day: accounts x instruments must be at most {PAIRS_MAX}, got {pairs}"
        )
    return join(
        [
            draft_members(members, members.sessions, opening_ns),
            draft_listing(columns, opening_ns, start_s + DAY_S),
            draft_admin(
                CommandKind.FUND,
                np.full(len(numbers), opening_ns),
                account=numbers,
                amount_fen=FUNDS_FEN,
            ),
            draft_admin(
                CommandKind.REGISTER,
                np.full(pairs, opening_ns),
                account=np.repeat(numbers, len(columns)),
                instrument=np.tile(np.arange(1, len(columns) + 1), len(numbers)),
                quantity=CAPACITY_LOTS,
            ),
        ]
    )

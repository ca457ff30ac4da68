"""A synthetic day with a given number of trades, with fees, resales and vouchers, to be settled.

Each trade is a resting sell order and a buy order that fills it, at a price close to the
instrument's reference. One account in ten is a supplier; a fifth of the sales are resales by
buyers. The number of accounts is proportional to the trades, so a larger day also has more
positions, agreements and vouchers.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from exchange.days.opening import draft_listing, draft_members
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import draft_admin, join
from exchange.definition.contracts import Venue, read_venue
from exchange.definition.instrument_columns import InstrumentColumns, build_columns
from exchange.definition.instruments import instruments as list_instruments
from exchange.definition.members import Members
from exchange.flow.limits import limits_for
from ledger.daylog import DayLog, DayLogWriter
from ledger.daylog.registry import Account, Firm, Programme, Registry, Session
from matching import Engine
from matching.records import COMMAND, NANOSECONDS, CommandKind, OrderType, Side, TimeInForce

DAY = date(2026, 11, 22)
INSTRUMENTS = 200
BROKERS = 8
TRADES_AN_ACCOUNT = 1_000
BLOCK_COMMANDS = 1 << 16
BATCH_COMMANDS = 4_096
FUNDS_FEN = 1 << 50

CITIES = (("Qingdao", "Shandong"), ("Suzhou", "Jiangsu"), ("Chengdu", "Sichuan"))


@dataclass(frozen=True)
class SyntheticDay:
    """A sealed log on disk, and its number of trades."""

    log: Path
    trades: int


def write_day(path: Path, trades: int, seed: int = 1) -> SyntheticDay:
    """Write the sealed log of a day with exactly `trades` trades. Memory: 128 bytes a trade."""
    venue = read_venue()
    listing = _choose_listing(venue)
    members = _create_members(max(20, trades // TRADES_AN_ACCOUNT))
    rng = np.random.default_rng(seed)
    orders, sells = _draw_orders(trades, listing, members, rng)
    opening = _draft_opening(members, listing, sells)
    commands = np.concatenate([opening.view("V64"), orders.view("V64")]).view(COMMAND)
    del orders
    commands["sequence"] = np.arange(1, len(commands) + 1)
    registry = Registry(
        venue=venue.venue, trading_day=DAY.isoformat(), note=f"{trades} synthetic trades",
        limits=limits_for(commands, listing, members).as_dict(), chips=venue.chips,
        hubs=venue.hubs, contracts=venue.contracts, instruments=listing.instruments,
        firms=members.firms, accounts=members.accounts, sessions=members.sessions,
        programmes=_create_programmes(trades),
    )  # fmt: skip
    with DayLogWriter.create(path, venue=registry.venue, trading_day=registry.trading_day) as log:
        log.append_registry(registry)
        for start in range(0, len(commands), BLOCK_COMMANDS):
            log.append(commands[start : start + BLOCK_COMMANDS])
        log.seal(_events_sha256(registry, commands))
    return SyntheticDay(path, trades)


def events_of(log: DayLog) -> Iterator[NDArray[np.void]]:
    """Yield the events of a log's commands, a batch at a time; each is valid until the next.

    Raises DayLogOtherRules for a log made under other rules than this build's.
    """
    log.check_rules()
    engine = Engine(log.limits)
    for block in log.blocks():
        yield from _process(engine, block)


def _events_sha256(registry: Registry, commands: NDArray[np.void]) -> bytes:
    from matching.limits import Limits

    engine = Engine(Limits(**registry.limits))
    digest = hashlib.sha256()
    for events in _process(engine, commands):
        digest.update(np.ascontiguousarray(events).view(np.uint8).data)
    return digest.digest()


def _process(engine: Engine, commands: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Yield the events of each batch of commands."""
    for start in range(0, len(commands), BATCH_COMMANDS):
        yield engine.process(commands[start : start + BATCH_COMMANDS])


def _draw_orders(
    trades: int, listing: InstrumentColumns, members: Members, rng: np.random.Generator
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """Draw for each trade a sell order and the buy order that fills it.

    Returns the orders, and each combination of seller and instrument that occurs:
    seller x instruments + instrument, both counted from 0.
    """
    suppliers = max(2, len(members.accounts) // 10)
    buyers = len(members.accounts) - suppliers
    resale = rng.random(trades) < 0.2
    seller = np.where(
        resale, rng.integers(0, buyers, trades), buyers + rng.integers(0, suppliers, trades)
    )
    buyer = (seller + rng.integers(1, buyers, trades)) % buyers
    buyer = np.where(buyer == seller, (buyer + 1) % buyers, buyer)
    index = rng.integers(0, len(listing), trades)
    references = np.array([c.reference_ticks for c in listing.contracts])[listing.contract[index]]
    price = references + references * rng.integers(-20, 21, trades) // 1_000
    quantity = rng.integers(1, 11, trades)
    orders = np.zeros(2 * trades, COMMAND)
    orders["kind"], orders["type"] = CommandKind.NEW, OrderType.LIMIT
    orders["tif"] = TimeInForce.DAY
    for side, account in ((Side.SELL, seller), (Side.BUY, buyer)):
        rows = orders[side == Side.BUY :: 2]
        rows["side"], rows["account"], rows["instrument"] = side, account + 1, index + 1
        rows["price"], rows["quantity"] = price, quantity
        rows["session"] = account % BROKERS + 1
    for session in range(1, BROKERS + 1):
        own = np.flatnonzero(orders["session"] == session)
        orders["user_ref"][own] = np.arange(1, len(own) + 1)
    span_ns = (DAY_S - 10) * NANOSECONDS
    at = np.arange(2 * trades, dtype=np.int64)
    orders["time_ns"] = (day_start_s(DAY) + 1) * NANOSECONDS + at * (span_ns // (2 * trades))
    return orders, np.unique(seller * len(listing) + index)


def _draft_opening(
    members: Members, listing: InstrumentColumns, sells: NDArray[np.int64]
) -> NDArray[np.void]:
    """Draft commands that list instruments, fund accounts, and register capacity for all sales."""
    opening_ns = day_start_s(DAY) * NANOSECONDS
    numbers = np.arange(1, len(members.accounts) + 1)
    drafts = [
        draft_members(members, members.sessions, opening_ns),
        draft_listing(listing, opening_ns, day_start_s(DAY) + DAY_S),
        draft_admin(
            CommandKind.FUND, np.full(len(numbers), opening_ns), account=numbers,
            amount_fen=FUNDS_FEN,
        ),
        draft_admin(
            CommandKind.REGISTER, np.full(len(sells), opening_ns),
            account=sells // len(listing) + 1, instrument=sells % len(listing) + 1,
            quantity=1 << 20,
        ),
    ]  # fmt: skip
    return join(drafts).commands


def _choose_listing(venue: Venue) -> InstrumentColumns:
    """Choose INSTRUMENTS of all contracts evenly; delivery is on the two days after the next."""
    every = list_instruments(venue.contracts, DAY + timedelta(days=2), 2)
    spread = [every[number * len(every) // INSTRUMENTS] for number in range(INSTRUMENTS)]
    numbered = [msgspec.structs.replace(each, id=k) for k, each in enumerate(spread, 1)]
    return build_columns(numbered, venue.contracts)


def _create_members(accounts: int) -> Members:
    """Create brokers, and clients of three cities with one account each; suppliers come last."""
    firms = [
        Firm(id=k, name=f"broker-{k}", kind="broker", city="Qingdao", province="Shandong")
        for k in range(1, BROKERS + 1)
    ]
    suppliers = max(2, accounts // 10)
    clients = []
    for k in range(accounts):
        city, province = CITIES[k % len(CITIES)]
        kind = "operator" if k >= accounts - suppliers else "sme"
        clients.append(
            Firm(id=BROKERS + 1 + k, name=f"firm-{k}", kind=kind, city=city, province=province)
        )
    return Members(
        firms=(*firms, *clients),
        accounts=tuple(
            Account(
                id=k + 1, name=f"client-{k}", firm=BROKERS + 1 + k, member=k % BROKERS + 1,
                role="supplier" if k >= accounts - suppliers else "buyer",
            )
            for k in range(accounts)
        ),
        sessions=tuple(Session(id=k, name=f"broker-{k}", firm=k) for k in range(1, BROKERS + 1)),
    )  # fmt: skip


def _create_programmes(trades: int) -> tuple[Programme, ...]:
    """Create a deducting and a reimbursing programme; all of their caps limit some grants."""
    shared: dict[str, Any] = {
        "version": 1, "policy": "synthetic", "source": "synthetic", "side": "buyer",
        "effective_from": "2026-01-01", "per_agreement_cap_fen": 200_000,
        "per_firm_year_cap_fen": 20_000_000, "pool_year_fen": trades * 2_000,
    }  # fmt: skip
    return (
        Programme(
            id="qd", place="Qingdao", model="deduct", rate_bp=1_000, buyer_cities=("Qingdao",),
            funders={"city": 1, "district": 1}, **shared,
        ),
        Programme(
            id="all", place="anywhere", model="reimburse", rate_bp=2_000, funders={"city": 1},
            **shared,
        ),
    )  # fmt: skip

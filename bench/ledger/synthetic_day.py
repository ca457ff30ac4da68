"""A synthetic day of trades to settle: as many as asked for, with fees, resales and vouchers.

Each trade is a resting sell and a buy that takes it, at a price about the instrument's reference.
One account in ten is a supplier's; a fifth of what is sold is a resale by a buyer. Accounts grow
with the trades, so that a larger day also has more positions, agreements and vouchers.
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
    """A sealed log on disk, and how many trades it has."""

    log: Path
    trades: int


def write_day(path: Path, trades: int, seed: int = 1) -> SyntheticDay:
    """Write the sealed log of a day with exactly so many trades. Memory: 128 bytes a trade."""
    venue = read_venue()
    listing = _listing(venue)
    members = _members(max(20, trades // TRADES_AN_ACCOUNT))
    dice = np.random.default_rng(seed)
    orders, sells = _orders(trades, listing, members, dice)
    opening = _opening(members, listing, sells)
    commands = np.concatenate([opening.view("V64"), orders.view("V64")]).view(COMMAND)
    del orders
    commands["sequence"] = np.arange(1, len(commands) + 1)
    registry = Registry(
        venue=venue.venue, trading_day=DAY.isoformat(), note=f"{trades} synthetic trades",
        limits=limits_for(commands, listing, members).as_dict(), chips=venue.chips,
        hubs=venue.hubs, contracts=venue.contracts, instruments=listing.instruments,
        firms=members.firms, accounts=members.accounts, sessions=members.sessions,
        programmes=_programmes(trades),
    )  # fmt: skip
    with DayLogWriter.create(path, venue=registry.venue, trading_day=registry.trading_day) as log:
        log.reference(registry)
        for start in range(0, len(commands), BLOCK_COMMANDS):
            log.append(commands[start : start + BLOCK_COMMANDS])
        log.seal(_events_sha256(registry, commands))
    return SyntheticDay(path, trades)


def events_of(log: DayLog) -> Iterator[NDArray[np.void]]:
    """The events of a log's commands, batch by batch; each is valid until the next."""
    engine = Engine(log.limits)
    for block in log.blocks():
        for start in range(0, len(block), BATCH_COMMANDS):
            yield engine.process(block[start : start + BATCH_COMMANDS])


def _events_sha256(registry: Registry, commands: NDArray[np.void]) -> bytes:
    from matching.limits import Limits

    engine = Engine(Limits(**registry.limits))
    digest = hashlib.sha256()
    for start in range(0, len(commands), BATCH_COMMANDS):
        events = engine.process(commands[start : start + BATCH_COMMANDS])
        digest.update(np.ascontiguousarray(events).view(np.uint8).data)
    return digest.digest()


def _orders(
    trades: int, listing: InstrumentColumns, members: Members, dice: np.random.Generator
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """A sell and the buy that takes it, trade by trade; and each (seller, instrument) there is."""
    suppliers = max(2, len(members.accounts) // 10)
    buyers = len(members.accounts) - suppliers
    resale = dice.random(trades) < 0.2
    seller = np.where(
        resale, dice.integers(0, buyers, trades), buyers + dice.integers(0, suppliers, trades)
    )
    buyer = (seller + dice.integers(1, buyers, trades)) % buyers
    buyer = np.where(buyer == seller, (buyer + 1) % buyers, buyer)
    index = dice.integers(0, len(listing), trades)
    references = np.array([c.reference_ticks for c in listing.contracts])[listing.contract[index]]
    price = references + references * dice.integers(-20, 21, trades) // 1_000
    quantity = dice.integers(1, 11, trades)
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


def _opening(
    members: Members, listing: InstrumentColumns, sells: NDArray[np.int64]
) -> NDArray[np.void]:
    """List, fund, and register capacity for whoever sells what."""
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


def _listing(venue: Venue) -> InstrumentColumns:
    """Instruments of all contracts, delivered on the two days after the next."""
    every = list_instruments(venue.contracts, DAY + timedelta(days=2), 2)
    spread = [every[number * len(every) // INSTRUMENTS] for number in range(INSTRUMENTS)]
    numbered = [msgspec.structs.replace(each, id=k) for k, each in enumerate(spread, 1)]
    return build_columns(numbered, venue.contracts)


def _members(accounts: int) -> Members:
    """Brokers, and clients of three cities with one account each; suppliers come last."""
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


def _programmes(trades: int) -> tuple[Programme, ...]:
    """A deducted and a reimbursed programme with three caps each, all of which bind somewhere."""
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

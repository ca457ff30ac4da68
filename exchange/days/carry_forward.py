"""Carry forward: the state at the end of a day as the commands that the next day opens with.

Cash comes from the books, everything else from the engine's state at the end of the day: sessions,
accounts and their limits, instruments that still trade, capacity, positions with the deposits of
sellers, then GTC and GTD orders, then GTD blocks, both in the order in which they were accepted.
Instruments open in pre-open, so that carried orders are in the book before anything can trade.

That state is the result of a replay, so a day of other rules than this build's cannot be carried
forward. The build that wrote it writes the opening, and this one takes over its commands.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from exchange.definition.baskets import draft_baskets
from exchange.definition.calendar import DAY_S, day_start_s
from exchange.definition.command_drafts import Draft, draft_admin, join
from ledger.books.database import Books
from ledger.books.errors import LedgerError
from ledger.daylog import DayLog
from ledger.daylog.registry import Commitment, Registry
from ledger.delivery.nomination import match_positions
from ledger.statements.account import closing_cash_fen, settlement_ticks
from matching.records import (
    COMMAND,
    NANOSECONDS,
    CommandFlag,
    CommandKind,
    OrderType,
    Phase,
    TimeInForce,
)
from matching.rules import RULES
from matching.state_tables import COLUMNS, Tables

Commands = npt.NDArray[np.void]
Table = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class CarriedDay:
    """The registry of a new day, and the stamped commands that it opens with."""

    registry: Registry
    commands: Commands
    orders: int  # carried
    funded_fen: int


def carry_forward(
    log: DayLog, tables: Tables, books: Books, day: date, *, baskets: bool = True
) -> CarriedDay:
    """Return the opening of `day` from `log`, the day before it, and the books that settled that.

    `tables` is the engine's state after the last command of `log`. With `baskets` false, the
    caller lists the baskets of the registry itself. Raises LedgerError where the day of `log` is
    not settled, or where `day` is not after it.
    """
    before = log.registry
    _check_settled(books, log, day)
    start_s = day_start_s(day)
    state = {name: _columns(name, rows) for name, rows in tables.items()}
    cash_fen = closing_cash_fen(books)
    held = {symbol for (symbol,) in books.rows(
        "SELECT DISTINCT substr(n.name, 8) FROM open_positions JOIN names AS n ON n.id = instrument"
    )}  # fmt: skip
    kept = tuple(
        each for each in before.instruments if each.gate_s > start_s or each.symbol in held
    )
    trading = np.array([each.id for each in kept if each.gate_s > start_s], dtype=np.int64)
    prices = settlement_ticks(books)
    resting = _draft_resting(state, trading, start_s)
    drafts = [
        _draft_sessions_and_accounts(state),
        _draft_listing(state, before, trading, prices, start_s),
        _draft_funds(state, before, cash_fen, _deposits_fen(state, trading)),
        _draft_capacity(state, trading),
        _draft_positions(state, trading),
        resting,
        _draft_phases(trading),
        draft_baskets(kept, before.baskets if baskets else (), start_s * NANOSECONDS),
    ]
    commands = _stamp(join(drafts), start_s)
    registry = msgspec.structs.replace(
        before, trading_day=day.isoformat(), instruments=kept, opening_commands=len(commands),
        committed=_commitments(before, state["positions"], trading, start_s) or msgspec.UNSET,
        note=f"Opened from {before.trading_day}, log {log.sha256[:16]}.",
    )  # fmt: skip
    return CarriedDay(registry, commands, len(resting), sum(cash_fen.values()))


def check_carried_rules(log: DayLog) -> None:
    """Raise DayLogOtherRules, with the way to the next day, for a log of other rules."""
    log.check_rules(
        "With the build that wrote it, end and settle the day and write the next one's opening: "
        f"`suanshi day open {log.path} OPENING.LOG`; this build takes it over: "
        "`suanshi day open OPENING.LOG DAY.LOG`"
    )


def is_others_opening(log: DayLog) -> bool:
    """Whether a build of other rules wrote the opening of a day into a log, and nothing more."""
    opening = log.registry.opening_commands
    return (
        log.rules != RULES
        and not (log.sealed or log.torn_bytes)
        and log.command_count == opening > 0
    )


def take_over(log: DayLog) -> CarriedDay:
    """Return the day whose opening another build wrote: its registry, and its commands unchanged.

    Nothing was reported of them yet, so they may run under other rules.
    """
    assert is_others_opening(log)
    commands = log.commands()
    kinds = commands["kind"]
    funded_fen = commands["amount_fen"][kinds == CommandKind.FUND].sum(dtype=np.int64)
    return CarriedDay(
        log.registry, commands, int((kinds == CommandKind.NEW).sum()), int(funded_fen)
    )


def _check_settled(books: Books, log: DayLog, day: date) -> None:
    if day.isoformat() <= log.trading_day:
        raise LedgerError(f"{log.path}: {day} does not come after its day, {log.trading_day}")
    rows = books.rows(
        "SELECT input_sha256 FROM standing WHERE kind = 'settlement' AND day = $day::DATE",
        {"day": log.trading_day},
    )
    if rows != [(log.sha256,)]:
        raise LedgerError(
            f"{books.path}: {log.trading_day} is not settled from {log.path}; close it first"
        )


def _columns(name: str, rows: npt.NDArray[np.int64]) -> Table:
    return {column: rows[:, k] for k, column in enumerate(COLUMNS[name])}


def _admin(kind: CommandKind, count: int, **fields: Any) -> Draft:
    return draft_admin(kind, np.zeros(count, dtype=np.int64), **fields)


def _draft_sessions_and_accounts(state: dict[str, Table]) -> Draft:
    sessions, accounts = state["sessions"], state["accounts"]
    halted = accounts["account"][accounts["halted"] > 0]
    return join([
        _admin(
            CommandKind.SESSION, len(sessions["session"]), target_ref=sessions["session"],
            account=sessions["firm"], flags=sessions["operator"] * int(CommandFlag.OPERATOR),
        ),
        _admin(
            CommandKind.ACCOUNT, len(accounts["account"]), account=accounts["account"],
            target_ref=accounts["firm"], quantity=_group(accounts),
        ),
        _admin(
            CommandKind.LIMITS, len(accounts["account"]), account=accounts["account"],
            amount_fen=accounts["notional_max_fen"], quantity=accounts["order_max"],
            display=accounts["position_max"],
        ),
        _admin(
            CommandKind.HALT_ACCOUNT, len(halted), account=halted, flags=int(CommandFlag.HALT)
        ),
    ])  # fmt: skip


def _group(accounts: Table) -> npt.NDArray[np.int64]:
    """Return groups as commands give them; the engine has a group of one as a negative number."""
    return np.maximum(accounts["group"], 0)


def _draft_listing(
    state: dict[str, Table], before: Registry, trading: npt.NDArray[np.int64],
    prices: dict[str, int], start_s: int,
) -> Draft:  # fmt: skip
    rows = {name: column[np.isin(state["instruments"]["instrument"], trading)]
            for name, column in state["instruments"].items()}  # fmt: skip
    number, count = rows["instrument"], len(rows["instrument"])
    symbols = {each.id: each.symbol for each in before.instruments}
    gates = {each.id: each.gate_s for each in before.instruments}
    reference = np.array(
        [prices.get(symbols[int(each)], int(old))
         for each, old in zip(number, rows["reference"], strict=True)], dtype=np.int64,
    )  # fmt: skip
    collared = rows["collar"] > 0
    return join([
        _admin(
            CommandKind.LIST, count, instrument=number, price=reference, quantity=rows["tick_fen"]
        ),
        _admin(
            CommandKind.BAND, count, instrument=number, price=rows["band_low"],
            stop=rows["band_high"],
        ),
        _admin(
            CommandKind.FEES, count, instrument=number, price=rows["maker_rate"],
            stop=rows["taker_rate"], quantity=rows["deposit_fen"],
        ),
        _admin(
            CommandKind.TIMES, count, instrument=number, expiry_s=start_s + DAY_S,
            target_ref=[gates[int(each)] for each in number],
        ),
        _admin(
            CommandKind.COLLAR, int(collared.sum()), instrument=number[collared],
            price=rows["collar"][collared], quantity=rows["collar_s"][collared],
            display=rows["random_s"][collared], stop=rows["extension"][collared],
        ),
        _admin(CommandKind.PHASE, count, instrument=number, type=Phase.PRE_OPEN),
        _draft_sequences(rows, trading),
    ])  # fmt: skip


def _draft_sequences(rows: Table, trading: npt.NDArray[np.int64]) -> Draft:
    """Draft the links between delivery periods that still trade."""
    linked = np.isin(rows["follows"], trading)
    return _admin(
        CommandKind.SEQUENCE, int(linked.sum()), instrument=rows["instrument"][linked],
        target_ref=rows["follows"][linked], quantity=rows["longest"][linked],
    )  # fmt: skip


def _deposits_fen(state: dict[str, Table], trading: npt.NDArray[np.int64]) -> dict[int, int]:
    """Return the deposits that carried short positions hold, by account."""
    rates = dict(zip(*(state["instruments"][name].tolist() for name in (
        "instrument", "deposit_fen")), strict=True))  # fmt: skip
    held, found = state["positions"], dict[int, int]()
    chosen = (held["net"] < 0) & np.isin(held["instrument"], trading)
    for account, instrument, net in zip(*(
        held[name][chosen].tolist() for name in ("account", "instrument", "net")), strict=True
    ):  # fmt: skip
        found[account] = found.get(account, 0) - net * rates[instrument]
    return found


def _draft_funds(
    state: dict[str, Table],
    before: Registry,
    cash_fen: dict[str, int],
    deposits_fen: dict[int, int],
) -> Draft:
    """Draft closing cash with deposits: the books hold these apart, the engine in the balance."""
    opened = set(state["accounts"]["account"].tolist())
    rows = [
        (account.id, cash_fen.get(account.name, 0) + deposits_fen.get(account.id, 0))
        for account in before.accounts if account.id in opened
    ]  # fmt: skip
    rows = [row for row in rows if row[1] > 0]
    number = [each for each, _ in rows]
    return _admin(CommandKind.FUND, len(rows), account=number, amount_fen=[fen for _, fen in rows])


def _draft_capacity(state: dict[str, Table], trading: npt.NDArray[np.int64]) -> Draft:
    """Draft capacity as it was registered."""
    held = state["positions"]
    chosen = (held["registered"] > 0) & np.isin(held["instrument"], trading)
    return _admin(
        CommandKind.REGISTER, int(chosen.sum()), account=held["account"][chosen],
        instrument=held["instrument"][chosen], quantity=held["registered"][chosen],
    )  # fmt: skip


def _commitments(
    before: Registry, held: Table, trading: npt.NDArray[np.int64], start_s: int
) -> tuple[Commitment, ...]:
    """Return the lots sold whose instruments trade no more and are not delivered at `start_s`."""
    listed = {each.id: each for each in before.instruments}
    chosen = (held["net"] < 0) & ~np.isin(held["instrument"], trading)
    sold = []
    for account, instrument, net in zip(*(
        held[name][chosen].tolist() for name in ("account", "instrument", "net")), strict=True
    ):  # fmt: skip
        of = listed[instrument]
        sold.append(Commitment(
            account=account, contract=of.contract, delivery_start_s=of.delivery_start_s,
            delivery_end_s=of.delivery_end_s, lots=-net,
        ))  # fmt: skip
    both = (*(before.committed or ()), *sold)
    return tuple(each for each in both if each.delivery_end_s > start_s)


def _draft_positions(state: dict[str, Table], trading: npt.NDArray[np.int64]) -> Draft:
    """Draft open positions, each instrument's longs against its shorts in turn.

    A holder of lots can so resell them without a deposit.
    """
    held = state["positions"]
    rows = []
    for instrument in np.unique(held["instrument"]).tolist():
        own = (held["instrument"] == instrument) & (held["net"] != 0)
        if instrument not in trading or not own.any():
            continue
        book = np.zeros(int(own.sum()), dtype=np.int64)
        found = match_positions(
            book, np.arange(len(book)), held["net"][own], np.zeros(1, dtype=np.int64)
        )
        account = held["account"][own]
        rows += [
            (instrument, account[long], account[short], lots)
            for long, short, lots in zip(*found, strict=True)
        ]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return _admin(
        CommandKind.REGISTER, len(rows), instrument=columns[0], account=columns[1],
        seller=columns[2], quantity=columns[3], flags=int(CommandFlag.CARRIED),
    )  # fmt: skip


def _draft_resting(state: dict[str, Table], trading: npt.NDArray[np.int64], start_s: int) -> Draft:
    """Draft the orders and blocks that stay in the book."""
    return join([_draft_orders(state, trading, start_s), _draft_blocks(state, trading, start_s)])


def _draft_blocks(state: dict[str, Table], trading: npt.NDArray[np.int64], start_s: int) -> Draft:
    """Draft the GTD blocks whose hours all still trade."""
    blocks, listed = state["blocks"], state["instruments"]
    after = dict(zip(listed["follows"].tolist(), listed["instrument"].tolist(), strict=True))
    still = set(trading.tolist())

    def trades(hour: int, hours: int) -> bool:
        return hours == 0 or (hour in still and trades(after.get(hour, 0), hours - 1))

    chosen = (blocks["tif"] == TimeInForce.GTD) & (blocks["expiry_s"] > start_s)
    chosen &= np.array(
        [trades(*each) for each in zip(*(blocks[name].tolist() for name in (
            "instrument", "hours")), strict=True)], dtype=np.bool_,
    )  # fmt: skip
    fields = (
        "session", "user_ref", "account", "instrument", "hours", "side", "tif", "stp", "price",
        "quantity", "expiry_s",
    )  # fmt: skip
    rows = {name: blocks[name][chosen] for name in fields}
    return _admin(CommandKind.NEW, int(chosen.sum()), type=OrderType.LIMIT, **rows)


def _draft_orders(state: dict[str, Table], trading: npt.NDArray[np.int64], start_s: int) -> Draft:
    """Draft GTC and GTD orders with their leaves, under the refs that they have."""
    orders = state["orders"]
    chosen = np.isin(orders["tif"], (TimeInForce.GTC, TimeInForce.GTD))
    chosen &= np.isin(orders["instrument"], trading)
    chosen &= (orders["expiry_s"] == 0) | (orders["expiry_s"] > start_s)
    rows = {name: column[chosen] for name, column in orders.items()}
    waits = rows["waiting"] > 0
    return _admin(
        CommandKind.NEW, int(chosen.sum()), session=rows["session"], user_ref=rows["user_ref"],
        account=rows["account"], instrument=rows["instrument"], side=rows["side"],
        type=np.where(waits, rows["type"], OrderType.LIMIT), tif=rows["tif"], stp=rows["stp"],
        price=rows["price"], stop=np.where(waits, rows["stop"], 0), quantity=rows["leaves"],
        display=np.where(rows["display"] > 0, np.minimum(rows["display"], rows["leaves"]), 0),
        expiry_s=rows["expiry_s"],
    )  # fmt: skip


def _draft_phases(trading: npt.NDArray[np.int64]) -> Draft:
    return _admin(CommandKind.PHASE, len(trading), instrument=trading, type=Phase.CONTINUOUS)


def _stamp(draft: Draft, start_s: int) -> Commands:
    commands = np.zeros(len(draft), COMMAND)
    commands[:] = draft.commands
    commands["sequence"] = np.arange(1, len(commands) + 1)
    commands["time_ns"] = start_s * NANOSECONDS
    return commands

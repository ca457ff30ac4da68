"""Invariants of every state of the machine between two commands.

They read the tables of state_tables.py, so that they apply to every engine, and follow RULES.md,
not the code of an engine.
"""

from collections import Counter, defaultdict, namedtuple
from collections.abc import Iterator
from typing import Any

from matching.invariants.block_invariants import block_violations, open_lots, reserves_fen
from matching.limits import REFS_PER_PAGE
from matching.records import FUNDED_MAX_FEN, POSITION_MAX, RATE_UNIT, OrderType, Phase, Side
from matching.state_tables import COLUMNS, Tables

Row = Any
"""A row of a table: a tuple with the table's columns as names."""

State = dict[str, list[Row]]


ROWS: dict[str, Any] = {name: namedtuple(name, columns) for name, columns in COLUMNS.items()}


def violations(tables: Tables) -> list[str]:
    """One line for each invariant that the state breaks; empty for a sound state."""
    state = {name: [row(*cells) for cells in tables[name].tolist()] for name, row in ROWS.items()}
    checks = (
        _sessions, _halted, _quotes, _orders, _queues, _books, _open_quantities, _positions, _money,
        _instruments, block_violations, _baskets,
    )  # fmt: skip
    return [line for check in checks for line in check(state)]


def _instrument_of(state: State) -> dict[int, Row]:
    return {row.instrument: row for row in state["instruments"]}


def _sessions(state: State) -> Iterator[str]:
    """The counts of a session agree with its live orders, blocks and pages of refs."""
    for session in state["sessions"]:
        blocks = [row for row in state["blocks"] if row.session == session.session]
        orders = [row for row in state["orders"] if row.session == session.session] + blocks
        pages = {row.user_ref // REFS_PER_PAGE for row in orders}
        found = (len(orders), len(blocks), len(pages))
        counted = (session.orders, session.blocks, session.ref_pages)
        if counted != found:
            yield f"session {session.session}: {counted} orders, blocks, pages counted, has {found}"


def _halted(state: State) -> Iterator[str]:
    """A halted account has no live order."""
    halted = {row.account for row in state["accounts"] if row.halted}
    for order in state["orders"] + state["blocks"]:
        if order.account in halted:
            yield f"order {order.session}/{order.user_ref}: of account {order.account}, halted"


def _quotes(state: State) -> Iterator[str]:
    """An account whose protection has tripped has no quote; no other has reached a bound."""
    tripped = {row.account for row in state["protections"] if row.tripped}
    for order in state["orders"]:
        if order.quote and order.account in tripped:
            yield f"order {order.session}/{order.user_ref}: a quote of account {order.account}"
    for row in state["protections"]:
        reached = (
            0 < row.lots_max <= row.lots
            or 0 < row.fills_max <= row.fills
            or 0 < row.notional_max_fen <= row.notional_fen
        )
        if reached != row.tripped:
            yield f"account {row.account}: protection at a bound {reached}, tripped {row.tripped}"


def _orders(state: State) -> Iterator[str]:
    """Every order is open, shows a part of its leaves, and has its prices inside the band."""
    instruments = _instrument_of(state)
    now_ns = state["machine"][0].now_ns
    live = state["orders"] + state["blocks"]
    names = Counter((order.session, order.user_ref) for order in live)
    for order in state["orders"]:
        name = f"order {order.session}/{order.user_ref}"
        band = instruments[order.instrument]
        if names[order.session, order.user_ref] > 1:
            yield f"{name}: its name is live twice"
        if order.leaves < 1 or order.cumulative < 0:
            yield f"{name}: leaves {order.leaves}, cumulative {order.cumulative}"
        if order.waiting and order.shown:
            yield f"{name}: waits and shows {order.shown}"
        if not order.waiting and not 1 <= order.shown <= order.leaves:
            yield f"{name}: shows {order.shown} of {order.leaves}"
        if not order.waiting and not order.display and order.shown != order.leaves:
            yield f"{name}: is no iceberg and shows {order.shown} of {order.leaves}"
        for price in (order.price, order.stop):
            if price and not band.band_low <= price <= band.band_high:
                yield f"{name}: {price} is outside the band"
        if not order.waiting and order.price == 0:
            yield f"{name}: rests without a limit"
        if order.expiry_s and order.expiry_s * 10**9 <= now_ns:
            yield f"{name}: should have ended at {order.expiry_s}"
        if not 0 <= order.fraction < RATE_UNIT:
            yield f"{name}: a fraction of {order.fraction}"


def _queues(state: State) -> Iterator[str]:
    """Places in a level are 0, 1, 2, ...; orders that never moved back keep their acceptance."""
    levels: defaultdict[tuple[int, int, int], list[Row]] = defaultdict(list)
    for order in state["orders"]:
        if not order.waiting:
            levels[order.instrument, order.side, order.price].append(order)
    for key, orders in levels.items():
        orders.sort(key=lambda order: order.place)
        if [order.place for order in orders] != list(range(len(orders))):
            yield f"level {key}: places {[order.place for order in orders]}"
        # A next slice and a triggered stop-limit join the back with their old acceptance.
        stayed = [
            order.accepted
            for order in orders
            if not order.display and order.type != OrderType.STOP_LIMIT
        ]
        if stayed != sorted(stayed):
            yield f"level {key}: acceptances {stayed} by priority"


def _books(state: State) -> Iterator[str]:
    """In continuous trading nothing crosses, and no stop waits that the last trade triggers."""
    best: dict[tuple[int, int], int] = {}
    for order in state["orders"]:
        if not order.waiting:
            key = order.instrument, order.side
            better = max if order.side == Side.BUY else min
            best[key] = better(best.get(key, order.price), order.price)
    for instrument in state["instruments"]:
        number, last = instrument.instrument, instrument.last
        if instrument.phase != Phase.CONTINUOUS:
            continue
        buy, sell = best.get((number, Side.BUY)), best.get((number, Side.SELL))
        if buy is not None and sell is not None and buy >= sell:
            yield f"instrument {number}: crossed, {buy} against {sell}"
        for order in state["orders"]:
            if order.instrument == number and order.waiting and last:
                reached = order.stop <= last if order.side == Side.BUY else order.stop >= last
                if reached:
                    yield f"instrument {number}: stop at {order.stop} waits, last {last}"


def _open_quantities(state: State) -> Iterator[str]:
    """Open quantities are the sums over live orders."""
    leaves: Counter[tuple[int, int, int]] = Counter()
    for order in state["orders"]:
        leaves[order.account, order.instrument, order.side] += order.leaves
    for account, instrument, side, lots in open_lots(state):
        leaves[account, instrument, side] += lots
    reported: Counter[tuple[int, int, int]] = Counter()
    for row in state["positions"]:
        reported[row.account, row.instrument, Side.BUY] = row.open_buy
        reported[row.account, row.instrument, Side.SELL] = row.open_sell
    for key in leaves | reported:
        if leaves[key] != reported[key]:
            yield f"open quantity of {key}: {reported[key]}, orders have {leaves[key]}"


def _positions(state: State) -> Iterator[str]:
    """Net positions sum to zero, and no account offers more than it has."""
    net: Counter[int] = Counter()
    for row in state["positions"]:
        name = f"account {row.account} in {row.instrument}"
        net[row.instrument] += row.net
        if row.registered + row.net - row.open_sell < 0:
            yield f"{name}: offers more than it has"
        if not 0 <= row.registered <= POSITION_MAX:
            yield f"{name}: {row.registered} registered"
        if max(row.net + row.open_buy, row.open_sell - row.net) > POSITION_MAX:
            yield f"{name}: may grow beyond {POSITION_MAX}"
    for instrument, total in net.items():
        if total:
            yield f"instrument {instrument}: net positions sum to {total}"


def _money(state: State) -> Iterator[str]:
    """Money adds up exactly, and orders and positions hold exactly what they need."""
    instruments = _instrument_of(state)
    reserved: Counter[int] = Counter()
    deposit: Counter[int] = Counter()
    for order in state["orders"]:
        if order.side == Side.BUY:
            reserved[order.account] += _reserve_fen(order, instruments[order.instrument])
    for number, held_fen in reserves_fen(state):
        reserved[number] += held_fen
    for row in state["positions"]:
        per_lot_fen = instruments[row.instrument].deposit_fen
        deposit[row.account] += per_lot_fen * max(0, row.open_sell - row.net)
    for account in state["accounts"]:
        name = f"account {account.account}"
        if account.free_fen < 0 or account.earned_fen < 0:
            yield f"{name}: free {account.free_fen}, earned {account.earned_fen}"
        if account.reserved_fen != reserved[account.account]:
            asked_fen = reserved[account.account]
            yield f"{name}: reserved {account.reserved_fen}, orders ask for {asked_fen}"
        if account.deposit_fen != deposit[account.account]:
            asked_fen = deposit[account.account]
            yield f"{name}: deposit {account.deposit_fen}, positions ask for {asked_fen}"
        placed_fen = account.free_fen + account.reserved_fen + account.deposit_fen
        if account.funded_fen != placed_fen + account.paid_fen:
            yield f"{name}: funded {account.funded_fen}, found {placed_fen + account.paid_fen}"
    if sum(row.earned_fen - row.paid_fen for row in state["accounts"]) > 0:
        yield "accounts: more was earned than paid"
    if sum(row.funded_fen for row in state["accounts"]) > FUNDED_MAX_FEN:
        yield f"accounts: more than {FUNDED_MAX_FEN} funded"


def _reserve_fen(order: Row, instrument: Row) -> int:
    """Notional at the worst price, and the dearer fee with the order's fraction, rounded up."""
    rate = max(instrument.maker_rate, instrument.taker_rate)
    notional_fen: int = (order.price or instrument.band_high) * order.leaves * instrument.tick_fen
    fee_fen: int = -(-(notional_fen * rate + order.fraction) // RATE_UNIT)
    return notional_fen + fee_fen


def _baskets(state: State) -> Iterator[str]:
    """Members of a basket have places from 1 on, one tick size, and different sequences."""
    instruments = _instrument_of(state)
    after = {row.follows: row.instrument for row in state["instruments"] if row.follows}
    baskets: defaultdict[int, list[Row]] = defaultdict(list)
    for row in state["baskets"]:
        baskets[row.basket].append(row)
    for number, members in baskets.items():
        lasts, ticks_fen = set(), {instruments[row.instrument].tick_fen for row in members}
        for row in members:
            last = row.instrument
            while last in after:
                last = after[last]
            lasts.add(last)
        if [row.place for row in members] != list(range(1, len(members) + 1)):
            yield f"basket {number}: places {[row.place for row in members]}"
        if len(ticks_fen) > 1:
            yield f"basket {number}: {sorted(ticks_fen)} fen per tick"
        if len(lasts) < len(members):
            yield f"basket {number}: {len(members)} members of {len(lasts)} sequences"


def _instruments(state: State) -> Iterator[str]:
    """Gated instruments are closed and empty, and no due work is left."""
    machine = state["machine"][0]
    gated = {row.instrument for row in state["instruments"] if row.gated}
    for row in state["instruments"]:
        if row.gated and row.phase != Phase.CLOSED:
            yield f"instrument {row.instrument}: gated, and in phase {row.phase}"
        if row.gate_s and row.gate_s * 10**9 <= machine.now_ns:
            yield f"instrument {row.instrument}: gate of {row.gate_s} not closed"
        if row.band_high and row.band_high - row.band_low + 1 > row.ticks:
            yield f"instrument {row.instrument}: band wider than its {row.ticks} ticks"
    for order in state["orders"]:
        if order.instrument in gated:
            yield f"order {order.session}/{order.user_ref}: live after gate closure"
    for row in state["schedule"]:
        if row.due_s * 10**9 <= machine.now_ns:
            yield f"instrument {row.instrument}: phase change of {row.due_s} not done"
    if sum(row.ticks for row in state["instruments"]) != machine.ticks:
        yield f"machine: {machine.ticks} ticks allotted, instruments have others"

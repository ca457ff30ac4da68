"""The tables of the reference's state, with the columns of state_tables.py."""

from matching.records import TimeInForce
from matching.reference.agenda import Work
from matching.reference.book import Instrument, Order
from matching.reference.market import Market
from matching.state_tables import Tables, table


def state_tables(market: Market) -> Tables:
    """The whole state of a market as tables of integers."""
    rows: dict[str, list[tuple[int, ...]]] = {
        "machine": [
            (
                market.now_ns,
                market.trades,
                market.trade_groups,
                market.accepted,
                market.ticks,
                market.seed,
            )
        ],
        "sessions": [
            (
                number,
                session.firm,
                session.operator,
                market.session_orders[number],
                market.session_blocks[number],
                market.session_ref_pages[number],
            )
            for number, session in sorted(market.sessions.items())
        ],
        "accounts": [_account(market, number) for number in sorted(market.accounts)],
        "instruments": [
            _instrument(instrument) for _, instrument in sorted(market.instruments.items())
        ],
        "schedule": [
            (due_s, instrument, phase, cause)
            for (due_s, work, instrument, _), (phase, cause) in market.agenda.work.items()
            if work == Work.PHASE
        ],
        "positions": _positions(market),
        "orders": _orders(market),
        "blocks": _blocks(market),
        "baskets": [
            (number, place, member.id)
            for number, basket in sorted(market.baskets.items())
            for place, member in enumerate(basket, start=1)
        ],
        "busts": [(trade,) for trade in sorted(market.busts)],
        "protections": _protections(market),
    }
    return {name: table(name, rows[name]) for name in rows}


def _account(market: Market, number: int) -> tuple[int, ...]:
    account = market.accounts[number]
    return (
        number,
        account.firm,
        account.group,
        account.halted,
        account.order_max,
        account.position_max,
        account.notional_max_fen,
        account.funded_fen,
        account.free_fen,
        account.reserved_fen,
        account.deposit_fen,
        account.paid_fen,
        account.earned_fen,
    )


def _instrument(instrument: Instrument) -> tuple[int, ...]:
    return (
        instrument.id,
        instrument.reference,
        instrument.tick_fen,
        instrument.low,
        instrument.high,
        instrument.ticks,
        instrument.maker_rate,
        instrument.taker_rate,
        instrument.deposit_fen,
        instrument.collar,
        instrument.collar_s,
        instrument.random_s,
        instrument.extension,
        instrument.extended,
        instrument.gate_s,
        instrument.gated,
        instrument.phase,
        instrument.last,
        instrument.follows.id if instrument.follows else 0,
        instrument.longest,
        *instrument.indicative,
    )


def _positions(market: Market) -> list[tuple[int, ...]]:
    rows = [
        (number, instrument, position.registered, position.net, *position.open)
        for number, account in market.accounts.items()
        for instrument, position in account.positions.items()
    ]
    return sorted(row for row in rows if any(row[2:]))


def _protections(market: Market) -> list[tuple[int, ...]]:
    return [
        (
            number,
            protection.lots_max,
            protection.fills_max,
            protection.notional_max_fen,
            protection.window_s,
            protection.began_ns,
            protection.lots,
            protection.fills,
            protection.notional_fen,
            protection.tripped,
        )
        for number, account in sorted(market.accounts.items())
        if (protection := account.protection) is not None
    ]


def _orders(market: Market) -> list[tuple[int, ...]]:
    places = {
        order: place
        for instrument in market.instruments.values()
        for side in instrument.sides
        for level in side.values()
        for place, order in enumerate(level.values())
    }
    orders = market.orders_by_acceptance(lambda order: not order.block_hours)
    return [_order(order, places.get(order, 0)) for order in orders]


def _blocks(market: Market) -> list[tuple[int, ...]]:
    return [
        (
            block.accepted,
            block.session,
            block.user_ref,
            block.account.id,
            block.instrument.id,
            block.block_hours,
            block.side,
            block.tif,
            block.stp,
            block.price,
            block.leaves,
            block.expiry_s,
        )
        for block in market.orders_by_acceptance(lambda order: order.block_hours > 0)
    ]


def _order(order: Order, place: int) -> tuple[int, ...]:
    return (
        order.accepted,
        order.session,
        order.user_ref,
        order.account.id,
        order.instrument.id,
        order.side,
        order.type,
        order.tif,
        order.stp,
        order.post_only,
        order.quote,
        order.waiting,
        order.price,
        order.stop if order.waiting else 0,
        order.display,
        order.leaves,
        order.shown,
        order.cumulative,
        order.fraction,
        order.expiry_s if order.tif == TimeInForce.GTD else 0,
        place,
    )

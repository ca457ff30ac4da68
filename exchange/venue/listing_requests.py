"""Listings during the day: an operator lists an instrument or a basket of the definition."""

from datetime import date

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from exchange.days.opening import draft_listing
from exchange.definition.baskets import BasketDefinition, draft_baskets, resolve
from exchange.definition.calendar import DAY_S, HOUR_S, day_start_s, parse_day
from exchange.definition.command_drafts import join, number_commands
from exchange.definition.contract_rules import Problem
from exchange.definition.instrument_columns import build_columns
from exchange.definition.sequences import draft_sequences
from feeds.protocol.messages import Definition, Done
from ledger.daylog.registry import Contract, Instrument, Registry
from matching.limits import Limits
from matching.records import NANOSECONDS


def list_instrument(
    registry: Registry, symbol: str, now_ns: int, sequence: int
) -> tuple[Registry, NDArray[np.void], Done]:
    """Return the registry with the instrument, the stamped commands that list it, and the answer.

    `symbol` is CONTRACT.YYYYMMDD, or CONTRACT.YYYYMMDDHH for GPU-hours. Raises ValueError where it
    names no contract and period, is listed already, or its gate has closed.
    """
    if any(symbol == instrument.symbol for instrument in registry.instruments):
        raise ValueError(f"{symbol} is listed already")
    contract, start_s = _parse_symbol(registry, symbol)
    number = max((each.id for each in registry.instruments), default=0) + 1
    room = Limits(**registry.limits).instruments
    if number > room:
        raise ValueError(f"{symbol}: the machine has room for instruments up to number {room}")
    gate_s = start_s - contract.gate_closure_s
    if gate_s * NANOSECONDS <= now_ns:
        raise ValueError(f"{symbol}: its gate closed already")
    length_s = HOUR_S if contract.product == "gpu-hour" else DAY_S
    instrument = Instrument(
        id=number,
        symbol=symbol,
        contract=contract.code,
        delivery_start_s=start_s,
        delivery_end_s=start_s + length_s,
        gate_s=gate_s,
    )
    close_s = day_start_s(parse_day(registry.trading_day)) + DAY_S
    alone = build_columns([replace(instrument, id=1)], registry.contracts)
    listed = replace(registry, instruments=(*registry.instruments, instrument))
    draft = draft_listing(alone, now_ns, close_s if close_s * NANOSECONDS > now_ns else 0)
    draft.commands["instrument"] = number
    links = draft_sequences(listed.instruments, listed.contracts, now_ns, new={number})
    commands = number_commands(join([draft, links]))
    commands["sequence"] += sequence - 1
    return listed, commands, Done(instrument=number, sequence=int(commands["sequence"][-1]))


def _parse_symbol(registry: Registry, symbol: str) -> tuple[Contract, int]:
    """Return the contract and the start of delivery that a symbol names. Raises ValueError."""
    code, _, when = symbol.rpartition(".")
    contract = next((c for c in registry.contracts if c.code == code), None)
    hours = contract is not None and contract.product == "gpu-hour"
    digits = 10 if hours else 8
    if contract is None or len(when) != digits or not when.isdigit():
        raise ValueError(
            f"{symbol} is not CONTRACT.YYYYMMDD or, for GPU-hours, CONTRACT.YYYYMMDDHH"
        )
    try:
        start_s = day_start_s(date(int(when[:4]), int(when[4:6]), int(when[6:8])))
    except ValueError:
        raise ValueError(f"{symbol}: there is no such day") from None
    hour = int(when[8:]) if hours else 0
    if hour > 23:
        raise ValueError(f"{symbol}: there is no such hour")
    return contract, start_s + hour * HOUR_S


def list_basket(
    registry: Registry, code: str, contracts: list[str], now_ns: int, sequence: int
) -> tuple[Registry, NDArray[np.void], Done]:
    """Return the registry with the basket, the stamped commands that list it, and the answer.

    Raises ValueError where it is listed already, its contracts cannot be mixed, or none of them
    has an open instrument.
    """
    if any(code == basket.code for basket in registry.baskets):
        raise ValueError(f"{code} is listed already")
    number = max((basket.id for basket in registry.baskets), default=0) + 1
    room = Limits(**registry.limits).baskets
    if number > room:
        raise ValueError(f"{code}: the machine has room for {room} baskets")
    choice = msgspec.convert({"code": code, "contracts": contracts}, BasketDefinition)
    known = {contract.code: contract for contract in registry.contracts}
    basket = resolve(choice, number, known, registry.hubs, registry.chips)
    if isinstance(basket, Problem):
        raise ValueError(f"{code}: {basket.text}")
    commands = number_commands(draft_baskets(registry.instruments, [basket], now_ns))
    if len(commands) == 0:
        raise ValueError(f"{code}: none of its contracts has an instrument that trades")
    commands["sequence"] += sequence - 1
    listed = replace(registry, baskets=(*registry.baskets, basket))
    return listed, commands, Done(basket=number, sequence=int(commands["sequence"][-1]))


def definitions(registry: Registry) -> list[Definition]:
    """Return the definition of each instrument, as market data publishes it."""
    contracts = {contract.code: contract for contract in registry.contracts}
    baskets: dict[str, dict[str, int]] = {code: {} for code in contracts}
    for basket in registry.baskets:
        for code in basket.contracts:
            baskets[code][basket.code] = basket.id
    return [
        Definition(
            instrument=each.id,
            symbol=each.symbol,
            contract=each.contract,
            tick_fen=contracts[each.contract].tick_fen,
            band_low=contracts[each.contract].band_low_ticks,
            band_high=contracts[each.contract].band_high_ticks,
            delivery_start_s=each.delivery_start_s,
            delivery_end_s=each.delivery_end_s,
            gate_s=each.gate_s,
            baskets=baskets[each.contract],
        )
        for each in registry.instruments
    ]

"""Baskets: contracts that serve the same need near the same metro, and their listing.

A basket names contracts outright, or is what a circle holds: GPU-hours of chips that serve a need
(or PFLOPS-days) at hubs within a latency of a metro, the nearest hub first.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta

from exchange.definition.command_drafts import Draft, draft_admin, join
from exchange.definition.contract_rules import Problem
from ledger.daylog.registry import Basket, BasketCode, Chip, Contract, Hub, Instrument, Record
from matching.records import BASKET_MEMBERS_MAX, NANOSECONDS, CommandKind

Microseconds = Annotated[int, Meta(ge=0, le=10**6)]


class BasketDefinition(Record, frozen=True, kw_only=True):
    """A basket as a definition writes it: `contracts`, or a circle."""

    code: BasketCode
    contracts: tuple[str, ...] = ()  # as listed: of equal prices the first is taken
    metro: str | None = None
    within_us: Microseconds | None = None
    need: str | None = None  # a chip, or the class of PFLOPS-days


class CircleContract(NamedTuple):
    """A contract of a circle, and how far its hub is."""

    contract: Contract
    latency_us: int


def chips_serving(need: str, chips: Iterable[Chip]) -> tuple[str, ...]:
    """The chips that serve the need for one: its own vendor's of at least its rating.

    What runs on one runs on the others, and no slower by their ratings; memory is not compared.

    >>> from exchange.definition.contracts import read_venue
    >>> chips_serving("H800", read_venue().chips)
    ('H100', 'H800', 'H200', 'B200')
    """
    listed = tuple(chips)
    wanted = [chip for chip in listed if chip.code == need]
    return tuple(
        chip.code
        for chip in listed
        for least in wanted
        if chip.vendor == least.vendor and chip.dense_fp16_tflops >= least.dense_fp16_tflops
    )


def circle(
    contracts: Iterable[Contract],
    hubs: Iterable[Hub],
    chips: Iterable[Chip],
    *,
    metro: str,
    within_us: int,
    need: str | None = None,
) -> list[CircleContract]:
    """The contracts within a latency of a metro that serve a need (None: any), the nearest first.

    Metros are known by their names in any case. A need is a chip, for GPU-hours, or the class of a
    contract, as PF16.
    """
    latency_us = {hub.code: hub.latency_us.get(metro.lower(), within_us + 1) for hub in hubs}
    served = chips_serving(need, chips) if need is not None else ()
    near = [
        CircleContract(contract, latency_us[contract.hub])
        for contract in contracts
        if latency_us[contract.hub] <= within_us
        and (
            need is None
            or contract.code.partition(".")[0] == need
            or (contract.product == "gpu-hour" and contract.chips[0] in served)
        )
    ]
    return sorted(near, key=lambda each: each.latency_us)


def resolve(
    choice: BasketDefinition,
    number: int,
    contracts: Mapping[str, Contract],
    hubs: Collection[Hub],
    chips: Collection[Chip],
) -> Basket | Problem:
    """The basket that a definition means, or the rule that it breaks."""
    codes = choice.contracts
    if not codes:
        if choice.metro is None or choice.within_us is None or choice.need is None:
            return Problem("contracts", "a basket has `contracts`, or `metro`, `within_us`, `need`")
        if all(choice.metro.lower() not in hub.latency_us for hub in hubs):
            return Problem("metro", f"`metro` names {choice.metro}, which no hub knows")
        within = circle(
            contracts.values(), hubs, chips,
            metro=choice.metro, within_us=choice.within_us, need=choice.need,
        )  # fmt: skip
        codes = tuple(each.contract.code for each in within)
    elif choice.metro is not None or choice.within_us is not None or choice.need is not None:
        return Problem("contracts", "`contracts` leaves no room for `metro`, `within_us`, `need`")
    problem = check_members(codes, contracts)
    return problem or Basket(id=number, code=choice.code, contracts=codes)


def check_members(codes: tuple[str, ...], contracts: Mapping[str, Contract]) -> Problem | None:
    """Whether contracts are like: of one product, tick and lot, each once, and not too many."""
    if not 1 <= len(codes) <= BASKET_MEMBERS_MAX:
        text = f"a basket has 1 to {BASKET_MEMBERS_MAX} contracts, got {len(codes)}"
        return Problem("contracts", text)
    for index, code in enumerate(codes):
        if code not in contracts:
            text = f"`contracts` names {code}, which no [[contracts]] defines"
            return Problem(f"contracts[{index}]", text)
        if code in codes[:index]:
            return Problem(f"contracts[{index}]", f"`contracts` names {code} twice")
        first, other = contracts[codes[0]], contracts[code]
        for name in ("product", "tick_fen", "lot"):
            if getattr(first, name) != getattr(other, name):
                text = (
                    f"`{name}` of {code} is {getattr(other, name)}, "
                    f"of {first.code} {getattr(first, name)}: a basket is of like contracts"
                )
                return Problem(f"contracts[{index}]", text)
    return None


def draft_baskets(
    instruments: Iterable[Instrument], baskets: Iterable[Basket], time_ns: int
) -> Draft:
    """A BASKET for each member, by its instrument of one and the same delivery.

    Of instruments whose gates are open at this time: the earliest delivery for which every member
    that has any instrument has one. Later ones follow by sequence; a member without one is left
    out for the day.
    """
    by_contract: dict[str, dict[int, int]] = {}
    for each in instruments:
        if each.gate_s * NANOSECONDS > time_ns:
            by_contract.setdefault(each.contract, {})[each.delivery_start_s] = each.id
    drafts = []
    for basket in baskets:
        members = [by_contract[code] for code in basket.contracts if code in by_contract]
        start_s = max((min(starts) for starts in members), default=0)
        numbers = [starts[start_s] for starts in members if start_s in starts]
        count = len(numbers)
        drafts.append(
            draft_admin(
                CommandKind.BASKET, np.full(count, time_ns), instrument=numbers,
                target_ref=np.full(count, basket.id),
            )
        )  # fmt: skip
    return join(drafts) if drafts else draft_admin(CommandKind.BASKET, np.zeros(0, np.int64))

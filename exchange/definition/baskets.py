"""Baskets: contracts that serve the same need near the same city, and the commands that list them.

A basket names its contracts, or it holds the contracts of a circle: GPU-hours of chips that serve a
need, or PFLOPS-days, at hubs within a latency of a metro (a city), the nearest hub first.
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
    """A basket as the TOML definition writes it: with `contracts`, or with a circle."""

    code: BasketCode
    contracts: tuple[str, ...] = ()  # in order: at equal prices an earlier one trades first
    metro: str | None = None
    within_us: Microseconds | None = None
    need: str | None = None  # a chip, or the class of a contract, such as PF16


class CircleContract(NamedTuple):
    """A contract of a circle, with the one-way latency of its hub."""

    contract: Contract
    latency_us: int


def chips_serving(need: str, chips: Iterable[Chip]) -> tuple[str, ...]:
    """The chips that can replace the chip `need`: those of its vendor with at least its rating.

    A job for the one runs on the others, and no slower by their ratings. Memory is not compared.

    >>> from exchange.definition.contracts import read_venue
    >>> chips_serving("H800", read_venue().chips)
    ('H100', 'H800', 'H200', 'B200')
    """
    listed = tuple(chips)
    wanted = [chip for chip in listed if chip.code == need]
    return tuple(
        chip.code
        for chip in listed
        for needed in wanted
        if chip.vendor == needed.vendor and chip.dense_fp16_tflops >= needed.dense_fp16_tflops
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
    """The contracts within a one-way latency of a metro that serve a need, the nearest first.

    A need is a chip, for GPU-hours, or the class of a contract, such as PF16; None means any.
    Upper and lower case of the metro's name do not matter.
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
    """The basket numbered `number` of a definition, or the rule that the definition breaks."""
    codes = choice.contracts
    if not codes:
        if choice.metro is None or choice.within_us is None or choice.need is None:
            return Problem("contracts", "a basket has `contracts`, or `metro`, `within_us`, `need`")
        if all(choice.metro.lower() not in hub.latency_us for hub in hubs):
            return Problem("metro", f"`metro` names {choice.metro}, to which no hub has a latency")
        within = circle(
            contracts.values(), hubs, chips,
            metro=choice.metro, within_us=choice.within_us, need=choice.need,
        )  # fmt: skip
        codes = tuple(each.contract.code for each in within)
    elif choice.metro is not None or choice.within_us is not None or choice.need is not None:
        return Problem("contracts", "`contracts` excludes `metro`, `within_us` and `need`")
    problem = check_members(codes, contracts)
    return problem or Basket(id=number, code=choice.code, contracts=codes)


def check_members(codes: tuple[str, ...], contracts: Mapping[str, Contract]) -> Problem | None:
    """The first rule that a basket breaks: contracts of one product, tick and lot, each once."""
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
                    f"of {first.code} {getattr(first, name)}: a basket's contracts must be alike"
                )
                return Problem(f"contracts[{index}]", text)
    return None


def draft_baskets(
    instruments: Iterable[Instrument], baskets: Iterable[Basket], time_ns: int
) -> Draft:
    """A BASKET command for each member of each basket, all with one delivery period.

    Only instruments whose gates are open at `time_ns` count. The period is the earliest for which
    every member with any instrument has one. Later periods follow by the delivery sequences. A
    member without an instrument is left out.
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

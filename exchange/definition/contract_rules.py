"""Rules for entries of the venue's definition, beyond the types of their fields.

Each check returns the first broken rule, or None. Types are checked when a file is read. The rules
here compare several fields, refer to other entries, or enforce the machine's bounds.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from ledger.daylog.registry import Chip, Contract, Hub, Programme
from matching.records import RATE_MAX

TICK_FEN_MAX = 10**6
BAND_TICKS_MAX = 2**18
INT32_MAX = 2**31 - 1
MONEY_MAX_FEN = 2**53
FUNDER_CAP_MAX_FEN = 10**12
"""Bound of a funder's cap, so that a cap times the weights fits 64 bits."""


class Problem(NamedTuple):
    """A broken rule: the key, and a sentence that says what is wrong."""

    key: str
    text: str


def check_chip(chip: Chip) -> Problem | None:
    """Check that the rating is small enough for 64-bit arithmetic."""
    return _at_most("dense_fp16_tflops", chip.dense_fp16_tflops, 10**6)


def check_hub(hub: Hub) -> Problem | None:
    """Check that a hub has a latency to at least one metro, each at most a second."""
    if not hub.latency_us:
        return Problem("latency_us", f"`latency_us` of {hub.code} names no metro")
    for metro, latency_us in hub.latency_us.items():
        if problem := _at_most(f"latency_us.{metro}", latency_us, 10**6):
            return problem
    return None


def check_contract(
    contract: Contract, hubs: Collection[str], chips: Collection[str]
) -> Problem | None:
    """Check references, the order of the band, and that the machine can hold all numbers."""
    for problem in (
        _contract_references(contract, hubs, chips),
        _contract_prices(contract),
        _at_most("tick_fen", contract.tick_fen, TICK_FEN_MAX),
        _at_most("maker_fee_ppm", contract.maker_fee_ppm, RATE_MAX),
        _at_most("taker_fee_ppm", contract.taker_fee_ppm, RATE_MAX),
        _at_most("deposit_fen", contract.deposit_fen, INT32_MAX),
        _at_most("gate_closure_s", contract.gate_closure_s, 86_400),
    ):
        if problem is not None:
            return problem
    if contract.lot != 1:
        return Problem("lot", f"`lot` must be 1, got {contract.lot}: quantities count units")
    return None


def _contract_references(
    contract: Contract, hubs: Collection[str], chips: Collection[str]
) -> Problem | None:
    if contract.hub not in hubs:
        return Problem("hub", f"`hub` names {contract.hub}, which no [[hubs]] defines")
    for index, chip in enumerate(contract.chips):
        if chip not in chips:
            return Problem(f"chips[{index}]", f"`chips` names {chip}, which no [[chips]] defines")
    if len(set(contract.chips)) != len(contract.chips):
        return Problem("chips", "`chips` names a chip twice")
    if not contract.chips:
        return Problem("chips", "`chips` must name at least one chip")
    if contract.product == "gpu-hour" and len(contract.chips) != 1:
        return Problem("chips", f"a gpu-hour has one chip, `chips` names {len(contract.chips)}")
    class_, _, hub = contract.code.partition(".")
    if hub != contract.hub or not class_.isascii() or not class_.isalnum() or not class_.isupper():
        text = f"`code` must be CLASS.{contract.hub} in capitals and digits, got {contract.code!r}"
        return Problem("code", text)
    return None


def _contract_prices(contract: Contract) -> Problem | None:
    low, high = contract.band_low_ticks, contract.band_high_ticks
    if high > INT32_MAX:
        return _at_most("band_high_ticks", high, INT32_MAX)
    if low > high:
        return Problem(
            "band_low_ticks", f"`band_low_ticks` {low} must not be above `band_high_ticks` {high}"
        )
    if high - low >= BAND_TICKS_MAX:
        return Problem(
            "band_high_ticks", f"the band may span {BAND_TICKS_MAX} ticks, got {high - low + 1}"
        )
    if not low <= contract.reference_ticks <= high:
        return Problem(
            "reference_ticks",
            f"`reference_ticks` {contract.reference_ticks} must be inside the band {low} to {high}",
        )
    return None


def check_programme(programme: Programme, hubs: Mapping[str, Hub]) -> Problem | None:
    """Check that dates are in order, that funders and hubs exist, and that caps fit arithmetic."""
    days = []
    for key in ("effective_from", "effective_until", "signed_from"):
        text = getattr(programme, key)
        if text is None:
            continue
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return Problem(key, f"`{key}` must be a day YYYY-MM-DD, got {text!r}")
        if day.isoformat() != text:
            return Problem(key, f"`{key}` must be a day YYYY-MM-DD, got {text!r}")
        if key != "signed_from":
            days.append(day)
    if len(days) == 2 and days[1] < days[0]:
        return Problem("effective_until", "`effective_until` is before `effective_from`")
    if not programme.funders:
        return Problem("funders", "`funders` must name at least one, with its weight")
    for funder, weight in programme.funders.items():
        if problem := _at_most(f"funders.{funder}", weight, 10**6):
            return problem
    for index, hub in enumerate(programme.compute_hubs):
        if hub not in hubs:
            return Problem(
                f"compute_hubs[{index}]", f"`compute_hubs` names {hub}, which no [[hubs]] defines"
            )
    for funder, cap_fen in programme.funder_caps_fen.items():
        if funder not in programme.funders:
            return Problem(f"funder_caps_fen.{funder}", f"`{funder}` is not one of the funders")
        if problem := _at_most(f"funder_caps_fen.{funder}", cap_fen, FUNDER_CAP_MAX_FEN):
            return problem
    if programme.rule == "in-proportion" and programme.side == "buyer":
        return Problem("rule", "`in-proportion` is only for the yearly subsidy of suppliers")
    if programme.spend_counts_back and programme.firm_spend_min_fen is None:
        return Problem("spend_counts_back", "`spend_counts_back` needs `firm_spend_min_fen`")
    for key in (
        "per_agreement_cap_fen", "per_firm_year_cap_fen", "per_firm_year_redeemed_cap_fen",
        "pool_year_fen", "firm_spend_min_fen",
    ):  # fmt: skip
        if problem := _at_most(key, getattr(programme, key) or 0, MONEY_MAX_FEN):
            return problem
    return None


def _at_most(key: str, value: int, bound: int) -> Problem | None:
    if value <= bound:
        return None
    return Problem(key, f"`{key}` must be at most {bound}, got {value}")

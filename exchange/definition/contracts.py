"""The venue's definition: chips, hubs, contracts and voucher programmes, read from TOML.

A definition is a folder or one file. Each TOML file of the folder, and of its direct sub-folders,
holds any of `venue`, `[[chips]]`, `[[hubs]]`, `[[contracts]]`, `[[programmes]]`,
`[[programmes_on]]`, `[[baskets]]`. The files are read in order of their names and joined. The
entries are the structs of the registry, so a day log stores them unchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exchange.definition.baskets import BasketDefinition, resolve
from exchange.definition.contract_rules import (
    Problem,
    check_chip,
    check_contract,
    check_hub,
    check_programme,
)
from exchange.definition.programmes import EnabledProgramme, check_pools, enable_programme
from exchange.definition.toml_file import BadFile, read_toml
from ledger.daylog.registry import Basket, Chip, Contract, Hub, Programme, Record

DEFAULT_PATH = Path(__file__).parents[1] / "data" / "venue"
"""The definition that comes with the package."""


class VenueFile(Record, frozen=True, kw_only=True):
    """The content of one file of a definition."""

    venue: str | None = None
    chips: tuple[Chip, ...] = ()
    hubs: tuple[Hub, ...] = ()
    contracts: tuple[Contract, ...] = ()
    programmes: tuple[Programme, ...] = ()
    programmes_on: tuple[EnabledProgramme, ...] = ()  # published programmes, with settings
    baskets: tuple[BasketDefinition, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Venue:
    """A checked definition: every code is unique and every reference exists."""

    venue: str
    chips: tuple[Chip, ...]
    hubs: tuple[Hub, ...]
    contracts: tuple[Contract, ...]
    programmes: tuple[Programme, ...]
    baskets: tuple[Basket, ...] = ()


def read_venue(path: str | Path | None = None) -> Venue:
    """The definition in a folder or file; without a path, the one in the package.

    Raises BadFile; its message is one line with the file, the key and the rule.
    """
    root = DEFAULT_PATH if path is None else Path(path)
    files = [(name, read_toml(file, VenueFile, name)) for name, file in _toml_files(root)]
    _check(files)
    names = [content.venue for _, content in files if content.venue is not None]
    if len(names) != 1:
        found = "none" if not names else f"{len(names)} times"
        raise BadFile(f"{root}: `venue`, the venue's name, must be given once, was given {found}")
    venue = Venue(
        venue=names[0],
        chips=tuple(chip for _, content in files for chip in content.chips),
        hubs=tuple(hub for _, content in files for hub in content.hubs),
        contracts=tuple(contract for _, content in files for contract in content.contracts),
        programmes=_programmes(files, {hub.code: hub for _, c in files for hub in c.hubs}),
    )
    if not venue.contracts:
        raise BadFile(f"{root}: has no [[contracts]]; a venue needs at least one")
    return replace(venue, baskets=_baskets(files, venue))


def _baskets(files: list[tuple[str, VenueFile]], venue: Venue) -> tuple[Basket, ...]:
    """The baskets of all files, numbered from 1, with the contracts of their circles."""
    contracts = {contract.code: contract for contract in venue.contracts}
    found: list[Basket] = []
    for name, content in files:
        for index, choice in enumerate(content.baskets):
            basket = resolve(choice, len(found) + 1, contracts, venue.hubs, venue.chips)
            if any(choice.code == other.code for other in found):
                basket = Problem("code", f"`{choice.code}` is defined twice")
            if isinstance(basket, Problem):
                raise BadFile(f"{name}: {basket.text} - at `$.baskets[{index}].{basket.key}`")
            found.append(basket)
    return tuple(found)


def _programmes(files: list[tuple[str, VenueFile]], hubs: dict[str, Hub]) -> tuple[Programme, ...]:
    """The venue's own programmes and the published ones that it enables, in order of files."""
    found: list[Programme] = []
    for name, content in files:
        found += content.programmes
        for index, choice in enumerate(content.programmes_on):
            programme = enable_programme(choice)
            problem = programme if isinstance(programme, Problem) else None
            if not isinstance(programme, Problem):
                found.append(programme)
                problem = check_programme(programme, hubs) or check_pools(found)
                if any((each.id, each.version) == (programme.id, programme.version)
                       for each in found[:-1]):  # fmt: skip
                    problem = Problem("id", f"`{programme.id}` is defined twice")
            if problem is not None:
                place = f"$.programmes_on[{index}].{problem.key}"
                raise BadFile(f"{name}: {problem.text} - at `{place}`")
    return tuple(found)


def list_contracts(venue: Venue) -> list[dict[str, Any]]:
    """One row a contract, with the city and tier of its hub and the ratings of its chips."""
    hubs = {hub.code: hub for hub in venue.hubs}
    ratings = {chip.code: chip.dense_fp16_tflops for chip in venue.chips}
    return [
        {
            "contract": contract.code,
            "product": contract.product,
            "hub": contract.hub,
            "city": hubs[contract.hub].city,
            "tier": hubs[contract.hub].tier,
            "chips": {chip: ratings[chip] for chip in contract.chips},
            "tick_fen": contract.tick_fen,
            "lot": contract.lot,
            "reference_fen": contract.reference_ticks * contract.tick_fen,
            "band_low_fen": contract.band_low_ticks * contract.tick_fen,
            "band_high_fen": contract.band_high_ticks * contract.tick_fen,
            "maker_fee_ppm": contract.maker_fee_ppm,
            "taker_fee_ppm": contract.taker_fee_ppm,
            "deposit_fen": contract.deposit_fen,
            "gate_closure_s": contract.gate_closure_s,
        }
        for contract in venue.contracts
    ]


def _toml_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The TOML files of a definition and their names in error messages, in order of names."""
    if root.is_file():
        yield root.name, root
        return
    if not root.is_dir():
        raise BadFile(f"{root}: there is no such file or folder")
    found = [
        *root.glob("*.toml"),
        *root.glob("*/*.toml"),
    ]  # no deeper, because the path may be any folder
    names = sorted(file.relative_to(root).as_posix() for file in found)
    if not names:
        raise BadFile(f"{root}: holds no TOML file")
    for name in names:
        yield name, root / name


def _check(files: list[tuple[str, VenueFile]]) -> None:
    """Raise BadFile for the first duplicate, missing reference or value out of range."""
    chips = {chip.code for _, content in files for chip in content.chips}
    hubs = {hub.code: hub for _, content in files for hub in content.hubs}
    seen: set[tuple[Any, ...]] = set()
    for name, content in files:
        for kind, entries in _check_entries(content, hubs, chips):
            for index, (key, problem) in enumerate(entries):
                place = f"$.{kind}[{index}]"
                if problem is not None:
                    raise BadFile(f"{name}: {problem.text} - at `{place}.{problem.key}`")
                if (kind, *key) in seen:
                    label = " version ".join(str(part) for part in key)
                    raise BadFile(f"{name}: `{label}` is defined twice - at `{place}`")
                seen.add((kind, *key))


def _check_entries(
    content: VenueFile, hubs: dict[str, Hub], chips: set[str]
) -> Iterator[tuple[str, list[tuple[tuple[Any, ...], Problem | None]]]]:
    """The entries of a file by kind: the identity of each, and the first rule that it breaks."""
    yield "chips", [((chip.code,), check_chip(chip)) for chip in content.chips]
    yield "hubs", [((hub.code,), check_hub(hub)) for hub in content.hubs]
    yield "contracts", [((c.code,), check_contract(c, hubs, chips)) for c in content.contracts]
    yield "programmes", [((p.id, p.version), check_programme(p, hubs)) for p in content.programmes]

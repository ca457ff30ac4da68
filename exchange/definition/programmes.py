"""Published voucher programmes, and their enabling by a venue.

A policy may leave figures open. A venue that enables the programme gives settings for those, and
cannot change a figure that is published.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from exchange.definition.contract_rules import Problem
from exchange.definition.toml_file import read_toml
from ledger.daylog.registry import Positive, Programme, ProgrammeTerms, Record

CATALOGUE = Path(__file__).parents[1] / "data" / "programmes"
"""The folder of published programmes: one TOML file a policy."""


class PublishedProgramme(ProgrammeTerms, frozen=True, kw_only=True):
    """A programme with the terms that its policy publishes."""

    model_published: bool
    pool_together_fen: Positive | None = None  # of all programmes of the policy
    required: tuple[str, ...] = ()  # settings that a venue must give


class EnabledProgramme(Record, frozen=True, kw_only=True):
    """A published programme that a venue enables, with settings for the terms left open."""

    id: str
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class CatalogueFile(Record, frozen=True, kw_only=True):
    """The content of one file of the catalogue."""

    programmes: tuple[PublishedProgramme, ...]


@cache
def published_programmes() -> dict[str, PublishedProgramme]:
    """All published programmes by id, in order of their files."""
    found = {}
    for path in sorted(CATALOGUE.glob("*.toml")):
        for each in read_toml(path, CatalogueFile, path.name).programmes:
            found[each.id] = each
    return found


_OWN = ("model_published", "pool_together_fen", "required")
_NEVER_SET = ("id", "place", "policy", "source", "side")


def enable_programme(choice: EnabledProgramme) -> Programme | Problem:
    """The programme with its settings, or the rule that a setting breaks."""
    known = published_programmes()
    published = known.get(choice.id)
    if published is None:
        return Problem(
            "id", f"`{choice.id}` is not published; programmes are {', '.join(sorted(known))}"
        )
    fields = {
        name: value for name, value in msgspec.structs.asdict(published).items()
        if name not in _OWN and value not in (None, (), {})
    }  # fmt: skip
    for name in published.required:
        if name not in choice.settings:
            text = f"`{name}` of {choice.id} was not published: a setting must give it"
            return Problem(f"settings.{name}", text)
    for name, value in choice.settings.items():
        is_open = name not in fields or name == "version"
        is_open |= name == "model" and not published.model_published
        if name in _NEVER_SET or name in _OWN or not is_open:
            text = f"`{name}` of {choice.id} is published and cannot be set"
            return Problem(f"settings.{name}", text)
        fields[name] = value
    try:
        return msgspec.convert(fields, Programme)
    except msgspec.ValidationError as error:
        return Problem("settings", f"{choice.id}: {error}")


def check_pools(programmes: Iterable[Programme]) -> Problem | None:
    """Check that the pools of one policy's programmes do not exceed the pool of the policy."""
    sums: dict[str, int] = {}
    for each in programmes:
        published = published_programmes().get(each.id)
        if published is None or published.pool_together_fen is None:
            continue
        sums[each.policy] = sums.get(each.policy, 0) + (each.pool_year_fen or 0)
        if sums[each.policy] > published.pool_together_fen:
            text = (
                f"the pools of {each.policy} sum to {sums[each.policy]} fen, and must be at most "
                f"{published.pool_together_fen}"
            )
            return Problem("settings.pool_year_fen", text)
    return None

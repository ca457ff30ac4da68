"""Published programmes, and how a venue switches one on.

A published programme may lack figures that its policy does not state. It is switched on with
settings for those, and never with a setting for what is published.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from exchange.definition.contract_rules import Problem
from exchange.definition.toml_file import read_toml
from ledger.daylog.registry import Positive, Programme, ProgrammeTerms, RateBp, Record

CATALOGUE = Path(__file__).parents[1] / "data" / "programmes"
"""One TOML file a policy."""


class PublishedProgramme(ProgrammeTerms, frozen=True, kw_only=True):
    """A programme as far as it is published."""

    model_published: bool
    application: bool | None = None  # None: not published
    rate_bp: RateBp | None = None
    spend_counts_back: bool | None = None
    pool_together_fen: Positive | None = None  # of all programmes of the policy
    required: tuple[str, ...] = ()  # settings without which it cannot be switched on


class EnabledProgramme(Record, frozen=True, kw_only=True):
    """A venue's choice of a published programme, with what was not published."""

    id: str
    settings: dict[str, Any] = msgspec.field(default_factory=dict)


class CatalogueFile(Record, frozen=True, kw_only=True):
    """What a file of the catalogue holds."""

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
    """The programme with its settings, or what is wrong with them."""
    known = published_programmes()
    published = known.get(choice.id)
    if published is None:
        return Problem("id", f"`{choice.id}` is no published programme: {', '.join(sorted(known))}")
    fields = {
        name: value for name, value in msgspec.structs.asdict(published).items()
        if name not in _OWN and value not in (None, (), {})
    }  # fmt: skip
    for name in published.required:
        if name not in choice.settings:
            text = f"`{name}` of {choice.id} was not published: a setting must give it"
            return Problem(f"settings.{name}", text)
    for name, value in choice.settings.items():
        free = name not in fields or name == "version"
        free |= name == "model" and not published.model_published
        if name in _NEVER_SET or name in _OWN or not free:
            text = f"`{name}` of {choice.id} is published; it is no setting"
            return Problem(f"settings.{name}", text)
        fields[name] = value
    try:
        return msgspec.convert(fields, Programme)
    except msgspec.ValidationError as error:
        return Problem("settings", f"{choice.id}: {error}")


def check_pools(programmes: Iterable[Programme]) -> Problem | None:
    """Programmes of one policy may not share out more than its pool."""
    sums: dict[str, int] = {}
    for each in programmes:
        published = published_programmes().get(each.id)
        if published is None or published.pool_together_fen is None:
            continue
        sums[each.policy] = sums.get(each.policy, 0) + (each.pool_year_fen or 0)
        if sums[each.policy] > published.pool_together_fen:
            text = (
                f"pools of {each.policy} come to {sums[each.policy]} fen, it has "
                f"{published.pool_together_fen}"
            )
            return Problem("settings.pool_year_fen", text)
    return None

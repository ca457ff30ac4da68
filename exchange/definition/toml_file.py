"""Reading of TOML files into strict structs, with errors that name file, key and rule."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_FILE_BYTES_MAX = 16 << 20
_BOUND = re.compile(r"Expected `int` (>=|<=) (-?\d+)")
_PATH = re.compile(r" - at `(\$[^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")

T = TypeVar("T")


class BadFile(ValueError):
    """A file of the venue's definition that cannot be used; the message is one complete line."""


def read_toml(path: Path, type_: type[T], name: str) -> T:
    """The content of the file as a `type_`; errors call the file `name`.

    Raises BadFile if the file is missing, is not TOML, or does not fit the type: unknown keys and
    numbers out of range are errors.
    """
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise BadFile(f"{name}: is larger than {_FILE_BYTES_MAX >> 20} MiB")
        raw = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise BadFile(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"{name}: is not UTF-8 at byte {error.start}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadFile(f"{name}: is not TOML: {error}") from None
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as error:
        raise BadFile(f"{name}: {explain(str(error), raw)}") from None


def explain(message: str, raw: Any) -> str:
    """An error message of msgspec in other words: the key, the rule, the value and its place.

    >>> explain("Expected `int` >= 1 - at `$.contracts[0].lot`", {"contracts": [{"lot": 0}]})
    '`lot` must be at least 1, got 0 - at `$.contracts[0].lot`'
    """
    where = _PATH.search(message)
    path = where.group(1) if where else "$"
    rule = message[: where.start()] if where else message
    names = [name for name, _ in _STEP.findall(path) if name]
    key = names[-1] if names else "the file"
    if rule.startswith("Object contains unknown field "):
        text = "unknown key " + rule.removeprefix("Object contains unknown field ")
    elif rule.startswith("Object missing required field "):
        text = "missing key " + rule.removeprefix("Object missing required field ")
    else:
        text = f"`{key}` {_rule_in_words(rule)}{_found(raw, path)}"
    return f"{text} - at `{path}`"


def _rule_in_words(rule: str) -> str:
    """The rule in words, for the kinds of rules that the registry's types have."""
    if bound := _BOUND.match(rule):
        return f"must be at {'least' if bound.group(1) == '>=' else 'most'} {bound.group(2)}"
    if rule.startswith("Expected `str` matching regex "):
        return "must match " + rule.removeprefix("Expected `str` matching regex ").strip("'")
    if rule.startswith("Invalid enum value "):
        return "is none of the values allowed"
    if rule.startswith("Expected "):
        return "must be " + rule.removeprefix("Expected ").split(", got ")[0]
    return rule


def _found(raw: Any, path: str) -> str:
    """`, got ...` with the value at a path, or nothing if the path does not exist."""
    for name, index in _STEP.findall(path):
        try:
            raw = raw[name] if name else raw[int(index)]
        except (KeyError, IndexError, TypeError):
            return ""
    if isinstance(raw, dict | list):
        return f", got {'a table' if isinstance(raw, dict) else 'an array'}"
    return f", got {raw!r}" if len(repr(raw)) <= 60 else ", got something longer than 60 characters"

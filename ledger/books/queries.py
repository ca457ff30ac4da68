"""The ledger's SQL statements, by file and name.

A file in `sql/` opens with its subject; each statement follows a line `-- query: name`. Rules about
money are in SQL where possible, so that an auditor can read and run them.
"""

import re
from functools import cache
from importlib.resources import files

_HEADING = re.compile(r"^-- query: (\w+)\n", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\w+)")


@cache
def statements(file: str) -> dict[str, str]:
    """All statements of `sql/<file>.sql` by name, in the order of the file.

    >>> "positions" in statements("netting")
    True
    """
    parts = _HEADING.split(script(file))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def script(file: str) -> str:
    """The whole text of `sql/<file>.sql`."""
    return (files("ledger") / "sql" / f"{file}.sql").read_text(encoding="utf-8")


def parameters(sql: str) -> frozenset[str]:
    """Names of the parameters of a statement.

    >>> sorted(parameters("SELECT $b, $a, $b"))
    ['a', 'b']
    """
    return frozenset(_PARAMETER.findall(sql))

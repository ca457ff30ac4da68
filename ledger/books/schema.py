"""The schema of the books: tables, columns and enumerations, and triggers against changes.

`sql/schema.sql` defines it. Its text is parsed here, because that is faster than asking a database.
"""

import re

import duckdb

from ledger.books.queries import script

SCHEMA_VERSION = 6
"""Version of `sql/schema.sql`. Books of another version are refused."""

_CREATED = re.compile(r"^CREATE (TYPE|TABLE) (\w+) (?:AS ENUM )?\((.*?)^\);", re.M | re.S)
_ENUMS: dict[str, tuple[str, ...]] = {}
_SCHEMA: dict[str, dict[str, str]] = {}
for _what, _name, _body in _CREATED.findall(script("schema")):
    if _what == "TYPE":
        _ENUMS[_name] = tuple(re.findall(r"'([^']+)'", _body))
    else:
        _SCHEMA[_name] = dict(re.findall(r"^    (\w+) (\w+(?:\[\])?)", _body, re.M))

TABLES = tuple(_SCHEMA)
"""Names of all tables of the books."""

TRIGGERS = tuple((table, action) for table in TABLES for action in ("UPDATE", "DELETE"))
"""Tables and the actions that a trigger refuses. DuckDB treats TRUNCATE as a DELETE."""


def enum_values(name: str) -> tuple[str, ...]:
    """The values of an enumeration of the schema, in their order."""
    return _ENUMS[name]


def columns_of(table: str) -> tuple[str, ...]:
    """Names of a table's columns, in the order of the schema."""
    return tuple(_SCHEMA[table])


def types_of(table: str) -> dict[str, str]:
    """The database's type of each column of a table, without its parameters."""
    return {name: "ENUM" if kind in _ENUMS else kind for name, kind in _SCHEMA[table].items()}


def create_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables and write the version, then add the triggers that refuse all changes."""
    connection.execute(script("schema"))
    connection.execute("INSERT INTO ledger_schema VALUES (?)", [SCHEMA_VERSION])
    connection.execute("CREATE TABLE append_only (refused VARCHAR CHECK (refused IS NULL))")
    create_triggers(connection)


def create_triggers(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the triggers of all tables. Their action breaks the CHECK of `append_only`."""
    for table, action in TRIGGERS:
        connection.execute(
            f"CREATE TRIGGER {table}_{action.lower()} BEFORE {action} ON {table} "
            f"FOR EACH STATEMENT INSERT INTO append_only VALUES ('{action} {table}')"
        )

"""Tables of PROTOCOL.md and the JSON Schema of messages, generated from the code.

    python -m feeds.protocol.document_tables       rewrites both

A table stands between a line `<!-- NAME -->` and the next empty comment. It is never edited.
"""

import json
import re
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

import numpy as np

from feeds.protocol import records
from feeds.protocol.delivery_messages import MeterReason
from feeds.protocol.execution_reports import EXEC_TYPES, FIELDS
from feeds.protocol.messages import RefusalReason, json_schema
from feeds.protocol.records import (
    Channel,
    FrameFlag,
    FrameKind,
    MarketFlag,
    MarketKind,
    OrderAction,
    TradeFlag,
)
from matching.records import (
    COMMAND,
    EVENT,
    CommandFlag,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelScope,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

DOCUMENT = Path(__file__).parents[1] / "PROTOCOL.md"
SCHEMA = Path(__file__).parents[1] / "messages.schema.json"
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- -->)", re.DOTALL)
_WIRE_NAMES = {"sequence": "valid_until_ns", "time_ns": "send_time_ns"}
_ENUMS: dict[str, type[IntEnum]] = {
    "FrameKind": FrameKind,
    "FrameFlag": FrameFlag,  # type: ignore[dict-item]
    "CommandKind": CommandKind,
    "EventKind": EventKind,
    "Side": Side,
    "OrderType": OrderType,
    "TimeInForce": TimeInForce,
    "SelfTradePrevention": SelfTradePrevention,
    "CommandFlag": CommandFlag,  # type: ignore[dict-item]
    "EventFlag": EventFlag,  # type: ignore[dict-item]
    "MassCancelScope": MassCancelScope,
    "Phase": Phase,
    "Reason": Reason,
    "RefusalReason": RefusalReason,
    "MeterReason": MeterReason,
    "Channel": Channel,
    "MarketKind": MarketKind,
    "MarketFlag": MarketFlag,  # type: ignore[dict-item]
    "OrderAction": OrderAction,
    "TradeFlag": TradeFlag,  # type: ignore[dict-item]
}


def byte_table(record: "np.dtype[np.void]", *, on_wire: bool = False) -> str:
    """Table of a record's fields by offset."""
    rows = []
    assert record.fields is not None
    for name, (dtype, offset, *_) in record.fields.items():
        field = _WIRE_NAMES.get(name, name) if on_wire else name
        rows.append((offset, dtype.itemsize, _type(dtype), f"`{field}`"))
    return _table(("offset", "bytes", "type", "field"), sorted(rows))


def enum_table(names: type[IntEnum]) -> str:
    """Table of an enumeration's values."""
    rows = [(int(each), each.name) for each in names]
    if names is Channel:
        return _table(("byte", "letter", "name"), [(n, f"`{chr(n)}`", name) for n, name in rows])
    return _table(("value", "name"), rows)


def fix_table() -> str:
    """Table of a report's fields in FIX."""
    rows = [(f"`{f}`", fix, tag, where) for f, (fix, tag, where) in FIELDS.items()]
    return _table(("field of a report", "FIX", "tag", "from the EVENT"), rows)


def exec_table() -> str:
    """Table of the FIX ExecType of each kind of event."""
    return _table(
        ("EVENT kind", "ExecType (150)"), [(k.name, f"`{v}`") for k, v in EXEC_TYPES.items()]
    )


def make_tables() -> dict[str, str]:
    """All tables by their names in the document."""
    dtypes = {
        name: getattr(records, name)
        for name in (
            "FRAME", "MARKET", "LEVEL", "TOP", "ORDER", "BLOCK", "TRADE", "STATUS", "STATISTICS",
            "NEXT",
        )
    }  # fmt: skip
    return {
        **{name: byte_table(dtype) for name, dtype in dtypes.items()},
        "COMMAND": byte_table(COMMAND, on_wire=True),
        "EVENT": byte_table(EVENT),
        "FIX": fix_table(),
        "EXEC": exec_table(),
        **{name: enum_table(names) for name, names in _ENUMS.items()},
    }


def renew_tables(text: str) -> str:
    """The document with all tables replaced by newly generated ones."""
    tables = make_tables()
    return _BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]}{found[3]}", text)


def format_schema() -> str:
    """The JSON Schema of all messages, as published."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


def _type(dtype: "np.dtype[np.generic]") -> str:
    return {"u": "u", "i": "i"}[dtype.kind] + str(8 * dtype.itemsize)


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(map(str, head)), *(list(map(str, row)) for row in rows)]
    rule = ["---"] * len(lines[0])
    return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))


if __name__ == "__main__":
    DOCUMENT.write_text(renew_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(format_schema(), encoding="utf-8")

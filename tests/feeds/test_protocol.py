"""PROTOCOL.md, its tables, its schema and its worked example agree with the code."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec import msgpack

from feeds.protocol.document_tables import DOCUMENT, SCHEMA, format_schema, renew_tables
from feeds.protocol.execution_reports import EXEC_TYPES, FIELDS, Report, decode_reports
from feeds.protocol.messages import (
    Logon,
    LogonAck,
    RefusalReason,
    from_venue,
    json_schema,
    pack,
    to_venue,
)
from feeds.protocol.records import FRAME, FRAME_HEAD, MARKET, MARKET_HEAD, FrameKind
from feeds.protocol.worked_example import format_example
from matching.records import COMMAND, EVENT, EventKind

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_tables_agree_with_the_records() -> None:
    assert renew_tables(TEXT) == TEXT, "run `python -m feeds.protocol.document_tables`"


def test_the_schema_agrees_with_the_messages() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == format_schema(), (
        "run `python -m feeds.protocol.document_tables`"
    )
    names = {each.removeprefix("#/$defs/") for each in _references(json_schema())}
    assert {"Logon", "LogonAck", "Refusal", "ImageRequest"} <= names


def test_the_worked_example_is_what_the_code_sends() -> None:
    assert format_example() in TEXT
    frames = [bytes.fromhex("".join(part.split()[2:])) for part in _parts(format_example())]
    logon, ack, commands, reports = frames
    assert to_venue.decode(logon[16:]) == Logon(next_report=1, client="example")
    assert isinstance(from_venue.decode(ack[16:]), LogonAck)
    order = np.frombuffer(commands, COMMAND, -1, FRAME.itemsize)[0]
    assert (order["price"], order["quantity"], order["user_ref"]) == (1_130, 5, 1)
    report = next(decode_reports(np.frombuffer(reports, EVENT, -1, FRAME.itemsize), 1))
    assert (report.exec_type, report.cl_ord_id, report.leaves_qty) == ("0", 1, 5)


def test_heads_are_packed_as_they_are_laid_out() -> None:
    packed = FRAME_HEAD.pack(FrameKind.REPORTS, 3, 4, 0, 5)
    row = np.frombuffer(packed, FRAME)[0]
    assert tuple(row) == (2, 3, 4, 0, 5)
    market = np.frombuffer(MARKET_HEAD.pack(76, 2, 3, 4, 5, 6, 7, 8, 9), MARKET)[0]
    assert tuple(market) == (76, 2, 3, 4, 5, 6, 7, 8, 9)


def test_every_field_of_a_report_has_its_fix_name() -> None:
    assert set(FIELDS) == set(Report.__struct_fields__) - {"kind"}
    orders = {kind for kind in EventKind if kind < EventKind.LISTED}
    assert orders <= set(EXEC_TYPES)


@pytest.mark.parametrize("reason", RefusalReason)
def test_each_refusal_reason_is_listed(reason: RefusalReason) -> None:
    assert f"| {int(reason)} | {reason.name} |" in TEXT


def test_unknown_fields_of_messages_are_ignored_and_missing_ones_refused() -> None:
    body = msgpack.encode({"type": "logon", "version": 6, "later": 5})
    assert to_venue.decode(body) == Logon()
    with pytest.raises(msgspec.ValidationError):
        to_venue.decode(msgpack.encode({"type": "resend"}))


def test_statements_are_numbered_through() -> None:
    for part in ("## Session rules", "## Busts", "## Deliveries", "## Market data"):
        body = TEXT[TEXT.index(part) :].split("\n## ")[0]
        numbers = [int(line.split(".")[0]) for line in body.splitlines() if line[:1].isdigit()]
        assert numbers == list(range(1, len(numbers) + 1))


def test_links_lead_to_files() -> None:
    for name in ("../matching/RULES.md", "messages.schema.json"):
        assert name in TEXT
        assert (Path(DOCUMENT).parent / name).exists()


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for line in text.splitlines():
        if line[:1] in "<>":
            parts.append(line)
        else:
            parts[-1] += line
    return parts


def _references(schema: object) -> set[str]:
    if isinstance(schema, dict):
        own = {str(schema["$ref"])} if "$ref" in schema else set()
        return own.union(*(_references(value) for value in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_references(value) for value in schema))
    return set()


def test_pack_makes_a_message_frame() -> None:
    assert pack(Logon())[0] == FrameKind.MESSAGE

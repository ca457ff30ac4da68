"""Readings of a venue: damage is found, torn ends are cut off, and each rule has its reason."""

import errno
import os
import re
from pathlib import Path

import pytest

from exchange.venue import metering as venue_metering
from exchange.venue.metering import Metering
from feeds.protocol.delivery_messages import (
    NOTICES_MAX,
    MeterAnswer,
    MeterReading,
    MeterReadings,
    MeterReason,
    Notices,
    NoticesRequest,
)
from ledger.books.errors import InputError
from ledger.delivery import meter_files as metering
from ledger.delivery.meter_readings import COLUMNS, HEAD, ReadingsFile, check_chain

DAY = "2026-11-22"
START_S = 1_795_348_800
NOW_NS = (START_S + 3_600) * 10**9
NOTICES = """
{"venue": "TEST", "day": "2026-11-22", "notices": [
  {"supplier": "bob", "day": "2026-11-22", "lines": [%s]},
  {"supplier": "dave", "day": "2026-11-22", "lines": [%s]}]}
"""
LINE = (
    '{"agreement": %d, "buyer": "alice", "symbol": "A%d", "code": "H.QD", "product": "gpu-hour", '
    '"start_s": 1795348800, "end_s": 1795352400, "quantity": 5, "waits": true, '
    '"chips": [{"chip": "H800", "dense_fp16_tflops": 500, "gpus": 5}], '
    '"blocks": [{"block": "2026-11-21/7", "lots": 2, "of": 5}]}'
)


def rows(count: int) -> list[dict[str, str]]:
    """Valid readings."""
    return [
        {**dict.fromkeys(COLUMNS, "1"), "meter": f"m{k}", "instrument": "A"} for k in range(count)
    ]


def told(file: ReadingsFile) -> list[str]:
    return [row["meter"] for row in file.rows]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Three readings, appended in two calls."""
    path = tmp_path / f"{DAY}.readings.csv"
    with ReadingsFile(path) as file:
        file.append(rows(2))
        file.append([{**rows(1)[0], "meter": "m2"}])
    return path


def test_readings_come_back_in_their_order_and_go_on(written: Path) -> None:
    with ReadingsFile(written) as file:
        assert told(file) == ["m0", "m1", "m2"]
        file.append([{**rows(1)[0], "meter": "m3"}])
    text = written.read_text()
    assert [row["meter"] for row in check_chain("x", text)] == ["m0", "m1", "m2", "m3"]
    assert text.startswith(f"{HEAD}\n")


def test_a_file_cut_at_any_byte_keeps_every_line_that_was_whole(written: Path) -> None:
    content = written.read_bytes()
    for end in range(len(content)):
        written.write_bytes(content[:end])
        whole = max(content[:end].count(b"\n") - 1, 0)
        with ReadingsFile(written) as file:
            assert told(file) == ["m0", "m1", "m2"][:whole]
            file.append([{**rows(1)[0], "meter": "again"}])
        with ReadingsFile(written) as file:
            assert told(file) == [*["m0", "m1", "m2"][:whole], "again"]


def test_one_flipped_bit_anywhere_is_damage(written: Path) -> None:
    content = written.read_bytes()
    for place in range(len(content)):
        for bit in (0, 3, 6, 7):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            with pytest.raises(InputError, match="x: line "):
                check_chain("x", text)


def test_a_line_left_out_or_put_twice_is_damage(written: Path) -> None:
    lines = written.read_text().splitlines(keepends=True)
    for wrong in (lines[:2] + lines[3:], [*lines, lines[-1]], [lines[0], *lines[:0:-1]]):
        with pytest.raises(InputError, match="is not as the venue wrote it"):
            check_chain("x", "".join(wrong))
    written.write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(InputError, match="line 3 is not as the venue wrote it"):
        ReadingsFile(written)


def test_a_full_disk_adds_nothing_and_loses_nothing(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with ReadingsFile(written) as file:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", full)
            with pytest.raises(OSError, match="no space"):
                file.append(rows(1))
        assert told(file) == ["m0", "m1", "m2"]
        file.append([{**rows(1)[0], "meter": "m3"}])
    assert [each["meter"] for each in check_chain("x", written.read_text())][-1] == "m3"


def test_every_rule_of_the_books_has_its_reason_on_the_wire() -> None:
    source = Path(metering.__file__).read_text(encoding="utf-8")
    named = set(re.findall(r'Refused\(\s*"([A-Z_]+)"', source))
    assert named == {each.name for each in MeterReason} - {"COUNTED", "DIFFERENT", "FULL"}


@pytest.fixture
def meters(tmp_path: Path) -> Metering:
    """Bob has agreement 1, Dave has agreement 2; both are for one hour from START_S."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    (folder / f"{DAY}.notices.json").write_text(NOTICES % (LINE % (1, 1), LINE % (2, 2)))
    return Metering(tmp_path, "TEST")


def say(meters: Metering, meter: str, now_ns: int = NOW_NS, **changes: object) -> MeterAnswer:
    told: dict[str, object] = {
        "meter": meter, "agreement": 1, "instrument": "A1", "unit": "gpu-hour", "chip": "H800",
        "gpus": 1, "available_s": 3600, **changes,
    }  # fmt: skip
    reading = MeterReading(**told)  # type: ignore[arg-type]
    return meters.record(MeterReadings(readings=[reading]), {"bob"}, 7, now_ns).answers[0]


def test_nothing_is_available_for_longer_than_has_passed(meters: Metering) -> None:
    early = say(meters, "m", now_ns=NOW_NS - 1)
    assert (early.reason, early.text) == (MeterReason.EARLY, "of A1 only 3599 s have passed")
    before = say(meters, "m", now_ns=(START_S - 60) * 10**9, available_s=1)
    assert before.text == "of A1 only 0 s have passed"
    assert say(meters, "m").reason == MeterReason.COUNTED


def test_another_suppliers_agreement_is_as_unknown_as_one_that_is_not_there(
    meters: Metering,
) -> None:
    theirs, nobodys = say(meters, "m", agreement=2, instrument="A2"), say(meters, "m", agreement=9)
    assert (theirs.reason, nobodys.reason) == (MeterReason.UNKNOWN_AGREEMENT,) * 2
    assert say(meters, "m", instrument="A2").reason == MeterReason.NOT_NOMINATED


def test_another_suppliers_reading_is_not_disclosed_by_its_number(meters: Metering) -> None:
    def as_dave(session: int) -> MeterAnswer:
        told = MeterReadings(readings=[
            MeterReading(meter="m", agreement=1, instrument="A1", unit="gpu-hour", chip="H800",
                         gpus=1, available_s=3600)
        ])  # fmt: skip
        return meters.record(told, {"dave"}, session, NOW_NS).answers[0]

    assert as_dave(8).reason == MeterReason.UNKNOWN_AGREEMENT
    assert say(meters, "m").reason == MeterReason.COUNTED
    assert (as_dave(8).reason, as_dave(8).metered_millionths) == (MeterReason.DIFFERENT, 0)
    assert say(meters, "m").repeated


def test_a_line_has_so_many_readings_and_no_more(
    meters: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_metering, "READINGS_MAX", 2)
    assert [say(meters, name).reason for name in ("a", "b", "c", "a")] == [
        MeterReason.COUNTED, MeterReason.COUNTED, MeterReason.FULL, MeterReason.COUNTED,
    ]  # fmt: skip
    assert say(meters, "a").repeated


def test_more_than_was_sold_is_counted_and_reported(meters: Metering) -> None:
    assert say(meters, "m1", gpus=4).metered_millionths == 4_000_000
    more = say(meters, "m2", gpus=4)
    assert (more.reason, more.metered_millionths) == (MeterReason.COUNTED, 8_000_000)


def test_notices_come_in_parts_and_are_read_again_when_they_change(
    meters: Metering, tmp_path: Path
) -> None:
    path = tmp_path / "delivery" / f"{DAY}.notices.json"
    many = ",".join(LINE % (k, k) for k in range(1, NOTICES_MAX + 4))
    new = path.with_suffix(".new")
    new.write_text(NOTICES % (many, LINE % (200, 200)))
    new.replace(path)
    first = meters.notices(NoticesRequest(day=DAY), {"bob"})
    rest = meters.notices(NoticesRequest(day=DAY, after=NOTICES_MAX), {"bob"})
    assert (len(first.lines), len(rest.lines), rest.count) == (NOTICES_MAX, 3, NOTICES_MAX + 3)
    assert [each.agreement for each in [*first.lines, *rest.lines]] == [*range(1, NOTICES_MAX + 4)]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"venue": "TEST"', NOTICES.replace("TEST", "OTHER") % ("", ""), "\0" * 99],
)
def test_a_file_of_notices_that_cannot_be_used_leaves_what_was_known(
    meters: Metering, tmp_path: Path, text: str
) -> None:
    known = meters.notices(NoticesRequest(day=DAY), {"bob"})
    (tmp_path / "delivery" / f"{DAY}.notices.json").write_text(text)
    (tmp_path / "delivery" / "x.notices.json").write_text(text)
    assert meters.notices(NoticesRequest(day=DAY), {"bob"}) == known
    assert meters.notices(NoticesRequest(day="2026-11-23"), {"bob"}) == Notices(
        day="2026-11-23", lines=[], count=0
    )
    assert say(meters, "m").reason == MeterReason.COUNTED


def test_readings_that_were_damaged_are_not_added_to(meters: Metering, tmp_path: Path) -> None:
    say(meters, "m")
    meters.close()
    path = tmp_path / "delivery" / f"{DAY}.readings.csv"
    path.write_text(path.read_text().replace("A1", "A2"))
    damaged = path.read_text()
    again = Metering(tmp_path, "TEST")
    assert say(again, "m2").reason == MeterReason.UNKNOWN_INSTRUMENT
    assert path.read_text() == damaged
